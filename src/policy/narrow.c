// SPDX-License-Identifier: Apache-2.0
// Each key narrows as its row in the schema says. The result is never wider than the base, whatever the other
// layer holds: where it cannot be told that something lies in both, it is left out.
#include "policy/narrow.h"

#include <string.h>

#include "base/path.h"
#include "policy/hosts.h"
#include "policy/scalar.h"

// What the sets hold, as far as it can be told without looking at the machine. HOME stands for what is
// private or chosen by PATH: it lies in HOME, so a grant of HOME has it, but no path can be told to lie in
// it.
static const struct {
    const char *name;
    bool solid; // a path below one of the roots lies in the set
    const char *roots[12];
} sets[] = {
    {"@system",
     true,
     {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc", "/nix", "/gnu"}},
    {"@tmp", false, {"/tmp", "/var/tmp"}},
    {"@home", false, {"~"}},
    {"@toolchains", false, {"~"}},
    {"@caches", false, {"~"}},
    {"@program", false, {"/"}}, // anywhere
};

static char *resolve(const struct narrow_by *by, const char *path)
{
    if (path[0] == '~')
        return by->home ? path_normal(by->home, path[1] ? path + 2 : "") : NULL;
    return path_normal(by->workspace ? by->workspace : "/", path);
}

static bool set_within(const struct narrow_by *by, const char *set, const char *dir)
{
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        if (strcmp(sets[i].name, set) != 0)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(sets[i].roots) && sets[i].roots[k]; k++) {
            AUTO_FREE char *root = resolve(by, sets[i].roots[k]);

            if (!root || !path_within(root, dir))
                return false;
        }
        return true;
    }
    return false;
}

static bool within_set(const struct narrow_by *by, const char *path, const char *set)
{
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        for (size_t k = 0; !strcmp(sets[i].name, set) && sets[i].solid && k < ARRAY_LEN(sets[i].roots); k++) {
            AUTO_FREE char *root = sets[i].roots[k] ? resolve(by, sets[i].roots[k]) : NULL;

            if (root && path_within(path, root))
                return true;
        }
    return false;
}

const char *narrow_path(const struct narrow_by *by, const char *a, const char *b)
{
    AUTO_FREE char *pa = NULL, *pb = NULL;

    if (!strcmp(a, b))
        return a;
    if (a[0] == '@' && b[0] == '@')
        return NULL;
    pa = a[0] == '@' ? NULL : resolve(by, a);
    pb = b[0] == '@' ? NULL : resolve(by, b);
    if (a[0] == '@' && pb)
        return set_within(by, a, pb) ? a : within_set(by, pb, a) ? b : NULL;
    if (b[0] == '@' && pa)
        return set_within(by, b, pa) ? b : within_set(by, pa, b) ? a : NULL;
    if (!pa || !pb)
        return NULL;
    return path_within(pa, pb) ? a : path_within(pb, pa) ? b : NULL;
}

static void drop(const struct narrow_by *by, const char *what, const char *value, const struct origin *from)
{
    if (!by->trusted && from->layer == LAYER_BUILTIN)
        *by->profile_dropped = true;
    else
        strlist_addf(by->dropped, "%s%s%s", what, value ? " " : "", value ? value : "");
}

// `home ~` and `@home` both name HOME; which of two equal-looking grants is in the list already does not
// matter.
static void add_once(const struct narrow_by *by, struct value *list, const struct value *like,
                     const char *text)
{
    for (const struct value *c = list->first; c; c = c->next)
        if (!strcmp(c->text, text))
            return;
    value_append(list, value_copy(by->arena, like));
    list->last->text = text;
}

static const char *names_both(const struct narrow_by *by, const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    bool sa = na && a[na - 1] == '*', sb = nb && b[nb - 1] == '*';

    (void)by;
    if (sa && !strncmp(a, b, na - 1))
        return b;
    if (sb && !strncmp(a, b, nb - 1))
        return a;
    return strcmp(a, b) ? NULL : a;
}

static const char *addresses_both(const struct narrow_by *by, const char *a, const char *b)
{
    (void)by;
    return host_covers(a, b) ? b : host_covers(b, a) ? a : NULL;
}

static const char *equal_both(const struct narrow_by *by, const char *a, const char *b)
{
    (void)by;
    return strcmp(a, b) ? NULL : a;
}

