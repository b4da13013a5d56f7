// SPDX-License-Identifier: Apache-2.0
#include "guard/hostpattern.h"

#include <string.h>

bool host_pattern_parse(const char *text, struct host_pattern *ret, struct err *err)
{
    struct host_pattern p = {0};
    size_t stars = strspn(text, "*");
    struct host h;

    if (stars && stars <= 2 && !text[stars]) {
        *ret = (struct host_pattern){.kind = PATTERN_ANY};
        return true;
    }
    if (stars) {
        if (stars > 2 || text[stars] != '.')
            return err_set(err, ERR_INPUT, "\"%s\": a star stands alone or in front, as in *.example.org",
                           text);
        if (!host_parse(text + stars + 1, strlen(text + stars + 1), &h, err))
            return false;
        if (h.kind != HOST_NAME)
            return err_set(err, ERR_INPUT,
                           "\"%s\": an address has no subdomains; write a range like 10.0.0.0/8", text);
        p.kind = stars == 1 ? PATTERN_SUBDOMAINS : PATTERN_TREE;
        memcpy(p.name, h.text, sizeof p.name);
        *ret = p;
        return true;
    }
    if (cidr_parse(text, strlen(text), &p.range, strchr(text, '/') ? err : NULL)) {
        p.kind = PATTERN_RANGE;
        *ret = p;
        return true;
    }
    if (strchr(text, '/') || !host_parse(text, strlen(text), &h, err))
        return false;
    p.kind = h.kind == HOST_NAME ? PATTERN_NAME : PATTERN_RANGE;
    memcpy(p.name, h.text, sizeof p.name);
    p.range = (struct cidr){.base = h.address, .bits = h.address.v6 ? 128 : 32};
    *ret = p;
    return true;
}

// host ends in ".name".
static bool below(const char *host, const char *name)
{
    size_t n = strlen(host), tail = strlen(name);

    return n > tail + 1 && host[n - tail - 1] == '.' && !memcmp(host + n - tail, name, tail);
}

bool host_pattern_match(const struct host_pattern *p, const struct host *h)
{
    if (p->kind == PATTERN_RANGE)
        return h->kind == HOST_ADDRESS && cidr_contains(&p->range, &h->address);
    if (h->kind != HOST_NAME)
        return false;
    switch (p->kind) {
    case PATTERN_NAME:
        return !strcmp(p->name, h->text);
    case PATTERN_SUBDOMAINS:
        return below(h->text, p->name);
    case PATTERN_TREE:
        return !strcmp(p->name, h->text) || below(h->text, p->name);
    case PATTERN_ANY:
        return true;
    default:
        return false;
    }
}

unsigned host_pattern_rank(const struct host_pattern *p)
{
    switch (p->kind) {
    case PATTERN_NAME:
        return HOST_TEXT_SIZE + 1;
    case PATTERN_RANGE:
        return p->range.bits + 1u;
    case PATTERN_SUBDOMAINS:
    case PATTERN_TREE:
        return (unsigned)strlen(p->name) + 1;
    default:
        return 0;
    }
}
