// SPDX-License-Identifier: Apache-2.0
// Forms of a secret: plain; percent-encoded (reserved characters only, or every byte), both cases of the hex
// digits; base64 and base64url at each of the three alignments at which a value can stand in a longer text;
// hex in both cases; JSON string escapes. Base64 forms leave off the characters at either end that also hold
// bits of the neighbours. Compression, encryption and any other transformation get past this: it catches
// accidents and plain attempts, the rules are the wall.
//
// The search hashes four bytes at each position into a bit map that is nearly empty, so the usual cost is one
// load, one multiplication and one test a byte.
#include "guard/needles.h"

#include <string.h>

#define HASH_BITS 16
#define BUCKETS 1024u
#define PIECE 32u      // bytes of a long value that are looked for by themselves
#define PIECES_MAX 64u // so at most 2 KiB of a value are covered
#define NONE UINT32_MAX

struct entry {
    struct needle n;
    uint32_t hash, next;
};

struct needles {
    struct entry *entries;
    size_t count, alloc, longest;
    uint8_t map4[(1u << HASH_BITS) / 8], map3[(1u << HASH_BITS) / 8], map2[(1u << 16) / 8], map1[256 / 8];
    uint32_t bucket[BUCKETS];
};

static uint32_t hash_bytes(const char *p, size_t n)
{
    uint32_t x = 0;

    memcpy(&x, p, n);
    return (x * 2654435761u) >> (32 - HASH_BITS);
}

static void map_set(uint8_t *map, uint32_t i)
{
    map[i >> 3] |= (uint8_t)(1u << (i & 7));
}

static bool map_has(const uint8_t *map, uint32_t i)
{
    return map[i >> 3] >> (i & 7) & 1;
}

static uint32_t two_bytes(const char *p)
{
    uint16_t x;

    memcpy(&x, p, 2);
    return x;
}

struct needles *needles_new(void)
{
    struct needles *set = xcalloc(1, sizeof *set);

    memset(set->bucket, 0xff, sizeof set->bucket);
    return set;
}

void needles_free(struct needles *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        struct needle *n = &set->entries[i].n;

        explicit_bzero((char *)(uintptr_t)n->bytes, n->len);
        free((char *)(uintptr_t)n->bytes);
        free((char *)(uintptr_t)n->other);
        free((char *)(uintptr_t)n->name);
    }
    free(set->entries);
    free(set);
}

static char *copy_bytes(const void *p, size_t n)
{
    return p ? memcpy(xmalloc(n), p, n) : NULL;
}

void needles_add(struct needles *set, const char *name, const char *form, const void *bytes,
                 const void *other, size_t len)
{
    const char *p = bytes;
    struct entry *e;

    if (len < 4)
        return;
    if (set->count == set->alloc) {
        set->alloc = set->alloc ? set->alloc * 2 : 32;
        set->entries = xrealloc(set->entries, set->alloc * sizeof *set->entries);
    }
    e = &set->entries[set->count];
    *e = (struct entry){.n = {xstrdup(name), form, copy_bytes(bytes, len), copy_bytes(other, len), len},
                        .hash = hash_bytes(p, 4)};
    e->next = set->bucket[e->hash % BUCKETS];
    set->bucket[e->hash % BUCKETS] = (uint32_t)set->count++;
    map_set(set->map4, e->hash);
    map_set(set->map3, hash_bytes(p, 3));
    map_set(set->map2, two_bytes(p));
    map_set(set->map1, (uint8_t)*p);
    if (len > set->longest)
        set->longest = len;
}

bool needles_empty(const struct needles *set)
{
    return !set || !set->count;
}

// ---- forms

static const char hex_lower[] = "0123456789abcdef", hex_upper[] = "0123456789ABCDEF";

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
}

static void add_hex(struct buf *out, unsigned char c, const char *digits)
{
    buf_addc(out, digits[c >> 4]);
    buf_addc(out, digits[c & 15]);
}

