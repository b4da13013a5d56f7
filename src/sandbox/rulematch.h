// SPDX-License-Identifier: Apache-2.0
// File rules made ready for trees: which deny or protect rule covers this name? Asked once for every entry of
// every directory, so it costs a hash of the name and, on a hit only, a look at the whole path.
//
// A rule becomes a pattern: a literal prefix with its links resolved (so that it speaks of the same paths as
// a walk does) and a glob tail below it. Patterns stand in a table by their last component; those whose last
// component is a glob itself are tried one by one. Rules of @hooks compare without case: no honest program
// makes a `.GIT`, and on a file system that folds case it is the same as `.git`. Other rules fold case where
// the file system does.
#ifndef BAWN_SANDBOX_RULEMATCH_H
#define BAWN_SANDBOX_RULEMATCH_H

#include "base/arena.h"
#include "base/strlist.h"
#include "policy/files.h"

#define RULEMATCH_BUCKETS 256

struct rule_pattern {
    const struct file_rule *rule;
    const char *prefix; // normal, links resolved as far as it exists
    const char *tail;   // glob components below the prefix, lower case when `fold`; "" for a plain path
    const char *last;   // last component, lower case when `fold`
    bool absent;        // a plain path that was not there when the rules were read
    bool fold;          // compare without case
    bool last_glob;     // `last` has a glob character
    uint32_t hash;      // of the lower-case last component
    uint32_t next;      // chain in its bucket, index plus one; 0 ends
};

struct rulematch {
    const struct file_rules *rules;
    struct rule_pattern *items;
    size_t n, alloc;
    uint32_t buckets[RULEMATCH_BUCKETS]; // index plus one
    uint32_t *globs;                     // patterns with a glob in the last component
    size_t nglobs;
    struct strlist roots; // writable roots: links resolved, existing, outermost only
    struct strlist trees; // of the grants for reading: links resolved as far as they exist
    bool whole;           // "/" is one of them, for which the workspace stands in `roots`
    struct arena arena;   // the patterns' text
};

void rulematch_init(struct rulematch *m, const struct file_rules *rules);
void rulematch_deinit(struct rulematch *m); // takes a zeroed struct too
// One more plain path (normal, links resolved) for this rule; nothing when it is there already.
void rulematch_add_path(struct rulematch *m, const char *path, const struct file_rule *rule);
// The strongest rule that covers the path itself; `name` points at its last component. NULL when none does.
const struct file_rule *rulematch_find(const struct rulematch *m, const char *path, const char *name);
// True when something below dir could be covered by a rule of at least this strength.
bool rulematch_below(const struct rulematch *m, const char *dir, enum file_grant least);
// The writable root that holds the path (or is it), or NULL.
const char *rulematch_root(const struct rulematch *m, const char *path);

// Resolves links as far as the path exists; what does not exist is appended as it stands. Owned.
char *path_resolved(const char *path);
// The same, but the last component is not followed.
char *path_resolved_parent(const char *path);
// ASCII only, as git does.
bool name_is(const char *name, const char *lower);

#endif
