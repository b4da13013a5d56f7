// SPDX-License-Identifier: Apache-2.0
// Walks a YAML tree beside the schema. Every error has the same form: "FILE:LINE:COLUMN: key.path: what;
// remedy".
#include "policy/read.h"

#include <string.h>

#include "base/utf8.h"
#include "policy/scalar.h"

struct reader {
    struct arena *arena;
    const struct read_source *source;
    struct buf path; // of the value at hand, for errors
};

static struct origin origin_of(const struct reader *r, int line, int column)
{
    return (struct origin){
        .layer = r->source->layer, .file = r->source->file, .line = line, .column = column};
}

static bool prefix(struct reader *r, int line, int column, struct err *err)
{
    struct origin from = origin_of(r, line, column);
    AUTO_FREE char *where = origin_text(&from);

    if (r->path.len)
        return err_prefix(err, "%s: %s", where, buf_cstr(&r->path));
    return err_prefix(err, "%s", where);
}

static const char *schema_form(const struct schema_key *k, bool element)
{
    enum schema_type type = element ? k->element : k->type;

    switch (type) {
    case TYPE_MAP:
    case TYPE_DICT:
        return "a mapping (name: value)";
    case TYPE_LIST:
    case TYPE_MATCH:
        return "a list, like [a, b]";
    case TYPE_BOOL:
        return "true or false";
    default:
        return "a single value";
    }
}

static bool wrong_kind(struct reader *r, const struct yaml_node *n, const struct schema_key *k, bool element,
                       struct err *err)
{
    if (n->kind == YAML_SCALAR && n->plain && !*n->text)
        err_set(err, ERR_INPUT, "is empty; write %s or remove the key", schema_form(k, element));
    else
        err_set(err, ERR_INPUT, "must be %s, not %s", schema_form(k, element), yaml_kind_name(n->kind));
    return prefix(r, n->line, n->column, err);
}

static struct value *read_value(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                                bool element, const char *key, struct err *err);

static struct value *read_scalar(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                                 bool element, const char *key, struct err *err)
{
    struct scalar_context c = {.arena = r->arena, .dir = r->source->dir, .home = r->source->home};
    enum schema_type type = element ? k->element : k->type;
    struct origin from = origin_of(r, n->line, n->column);
    struct value *v = value_new(r->arena, VALUE_SCALAR, k, key, &from);

    if (n->kind != YAML_SCALAR || (n->plain && !*n->text)) {
        wrong_kind(r, n, k, element, err);
        return NULL;
    }
    if (utf8_valid_prefix(n->text, strlen(n->text)) != strlen(n->text)) { // options are not read as YAML
        err_set(err, ERR_INPUT, "is not UTF-8");
        prefix(r, n->line, n->column, err);
        return NULL;
    }
    if (!scalar_check(&c, type, k->values, n->text, &v->text, err)) {
        prefix(r, n->line, n->column, err);
        return NULL;
    }
    return v;
}

// Elements of a list; those of a match may themselves be lists (alternatives).
static struct value *read_list(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                               const char *key, struct err *err)
{
    struct origin from = origin_of(r, n->line, n->column);
    struct value *list = value_new(r->arena, VALUE_LIST, k, key, &from);
    size_t path = r->path.len;
    int i = 0;

    if (n->kind != YAML_LIST) {
        wrong_kind(r, n, k, false, err);
        return NULL;
    }
    for (const struct yaml_node *c = n->first; c; c = c->next, i++) {
        struct value *v;

        buf_addf(&r->path, "[%d]", i);
        if (k->type != TYPE_MATCH)
            v = read_value(r, c, k, true, NULL, err);
        else if (c->kind == YAML_LIST && n->key)
            v = read_list(r, c, k, NULL, err);
        else
            v = read_scalar(r, c, &(struct schema_key){.type = TYPE_TEXT}, false, NULL, err);
        if (!v)
            return NULL;
        v->schema = k;
        r->path.len = path;
        value_append(list, v);
    }
    if (k->type == TYPE_MATCH && !list->first) {
        err_set(err, ERR_INPUT, "is empty; name at least one word");
        prefix(r, n->line, n->column, err);
        return NULL;
    }
    return list;
}

static struct value *unknown_key(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                                 struct err *err)
{
    AUTO_FREE char *names = schema_child_names(k), *near = words_nearest(names, n->key),
                   *all = words_commas(names);

    if (near)
        err_set(err, ERR_INPUT, "unknown key; did you mean \"%s\"? known here: %s", near, all);
    else
        err_set(err, ERR_INPUT, "unknown key; known here: %s", all);
    prefix(r, n->key_line, n->key_column, err);
    return NULL;
}

