// SPDX-License-Identifier: Apache-2.0
// What a rule covers depends on the whole path. So a rename of a directory can take a name out of a deny
// rule, or bring a prepared tree under a protect rule (evil/ with hooks in it becomes .git/), without anybody
// naming the name.
//
// A rule's tail of components is run over a path like a pattern over a string: the state is the set of places
// in the tail at which one may stand after the directory's components. What can match below depends on that
// set alone. A move is harmless when nothing becomes possible that must not: for protect the set at the new
// place is within the set at the old one, for deny the other way round. `**/.env` stands in its two first
// places everywhere, so all but a few odd renames pass.
#include "sandbox/notify_move.h"

#include <ctype.h>
#include <string.h>

#include "base/path.h"

#define PLACES_MAX 63
#define EVERYTHING UINT64_MAX // in doubt

struct tail {
    const char *part[PLACES_MAX];
    size_t len[PLACES_MAX], n;
};

static bool split(const char *text, struct tail *ret)
{
    ret->n = 0;
    while (*text) {
        if (ret->n == PLACES_MAX)
            return false;
        ret->part[ret->n] = text;
        ret->len[ret->n] = strcspn(text, "/");
        text += ret->len[ret->n++];
        text += *text == '/';
    }
    return true;
}

static bool is_any(const struct tail *t, size_t i)
{
    return t->len[i] == 2 && t->part[i][0] == '*' && t->part[i][1] == '*';
}

static bool part_match(const struct tail *t, size_t i, const char *name, size_t n)
{
    char pattern[512], text[512];

    if (t->len[i] >= sizeof pattern || n >= sizeof text)
        return true;
    memcpy(pattern, t->part[i], t->len[i]);
    pattern[t->len[i]] = '\0';
    memcpy(text, name, n);
    text[n] = '\0';
    return glob_match(pattern, text);
}

// `**` may stand for nothing.
static uint64_t pass_any(const struct tail *t, uint64_t places)
{
    for (size_t i = 0; i < t->n; i++)
        if ((places & 1ull << i) && is_any(t, i))
            places |= 1ull << (i + 1);
    return places;
}

static uint64_t places_after(const struct tail *t, const char *path)
{
    uint64_t places = pass_any(t, 1);

    while (*path) {
        size_t n = strcspn(path, "/");
        uint64_t next = 0;

        for (size_t i = 0; i < t->n; i++)
            if (places & 1ull << i) {
                if (is_any(t, i))
                    next |= 1ull << i;
                else if (part_match(t, i, path, n))
                    next |= 1ull << (i + 1);
            }
        places = pass_any(t, next);
        path += n;
        path += *path == '/';
    }
    // At the end of the tail one is covered oneself: whoever moves such a directory was asked about it by
    // name.
    return places & ((1ull << t->n) - 1);
}

static uint64_t places_at(const struct rule_pattern *p, const struct tail *t, const char *path)
{
    const char *below = path_below(path, p->prefix);
    AUTO_FREE char *folded = NULL;

    if (!below)
        return path_within(p->prefix, path) ? EVERYTHING : 0;
    if (!p->tail[0])
        return 0;
    folded = xstrdup(below);
    for (char *c = folded; p->fold && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return places_after(t, folded);
}

bool move_changes_cover(const struct rulematch *m, const char *from, const char *to)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct rule_pattern *p = &m->items[i];
        uint64_t more, less;
        struct tail t;

        if (!split(p->tail, &t))
            return true;
        more = places_at(p, &t, p->rule->grant == GRANT_DENY ? from : to);
        less = places_at(p, &t, p->rule->grant == GRANT_DENY ? to : from);
        if (more == EVERYTHING || (more & ~less))
            return true;
    }
    return false;
}
