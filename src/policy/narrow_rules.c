// SPDX-License-Identifier: Apache-2.0
// The intersection of two lists of network rules. A request passes a list when the most specific entries for
// its host admit it; it must pass both. So each pair of entries whose hosts overlap gives one entry for the
// overlap, unless one of the lists has a more specific entry for all of that overlap: then that entry decides
// there, not this one.
#include "policy/narrow.h"

#include <string.h>

#include "base/path.h"
#include "policy/hosts.h"
#include "policy/scalar.h"

// The pattern of the hosts that both match, or NULL. Presets meet only themselves: which hosts they hold is
// not known here.
static const char *hosts_both(const struct value *a, const struct value *b)
{
    const char *ha = value_text(a, "host"), *hb = value_text(b, "host");
    const char *pa = value_text(a, "preset"), *pb = value_text(b, "preset");

    if (!ha && !hb)
        return pa && pb && !strcmp(pa, pb) ? pa : NULL;
    if (!ha || !hb)
        return NULL;
    return host_covers(ha, hb) ? hb : host_covers(hb, ha) ? ha : NULL;
}

static bool overruled(const struct value *list, const struct value *rule, const char *host)
{
    const char *own = value_text(rule, "host");

    for (const struct value *c = own ? list->first : NULL; c; c = c->next) {
        const char *other = value_text(c, "host");

        if (c != rule && other && host_specificity(other) > host_specificity(own) && host_covers(other, host))
            return true;
    }
    return false;
}

static const struct value *list_or(const struct value *rule, const char *key, const struct value *otherwise)
{
    const struct value *v = value_get(rule, key);

    return v ? v : otherwise;
}

static bool matched(const struct value *list, const char *text)
{
    for (const struct value *c = list->first; c; c = c->next)
        if (!strcmp(c->text, text) || (text[0] == '/' && !glob_is(text) && glob_match(c->text, text)))
            return true;
    return false;
}

// What both lists admit: equal elements, and plain paths that a glob of the other has.
static struct value *common(const struct narrow_by *by, const struct value *a, const struct value *b)
{
    struct value *out = value_new(by->arena, VALUE_LIST, a->schema, a->key, &a->from);

    for (const struct value *c = a->first; c; c = c->next)
        if (matched(b, c->text))
            value_append(out, value_copy(by->arena, c));
    for (const struct value *c = b->first; c; c = c->next)
        if (matched(a, c->text) && !value_list_has(out, c))
            value_append(out, value_copy(by->arena, c));
    return out;
}

static struct value *words_list(const struct narrow_by *by, const struct value *rule, const char *key,
                                const char *one, const char *two, const char *three)
{
    const struct schema_key *k = schema_child(rule->schema, key);
    struct value *list = value_new(by->arena, VALUE_LIST, k, key, &rule->from);
    const char *texts[] = {one, two, three};

    for (size_t i = 0; i < ARRAY_LEN(texts) && texts[i]; i++) {
        struct value *v = value_new(by->arena, VALUE_SCALAR, k, NULL, &rule->from);

        v->text = texts[i];
        value_append(list, v);
    }
    return list;
}

// The list that holds when a rule does not name it; NULL: everything.
static struct value *absent(const struct narrow_by *by, const struct value *rule, const char *key)
{
    if (!strcmp(key, "ports"))
        return words_list(by, rule, key, "80", "443", NULL);
    if (!strcmp(key, "methods") && value_get(rule, "preset"))
        return words_list(by, rule, key, "GET", "HEAD", "OPTIONS");
    return NULL;
}

// False when nothing is left.
static bool lists_both(const struct narrow_by *by, const struct value *a, const struct value *b,
                       struct value *out)
{
    static const char *const keys[] = {"ports", "methods", "paths"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct value *la = list_or(a, keys[i], absent(by, a, keys[i]));
        const struct value *lb = list_or(b, keys[i], absent(by, b, keys[i]));
        struct value *v;

        if (!la && !lb)
            continue;
        v = la && lb ? common(by, la, lb) : value_copy(by->arena, la ? la : lb);
        v->next = NULL;
        if (!v->first)
            return false;
        if (value_get(a, keys[i]) || value_get(b, keys[i]))
            value_append(out, v);
    }
    return true;
}

static void scalar_into(const struct narrow_by *by, struct value *out, const struct value *v)
{
    if (v)
        value_append(out, value_copy(by->arena, v));
}

static bool is(const struct value *rule, const char *key, const char *text)
{
    const char *t = value_text(rule, key);

    return t && !strcmp(t, text);
}

static const struct value *smaller(const struct value *a, const struct value *b)
{
    uint64_t x = 0, y = 0;

    if (!a || !scalar_size(a->text, &x, NULL) || !x) // 0 is "none"
        return b;
    if (!b || !scalar_size(b->text, &y, NULL) || !y)
        return a;
    return x < y ? a : b;
}

// `watch` holds when one side wants it; `upgrade` only when both admit it; the stricter look inside; the
// smaller uploads.
static void scalars_both(const struct narrow_by *by, const struct value *a, const struct value *b,
                         struct value *out)
{
    static const char *const sizes[] = {"max_upload", "upload_rate"};
    const char *tls = is(a, "tls", "inspect") || is(b, "tls", "inspect") ? "inspect"
                      : is(a, "tls", "pass") && is(b, "tls", "pass")     ? "pass"
                                                                         : NULL;

    if (tls)
        scalar_into(by, out, is(a, "tls", tls) ? value_get(a, "tls") : value_get(b, "tls"));
    if (is(a, "upgrade", "true") && is(b, "upgrade", "true"))
        scalar_into(by, out, value_get(a, "upgrade"));
    if (is(a, "watch", "true") || is(b, "watch", "true"))
        scalar_into(by, out, is(a, "watch", "true") ? value_get(a, "watch") : value_get(b, "watch"));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        scalar_into(by, out, smaller(value_get(a, sizes[i]), value_get(b, sizes[i])));
    scalar_into(by, out, value_get(a, "because") ? value_get(a, "because") : value_get(b, "because"));
}

static struct value *rule_both(const struct narrow_by *by, const struct value *base, const struct value *a,
                               const struct value *cap, const struct value *b)
{
    const char *host = hosts_both(a, b);
    const struct value *narrower;
    struct value *out;

    if (!host || overruled(base, a, host) || overruled(cap, b, host) ||
        is(a, "protocol", "tcp") != is(b, "protocol", "tcp"))
        return NULL;
    narrower = value_text(a, "host") == host || value_text(a, "preset") == host ? a : b;
    out = value_new(by->arena, VALUE_MAP, a->schema, NULL, &narrower->from);
    scalar_into(by, out, value_get(narrower, "host"));
    scalar_into(by, out, value_get(narrower, "preset"));
    if (!lists_both(by, a, b, out))
        return NULL;
    if (is(a, "protocol", "tcp"))
        scalar_into(by, out, value_get(a, "protocol"));
    scalars_both(by, a, b, out);
    return out;
}

struct value *narrow_rules(const struct narrow_by *by, const struct value *base, const struct value *cap)
{
    struct value *out = value_new(by->arena, VALUE_LIST, base->schema, base->key, &cap->from);

    for (const struct value *a = base->first; a; a = a->next)
        for (const struct value *b = cap->first; b; b = b->next) {
            struct value *rule = rule_both(by, base, a, cap, b);

            if (rule && !value_list_has(out, rule))
                value_append(out, rule);
        }
    return out;
}
