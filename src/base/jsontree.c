// SPDX-License-Identifier: Apache-2.0
// jansson says whether the text is JSON and what is in it, but not where. So a second walk goes along the
// text beside jansson's values, which keep the order of the text: it finds where the next token starts and
// ends and needs no judgement of its own.
#include "base/jsontree.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"

struct walk {
    struct arena *arena;
    const char *p, *end;
    int line, column; // of p; columns in characters
    unsigned depth;
};

static void step(struct walk *w)
{
    if (*w->p == '\n') {
        w->line++;
        w->column = 1;
    } else if (((unsigned char)*w->p & 0xc0) != 0x80) {
        w->column++;
    }
    w->p++;
}

// To where the next value or key starts, or the end of a collection.
static void skip_between(struct walk *w)
{
    while (w->p < w->end && strchr(" \t\r\n,:", *w->p))
        step(w);
}

static void skip_string(struct walk *w)
{
    step(w);
    while (w->p < w->end && *w->p != '"') {
        if (*w->p == '\\')
            step(w);
        if (w->p < w->end)
            step(w);
    }
    if (w->p < w->end)
        step(w);
}

static struct yaml_node *node_new(struct walk *w, enum yaml_kind kind)
{
    struct yaml_node *n = arena_alloc(w->arena, sizeof *n);

    n->kind = kind;
    n->line = w->line;
    n->column = w->column;
    return n;
}

static bool build(struct walk *w, const json_t *value, struct yaml_node **ret, struct err *err);

static bool build_object(struct walk *w, const json_t *value, struct yaml_node *map, struct err *err)
{
    const char *key;
    json_t *inner;

    json_object_foreach((json_t *)(uintptr_t)value, key, inner)
    {
        struct yaml_node *child;
        int line, column;

        skip_between(w);
        line = w->line;
        column = w->column;
        skip_string(w);
        if (!build(w, inner, &child, err))
            return false;
        child->key = arena_strdup(w->arena, key);
        child->key_line = line;
        child->key_column = column;
        yaml_append(map, child);
    }
    return true;
}

static bool build_array(struct walk *w, const json_t *value, struct yaml_node *list, struct err *err)
{
    json_t *inner;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)value, i, inner)
    {
        struct yaml_node *child;

        if (!build(w, inner, &child, err))
            return false;
        yaml_append(list, child);
    }
    return true;
}

static struct yaml_node *build_scalar(struct walk *w, const json_t *value)
{
    struct yaml_node *n = node_new(w, YAML_SCALAR);
    const char *start = w->p;

    n->plain = !json_is_string(value);
    if (n->plain) {
        while (w->p < w->end && !strchr(" \t\r\n,]}", *w->p))
            step(w);
        n->text = arena_strndup(w->arena, start, (size_t)(w->p - start));
    } else {
        skip_string(w);
        n->text = arena_strdup(w->arena, json_string_value(value));
    }
    return n;
}

static bool build(struct walk *w, const json_t *value, struct yaml_node **ret, struct err *err)
{
    bool object = json_is_object(value), ok;

    skip_between(w);
    if (!object && !json_is_array(value)) {
        *ret = build_scalar(w, value);
        return true;
    }
    if (w->depth == YAML_DEPTH_MAX)
        return err_set(err, ERR_INPUT, "%d:%d: nested too deeply", w->line, w->column);
    w->depth++;
    *ret = node_new(w, object ? YAML_MAP : YAML_LIST);
    step(w);
    ok = object ? build_object(w, value, *ret, err) : build_array(w, value, *ret, err);
    skip_between(w);
    if (ok && w->p < w->end)
        step(w);
    w->depth--;
    return ok;
}

bool jsontree_parse(struct arena *arena, const char *text, size_t n, struct yaml_node **ret, struct err *err)
{
    struct walk w = {.arena = arena, .p = text, .end = text + n, .line = 1, .column = 1};
    json_error_t why;
    AUTO_JSON json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

    if (!value)
        return err_set(err, ERR_INPUT, "%d:%d: %s", why.line > 0 ? why.line : 1,
                       why.column > 0 ? why.column : 1, why.text);
    return build(&w, value, ret, err);
}