// One entry of a map: finds the row of its key, without the + that appends.
static struct value *read_entry(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                                struct value *map, struct err *err)
{
    size_t len = strlen(n->key);
    bool append = len && n->key[len - 1] == '+';
    const char *name = append ? arena_strndup(r->arena, n->key, len - 1) : n->key;
    const struct schema_key *child = schema_child(k, name);
    struct value *v;

    if (!child)
        return unknown_key(r, n, k, err);
    if (append && child->type != TYPE_LIST) {
        err_set(err, ERR_INPUT, "only lists can be appended to; write \"%.60s\"", name);
        prefix(r, n->key_line, n->key_column, err);
        return NULL;
    }
    if (value_get(map, name)) {
        err_set(err, ERR_INPUT, "\"%.60s\" and \"%.60s+\" in one place; write one of them", name, name);
        prefix(r, n->key_line, n->key_column, err);
        return NULL;
    }
    v = read_value(r, n, child, false, arena_strdup(r->arena, name), err);
    if (v)
        v->append = append;
    return v;
}

static struct value *read_map(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                              bool dict, const char *key, struct err *err)
{
    struct origin from = origin_of(r, n->line, n->column);
    struct value *map = value_new(r->arena, VALUE_MAP, k, key, &from);
    size_t path = r->path.len;

    if (n->kind != YAML_MAP) {
        wrong_kind(r, n, k, !dict && k->type != TYPE_MAP && k->type != TYPE_REVIEWER, err);
        return NULL;
    }
    for (const struct yaml_node *c = n->first; c; c = c->next) {
        struct value *v;

        buf_addf(&r->path, "%s%.80s", path ? "." : "", c->key);
        if (dict) {
            struct scalar_context sc = {.arena = r->arena};
            const char *kept;

            if (!scalar_check(&sc, TYPE_ENV_NAME, NULL, c->key, &kept, err)) {
                prefix(r, c->key_line, c->key_column, err);
                return NULL;
            }
            v = read_value(r, c, k, true, arena_strdup(r->arena, c->key), err);
        } else {
            v = read_entry(r, c, k, map, err);
        }
        if (!v)
            return NULL;
        r->path.len = path;
        value_append(map, v);
    }
    return map;
}

static struct value *read_value(struct reader *r, const struct yaml_node *n, const struct schema_key *k,
                                bool element, const char *key, struct err *err)
{
    switch (element ? k->element : k->type) {
    case TYPE_MAP:
        return read_map(r, n, k, false, key, err);
    case TYPE_DICT:
        return read_map(r, n, k, true, key, err);
    case TYPE_LIST:
    case TYPE_MATCH:
        return read_list(r, n, k, key, err);
    case TYPE_REVIEWER:
        if (n->kind == YAML_MAP)
            return read_map(r, n, k, false, key, err);
        return read_scalar(r, n, k, element, key, err);
    case TYPE_TEXT:
        if (n->kind == YAML_SCALAR && !*n->text && !n->plain) { // "" is a text, nothing is not
            struct origin from = origin_of(r, n->line, n->column);
            struct value *v = value_new(r->arena, VALUE_SCALAR, k, key, &from);

            v->text = "";
            return v;
        }
        return read_scalar(r, n, k, element, key, err);
    default:
        return read_scalar(r, n, k, element, key, err);
    }
}

bool read_tree(struct arena *arena, const struct read_source *source, const struct yaml_node *root,
               struct value **ret, struct err *err)
{
    struct reader r = {.arena = arena, .source = source};
    struct value *v;

    buf_init(&r.path, 4096);
    v = read_map(&r, root, &schema_root, false, NULL, err);
    buf_deinit(&r.path);
    if (!v)
        return false;
    *ret = v;
    return true;
}

bool read_layer(struct arena *arena, const struct read_source *source, const char *text, size_t n,
                struct value **ret, struct err *err)
{
    struct yaml_node empty = {.kind = YAML_MAP, .line = 1, .column = 1}, *root = NULL;

    if (!yaml_parse(arena, text, n, &root, err)) {
        char *colon = err ? strchr(err->msg, ' ') : NULL;

        // "LINE:COLUMN: what" → "FILE:LINE:COLUMN: what"
        if (colon) {
            AUTO_FREE char *msg = xasprintf("%s:%s", source->file, err->msg);
            enum err_kind kind = err->kind;

            err_clear(err);
            err_set(err, kind, "%s", msg);
        }
        return false;
    }
    return read_tree(arena, source, root ? root : &empty, ret, err) && read_finish(arena, source, *ret, err);
}
