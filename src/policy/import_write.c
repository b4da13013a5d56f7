// SPDX-License-Identifier: Apache-2.0
// Nodes of the policy that is made, and the policy as a file for people: each line says where it came from.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/jsontree.h"
#include "policy/import_parts.h"
#include "policy/value.h"

#define COMMENT_COLUMN 48
#define COMMENT_WIDTH 116

void import_add(struct importer *m, struct import_list *list, const struct import_item *item)
{
    if (list->n == list->alloc) {
        size_t alloc = list->alloc ? list->alloc * 2 : 8;
        struct import_item *items = arena_alloc(m->arena, alloc * sizeof *items);

        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->alloc = alloc;
    }
    list->items[list->n++] = *item;
}

void import_add_all(struct importer *m, struct import_list *list, const struct yaml_node *node,
                    const char *key)
{
    for (const struct yaml_node *c = node ? node->first : NULL; c; c = c->next)
        import_add(m, list, &(struct import_item){.text = c->text, .key = key, .at = c});
}

void import_note(struct importer *m, const char *fmt, ...)
{
    char part[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(part, sizeof part, fmt, ap);
    va_end(ap);
    if (!strlist_has(&m->out->notes, part))
        strlist_add(&m->out->notes, part);
}

const char *import_where(struct importer *m, const struct import_item *item)
{
    return item->at ? arena_printf(m->arena, "%s, line %d", item->key, item->at->line) : item->key;
}

bool import_error(const struct import_item *item, struct err *err, const char *what)
{
    if (item->at)
        return err_set(err, ERR_INPUT, "%d:%d: %s: \"%.200s\": %s", item->at->line, item->at->column,
                       item->key, item->text, what);
    return err_set(err, ERR_INPUT, "%s: \"%.200s\": %s", item->key, item->text, what);
}

static struct yaml_node *node_new(struct importer *m, enum yaml_kind kind, const struct import_item *item)
{
    struct import_node *n = arena_alloc(m->arena, sizeof *n);

    n->node.kind = kind;
    if (item && item->at) {
        n->node.line = item->at->line;
        n->node.column = item->at->column;
    }
    if (item)
        n->why = import_where(m, item);
    return &n->node;
}

struct yaml_node *import_map(struct importer *m)
{
    return node_new(m, YAML_MAP, NULL);
}

struct yaml_node *import_seq(struct importer *m, const struct import_item *item)
{
    return node_new(m, YAML_LIST, item);
}

struct yaml_node *import_text(struct importer *m, const char *text, bool plain,
                              const struct import_item *item)
{
    struct yaml_node *n = node_new(m, YAML_SCALAR, item);

    n->text = arena_strdup(m->arena, text);
    n->plain = plain;
    return n;
}

struct yaml_node *import_put(struct yaml_node *parent, const char *key, struct yaml_node *child)
{
    child->key = (char *)(uintptr_t)key;
    child->key_line = child->line;
    child->key_column = child->column;
    yaml_append(parent, child);
    return child;
}

struct yaml_node *import_get(const struct yaml_node *map, const char *key)
{
    for (struct yaml_node *c = map && map->kind == YAML_MAP ? map->first : NULL; c; c = c->next)
        if (!strcmp(c->key, key))
            return c;
    return NULL;
}

struct yaml_node *import_at(const struct yaml_node *root, const char *path)
{
    for (;;) {
        size_t n = strcspn(path, ".");
        AUTO_FREE char *key = xstrndup(path, n);
        struct yaml_node *c = import_get(root, key);

        if (!c || !path[n])
            return c;
        root = c;
        path += n + 1;
    }
}

bool import_true(const struct yaml_node *root, const char *path)
{
    const struct yaml_node *n = import_at(root, path);

    return n && n->kind == YAML_SCALAR && n->plain && !strcmp(n->text, "true");
}

struct yaml_node *import_policy(struct importer *m)
{
    struct yaml_node *policy = import_map(m);

    import_put(policy, "version", import_text(m, "1", true, NULL));
    import_put(policy, "extends", import_text(m, "workspace", true, NULL));
    return policy;
}

void imported_deinit(struct imported *m)
{
    strlist_deinit(&m->notes);
}

// --- reading ---

bool import_read(struct arena *arena, const char *text, size_t n, struct yaml_node **ret_settings,
                 enum import_source *ret_source, struct err *err)
{
    static const char *const claudes[] = {"permissions", "sandbox", "hooks", "env", "model"};
    struct yaml_node *root = NULL;
    bool srt, claude = false;

    if (!jsontree_parse(arena, text, n, &root, err))
        return false;
    if (root->kind != YAML_MAP)
        return err_set(err, ERR_INPUT, "%d:%d: not a JSON object", root->line, root->column);
    srt = import_get(root, "network") || import_get(root, "filesystem");
    for (size_t i = 0; i < ARRAY_LEN(claudes); i++)
        claude |= import_get(root, claudes[i]) != NULL;
    if (srt == claude)
        return err_set(
            err, ERR_INPUT,
            "%d:%d: %s: sandbox-runtime's settings have network and filesystem, Claude Code's have "
            "permissions or sandbox",
            root->line, root->column,
            srt ? "cannot tell whose settings these are" : "these are no settings known here");
    *ret_settings = root;
    *ret_source = srt ? IMPORT_SRT : IMPORT_CLAUDE;
    return true;
}

// --- writing ---

struct writer {
    struct buf *out;
    size_t line; // where the current line starts
};

static void end_line(struct writer *w, const struct yaml_node *n)
{
    const char *why = n ? ((const struct import_node *)n)->why : NULL;
    size_t used = w->out->len - w->line;

    if (why) {
        buf_addf(w->out, "%*s  # ", used < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - used) : 0, "");
        value_comment(w->out, why, strlen(why));
    }
    buf_addc(w->out, '\n');
    w->line = w->out->len;
}

