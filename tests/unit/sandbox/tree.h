// SPDX-License-Identifier: Apache-2.0
// A directory tree for one test, and file rules for it made by hand.
#ifndef BAWN_TESTS_UNIT_SANDBOX_TREE_H
#define BAWN_TESTS_UNIT_SANDBOX_TREE_H

#include "policy/files.h"

#define TREE_RULES_MAX 64

struct tree {
    char *top;  // normal, links resolved
    char *root; // top/ws: the writable root, and the workspace
    struct file_rule rules[TREE_RULES_MAX];
    struct file_rules file_rules; // strongest first once tree_rules was called
};

void tree_init(struct tree *t);   // aborts when it cannot be made
void tree_deinit(struct tree *t); // removes all of it
// Paths are relative to top. Parents are made. Each aborts on failure.
void tree_file(struct tree *t, const char *path, const char *text);
void tree_dir(struct tree *t, const char *path);
void tree_link(struct tree *t, const char *path, const char *target);
void tree_move(struct tree *t, const char *from, const char *to);
void tree_remove(struct tree *t, const char *path); // whole subtree
bool tree_has(struct tree *t, const char *path);
char *tree_path(struct tree *t, const char *path);  // owned
char *tree_read(struct tree *t, const char *path);  // owned
void tree_run(struct tree *t, const char *command); // sh -c, in the root

// path is relative to top, or absolute.
void tree_rule(struct tree *t, enum file_grant grant, const char *path, bool hook);
void tree_default_rules(struct tree *t); // the root writable, the usual @hooks, **/.env denied
const struct file_rules *tree_rules(struct tree *t);

#endif
