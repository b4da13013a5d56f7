// SPDX-License-Identifier: Apache-2.0
// The form of settings, by a table: every key is known, of its type, and has a fate. A key that is not in the
// table may be one that restricts, from a version newer than this translator: it is never passed over in
// silence.
#include <string.h>

#include "policy/import_parts.h"
#include "policy/schema.h"

struct checker {
    struct importer *m;
    const struct shapes *shapes;
    struct buf path;
};

static const char *form(enum shape_kind kind)
{
    static const char *const names[] = {
        [SHAPE_TEXTS] = "a list of texts", [SHAPE_MAP] = "an object",      [SHAPE_MAPS] = "a list of objects",
        [SHAPE_DICT] = "an object",        [SHAPE_BOOL] = "true or false", [SHAPE_NUMBER] = "a number",
        [SHAPE_TEXT] = "a text",           [SHAPE_ANY] = "anything"};

    return names[kind];
}

static bool all_are(const struct yaml_node *list, enum yaml_kind kind)
{
    for (const struct yaml_node *c = list->first; c; c = c->next)
        if (c->kind != kind || (kind == YAML_SCALAR && c->plain))
            return false;
    return true;
}

static bool fits(const struct yaml_node *n, enum shape_kind kind)
{
    switch (kind) {
    case SHAPE_TEXTS:
        return n->kind == YAML_LIST && all_are(n, YAML_SCALAR);
    case SHAPE_MAPS:
        return n->kind == YAML_LIST && all_are(n, YAML_MAP);
    case SHAPE_MAP:
    case SHAPE_DICT:
        return n->kind == YAML_MAP;
    case SHAPE_BOOL:
        return n->kind == YAML_SCALAR && n->plain && (!strcmp(n->text, "true") || !strcmp(n->text, "false"));
    case SHAPE_NUMBER:
        return n->kind == YAML_SCALAR && n->plain &&
               (n->text[0] == '-' || (n->text[0] >= '0' && n->text[0] <= '9'));
    case SHAPE_TEXT:
        return n->kind == YAML_SCALAR && !n->plain;
    default:
        return true;
    }
}

// Does the value ask for anything?
static bool says(const struct yaml_node *n)
{
    if (n->kind != YAML_SCALAR)
        return n->first != NULL;
    return !n->plain || (strcmp(n->text, "false") != 0 && strcmp(n->text, "null") != 0);
}

static const struct shape *find(const struct checker *c, const char *path)
{
    size_t root = strlen(c->shapes->root);

    for (size_t i = 0; i < c->shapes->n; i++)
        if (!strncmp(path, c->shapes->root, root) && !strcmp(c->shapes->items[i].path, path + root))
            return &c->shapes->items[i];
    return NULL;
}

static bool fail(const struct checker *c, int line, int column, struct err *err, const char *what)
{
    AUTO_FREE char *path = xstrndup(c->path.ptr, c->path.len);

    return err_set(err, ERR_INPUT, "%d:%d: %s: %s", line, column, path, what);
}

// Names beside it in the table, as words.
static char *siblings(const struct checker *c, const char *path)
{
    size_t root = strlen(c->shapes->root),
           parent = (size_t)(strrchr(path, '.') ? strrchr(path, '.') + 1 - path : 0);
    AUTO_BUF struct buf words = {0};

    buf_init(&words, 1 << 16);
    for (size_t i = 0; i < c->shapes->n; i++) {
        AUTO_FREE char *whole = xasprintf("%s%s", c->shapes->root, c->shapes->items[i].path);

        if (strlen(whole) > parent && strlen(whole) > root && !strncmp(whole, path, parent) &&
            !strpbrk(whole + parent, ".["))
            buf_addf(&words, "%s%s", words.len ? " " : "", whole + parent);
    }
    return buf_take(&words);
}

