// SPDX-License-Identifier: Apache-2.0
// An entry's index is its address: 198.18.0.0 + 256 + index, and fd62:6177:6e00:: + 256 + index. The first
// 256 of both ranges are left for the gate itself (its resolver and link addresses). Names are found through
// a table of indices with linear probing that is at most half full; its hash is seeded, since the names come
// from whoever runs inside.
#include "guard/dnsnames.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define FIRST 256u // addresses below are the gate's

struct dns_names {
    char **names;
    uint32_t n, max, alloc;
    uint32_t *slots; // index + 1, 0 while free
    uint32_t nslots; // a power of two
    uint64_t seed;
};

static const uint8_t base_v4[2] = {198, 18};
static const uint8_t base_v6[8] = {0xfd, 0x62, 0x61, 0x77, 0x6e};

struct dns_names *dns_names_new(size_t max)
{
    struct dns_names *d = xcalloc(1, sizeof *d);

    d->max = (uint32_t)(max < DNS_NAMES_MAX ? max : DNS_NAMES_MAX);
    d->nslots = 64;
    d->slots = xcalloc(d->nslots, sizeof *d->slots);
    if (getrandom(&d->seed, sizeof d->seed, GRND_NONBLOCK) != sizeof d->seed)
        d->seed = clock_wall_ns();
    return d;
}

void dns_names_free(struct dns_names *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < d->n; i++)
        free(d->names[i]);
    free(d->names);
    free(d->slots);
    free(d);
}

size_t dns_names_count(const struct dns_names *d)
{
    return d->n;
}

static uint64_t hash_of(const struct dns_names *d, const char *s)
{
    uint64_t h = d->seed;

    for (; *s; s++) {
        h = (h ^ (unsigned char)*s) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}

static uint32_t *find_slot(const struct dns_names *d, const char *name)
{
    uint32_t i = (uint32_t)hash_of(d, name) & (d->nslots - 1);

    while (d->slots[i] && strcmp(d->names[d->slots[i] - 1], name) != 0)
        i = (i + 1) & (d->nslots - 1);
    return &d->slots[i];
}

static void grow(struct dns_names *d)
{
    d->nslots *= 2;
    free(d->slots);
    d->slots = xcalloc(d->nslots, sizeof *d->slots);
    for (uint32_t i = 0; i < d->n; i++)
        *find_slot(d, d->names[i]) = i + 1;
}

static void address_of(uint32_t index, struct address *ret_v4, struct address *ret_v6)
{
    uint32_t offset = index + FIRST;
    struct address v4 = {.bytes = {base_v4[0], (uint8_t)(base_v4[1] + (offset >> 16)), (uint8_t)(offset >> 8),
                                   (uint8_t)offset}};
    struct address v6 = {.v6 = true};

    memcpy(v6.bytes, base_v6, sizeof base_v6);
    v6.bytes[13] = (uint8_t)(offset >> 16);
    v6.bytes[14] = (uint8_t)(offset >> 8);
    v6.bytes[15] = (uint8_t)offset;
    *ret_v4 = v4;
    *ret_v6 = v6;
}

bool dns_names_get(struct dns_names *d, const char *name, struct address *ret_v4, struct address *ret_v6)
{
    uint32_t *slot = find_slot(d, name);

    if (!*slot) {
        if (d->n == d->max)
            return false;
        if (d->n == d->alloc) {
            d->alloc = d->alloc ? d->alloc * 2 : 16;
            d->names = xrealloc(d->names, d->alloc * sizeof *d->names);
        }
        d->names[d->n] = xstrdup(name);
        *slot = ++d->n;
        address_of(d->n - 1, ret_v4, ret_v6);
        if (d->n * 2 > d->nslots)
            grow(d);
        return true;
    }
    address_of(*slot - 1, ret_v4, ret_v6);
    return true;
}

bool dns_names_room(const struct dns_names *d, const char *name)
{
    return d->n < d->max || *find_slot(d, name) != 0;
}

bool dns_names_synthetic(const struct address *a)
{
    if (a->v6)
        return !memcmp(a->bytes, base_v6, sizeof base_v6);
    return a->bytes[0] == base_v4[0] && (a->bytes[1] & 0xfe) == base_v4[1];
}

const char *dns_names_of(const struct dns_names *d, const struct address *a)
{
    static const uint8_t zeros[5];
    uint32_t offset;

    if (!dns_names_synthetic(a))
        return NULL;
    if (a->v6 && memcmp(a->bytes + 8, zeros, sizeof zeros) != 0)
        return NULL;
    offset = a->v6 ? (uint32_t)a->bytes[13] << 16 | (uint32_t)a->bytes[14] << 8 | a->bytes[15]
                   : (uint32_t)(a->bytes[1] - base_v4[1]) << 16 | (uint32_t)a->bytes[2] << 8 | a->bytes[3];
    return offset >= FIRST && offset - FIRST < d->n ? d->names[offset - FIRST] : NULL;
}

static void respond_reverse(const struct dns_names *d, const struct dns_query *q, struct dns_reply *r)
{
    const char *name = dns_names_of(d, &q->reverse_of);

    if (!name)
        return;
    r->rcode = DNS_NOERROR;
    if (q->type == DNS_PTR || q->type == DNS_ANY) {
        r->ptr = name;
        r->ttl = DNS_TTL;
    }
}

size_t dns_names_respond(struct dns_names *d, const struct dns_query *q, enum verdict verdict, size_t cap,
                         uint8_t ret[DNS_ANSWER_MAX])
{
    struct dns_reply r = {.rcode = DNS_NXDOMAIN, .ttl = DNS_TTL_NEGATIVE};
    struct address found[2];

    if (q->rcode != DNS_NOERROR) {
        r.rcode = q->rcode;
    } else if (q->reverse) {
        respond_reverse(d, q, &r);
    } else if (q->host.kind == HOST_NAME && verdict != VERDICT_DENY) {
        r.rcode = DNS_NOERROR;
        // Only what is asked for an address takes a place in the table.
        if (q->type == DNS_A || q->type == DNS_AAAA || q->type == DNS_ANY) {
            if (dns_names_get(d, q->host.text, &found[0], &found[1])) {
                r.addresses = q->type == DNS_AAAA ? &found[1] : found;
                r.naddresses = q->type == DNS_ANY ? 2 : 1;
                r.ttl = DNS_TTL;
            } else {
                r.rcode = DNS_SERVFAIL;
            }
        }
    }
    return dns_answer(q, &r, cap, ret);
}