static void form_hex(struct buf *out, const char *v, size_t n, const char *digits)
{
    for (size_t i = 0; i < n; i++)
        add_hex(out, (unsigned char)v[i], digits);
}

static void form_percent(struct buf *out, const char *v, size_t n, const char *digits, bool every)
{
    for (size_t i = 0; i < n; i++) {
        if (!every && unreserved((unsigned char)v[i])) {
            buf_addc(out, v[i]);
            continue;
        }
        buf_addc(out, '%');
        add_hex(out, (unsigned char)v[i], digits);
    }
}

static void form_json(struct buf *out, const char *v, size_t n, bool slash)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i] == '"' || v[i] == '\\' || (slash && v[i] == '/'))
            buf_addc(out, '\\');
        buf_addc(out, v[i]);
    }
}

// Value with `skip` (0, 1, 2) unknown bytes before it in its group of three.
static void form_base64(struct buf *out, const char *v, size_t n, size_t skip, bool url)
{
    static const char std64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char url64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t first = (skip * 8 + 5) / 6, end = (skip + n) * 8 / 6;

    for (size_t c = first; c < end; c++) {
        unsigned value = 0;

        for (size_t bit = c * 6; bit < c * 6 + 6; bit++) {
            unsigned byte = (unsigned char)v[bit / 8 - skip];

            value = value << 1 | ((unsigned)byte >> (7 - bit % 8) & 1u);
        }
        buf_addc(out, url ? url64[value] : std64[value]);
    }
}

enum form {
    FORM_PLAIN = 0,
    FORM_PERCENT_UPPER,
    FORM_PERCENT_LOWER,
    FORM_PERCENT_ALL_UPPER,
    FORM_PERCENT_ALL_LOWER,
    FORM_HEX_LOWER,
    FORM_HEX_UPPER,
    FORM_JSON,
    FORM_JSON_SLASH,
    FORM_BASE64, // three alignments, then base64url's three
    FORM_COUNT = FORM_BASE64 + 6,
};

static const char *make_form(struct buf *out, int form, const char *v, size_t n)
{
    switch (form) {
    case FORM_PLAIN:
        buf_add(out, v, n);
        return "plain";
    case FORM_PERCENT_UPPER:
    case FORM_PERCENT_LOWER:
    case FORM_PERCENT_ALL_UPPER:
    case FORM_PERCENT_ALL_LOWER:
        form_percent(out, v, n, (form - FORM_PERCENT_UPPER) % 2 ? hex_lower : hex_upper,
                     form >= FORM_PERCENT_ALL_UPPER);
        return "percent-encoded";
    case FORM_HEX_LOWER:
    case FORM_HEX_UPPER:
        form_hex(out, v, n, form == FORM_HEX_LOWER ? hex_lower : hex_upper);
        return "hex";
    case FORM_JSON:
    case FORM_JSON_SLASH:
        form_json(out, v, n, form == FORM_JSON_SLASH);
        return "JSON-escaped";
    default:
        form_base64(out, v, n, (size_t)(form - FORM_BASE64) % 3, form >= FORM_BASE64 + 3);
        return form >= FORM_BASE64 + 3 ? "base64url" : "base64";
    }
}

static bool have_already(const struct needles *set, const struct buf *b)
{
    size_t at;
    const struct needle *n = needles_find(set, b->ptr, b->len, &at);

    return n && at == 0 && n->len == b->len;
}

static void add_forms(struct needles *set, const char *name, const char *v, const char *other, size_t n,
                      bool placed)
{
    for (int form = 0; form < FORM_COUNT; form++) {
        AUTO_BUF struct buf a, b;
        const char *what;

        if (placed && (form == FORM_HEX_LOWER || form == FORM_HEX_UPPER || form >= FORM_BASE64))
            continue;
        buf_init(&a, 8 * n);
        buf_init(&b, 8 * n);
        what = make_form(&a, form, v, n);
        if (other)
            make_form(&b, form, other, n);
        // Many forms of a value without special characters are the same text.
        if ((placed || a.len >= NEEDLE_MIN) && !have_already(set, &a))
            needles_add(set, name, what, a.ptr, other && b.len == a.len ? b.ptr : NULL, a.len);
        if (a.ptr)
            explicit_bzero(a.ptr, a.len);
    }
}