static bool unknown(const struct checker *c, const struct yaml_node *n, struct err *err)
{
    AUTO_FREE char *path = xstrndup(c->path.ptr, c->path.len), *words = siblings(c, path),
                   *near = words_nearest(words, n->key);
    AUTO_FREE char *what = NULL;

    if (!c->shapes->unknown_is_wrong) {
        import_note(c->m, "%s (line %d) is not known here: without effect", path, n->key_line);
        return true;
    }
    what = near ? xasprintf("unknown key; did you mean \"%s\"?", near)
                : xstrdup("unknown key: whether it restricts cannot be told, so nothing is run; remove it");
    return fail(c, n->key_line, n->key_column, err, what);
}

static bool check_map(struct checker *c, const struct yaml_node *map, struct err *err);

static bool check_value(struct checker *c, const struct shape *s, const struct yaml_node *n, struct err *err)
{
    AUTO_FREE char *what = NULL;
    bool ok = true;

    if (!fits(n, s->kind)) {
        what = xasprintf("must be %s", form(s->kind));
        return fail(c, n->line, n->column, err, what);
    }
    if (s->fate == FATE_REFUSED && says(n) && c->m->place->for_keeps) {
        c->m->rules.network_shut = true;
        import_note(c->m, "%.*s (line %d) has no equal, so no host is let through: %s", (int)c->path.len,
                    c->path.ptr, n->line, s->why);
    } else if (s->fate == FATE_REFUSED && says(n)) {
        what = xasprintf("has no equal in bawn; %s", s->why);
        return fail(c, n->line, n->column, err, what);
    }
    if (s->fate == FATE_NOTED && says(n))
        import_note(c->m, "%.*s (line %d): %s", (int)c->path.len, c->path.ptr, n->line, s->why);
    if (s->kind == SHAPE_MAP && s->fate == FATE_TAKEN)
        return check_map(c, n, err);
    buf_adds(&c->path, s->kind == SHAPE_MAPS ? "[]" : "");
    for (const struct yaml_node *e = n->first; ok && e && s->kind == SHAPE_MAPS; e = e->next)
        ok = check_map(c, e, err);
    return ok;
}

static bool check_required(struct checker *c, const struct yaml_node *map, struct err *err)
{
    AUTO_FREE char *path = xstrndup(c->path.ptr, c->path.len);
    size_t root = strlen(c->shapes->root), n = strlen(path);

    for (size_t i = 0; i < c->shapes->n; i++) {
        const struct shape *s = &c->shapes->items[i];
        AUTO_FREE char *whole = xasprintf("%s%s", c->shapes->root, s->path);
        const char *name = whole + n + (n > 0);

        if (!s->required || strlen(whole) <= root || strncmp(whole, path, n) != 0 || (n && whole[n] != '.') ||
            strpbrk(name, ".[") || import_get(map, name))
            continue;
        buf_addf(&c->path, "%s%s", n ? "." : "", name);
        return fail(c, map->line, map->column, err, "is missing; sandbox-runtime wants it, if only as []");
    }
    return true;
}

static bool check_map(struct checker *c, const struct yaml_node *map, struct err *err)
{
    size_t at = c->path.len;

    for (const struct yaml_node *n = map->first; n; n = n->next) {
        const struct shape *s;
        bool ok;

        buf_addf(&c->path, "%s%.100s", at ? "." : "", n->key);
        s = find(c, buf_cstr(&c->path));
        ok = s ? check_value(c, s, n, err) : unknown(c, n, err);
        if (!ok)
            return false;
        c->path.len = at;
    }
    return check_required(c, map, err);
}

bool import_shapes(struct importer *m, const struct shapes *shapes, const struct yaml_node *root,
                   struct err *err)
{
    struct checker c = {.m = m, .shapes = shapes};
    size_t n = strlen(shapes->root);
    bool ok;

    buf_init(&c.path, 1 << 16);
    buf_add(&c.path, shapes->root, n ? n - 1 : 0);
    ok = check_map(&c, root, err);
    buf_deinit(&c.path);
    return ok;
}
