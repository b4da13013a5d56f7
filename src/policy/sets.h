// SPDX-License-Identifier: Apache-2.0
// What the sets (@system, @secrets …) stand for on a machine. Tables of names only: nothing here looks
// whether they exist, but for @toolchains, which follows PATH, and @program, which follows the command.
#ifndef BAWN_POLICY_SETS_H
#define BAWN_POLICY_SETS_H

#include "policy/files.h"

struct rule_list {
    struct arena arena; // of the paths
    struct file_rule *items;
    size_t n, alloc;
};

// The rule that all members of a set share but for their path.
struct rule_like {
    enum file_grant grant;
    bool glob, hook, always, must_exist;
    char *text; // shared by all of them, lives as long as the list's arena
    struct origin from;
};

void rule_add(struct rule_list *l, const struct rule_like *like, const char *path); // copies
void rule_addn(struct rule_list *l, const struct rule_like *like, const char *dir, const char *below);

void set_system(struct rule_list *l, const struct rule_like *like);
void set_system_private(struct rule_list *l); // always denied where /etc can be read
void set_secrets(struct rule_list *l, const struct rule_like *like, const char *home);
void set_caches(struct rule_list *l, const struct rule_like *like, const char *home);
// Below one writable root; `home` when HOME lies in it, else NULL.
void set_hooks(struct rule_list *l, const struct rule_like *like, const char *root, const char *home);
// See toolchains.c.
void set_toolchains(struct rule_list *l, const struct rule_like *like, const struct file_place *place);

// What the command needs (program.c); nothing where there is no one command.
void set_program(struct rule_list *l, const struct rule_like *like, const struct file_place *place);

// HOME's directories that hold more than tools, as ~/.local and ~/.config: never granted as a whole.
bool holds_other_things(const char *home, const char *path);
bool toolchain_known(const char *home, const char *dir); // @toolchains knows the place by name
bool is_system(const char *path);                        // in one of @system's directories
// The yard has its own /proc, /sys, /dev, /run and /tmp: a grant reaches into them only when it names
// something below. `grant` is NULL for none.
bool yards_own(const char *grant, const char *path);
// Glob characters of a plain path made plain, for putting a pattern behind it. Owned.
char *glob_escape(const char *path);

#endif
