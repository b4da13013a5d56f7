// SPDX-License-Identifier: Apache-2.0
// The tree is built from libyaml's events with an explicit stack, so that neither depth nor size is in the
// hands of the text: a node is checked and counted when its event comes, before the next is asked for.
#include "base/yaml.h"

#include <string.h>
#include <yaml.h>

#include "base/utf8.h"

struct builder {
    struct arena *arena;
    struct yaml_node *root;
    struct yaml_node *stack[YAML_DEPTH_MAX]; // open collections
    size_t keys[YAML_DEPTH_MAX];             // entries of each so far
    size_t depth, nodes;
    char *key; // read, waiting for its value
    int key_line, key_column;
    int documents;
};

const char *yaml_kind_name(enum yaml_kind kind)
{
    return kind == YAML_SCALAR ? "text" : kind == YAML_LIST ? "a list" : "a mapping";
}

static bool fail(const yaml_mark_t *at, struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "%zu:%zu: %s", at->line + 1, at->column + 1, what);
}

// libyaml would take UTF-16 by its mark and stop at a NUL with a message that names neither.
static bool check_bytes(const char *text, size_t n, struct err *err)
{
    size_t good = utf8_valid_prefix(text, n), line = 1, start = 0, columns = 0;
    const char *nul = memchr(text, '\0', good);
    size_t bad = nul ? (size_t)(nul - text) : good;

    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        return err_set(err, ERR_INPUT, "1:1: starts with a byte order mark; save it as UTF-8 without one");
    if (bad == n)
        return true;
    for (size_t i = 0; i < bad; i++)
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    for (size_t i = start; i < bad; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return err_set(err, ERR_INPUT, "%zu:%zu: %s; the file must be UTF-8 text", line, columns + 1,
                   nul ? "a NUL byte" : "a byte that is not UTF-8");
}

// libyaml's marks count characters; the byte there, or NUL past the end.
static char byte_at(const char *text, size_t n, const yaml_mark_t *at)
{
    size_t line = 0, column = 0;

    for (size_t i = 0; i < n; i++) {
        if (((unsigned char)text[i] & 0xc0) == 0x80)
            continue;
        if (line == at->line && column == at->column)
            return text[i];
        column++;
        if (text[i] == '\n') {
            line++;
            column = 0;
        }
    }
    return '\0';
}

static bool syntax_error(const yaml_parser_t *p, const char *text, size_t n, struct err *err)
{
    const yaml_mark_t *at = &p->problem_mark;
    const char *what = p->problem ? p->problem : "not YAML";
    char c = byte_at(text, n, at);

    if (p->error == YAML_READER_ERROR)
        return err_set(err, ERR_INPUT, "1:1: %s at byte %zu", what, p->problem_offset);
    if (c == '\t')
        return fail(at, err, "a tab cannot indent YAML; use spaces");
    if (c == '@' || c == '`' || c == '%')
        return err_set(err, ERR_INPUT, "%zu:%zu: a text that starts with %c must be quoted", at->line + 1,
                       at->column + 1, c);
    if (p->context && strcmp(p->context, "while parsing a flow node") != 0)
        return err_set(err, ERR_INPUT, "%zu:%zu: %s, %s", at->line + 1, at->column + 1, what, p->context);
    return fail(at, err, what);
}

static bool take_key(struct builder *b, const yaml_event_t *e, struct err *err)
{
    struct yaml_node *map = b->stack[b->depth - 1];
    const char *name = (const char *)e->data.scalar.value;

    if (e->type != YAML_SCALAR_EVENT)
        return fail(&e->start_mark, err, "a key must be a name, not a list or a mapping");
    if (strlen(name) != e->data.scalar.length)
        return fail(&e->start_mark, err, "a NUL in a key");
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !strcmp(name, "<<"))
        return fail(&e->start_mark, err, "merge keys (<<) are not accepted; write the entries out");
    if (++b->keys[b->depth - 1] > YAML_KEYS_MAX)
        return fail(&e->start_mark, err, "too many keys in one mapping");
    for (const struct yaml_node *c = map->first; c; c = c->next)
        if (!strcmp(c->key, name))
            return err_set(err, ERR_INPUT, "%zu:%zu: the key \"%.60s\" is there twice, first in line %d",
                           e->start_mark.line + 1, e->start_mark.column + 1, name, c->key_line);
    b->key = arena_strdup(b->arena, name);
    b->key_line = (int)e->start_mark.line + 1;
    b->key_column = (int)e->start_mark.column + 1;
    return true;
}

