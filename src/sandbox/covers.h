// SPDX-License-Identifier: Apache-2.0
// What must be covered in the sandbox's file system: denied paths are masked, protected ones are bound
// read-only and their ancestors (below the writable root) pinned as mount points, so that none can be renamed
// away.
#ifndef BAWN_SANDBOX_COVERS_H
#define BAWN_SANDBOX_COVERS_H

#include "policy/files.h"

enum cover_kind { COVER_MASK = 0, COVER_READONLY, COVER_PIN };

struct cover {
    enum cover_kind kind;
    bool is_dir;
    char *path;                   // normal, links resolved, existed when found
    const struct file_rule *rule; // NULL for a pin
};

struct cover_list {
    struct cover *items; // by path, so that a parent stands before its children; one entry a path
    size_t n, alloc;
};

struct treewatch;

// Finds everything that exists now and that deny or protect rules name: plain paths (and what they link to),
// globs, and git's own places (nested repositories, worktrees' .git files, modules, core.hooksPath targets).
// Walks each writable root once without following links, for deny globs the pattern's fixed prefix too; a
// directory that cannot be read is passed over. When watch is not NULL every directory walked in a writable
// root is watched from before it was listed, so nothing that appears later is missed.
MUST_USE bool covers_find(const struct file_rules *rules, struct treewatch *watch, struct cover_list *ret,
                          struct err *err);
void cover_list_deinit(struct cover_list *l);
void cover_list_add(struct cover_list *l, enum cover_kind kind, bool is_dir, const char *path,
                    const struct file_rule *rule);
// True when the list has the path itself (any kind).
const struct cover *cover_list_find(const struct cover_list *l, const char *path);

#endif
