// SPDX-License-Identifier: Apache-2.0
// What resolvers ask is one question in one message; so a query with anything else (several questions,
// answers, a compressed name, trailing bytes) is answered FORMERR and not looked at. Answers echo the
// question byte for byte (clients randomise letter case and compare), name everything else by a pointer to
// it, and carry an OPT record exactly when the query did. They are marked "recursion available" and never
// "authentic data".
#include "guard/dns.h"

#include <stdio.h>
#include <string.h>

enum { FLAG_RESPONSE = 0x8000, FLAG_TRUNCATED = 0x0200, FLAG_RECURSION_DESIRED = 0x0100 };
enum { FLAG_RECURSION_AVAILABLE = 0x0080, FLAG_CHECKING_DISABLED = 0x0010, OPCODE_MASK = 0x7800 };
enum { HEADER = 12, CLASS_IN = 1, LABEL_MAX = 63, NAME_MAX_WIRE = 255 };
enum { NAME_POINTER = 0xc000 | HEADER };

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return 16;
}

// "4.3.2.1.in-addr.arpa", canonical.
static bool reverse_v4(const char *name, size_t n, struct address *ret)
{
    static const char suffix[] = ".in-addr.arpa";
    struct address turned, a = {0};
    size_t tail = sizeof suffix - 1;

    if (n <= tail || strcmp(name + n - tail, suffix) != 0 || !address_parse(name, n - tail, &turned) ||
        turned.v6)
        return false;
    for (int i = 0; i < 4; i++)
        a.bytes[i] = turned.bytes[3 - i];
    *ret = a;
    return true;
}

// 32 single hex digits, last first, then "ip6.arpa" (RFC 3596 2.5).
static bool reverse_v6(const char *name, size_t n, struct address *ret)
{
    struct address a = {.v6 = true};

    if (n != 64 + 8 || strcmp(name + 64, "ip6.arpa") != 0)
        return false;
    for (size_t i = 0; i < 32; i++) {
        unsigned digit = hex_digit(name[2 * i]);

        if (digit > 15 || name[2 * i + 1] != '.')
            return false;
        a.bytes[15 - i / 2] = (uint8_t)(a.bytes[15 - i / 2] | digit << (i % 2 ? 4 : 0));
    }
    *ret = a;
    return true;
}

// The name as text, if it can be written as such: dots or NUL inside a label cannot.
static void read_name(struct dns_query *q)
{
    char text[NAME_MAX_WIRE + 1];
    size_t n = 0;

    for (const uint8_t *p = q->question; *p; p += *p + 1) {
        if (n)
            text[n++] = '.';
        for (size_t i = 1; i <= *p; i++) {
            if (p[i] == '.' || !p[i])
                return;
            text[n++] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]);
        }
    }
    text[n] = '\0';
    q->reverse = reverse_v4(text, n, &q->reverse_of) || reverse_v6(text, n, &q->reverse_of);
    // A query for "192.0.2.1" as a name is no host here: addresses are not resolved.
    if (!host_parse(text, n, &q->host, NULL) || q->host.kind != HOST_NAME)
        q->host = (struct host){0};
}

// Walks the question; returns the offset behind it, 0 when it is malformed.
static size_t read_question(const uint8_t *msg, size_t n, struct dns_query *q)
{
    size_t at = HEADER;

    while (at < n && msg[at]) {
        if (msg[at] > LABEL_MAX || at - HEADER + msg[at] + 2 > NAME_MAX_WIRE)
            return 0;
        at += msg[at] + 1u;
    }
    if (at + 5 > n)
        return 0;
    at += 5;
    q->question_len = at - HEADER;
    memcpy(q->question, msg + HEADER, q->question_len);
    q->type = (uint16_t)get16(msg + at - 4);
    q->class = (uint16_t)get16(msg + at - 2);
    q->has_question = true;
    return at;
}

