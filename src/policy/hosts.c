// SPDX-License-Identifier: Apache-2.0
// A pattern is a name, "*." and a name (its subdomains), "**." and a name (also itself), an address, or a
// range. Whatever looks like a number but is not an address in its usual spelling is refused: resolvers read
// 0x7f.1, 127.1 and 017700000001 as addresses, so such a text must never pass as a name.
#include "policy/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct range {
    int family;
    unsigned char addr[16];
    unsigned bits;
};

static unsigned family_bits(int family)
{
    return family == AF_INET ? 32 : 128;
}

// An address or "address/bits"; false when the text is neither.
static bool range_parse(const char *text, struct range *ret)
{
    char host[INET6_ADDRSTRLEN + 1];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    struct range r = {0};

    if (n >= sizeof host)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    r.family = strchr(host, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(r.family, host, r.addr) != 1)
        return false;
    r.bits = family_bits(r.family);
    if (slash) {
        const char *p = slash + 1;
        unsigned bits = 0;

        if (!*p || strlen(p) > 3 || (p[0] == '0' && p[1]))
            return false;
        for (; *p; p++) {
            if (!isdigit((unsigned char)*p))
                return false;
            bits = bits * 10 + (unsigned)(*p - '0');
        }
        if (bits > r.bits)
            return false;
        r.bits = bits;
    }
    *ret = r;
    return true;
}

static bool bit_of(const struct range *r, unsigned i)
{
    return r->addr[i / 8] >> (7 - i % 8) & 1;
}

bool address_check(struct arena *arena, const char *text, const char **ret, struct err *err)
{
    char usual[INET6_ADDRSTRLEN];
    struct range r, net;
    bool stray = false;

    if (!range_parse(text, &r))
        return err_set(err, ERR_INPUT,
                       "\"%.80s\" is not an address; write 10.1.2.3, 10.0.0.0/8, fd00::1 or fd00::/8", text);
    net = r;
    for (unsigned i = r.bits; i < family_bits(r.family); i++) {
        stray |= bit_of(&r, i);
        net.addr[i / 8] &= (unsigned char)~(1u << (7 - i % 8));
    }
    inet_ntop(r.family, net.addr, usual, sizeof usual);
    if (stray)
        return err_set(err, ERR_INPUT, "\"%.80s\" has bits set beyond /%u; write %s/%u for the range", text,
                       r.bits, usual, r.bits);
    if (r.bits == family_bits(r.family))
        *ret = arena_strdup(arena, usual);
    else
        *ret = arena_printf(arena, "%s/%u", usual, r.bits);
    return true;
}

// Resolvers take a name whose last label is a number for an address.
static bool numeric(const char *name)
{
    const char *last = strrchr(name, '.');

    last = last ? last + 1 : name;
    if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
        return true;
    return *last && last[strspn(last, "0123456789")] == '\0';
}

static bool name_check(const char *name, struct err *err)
{
    size_t label = 0, total = strlen(name);

    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c >= 0x80)
            return err_set(err, ERR_INPUT, "\"%.80s\" is not ASCII; write the name in its xn-- form", name);
        if (c == '*')
            return err_set(err, ERR_INPUT, "\"%.80s\": a wildcard can only stand first, as *. or **.", name);
        if (c == '.' && !label)
            return err_set(err, ERR_INPUT, "\"%.80s\" has an empty label", name);
        if (c != '.' && c != '-' && c != '_' && !isalnum(c))
            return err_set(err, ERR_INPUT, "\"%.80s\" has a character that host names do not have", name);
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return err_set(err, ERR_INPUT, "\"%.80s\" has a label of more than 63 characters", name);
    }
    if (!total || total > 253)
        return err_set(err, ERR_INPUT, "\"%.80s\" is not a host name: %s", name,
                       total ? "too long" : "it is empty");
    if (numeric(name))
        return err_set(err, ERR_INPUT,
                       "\"%.80s\" looks like an address in an unusual spelling; write it as 192.0.2.1", name);
    return true;
}

bool host_check(struct arena *arena, const char *pattern, const char **ret, struct err *err)
{
    size_t star = strspn(pattern, "*"), n = strlen(pattern);
    struct range r;
    char *lower;

    if (strstr(pattern, "://"))
        return err_set(err, ERR_INPUT,
                       "\"%.80s\" is a URL; write the host alone, and `paths` for what follows it", pattern);
    if (pattern[0] == '[')
        return err_set(err, ERR_INPUT, "\"%.80s\": write the address without brackets", pattern);
    if (range_parse(pattern, &r) ||
        (strchr(pattern, '/') && pattern[strspn(pattern, "0123456789abcdefABCDEF.:")] == '/'))
        return address_check(arena, pattern, ret, err);
    if (strchr(pattern, ':'))
        return err_set(err, ERR_INPUT, "\"%.80s\" has a port; write the host alone, and `ports: [N]`",
                       pattern);
    if (strchr(pattern, '/'))
        return err_set(err, ERR_INPUT, "\"%.80s\" has a path; write the host alone, and `paths`", pattern);
    if (star && star == n)
        return err_set(err, ERR_INPUT, "\"%.80s\" is every host; name domains, or set network.mode: open",
                       pattern);
    if (star && (star > 2 || pattern[star] != '.'))
        return err_set(err, ERR_INPUT, "\"%.80s\": a wildcard stands for whole labels: *.example.org",
                       pattern);
    lower = arena_strdup(arena, pattern);
    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (n > 1 && lower[n - 1] == '.')
        lower[n - 1] = '\0';
    *ret = lower;
    return name_check(lower + (star ? star + 1 : 0), err);
}

bool host_covers(const char *outer, const char *inner)
{
    size_t so = strspn(outer, "*"), si = strspn(inner, "*");
    const char *o = outer + (so ? so + 1 : 0), *i = inner + (si ? si + 1 : 0);
    size_t no = strlen(o), ni = strlen(i);
    struct range a, b;

    if (range_parse(outer, &a)) {
        if (!range_parse(inner, &b) || a.family != b.family || b.bits < a.bits)
            return false;
        for (unsigned k = 0; k < a.bits; k++)
            if (bit_of(&a, k) != bit_of(&b, k))
                return false;
        return true;
    }
    if (range_parse(inner, &b))
        return false;
    if (!strcmp(o, i))
        return so == 2 || so == si; // **.x has all of x; *.x only what *.x has; x only x
    return so && ni > no && i[ni - no - 1] == '.' && !strcmp(i + ni - no, o);
}

unsigned host_specificity(const char *pattern)
{
    size_t star = strspn(pattern, "*");
    struct range r;

    if (range_parse(pattern, &r))
        return r.bits == family_bits(r.family) ? 100000 : r.bits;
    if (!star)
        return 100000;
    return (unsigned)strlen(pattern + star) * 2 + (star == 1);
}