bool needles_add_secret(struct needles *set, const char *name, const char *value, const char *other)
{
    size_t n = strlen(value);

    if (n < NEEDLE_MIN)
        return false;
    if (other || n <= 2 * PIECE) {
        add_forms(set, name, value, other, n, false);
        return true;
    }
    for (size_t i = 0, k = 0; i + PIECE <= n && k < PIECES_MAX; i += PIECE, k++)
        add_forms(set, name, value + i, NULL, PIECE, false);
    return true;
}

void needles_add_placed(struct needles *set, const char *name, const char *value, const char *other)
{
    add_forms(set, name, value, other, strlen(value), true);
}

// ---- search

static const struct needle *match_at(const struct needles *set, const char *p, size_t left)
{
    uint32_t h = hash_bytes(p, 4);

    if (!map_has(set->map4, h))
        return NULL;
    for (uint32_t i = set->bucket[h % BUCKETS]; i != NONE; i = set->entries[i].next) {
        const struct entry *e = &set->entries[i];

        if (e->hash == h && e->n.len <= left && memcmp(e->n.bytes, p, e->n.len) == 0)
            return &e->n;
    }
    return NULL;
}

const struct needle *needles_find(const struct needles *set, const char *data, size_t n, size_t *ret_at)
{
    if (needles_empty(set))
        return NULL;
    for (size_t i = 0; i + 4 <= n; i++) {
        const struct needle *hit = match_at(set, data + i, n - i);

        if (hit) {
            *ret_at = i;
            return hit;
        }
    }
    return NULL;
}

// Could a needle begin with these n bytes and go on after them? Errs only toward yes.
static bool begins_needle(const struct needles *set, const char *p, size_t n)
{
    uint32_t h;

    if (n == 1)
        return map_has(set->map1, (uint8_t)*p);
    if (n == 2)
        return map_has(set->map2, two_bytes(p));
    if (n == 3)
        return map_has(set->map3, hash_bytes(p, 3));
    h = hash_bytes(p, 4);
    if (!map_has(set->map4, h))
        return false;
    for (uint32_t i = set->bucket[h % BUCKETS]; i != NONE; i = set->entries[i].next) {
        const struct entry *e = &set->entries[i];

        if (e->hash == h && e->n.len > n && memcmp(e->n.bytes, p, n) == 0)
            return true;
    }
    return false;
}

size_t needles_tail(const struct needles *set, const char *data, size_t n)
{
    size_t longest;

    if (needles_empty(set))
        return 0;
    longest = set->longest - 1 < n ? set->longest - 1 : n;
    for (size_t tail = longest; tail; tail--)
        if (begins_needle(set, data + n - tail, tail))
            return tail;
    return 0;
}

bool needles_pass(const struct needles *set, struct buf *held, const char *data, size_t n, bool last,
                  bool replace, struct buf *out, const struct needle **ret_hit)
{
    AUTO_BUF struct buf joined = {.cap = NEEDLES_HELD_MAX};
    const struct needle *hit;
    size_t at, tail;

    *ret_hit = NULL;
    if (held->len) {
        if (!buf_add(held, data, n))
            return false;
        joined = *held;
        buf_init(held, joined.cap);
        data = joined.ptr;
        n = joined.len;
    }
    while ((hit = needles_find(set, data, n, &at))) {
        if (!buf_add(out, data, at))
            return false;
        if (!replace) {
            *ret_hit = hit;
            return true;
        }
        if (!buf_add(out, hit->other ? hit->other : hit->bytes, hit->len))
            return false;
        data += at + hit->len;
        n -= at + hit->len;
    }
    tail = last ? 0 : needles_tail(set, data, n);
    return buf_add(out, data, n - tail) && buf_add(held, data + n - tail, tail);
}