// The only additional record a query has is OPT (TSIG and SIG(0) sign; we hold no keys). Its options
// (cookies, padding, client subnet) are passed over.
static enum dns_rcode read_opt(const uint8_t *p, size_t n, struct dns_query *q)
{
    if (n < 11 || p[0] != 0 || get16(p + 1) != DNS_OPT || n != 11 + get16(p + 9))
        return DNS_FORMERR;
    q->edns = true;
    q->udp_size = (uint16_t)get16(p + 3);
    if (q->udp_size < DNS_UDP_MIN)
        q->udp_size = DNS_UDP_MIN;
    if (q->udp_size > DNS_ANSWER_MAX)
        q->udp_size = DNS_ANSWER_MAX;
    return p[6] ? DNS_BADVERS : DNS_NOERROR;
}

static enum dns_rcode read_query(const uint8_t *msg, size_t n, struct dns_query *q)
{
    unsigned questions = get16(msg + 4), additional = get16(msg + 10);
    enum dns_rcode rcode = DNS_NOERROR;
    size_t at;

    if (q->flags & OPCODE_MASK)
        return DNS_NOTIMP;
    if (questions != 1 || get16(msg + 6) || get16(msg + 8) || additional > 1)
        return DNS_FORMERR;
    at = read_question(msg, n, q);
    if (!at)
        return DNS_FORMERR;
    if (additional)
        rcode = read_opt(msg + at, n - at, q);
    else if (at != n)
        rcode = DNS_FORMERR;
    if (rcode != DNS_NOERROR)
        return rcode;
    if (q->class != CLASS_IN)
        return DNS_REFUSED;
    read_name(q);
    return DNS_NOERROR;
}

enum dns_parsed dns_parse(const uint8_t *msg, size_t n, struct dns_query *ret)
{
    struct dns_query q = {.udp_size = DNS_UDP_MIN};

    if (n < HEADER || n > DNS_QUERY_MAX || (get16(msg + 2) & FLAG_RESPONSE))
        return DNS_DROP;
    q.id = (uint16_t)get16(msg);
    q.flags = (uint16_t)get16(msg + 2);
    q.rcode = read_query(msg, n, &q);
    *ret = q;
    return q.rcode == DNS_NOERROR ? DNS_QUERY : DNS_FAIL;
}

struct writer {
    uint8_t *out;
    size_t len, cap;
    bool full;
};

static void put(struct writer *w, const void *data, size_t n)
{
    if (w->full || n > w->cap - w->len) {
        w->full = true;
        return;
    }
    memcpy(w->out + w->len, data, n);
    w->len += n;
}

static void put16(struct writer *w, unsigned value)
{
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    put(w, bytes, 2);
}

static void put32(struct writer *w, uint32_t value)
{
    put16(w, value >> 16);
    put16(w, value & 0xffff);
}

static void put_name(struct writer *w, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        uint8_t len = (uint8_t)n;

        if (!n || n > LABEL_MAX) {
            w->full = true;
            return;
        }
        put(w, &len, 1);
        put(w, name, n);
        name += n + (name[n] == '.');
    }
    put(w, "", 1);
}

static void put_address(struct writer *w, const struct address *a, uint32_t ttl)
{
    put16(w, NAME_POINTER);
    put16(w, a->v6 ? DNS_AAAA : DNS_A);
    put16(w, CLASS_IN);
    put32(w, ttl);
    put16(w, a->v6 ? 16 : 4);
    put(w, a->bytes, a->v6 ? 16 : 4);
}

static void put_ptr(struct writer *w, const char *name, uint32_t ttl)
{
    put16(w, NAME_POINTER);
    put16(w, DNS_PTR);
    put16(w, CLASS_IN);
    put32(w, ttl);
    put16(w, (unsigned)strlen(name) + 2);
    put_name(w, name);
}

