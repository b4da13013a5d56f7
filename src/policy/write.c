// SPDX-License-Identifier: Apache-2.0
// The merged policy as YAML that reads back to the same policy: texts are always quoted, so that no other
// reader takes one for a number or a boolean; names of modes, amounts and truth values are not.
#include "policy/load.h"

#include <string.h>

#include "policy/bind.h"

#define COMMENT_COLUMN 48

struct writer {
    struct buf *out;
    bool origins;
    size_t line; // where the current line starts
};

static bool bare(const struct value *v)
{
    enum schema_type type =
        v->schema->type == TYPE_LIST || v->schema->type == TYPE_DICT ? v->schema->element : v->schema->type;

    switch (type) {
    case TYPE_VERSION:
    case TYPE_PROFILE:
    case TYPE_ENUM:
    case TYPE_BOOL:
    case TYPE_COUNT:
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_DURATION:
    case TYPE_REVIEWER:
    case TYPE_METHOD:
        return true;
    default:
        return false;
    }
}

// All that is not printable ASCII by its code point; the text is UTF-8, as reading made sure.
void value_quote(struct buf *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    buf_addc(out, '"');
    while (*p) {
        unsigned len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        unsigned code = len == 1 ? *p : *p & (0xffu >> (len + 1));

        for (unsigned i = 1; i < len && p[i]; i++)
            code = code << 6 | (p[i] & 0x3fu);
        if (*p == '"' || *p == '\\')
            buf_addf(out, "\\%c", *p);
        else if (*p == '\n')
            buf_adds(out, "\\n");
        else if (*p >= 0x20 && *p < 0x7f)
            buf_addc(out, (char)*p);
        else
            buf_addf(out, "\\U%08x", code);
        p += len;
    }
    buf_addc(out, '"');
}

void value_comment(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addc(out, text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
}

static void put_text(struct writer *w, const struct value *v)
{
    if (bare(v))
        buf_adds(w->out, v->text);
    else
        value_quote(w->out, v->text);
}

static void end_line(struct writer *w, const struct value *v)
{
    if (w->origins && v) {
        AUTO_FREE char *where = origin_text(&v->from);
        size_t used = w->out->len - w->line;

        buf_addf(w->out, "%*s  # ", used < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - used) : 0, "");
        value_comment(w->out, where, strlen(where));
    }
    buf_addc(w->out, '\n');
    w->line = w->out->len;
}

static void indent(struct writer *w, int depth)
{
    buf_addf(w->out, "%*s", depth * 2, "");
}

static bool flat(const struct value *v)
{
    return v->kind != VALUE_MAP;
}

static void put_flow(struct writer *w, const struct value *list)
{
    buf_addc(w->out, '[');
    for (const struct value *c = list->first; c; c = c->next) {
        if (c->kind == VALUE_LIST)
            put_flow(w, c);
        else
            put_text(w, c);
        if (c->next)
            buf_adds(w->out, ", ");
    }
    buf_addc(w->out, ']');
}

static void put_map(struct writer *w, const struct value *map, int depth, bool in_list);

static void put_list(struct writer *w, const struct value *list, int depth)
{
    for (const struct value *c = list->first; c; c = c->next) {
        indent(w, depth);
        buf_adds(w->out, "- ");
        if (c->kind == VALUE_MAP) {
            put_map(w, c, depth + 1, true);
            continue;
        }
        put_text(w, c);
        end_line(w, c);
    }
}

static void put_entry(struct writer *w, const struct value *v, int depth, bool in_rule)
{
    buf_addf(w->out, "%s:", v->key);
    if (v->kind == VALUE_SCALAR) {
        buf_addc(w->out, ' ');
        put_text(w, v);
        end_line(w, v);
    } else if (!v->first) {
        buf_adds(w->out, v->kind == VALUE_LIST ? " []" : " {}");
        end_line(w, v);
    } else if (v->kind == VALUE_LIST && in_rule && flat(v->first)) {
        buf_addc(w->out, ' ');
        put_flow(w, v);
        end_line(w, v);
    } else {
        end_line(w, NULL);
        if (v->kind == VALUE_MAP)
            put_map(w, v, depth + 1, false);
        else
            put_list(w, v, depth + 1);
    }
}

// In the order of the schema; a dictionary in its own.
static void put_map(struct writer *w, const struct value *map, int depth, bool in_list)
{
    const struct schema_key *k = map->schema;
    bool entry = map->key && schema_has_maps(k) && k->type == TYPE_DICT && strcmp(k->path, map->key) != 0;
    bool first = in_list, rule = in_list || entry;

    if (k->type == TYPE_DICT && !entry) {
        for (const struct value *c = map->first; c; c = c->next) {
            indent(w, depth);
            put_entry(w, c, depth, rule);
        }
        return;
    }
    for (const struct schema_key *row = schema_next(k, NULL); row; row = schema_next(k, row)) {
        const char *dot = strrchr(row->path, '.');
        const struct value *c = value_get(map, dot ? dot + 1 : row->path);

        if (!c)
            continue;
        if (!first)
            indent(w, depth);
        first = false;
        put_entry(w, c, depth, rule);
    }
    if (first) // "- " with nothing behind it
        buf_adds(w->out, "{}\n");
}

void policy_write(const struct policy *p, bool with_origins, struct buf *ret)
{
    struct writer w = {.out = ret, .origins = with_origins, .line = ret->len};

    if (!value_get(p->priv->root, "version")) {
        buf_adds(ret, "version: 1\n");
        w.line = ret->len;
    }
    put_map(&w, p->priv->root, 0, false);
}
