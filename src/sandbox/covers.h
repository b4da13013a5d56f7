// SPDX-License-Identifier: Apache-2.0
// What must be covered in the sandbox's file system: denied paths are masked, protected ones are bound
// read-only and their ancestors (below the writable root) pinned as mount points, so that none can be renamed
// away.
#ifndef BAWN_SANDBOX_COVERS_H
#define BAWN_SANDBOX_COVERS_H

#include "base/strlist.h"
#include "policy/files.h"

enum cover_kind { COVER_MASK = 0, COVER_READONLY, COVER_PIN };

struct cover {
    enum cover_kind kind;
    bool is_dir;
    char *path;                   // normal, links resolved, existed when found
    const struct file_rule *rule; // NULL for a pin
};

// A covered name that is a symbolic link. A mount cannot stand on a link, so what it leads to is covered
// instead, and the link itself can be replaced inside; the watch reports that, and quarantine_sweep puts the
// link back.
struct cover_link {
    char *path;   // its parents' links resolved
    char *target; // as readlink gives it
    const struct file_rule *rule;
};

struct cover_list {
    struct cover *items; // by path, so that a parent stands before its children; one entry a path
    size_t n, alloc;
    bool unsorted;            // made by hand, not by covers_find
    struct cover_link *links; // by path
    size_t nlinks, links_alloc;
    struct strlist notes; // sentences for the person: what is covered in part only, and why
};

#define COVERS_ENTRIES_MAX                                                                                   \
    2000000              // names in one writable root, or in all that deny globs make it read elsewhere
#define COVERS_MAX 20000 // covers; each is a mount (4 µs), and the kernel's own limit is 100,000

struct treewatch;

// Finds everything that exists now and that deny or protect rules name: plain paths (and what they link
// to), globs, and git's own places (nested repositories, worktrees' .git files, modules, core.hooksPath
// targets). Walks each writable root once without following links, for deny globs the visible part of the
// pattern's fixed prefix too. Denied paths are listed whether or not the sandbox sees them; protected ones
// only where it could write. Other names (hard links) of a denied or protected file are covered with it. A
// directory that cannot be read is passed over, but masked when the sandbox, as its owner, could open it
// up. ERR_LIMIT when a tree is larger than the bounds. When watch is not NULL every directory walked in a
// writable root is watched from before it was listed, so nothing that appears later is missed.
MUST_USE bool covers_find(const struct file_rules *rules, struct treewatch *watch, struct cover_list *ret,
                          struct err *err);
void cover_list_deinit(struct cover_list *l);
void cover_list_add(struct cover_list *l, enum cover_kind kind, bool is_dir, const char *path,
                    const struct file_rule *rule);
// The entry with the path itself (any kind), or NULL.
const struct cover *cover_list_find(const struct cover_list *l, const char *path);
const struct cover_link *cover_list_link(const struct cover_list *l, const char *path);

#endif