static void put_scalar(struct writer *w, const struct yaml_node *n)
{
    if (n->plain)
        buf_adds(w->out, n->text);
    else
        value_quote(w->out, n->text);
}

static void put_flow(struct writer *w, const struct yaml_node *list)
{
    buf_addc(w->out, '[');
    for (const struct yaml_node *c = list->first; c; c = c->next) {
        put_scalar(w, c);
        buf_adds(w->out, c->next ? ", " : "");
    }
    buf_addc(w->out, ']');
}

static void put_map(struct writer *w, const struct yaml_node *map, int depth);

// A list in a rule stands in the rule's line; one of the policy has a line for each entry.
static void put_entry(struct writer *w, const struct yaml_node *n, int depth)
{
    buf_addf(w->out, "%s:", n->key);
    if (n->kind == YAML_SCALAR || !n->first || (n->kind == YAML_LIST && depth > 2)) {
        buf_addc(w->out, ' ');
        if (n->kind == YAML_SCALAR)
            put_scalar(w, n);
        else if (n->kind == YAML_LIST)
            put_flow(w, n);
        else
            buf_adds(w->out, "{}");
        end_line(w, n);
        return;
    }
    end_line(w, n);
    if (n->kind == YAML_MAP) {
        put_map(w, n, depth);
        return;
    }
    for (const struct yaml_node *c = n->first; c; c = c->next) {
        buf_addf(w->out, "%*s- ", depth * 2, "");
        if (c->kind == YAML_SCALAR) {
            put_scalar(w, c);
            end_line(w, c);
            continue;
        }
        for (const struct yaml_node *e = c->first; e; e = e->next) {
            buf_addf(w->out, "%*s", e == c->first ? 0 : depth * 2 + 2, "");
            put_entry(w, e, depth + 2);
        }
    }
}

static void put_map(struct writer *w, const struct yaml_node *map, int depth)
{
    for (const struct yaml_node *n = map->first; n; n = n->next) {
        buf_addf(w->out, "%*s", depth * 2, "");
        put_entry(w, n, depth + 1);
    }
}

// Words of a sentence in lines of comment.
static void put_note(struct buf *out, const char *text)
{
    size_t column = 4;

    buf_adds(out, "# -");
    while (*text) {
        size_t n = strcspn(text, " ");

        if (column + n + 1 > COMMENT_WIDTH && column > 4) {
            buf_adds(out, "\n#  ");
            column = 4;
        }
        buf_addc(out, ' ');
        value_comment(out, text, n);
        column += n + 1;
        text += n;
        text += strspn(text, " ");
    }
    buf_addc(out, '\n');
}

void import_write(const struct imported *m, const char *file, struct buf *ret)
{
    struct writer w = {.out = ret};

    buf_addf(ret, "# Made by `bawn policy import` from %s of ",
             m->source == IMPORT_SRT ? "the sandbox-runtime settings" : "the settings of Claude Code");
    value_comment(ret, file, strlen(file));
    buf_adds(ret, ".\n");
    if (m->notes.n)
        buf_adds(ret, "# What has no equal, or is stricter here:\n");
    for (size_t i = 0; i < m->notes.n; i++)
        put_note(ret, m->notes.items[i]);
    w.line = ret->len;
    put_map(&w, m->policy, 0);
}
