// SPDX-License-Identifier: Apache-2.0
// Classification is a walk over a table of prefixes, first match wins, so a narrower prefix stands before the
// wider one that contains it. Everything in IPv6 that no line names and that is outside 2000::/3 is reserved:
// the table can be incomplete without opening anything.
#include "guard/addresses.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct known {
    const char *prefix;
    enum address_class class;
};

static const struct known known_v4[] = {
    // Instance metadata services: cloud credentials for whoever asks.
    {"169.254.169.254/32", ADDRESS_METADATA}, // AWS, Google, Azure, Oracle, OpenStack and others
    {"169.254.169.253/32", ADDRESS_METADATA}, // AWS resolver
    {"169.254.170.2/32", ADDRESS_METADATA},   // AWS container credentials
    {"169.254.170.23/32", ADDRESS_METADATA},  // AWS pod identity
    {"169.254.0.23/32", ADDRESS_METADATA},    // Tencent
    {"100.100.100.200/32", ADDRESS_METADATA}, // Alibaba
    {"168.63.129.16/32", ADDRESS_METADATA},   // Azure wire server, in public space
    {"192.0.0.192/32", ADDRESS_METADATA},     // Oracle classic
    {"0.0.0.0/8", ADDRESS_UNSPECIFIED},
    {"10.0.0.0/8", ADDRESS_PRIVATE},
    {"100.64.0.0/10", ADDRESS_SHARED},
    {"127.0.0.0/8", ADDRESS_LOOPBACK},
    {"169.254.0.0/16", ADDRESS_LINK_LOCAL},
    {"172.16.0.0/12", ADDRESS_PRIVATE},
    {"192.0.0.0/24", ADDRESS_RESERVED},
    {"192.0.2.0/24", ADDRESS_DOCUMENTATION},
    {"192.88.99.0/24", ADDRESS_TUNNEL}, // 6to4 relay anycast
    {"192.168.0.0/16", ADDRESS_PRIVATE},
    {"198.18.0.0/15", ADDRESS_BENCHMARK},
    {"198.51.100.0/24", ADDRESS_DOCUMENTATION},
    {"203.0.113.0/24", ADDRESS_DOCUMENTATION},
    {"224.0.0.0/4", ADDRESS_MULTICAST},
    {"240.0.0.0/4", ADDRESS_RESERVED},
    {"0.0.0.0/0", ADDRESS_GLOBAL},
};

static const struct known known_v6[] = {
    {"fd00:ec2::/32", ADDRESS_METADATA},          // AWS metadata, time, resolver
    {"fd20:ce::254/128", ADDRESS_METADATA},       // Google
    {"fd00:c1::a9fe:a9fe/128", ADDRESS_METADATA}, // Oracle
    {"fe80::a9fe:a9fe/128", ADDRESS_METADATA},    // OpenStack
    {"fd00:42::42/128", ADDRESS_METADATA},        // Scaleway
    {"::/128", ADDRESS_UNSPECIFIED},
    {"::1/128", ADDRESS_LOOPBACK},
    {"::/96", ADDRESS_TUNNEL},           // IPv4-compatible
    {"::ffff:0:0:0/96", ADDRESS_TUNNEL}, // IPv4-translated
    {"64:ff9b:1::/48", ADDRESS_PRIVATE}, // NAT64 of a site: where the v4 address sits is the site's choice
    {"100::/64", ADDRESS_RESERVED},      // discard
    {"2001:db8::/32", ADDRESS_DOCUMENTATION},
    {"2001:2::/48", ADDRESS_BENCHMARK},
    {"2001::/32", ADDRESS_TUNNEL},   // Teredo
    {"2001::/23", ADDRESS_RESERVED}, // IETF protocol assignments: ORCHID, AMT, anycast services
    {"2002::/16", ADDRESS_TUNNEL},   // 6to4
    {"3fff::/20", ADDRESS_DOCUMENTATION},
    {"2000::/3", ADDRESS_GLOBAL},
    {"fc00::/7", ADDRESS_PRIVATE},
    {"fe80::/10", ADDRESS_LINK_LOCAL},
    {"fec0::/10", ADDRESS_PRIVATE}, // site-local, deprecated, still private
    {"ff00::/8", ADDRESS_MULTICAST},
    {"::/0", ADDRESS_RESERVED},
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nat64_prefix[12] = {0x00, 0x64, 0xff, 0x9b};

static bool parse_v4(const char *s, size_t n, uint8_t ret[4])
{
    size_t i = 0;

    for (int part = 0; part < 4; part++) {
        unsigned value = 0;
        size_t start = i;

        while (i < n && i - start < 3 && s[i] >= '0' && s[i] <= '9')
            value = value * 10 + (unsigned)(s[i++] - '0');
        if (i == start || value > 255 || (s[start] == '0' && i - start > 1))
            return false;
        ret[part] = (uint8_t)value;
        if (part < 3 && (i >= n || s[i++] != '.'))
            return false;
    }
    return i == n;
}

bool address_parse(const char *s, size_t n, struct address *ret)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address a = {0};

    if (parse_v4(s, n, a.bytes)) {
        *ret = a;
        return true;
    }
    if (n < 2 || n >= sizeof text || !memchr(s, ':', n) || memchr(s, '\0', n))
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    // inet_pton takes RFC 4291 text and nothing else: no zone, no brackets, and a v4 tail as dotted decimal.
    if (inet_pton(AF_INET6, text, a.bytes) != 1)
        return false;
    a.v6 = true;
    *ret = a;
    return true;
}