static struct yaml_node *attach(struct builder *b, enum yaml_kind kind, const yaml_event_t *e)
{
    struct yaml_node *parent = b->depth ? b->stack[b->depth - 1] : NULL;
    struct yaml_node *node = arena_alloc(b->arena, sizeof *node);

    node->kind = kind;
    node->line = (int)e->start_mark.line + 1;
    node->column = (int)e->start_mark.column + 1;
    if (!parent) {
        b->root = node;
        return node;
    }
    node->key = TAKE_PTR(b->key);
    node->key_line = b->key_line;
    node->key_column = b->key_column;
    yaml_append(parent, node);
    return node;
}

static bool refuse_decoration(const yaml_event_t *e, struct err *err)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor)
        return fail(&e->start_mark, err,
                    "anchors (&name) are not accepted; write the value out, or quote it");
    if (tag)
        return fail(&e->start_mark, err,
                    "tags (!name) are not accepted; quote the value if it starts with !");
    return true;
}

static bool take_node(struct builder *b, const yaml_event_t *e, struct err *err)
{
    struct yaml_node *node;

    if (!refuse_decoration(e, err))
        return false;
    if (++b->nodes > YAML_NODES_MAX)
        return fail(&e->start_mark, err, "the document has too many values");
    if (b->depth && b->stack[b->depth - 1]->kind == YAML_MAP && !b->key)
        return take_key(b, e, err);
    if (e->type == YAML_SCALAR_EVENT) {
        if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
            return fail(&e->start_mark, err, "a NUL (\\0) in a text");
        node = attach(b, YAML_SCALAR, e);
        node->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->text = arena_strdup(b->arena, (const char *)e->data.scalar.value);
        return true;
    }
    if (b->depth == YAML_DEPTH_MAX)
        return fail(&e->start_mark, err, "nested too deeply");
    node = attach(b, e->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST, e);
    b->keys[b->depth] = 0;
    b->stack[b->depth++] = node;
    return true;
}

static bool take_event(struct builder *b, const yaml_event_t *e, struct err *err)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++)
            return fail(&e->start_mark, err, "a second document; one file holds one document");
        if (e->data.document_start.version_directive ||
            e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
            return fail(&e->start_mark, err, "directives (%) are not accepted; remove the line");
        return true;
    case YAML_ALIAS_EVENT:
        return fail(&e->start_mark, err, "aliases (*name) are not accepted; quote a text that starts with *");
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_node(b, e, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return true;
    default:
        return true;
    }
}

bool yaml_parse(struct arena *arena, const char *text, size_t n, struct yaml_node **ret, struct err *err)
{
    struct builder b = {.arena = arena};
    bool ok = true, end = false;
    yaml_parser_t parser;

    if (!check_bytes(text, n, err))
        return false;
    if (!yaml_parser_initialize(&parser))
        die_oom();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    while (ok && !end) {
        yaml_event_t e;

        if (!yaml_parser_parse(&parser, &e)) {
            ok = syntax_error(&parser, text, n, err);
            break;
        }
        ok = take_event(&b, &e, err);
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    if (!ok)
        return false;
    // "--- " alone, or nothing but comments between document marks, is an empty plain scalar.
    if (b.root && b.root->kind == YAML_SCALAR && b.root->plain && !*b.root->text)
        b.root = NULL;
    *ret = b.root;
    return true;
}
