// SPDX-License-Identifier: Apache-2.0
// Where git takes code from: hooks, configuration (it names programs), attributes, and the pointers that lead
// git to another directory for them. Holds for every directory that git would accept as a repository: named
// `.git`, a bare repository, a submodule's or worktree's below `.git`. In force when the policy has any rule
// of @hooks.
#ifndef BAWN_SANDBOX_GITPLACES_H
#define BAWN_SANDBOX_GITPLACES_H

#include "base/strlist.h"
#include "policy/files.h"

enum gitplaces_seen { // what a directory listing showed
    GIT_SEEN_HEAD = 1,
    GIT_SEEN_OBJECTS = 2,
    GIT_SEEN_REFS = 4,
    GIT_SEEN_COMMONDIR = 8,
};

struct gitplaces {
    const struct file_rule *any; // what a place is put down to; NULL: the policy says nothing of hooks
    const struct file_rules *rules;
    char *home;
    struct strlist global_hooks; // core.hooksPath of the user's own configuration, as written
    struct strlist global;       // files that it includes and absolute paths that it names
};

struct gitplace {
    char *path; // normal; may not exist
    bool fixed; // one of git's fixed names in the directory itself; else named by configuration
};

struct gitplace_list {
    struct gitplace *items;
    size_t n, alloc;
};

// Reads the user's and the machine's git configuration.
void gitplaces_init(struct gitplaces *g, const struct file_rules *rules);
void gitplaces_deinit(struct gitplaces *g); // takes a zeroed struct too

unsigned gitplaces_see(const char *name); // one of enum gitplaces_seen, or 0
// Git would take a directory with these entries for a repository, whatever its name is.
bool gitplaces_is_repository(const char *dir_name, unsigned seen);
bool gitplaces_is_dotgit(const char *name);
// The name, in a repository directory, is one that git takes code from.
bool gitplaces_is_fixed(const char *name);
// The same for a path below it: "info/attributes".
bool gitplaces_is_fixed_path(const char *below);
// All places of the repository at gitdir (normal, links resolved): the fixed ones, and those that its
// configuration names. Follows includes, at most 10 deep. What cannot be read or parsed is passed over: git
// does not read it either.
void gitplaces_find(const struct gitplaces *g, const char *gitdir, struct gitplace_list *ret);
void gitplace_list_deinit(struct gitplace_list *l);
// The rule that a place is put down to: the rule of @hooks that names it, or any of them.
const struct file_rule *gitplaces_rule(const struct gitplaces *g, const char *path);
// Where a `.git` file ("gitdir: PATH") leads, made absolute; NULL when it is none. Owned.
char *gitplaces_gitdir_of(const char *data, size_t n, const char *file);

#endif
