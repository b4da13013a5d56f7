// SPDX-License-Identifier: Apache-2.0
// A strict subset of YAML as a tree with the place of every node. JSON is a subset of it.
//
// Scalars are text and nothing else: whether "off" is a boolean, a mode or a name is the reader's business.
// What lets one text mean another, or hides what it says, is an error: anchors, aliases, tags, directives,
// merge keys, several documents, duplicate keys, keys that are not scalars, NUL, bad UTF-8, a byte order
// mark. So is what is too large or too deep. Errors read "LINE:COLUMN: what; remedy"; both count from 1,
// columns in characters.
#ifndef BAWN_BASE_YAML_H
#define BAWN_BASE_YAML_H

#include "base/arena.h"

#define YAML_DEPTH_MAX 32u    // nested lists and mappings
#define YAML_NODES_MAX 50000u // nodes of a document
#define YAML_KEYS_MAX 2000u   // keys of one mapping: each is compared with all before it

enum yaml_kind { YAML_SCALAR = 0, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool plain; // a scalar without quotes
    int line, column;
    char *text;                     // scalar; never has a NUL inside
    char *key;                      // in a mapping: its name there, else NULL
    int key_line, key_column;       // of the key
    struct yaml_node *first, *last; // elements or entries in their order
    struct yaml_node *next;         // the sibling after this one
};

// *ret is NULL for a text without a document (empty, or comments only). Everything lives in the arena.
MUST_USE bool yaml_parse(struct arena *arena, const char *text, size_t n, struct yaml_node **ret,
                         struct err *err);
// As the parent's last element or entry; key stays as it is.
static inline void yaml_append(struct yaml_node *parent, struct yaml_node *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

const char *yaml_kind_name(enum yaml_kind kind); // "text", "a list", "a mapping"

#endif
