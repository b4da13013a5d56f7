// SPDX-License-Identifier: Apache-2.0
// A layer of policy as a tree whose every node knows what it is (its row in the schema) and where it was
// written. Trees are read (read.c), merged (merge.c), narrowed (narrow.c), shown (write.c) and bound
// (bind.c). All trees of one load live in one arena, so a merge may move nodes from one tree to another.
#ifndef BAWN_POLICY_VALUE_H
#define BAWN_POLICY_VALUE_H

#include "base/arena.h"
#include "policy/schema.h"

enum value_kind { VALUE_SCALAR = 0, VALUE_LIST, VALUE_MAP };

struct value {
    enum value_kind kind;
    const struct schema_key *schema; // of a list's element: the list's row
    const char *key;                 // name in the map above; NULL in a list
    bool append;                     // a list written as "key+"
    const char *text;                // scalar, in the form that is shown and bound
    struct value *first, *last;      // children
    struct value *next;
    struct origin from;
};

struct value *value_new(struct arena *a, enum value_kind kind, const struct schema_key *schema,
                        const char *key, const struct origin *from);
struct value *value_copy(struct arena *a, const struct value *v); // with its children
void value_append(struct value *parent, struct value *child);
struct value *value_get(const struct value *map, const char *key); // NULL when not there, or map is NULL
// By dotted path from the root: "network.mode".
struct value *value_at(const struct value *root, const char *path);
const char *value_text(const struct value *map, const char *key); // scalar's text or NULL
// The same content, whatever the order of keys.
bool value_equal(const struct value *a, const struct value *b);
bool value_list_has(const struct value *list, const struct value *element);
size_t value_count(const struct value *v); // children; 0 for NULL
// The map or list `key` in `map`, made when missing.
struct value *value_ensure(struct arena *a, struct value *map, const struct schema_key *schema,
                           const char *key, enum value_kind kind, const struct origin *from);
// "bawn.yaml:3:5" or "profile workspace": for errors and notes. Owned.
char *origin_text(const struct origin *from);

// As a quoted YAML text (UTF-8); what is not printable ASCII by its code point.
void value_quote(struct buf *out, const char *text);
// Into a comment, which a name must not end: YAML knows more line breaks than ASCII does.
void value_comment(struct buf *out, const char *text, size_t n);

// Puts `from` over `onto` (both maps of the same kind): maps merge by key, lists and scalars replace, "key+"
// appends.
void value_merge(struct value *onto, struct value *from);

#endif