static struct value *intersect(const struct narrow_by *by, const struct value *base, const struct value *cap,
                               const char *(*both)(const struct narrow_by *, const char *, const char *))
{
    struct value *out = value_new(by->arena, VALUE_LIST, base->schema, base->key, &cap->from);

    for (const struct value *a = base->first; a; a = a->next)
        for (const struct value *b = cap->first; b; b = b->next) {
            const char *text = both(by, a->text, b->text);

            if (text)
                add_once(by, out, text == b->text && text != a->text ? b : a, text);
        }
    return out;
}

struct value *narrow_paths(const struct narrow_by *by, const struct value *base, const struct value *cap)
{
    return intersect(by, base, cap, narrow_path);
}

// Says which entries of the layer that asked went unheard: nothing of theirs is in the result.
static void note_unheard(const struct narrow_by *by, const char *key, const struct value *asked,
                         const struct value *granted,
                         const char *(*both)(const struct narrow_by *, const char *, const char *))
{
    for (const struct value *c = asked ? asked->first : NULL; c; c = c->next) {
        bool whole = false;

        for (const struct value *g = granted->first; g && !whole; g = g->next) {
            const char *common = both(by, c->text, g->text);

            whole = common && (common == c->text || !strcmp(common, c->text));
        }
        if (!whole)
            drop(by, key, c->text, &c->from);
    }
}

static void narrow_list(const struct narrow_by *by, struct value *base, struct value *cap,
                        const char *(*both)(const struct narrow_by *, const char *, const char *))
{
    // "key+" asks for more and takes nothing away.
    if (!cap->append) {
        struct value *out = intersect(by, base, cap, both);

        if (by->trusted)
            note_unheard(by, cap->schema->path, base, out, both);
        base->first = out->first;
        base->last = out->last;
    }
    if (!by->trusted)
        note_unheard(by, cap->schema->path, cap, base, both);
}

static void unite(const struct narrow_by *by, struct value *base, struct value *cap, bool commands)
{
    struct value *next;

    for (struct value *c = cap->first; c; c = next) {
        const char *decision = commands ? value_text(c, "decision") : NULL;

        next = c->next;
        if (value_list_has(base, c))
            continue;
        if (decision && !strcmp(decision, "allow")) {
            drop(by, cap->schema->path, "with decision allow", &c->from);
            continue;
        }
        value_append(base, c);
    }
}

static void take_scalar(const struct narrow_by *by, struct value *base, const struct value *cap,
                        bool stricter)
{
    const struct value *loser = stricter ? base : cap;

    // A managed cap that is not reached, and a file that asks for what holds anyway, are no news.
    if (strcmp(base->text, cap->text) != 0 && stricter == by->trusted)
        drop(by, cap->schema->path, loser->text, &loser->from);
    if (stricter) {
        base->text = cap->text;
        base->from = cap->from;
    }
}

static bool rank_stricter(const struct schema_key *k, const char *cap, const char *base)
{
    const char *order = k->strict ? k->strict : k->values;
    int c = 0, b = 0;

    return words_find(order, cap, &c) && words_find(order, base, &b) && c < b;
}

static double measure(const struct schema_key *k, const char *text)
{
    uint64_t n = 0;
    double d = 0;
    bool ok = k->type == TYPE_NUMBER     ? scalar_number(text, &d, NULL)
              : k->type == TYPE_DURATION ? scalar_duration(text, &n, NULL)
              : k->type == TYPE_SIZE     ? scalar_size(text, &n, NULL)
                                         : scalar_count(text, &n, NULL);

    return ok && k->type != TYPE_NUMBER ? (double)n : d;
}

// "none" measures 0: for a least it is the loosest, for a most the loosest as well.
static bool amount_stricter(const struct schema_key *k, const char *cap, const char *base)
{
    double c = measure(k, cap), b = measure(k, base);

    if (k->narrow == NARROW_MOST)
        return c > b;
    return c > 0 && (b <= 0 || c < b);
}

static bool is_stricter(const struct schema_key *k, const char *cap, const char *base)
{
    return k->narrow == NARROW_RANK ? rank_stricter(k, cap, base) : amount_stricter(k, cap, base);
}