// RFC 2308: without SOA some resolvers do not cache a negative answer and ask again and again. The owner is
// the root, which is above every name.
static void put_soa(struct writer *w, uint32_t ttl)
{
    static const char server[] = "bawn.invalid";

    put(w, "", 1);
    put16(w, DNS_SOA);
    put16(w, CLASS_IN);
    put32(w, ttl);
    put16(w, 2 * (sizeof server + 1) + 20);
    put_name(w, server);
    put_name(w, server);
    for (int i = 0; i < 4; i++)
        put32(w, 1); // serial, refresh, retry, expire: nobody transfers this
    put32(w, ttl);   // how long "no" holds
}

static void put_opt(struct writer *w, enum dns_rcode rcode)
{
    put(w, "", 1);
    put16(w, DNS_OPT);
    put16(w, DNS_ANSWER_MAX);
    put32(w, (uint32_t)(rcode >> 4) << 24);
    put16(w, 0);
}

static void put_header(struct writer *w, const struct dns_query *q, enum dns_rcode rcode, unsigned answers,
                       unsigned authorities)
{
    unsigned flags = FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | ((unsigned)rcode & 15);

    flags |= q->flags & (FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED | OPCODE_MASK);
    put16(w, q->id);
    put16(w, flags);
    put16(w, q->has_question);
    put16(w, answers);
    put16(w, authorities);
    put16(w, q->edns);
    put(w, q->question, q->question_len);
}

static void put_all(struct writer *w, const struct dns_query *q, const struct dns_reply *r)
{
    unsigned answers = (unsigned)r->naddresses + (r->ptr != NULL);
    bool negative = !answers && (r->rcode == DNS_NOERROR || r->rcode == DNS_NXDOMAIN);

    put_header(w, q, r->rcode, answers, negative);
    for (size_t i = 0; i < r->naddresses; i++)
        put_address(w, &r->addresses[i], r->ttl);
    if (r->ptr)
        put_ptr(w, r->ptr, r->ttl);
    if (negative)
        put_soa(w, r->ttl);
    if (q->edns)
        put_opt(w, r->rcode);
}

size_t dns_answer(const struct dns_query *q, const struct dns_reply *r, size_t cap,
                  uint8_t ret[DNS_ANSWER_MAX])
{
    struct writer w = {.out = ret, .cap = cap < DNS_ANSWER_MAX ? cap : DNS_ANSWER_MAX};

    put_all(&w, q, r);
    if (!w.full)
        return w.len;
    // Header, question and OPT always fit into 512 bytes.
    w = (struct writer){.out = ret, .cap = DNS_ANSWER_MAX};
    put_header(&w, q, r->rcode, 0, 0);
    if (q->edns)
        put_opt(&w, r->rcode);
    ret[2] |= FLAG_TRUNCATED >> 8;
    return w.len;
}

void dns_tcp_init(struct dns_tcp *t)
{
    t->have = t->want = 0;
}

enum dns_tcp_event dns_tcp_feed(struct dns_tcp *t, const uint8_t *data, size_t n, size_t *ret_used,
                                const uint8_t **ret_msg, size_t *ret_len)
{
    size_t i = 0;

    *ret_used = 0;
    if (t->want && t->have == t->want)
        t->have = t->want = 0; // the message given by the last call
    while (i < n) {
        size_t missing = (t->want ? t->want : 2) - t->have;
        size_t some = n - i < missing ? n - i : missing;

        memcpy(t->in + t->have, data + i, some);
        t->have += some;
        i += some;
        if (!t->want && t->have == 2) {
            t->want = 2 + get16(t->in);
            if (t->want < 2 + HEADER || t->want > sizeof t->in)
                return DNS_TCP_ERROR;
        }
        if (t->want && t->have == t->want) {
            *ret_used = i;
            *ret_msg = t->in + 2;
            *ret_len = t->want - 2;
            return DNS_TCP_MESSAGE;
        }
    }
    *ret_used = i;
    return DNS_TCP_MORE;
}