void address_text(const struct address *a, char ret[ADDRESS_TEXT_SIZE])
{
    if (!inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, ret, ADDRESS_TEXT_SIZE))
        ret[0] = '\0';
}

bool address_from_sockaddr(const struct sockaddr *sa, struct address *ret, uint16_t *ret_port)
{
    struct address a = {0};
    uint16_t port;

    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof in);
        memcpy(a.bytes, &in.sin_addr, 4);
        port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof in6);
        memcpy(a.bytes, &in6.sin6_addr, 16);
        a.v6 = true;
        port = ntohs(in6.sin6_port);
    } else {
        return false;
    }
    address_unmap(&a);
    *ret = a;
    if (ret_port)
        *ret_port = port;
    return true;
}

socklen_t address_to_sockaddr(const struct address *a, uint16_t port, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (a->v6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

        memcpy(&in6.sin6_addr, a->bytes, 16);
        memcpy(ret, &in6, sizeof in6);
        return sizeof in6;
    }
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    memcpy(&in.sin_addr, a->bytes, 4);
    memcpy(ret, &in, sizeof in);
    return sizeof in;
}

void address_unmap(struct address *a)
{
    if (!a->v6 || memcmp(a->bytes, mapped_prefix, sizeof mapped_prefix) != 0)
        return;
    memmove(a->bytes, a->bytes + 12, 4);
    memset(a->bytes + 4, 0, 12);
    a->v6 = false;
}

void address_unwrap(struct address *a)
{
    address_unmap(a);
    if (!a->v6 || memcmp(a->bytes, nat64_prefix, sizeof nat64_prefix) != 0)
        return;
    memmove(a->bytes, a->bytes + 12, 4);
    memset(a->bytes + 4, 0, 12);
    a->v6 = false;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->v6 == b->v6 && !memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4);
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);

    return !memcmp(a, b, whole) && (!rest || (a[whole] & mask) == (b[whole] & mask));
}

static enum address_class look_up(const struct known *table, size_t n, const struct address *a)
{
    for (size_t i = 0; i < n; i++) {
        struct cidr c;

        if (cidr_parse(table[i].prefix, strlen(table[i].prefix), &c, NULL) &&
            prefix_equal(c.base.bytes, a->bytes, c.bits))
            return table[i].class;
    }
    return ADDRESS_RESERVED;
}

// RFC 5214 6.1: interface identifier 0000:5efe:a.b.c.d or 0200:5efe:a.b.c.d under any prefix.
static bool is_isatap(const struct address *a)
{
    return (a->bytes[8] & 0xfd) == 0 && a->bytes[9] == 0 && a->bytes[10] == 0x5e && a->bytes[11] == 0xfe;
}

enum address_class address_classify(const struct address *given)
{
    struct address a = *given;
    enum address_class class;

    address_unwrap(&a); // NAT64 is how v6-only networks reach v4 servers, so it is what it wraps
    if (!a.v6)
        return look_up(known_v4, ARRAY_LEN(known_v4), &a);
    class = look_up(known_v6, ARRAY_LEN(known_v6), &a);
    return class == ADDRESS_GLOBAL && is_isatap(&a) ? ADDRESS_TUNNEL : class;
}

const char *address_class_name(enum address_class c)
{
    static const char *const names[] = {
        [ADDRESS_UNSPECIFIED] = "unspecified",
        [ADDRESS_GLOBAL] = "global",
        [ADDRESS_LOOPBACK] = "loopback",
        [ADDRESS_LINK_LOCAL] = "link-local",
        [ADDRESS_PRIVATE] = "private",
        [ADDRESS_SHARED] = "shared (carrier NAT)",
        [ADDRESS_METADATA] = "cloud metadata",
        [ADDRESS_BENCHMARK] = "benchmark",
        [ADDRESS_DOCUMENTATION] = "documentation",
        [ADDRESS_MULTICAST] = "multicast",
        [ADDRESS_TUNNEL] = "tunnel",
        [ADDRESS_RESERVED] = "reserved",
    };

    return names[c];
}

