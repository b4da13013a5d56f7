// SPDX-License-Identifier: Apache-2.0
#include "policy/value.h"

#include <string.h>

struct value *value_new(struct arena *a, enum value_kind kind, const struct schema_key *schema,
                        const char *key, const struct origin *from)
{
    struct value *v = arena_alloc(a, sizeof *v);

    v->kind = kind;
    v->schema = schema;
    v->key = key;
    v->from = *from;
    return v;
}

void value_append(struct value *parent, struct value *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

struct value *value_copy(struct arena *a, const struct value *v)
{
    struct value *copy = arena_alloc(a, sizeof *copy);

    *copy = *v;
    copy->first = copy->last = copy->next = NULL;
    for (const struct value *c = v->first; c; c = c->next)
        value_append(copy, value_copy(a, c));
    return copy;
}

struct value *value_get(const struct value *map, const char *key)
{
    if (!map || map->kind != VALUE_MAP)
        return NULL;
    for (struct value *c = map->first; c; c = c->next)
        if (!strcmp(c->key, key))
            return c;
    return NULL;
}

struct value *value_at(const struct value *root, const char *path)
{
    char part[64];
    struct value *v = NULL;

    while (root && *path) {
        size_t n = strcspn(path, ".");

        if (n >= sizeof part)
            return NULL;
        memcpy(part, path, n);
        part[n] = '\0';
        root = v = value_get(root, part);
        path += n;
        path += *path == '.';
    }
    return v;
}

const char *value_text(const struct value *map, const char *key)
{
    const struct value *v = value_get(map, key);

    return v && v->kind == VALUE_SCALAR ? v->text : NULL;
}

size_t value_count(const struct value *v)
{
    size_t n = 0;

    for (const struct value *c = v ? v->first : NULL; c; c = c->next)
        n++;
    return n;
}

bool value_equal(const struct value *a, const struct value *b)
{
    const struct value *x, *y;

    if (a->kind != b->kind || value_count(a) != value_count(b))
        return false;
    if (a->kind == VALUE_SCALAR)
        return !strcmp(a->text, b->text);
    if (a->kind == VALUE_LIST) {
        for (x = a->first, y = b->first; x; x = x->next, y = y->next)
            if (!value_equal(x, y))
                return false;
        return true;
    }
    for (x = a->first; x; x = x->next) {
        y = value_get(b, x->key);
        if (!y || !value_equal(x, y))
            return false;
    }
    return true;
}

bool value_list_has(const struct value *list, const struct value *element)
{
    for (const struct value *c = list ? list->first : NULL; c; c = c->next)
        if (value_equal(c, element))
            return true;
    return false;
}

struct value *value_ensure(struct arena *a, struct value *map, const struct schema_key *schema,
                           const char *key, enum value_kind kind, const struct origin *from)
{
    struct value *v = value_get(map, key);

    if (!v) {
        v = value_new(a, kind, schema, key, from);
        value_append(map, v);
    }
    return v;
}

char *origin_text(const struct origin *from)
{
    if (!from->line)
        return xstrdup(from->file);
    return xasprintf("%s:%d:%d", from->file, from->line, from->column);
}

static void replace(struct value *old, const struct value *with)
{
    struct value *next = old->next;

    *old = *with;
    old->next = next;
    old->append = false;
}

void value_merge(struct value *onto, struct value *from)
{
    struct value *next;

    for (struct value *c = from->first; c; c = next) {
        struct value *old = value_get(onto, c->key);

        next = c->next;
        if (!old) {
            c->append = false;
            value_append(onto, c);
        } else if (old->kind == VALUE_MAP && c->kind == VALUE_MAP) {
            value_merge(old, c);
        } else if (c->append && old->kind == VALUE_LIST && c->first) {
            if (old->last)
                old->last->next = c->first;
            else
                old->first = c->first;
            old->last = c->last;
        } else if (!c->append) {
            replace(old, c);
        }
    }
    from->first = from->last = NULL;
}