static void narrow_scalar(const struct narrow_by *by, struct value *map, struct value *base,
                          const struct value *cap)
{
    const struct schema_key *k = cap->schema;
    const char *initial = k->narrow == NARROW_RANK ? k->initial : "none";

    if (base) {
        take_scalar(by, base, cap, is_stricter(k, cap->text, base->text));
    } else if (is_stricter(k, cap->text, initial)) { // nobody had said otherwise: no news
        value_append(map, value_copy(by->arena, cap));
    } else if (!by->trusted && strcmp(cap->text, initial) != 0) {
        drop(by, k->path, cap->text, &cap->from);
    }
}

static void narrow_map(const struct narrow_by *by, struct value *base, struct value *cap);

static void narrow_allow(const struct narrow_by *by, struct value *list, const struct value *cap)
{
    struct value *out;

    if (cap->append) {
        for (const struct value *c = cap->first; c && !by->trusted; c = c->next)
            if (!value_list_has(list, c))
                drop(by, "network.allow",
                     value_text(c, "host") ? value_text(c, "host") : value_text(c, "preset"), &c->from);
        return;
    }
    out = narrow_rules(by, list, cap);
    for (const struct value *c = by->trusted ? list->first : cap->first; c; c = c->next)
        if (!value_list_has(out, c))
            drop(by, "network.allow", value_text(c, "host") ? value_text(c, "host") : value_text(c, "preset"),
                 &c->from);
    list->first = out->first;
    list->last = out->last;
}

static void narrow_key(const struct narrow_by *by, struct value *map, struct value *cap)
{
    const struct schema_key *k = cap->schema;
    struct value *base = value_get(map, cap->key);

    if (k->narrow == NARROW_NONE)
        return;
    if (k->narrow == NARROW_RANK || k->narrow == NARROW_LEAST || k->narrow == NARROW_MOST) {
        narrow_scalar(by, map, base, cap);
        return;
    }
    base = value_ensure(by->arena, map, k, cap->key, cap->kind, &map->from);
    switch (k->narrow) {
    case NARROW_INNER:
        narrow_map(by, base, cap);
        break;
    case NARROW_PATHS:
        narrow_list(by, base, cap, narrow_path);
        break;
    case NARROW_NAMES:
        narrow_list(by, base, cap, names_both);
        break;
    case NARROW_ADDRESSES:
        narrow_list(by, base, cap, addresses_both);
        break;
    case NARROW_RULES:
        narrow_allow(by, base, cap);
        break;
    case NARROW_UNITE:
    case NARROW_COMMANDS:
        unite(by, base, cap, k->narrow == NARROW_COMMANDS);
        break;
    default:
        narrow_list(by, base, cap, equal_both);
        break;
    }
}

// With mode open everything is allowed, so the other side's list is the intersection.
static void open_takes_rules(const struct narrow_by *by, struct value *base, const struct value *cap)
{
    struct value *network = value_get(base, "network"), *list = value_at(cap, "network.allow"), *old;
    const char *mode = value_text(network, "mode"), *cap_mode = value_text(value_get(cap, "network"), "mode");

    if (!mode || strcmp(mode, "open") != 0 || !cap_mode || strcmp(cap_mode, "guarded") != 0 || !list)
        return;
    old = value_ensure(by->arena, network, list->schema, "allow", VALUE_LIST, &list->from);
    old->first = old->last = NULL;
    for (const struct value *c = list->first; c; c = c->next)
        value_append(old, value_copy(by->arena, c));
}

static void narrow_map(const struct narrow_by *by, struct value *base, struct value *cap)
{
    struct value *next;

    for (struct value *c = cap->first; c; c = next) {
        struct value *old = value_get(base, c->key), one = *cap;

        next = c->next;
        if (c->schema->narrow != NARROW_OTHER) {
            narrow_key(by, base, c);
        } else if (by->trusted) {
            one.first = one.last = c;
            c->next = NULL;
            value_merge(base, &one);
        } else if (!old || !value_equal(old, c)) {
            drop(by, c->schema->path, NULL, &c->from);
        }
    }
}

void narrow(const struct narrow_by *by, struct value *base, struct value *cap)
{
    open_takes_rules(by, base, cap);
    narrow_map(by, base, cap);
}
