// SPDX-License-Identifier: Apache-2.0
// The one table of what a policy may say: every key with its type, the values it takes, how it narrows, what
// it is for and where in struct policy it goes. Reading, merging, narrowing, showing and the JSON Schema are
// all driven by it: a key is added here, and (when it is more than a scalar or a list of texts) in bind.c.
#ifndef BAWN_POLICY_SCHEMA_H
#define BAWN_POLICY_SCHEMA_H

#include "base/buf.h"
#include "policy/model.h"

enum schema_type {
    // Collections. Children of a map are "PATH.name"; entries of a list "PATH[]"; of a dictionary "PATH{}".
    TYPE_MAP = 0,
    TYPE_LIST,
    TYPE_DICT,
    TYPE_REVIEWER, // a name, or {command: [...]}
    TYPE_MATCH,    // list of texts and of lists of texts
    // Scalars.
    TYPE_VERSION,
    TYPE_PROFILE,
    TYPE_ENUM,
    TYPE_BOOL,
    TYPE_COUNT,
    TYPE_NUMBER,
    TYPE_SIZE,
    TYPE_DURATION,
    TYPE_TEXT,
    TYPE_READ_PATH, // a path or a set that can be granted for reading
    TYPE_WRITE_PATH,
    TYPE_PATTERN,      // deny and protect: a path, a glob or a set
    TYPE_PATH,         // kept as written, resolved against workspace and HOME
    TYPE_BESIDE,       // a path made absolute against the directory of the file that names it
    TYPE_HOST,         // exact, *.x, **.x, address, CIDR
    TYPE_ADDRESS,      // address or CIDR
    TYPE_HOST_PATTERN, // TYPE_HOST or "**"
    TYPE_PORT,
    TYPE_METHOD,
    TYPE_URL_PATH,
    TYPE_TOKEN, // header or field name
    TYPE_ENV_NAME,
    TYPE_ENV_PATTERN, // name, a trailing * is a prefix
    TYPE_SOURCE,      // env:NAME, file:PATH or json:PATH#POINTER
    TYPE_POINTER,     // JSON pointer (RFC 6901); a segment * is any name, {workspace} its path
};

// What becomes of a key in a layer that may only narrow.
enum narrow {
    NARROW_OTHER = 0, // does not narrow: dropped from an untrusted file, merged from the managed one
    NARROW_INNER,     // a map: each key inside by its own rule
    NARROW_NONE,      // says nothing about rights (version, extends: taken before)
    NARROW_RANK,      // the stricter of two named values
    NARROW_LEAST,     // the smaller amount
    NARROW_MOST,      // the larger amount
    NARROW_PATHS,     // granting list of paths: intersection
    NARROW_EXACT,     // granting list: entries that both have
    NARROW_NAMES,     // granting list of names with a trailing *: intersection
    NARROW_ADDRESSES, // granting list of addresses and ranges: intersection
    NARROW_RULES,     // network.allow: intersection of rules
    NARROW_UNITE,     // refusing list: union
    NARROW_COMMANDS,  // union of those rules that do not allow
};

enum schema_bind { BIND_NONE = 0, BIND_ENUM, BIND_BOOL, BIND_UINT, BIND_NUMBER, BIND_TEXT, BIND_LIST };

struct schema_key {
    const char *path;
    enum schema_type type;
    enum schema_type element; // of a list or a dictionary
    enum narrow narrow;
    const char *values;  // enum: the names in the order of the model's enum
    const char *strict;  // names from strictest to loosest, where narrowing compares them
    const char *initial; // what holds when no layer says anything; NULL: nothing
    enum schema_bind bind;
    size_t offset; // in struct policy, or in the struct of the list's element
    const char *doc;
};

extern const struct schema_key schema_root; // the document itself: a map with path ""
extern const struct schema_key schema_keys[];
extern const size_t schema_nkeys;

// The key `name` of a map, of a dictionary's entry, or NULL.
const struct schema_key *schema_child(const struct schema_key *parent, const char *name);
// First and next child in the order of the table; NULL at the end.
const struct schema_key *schema_next(const struct schema_key *parent, const struct schema_key *after);
// For the entries of a list or dictionary of maps the key itself stands for an entry: children "PATH[].x".
bool schema_has_maps(const struct schema_key *key);

// Words in a list separated by blanks.
bool words_find(const char *words, const char *word, int *ret_index);
char *words_commas(const char *words); // "a, b, c"; owned
// The nearest word within a third of its length by edit distance, or NULL. Owned.
char *words_nearest(const char *words, const char *word);
char *schema_child_names(const struct schema_key *parent); // words; owned

// JSON Schema (2020-12) of bawn.yaml.
void schema_write_json(struct buf *ret);

#endif