static bool beyond_prefix(const struct cidr *c)
{
    unsigned size = c->base.v6 ? 128 : 32;

    for (unsigned bit = c->bits; bit < size; bit++)
        if (c->base.bytes[bit / 8] & (0x80u >> bit % 8))
            return true;
    return false;
}

bool cidr_parse(const char *s, size_t n, struct cidr *ret, struct err *err)
{
    const char *slash = memchr(s, '/', n);
    size_t head = slash ? (size_t)(slash - s) : n;
    struct cidr c = {0};
    unsigned bits = 0;

    if (!address_parse(s, head, &c.base))
        return err_set(err, ERR_INPUT,
                       "\"%.*s\" is no address range: write it like 10.0.0.0/8 or 2001:db8::/32", (int)n, s);
    c.bits = c.base.v6 ? 128 : 32;
    if (slash) {
        const char *digits = slash + 1;
        size_t ndigits = n - head - 1;

        if (!ndigits || ndigits > 3 || (digits[0] == '0' && ndigits > 1))
            return err_set(err, ERR_INPUT, "\"%.*s\": the prefix length is a number from 0 to %u", (int)n, s,
                           c.bits);
        for (size_t i = 0; i < ndigits; i++) {
            if (digits[i] < '0' || digits[i] > '9')
                return err_set(err, ERR_INPUT, "\"%.*s\": the prefix length is a number from 0 to %u", (int)n,
                               s, c.bits);
            bits = bits * 10 + (unsigned)(digits[i] - '0');
        }
        if (bits > c.bits)
            return err_set(err, ERR_INPUT, "\"%.*s\": the prefix length is a number from 0 to %u", (int)n, s,
                           c.bits);
        c.bits = (uint8_t)bits;
    }
    if (c.base.v6 && c.bits >= 96 && !memcmp(c.base.bytes, mapped_prefix, sizeof mapped_prefix)) {
        address_unmap(&c.base);
        c.bits = (uint8_t)(c.bits - 96);
    }
    if (beyond_prefix(&c))
        return err_set(err, ERR_INPUT, "\"%.*s\": the address has bits set beyond its prefix of %u", (int)n,
                       s, c.bits);
    *ret = c;
    return true;
}

bool cidr_contains(const struct cidr *c, const struct address *given)
{
    struct address a = *given;

    address_unmap(&a);
    return c->base.v6 == a.v6 && prefix_equal(c->base.bytes, a.bytes, c->bits);
}

bool cidr_names_refused(const struct cidr *c)
{
    const struct known *table = c->base.v6 ? known_v6 : known_v4;
    size_t n = c->base.v6 ? ARRAY_LEN(known_v6) : ARRAY_LEN(known_v4);

    if (c->base.v6 && c->bits >= 96 && !memcmp(c->base.bytes, nat64_prefix, sizeof nat64_prefix))
        return c->bits == 128 && address_classify(&c->base) != ADDRESS_GLOBAL;
    // A range lies in a class when one line of the table contains all of it; lines inside it (the metadata
    // addresses in link-local) have their own, stricter, condition in the rules.
    for (size_t i = 0; i < n; i++) {
        struct cidr line;

        if (!cidr_parse(table[i].prefix, strlen(table[i].prefix), &line, NULL) || line.bits > c->bits ||
            !prefix_equal(line.base.bytes, c->base.bytes, line.bits))
            continue;
        return line.bits > 0 && table[i].class != ADDRESS_GLOBAL;
    }
    return false;
}

void cidr_set_deinit(struct cidr_set *s)
{
    free(s->items);
    *s = (struct cidr_set){0};
}

void cidr_set_add(struct cidr_set *s, const struct cidr *c)
{
    if (s->n == s->alloc) {
        s->alloc = s->alloc ? s->alloc * 2 : 4;
        s->items = xrealloc(s->items, s->alloc * sizeof *s->items);
    }
    s->items[s->n++] = *c;
}

const struct cidr *cidr_set_find(const struct cidr_set *s, const struct address *a)
{
    const struct cidr *best = NULL;

    for (size_t i = 0; i < s->n; i++)
        if (cidr_contains(&s->items[i], a) && (!best || s->items[i].bits > best->bits))
            best = &s->items[i];
    return best;
}
