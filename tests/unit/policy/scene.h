// SPDX-License-Identifier: Apache-2.0
// A machine of its own for each test: workspace, home, configuration, state and a managed file below a fresh
// directory.
#ifndef BAWN_TESTS_UNIT_POLICY_SCENE_H
#define BAWN_TESTS_UNIT_POLICY_SCENE_H

#include "../test.h"

#include "policy/files.h"
#include "policy/load.h"

#define SCENE_WORKSPACE "home/work" // below the scene's top

struct scene {
    char *top; // "/tmp/bawn-policy-XXXXXX", links resolved
    char *workspace, *home, *config_dir, *state_dir, *managed_file;
    struct policy_places places;
    struct policy *policy;
    struct file_rules rules;
    struct buf notes;
    struct err err;
};

void scene_init(struct scene *s);
void scene_deinit(struct scene *s);
// Writes a file below the scene's top, with the directories it needs.
void scene_write(struct scene *s, const char *path, const char *text);
void scene_link(struct scene *s, const char *target, const char *path);
// Loads; what was loaded before is freed. Errors are in s->err.
bool scene_load(struct scene *s, const struct policy_options *o);
bool scene_load_file(struct scene *s, const char *text,
                     const struct policy_options *o); // as -p, of this text
bool scene_rules(struct scene *s, const char *path_env);
// "a b c" of a list's texts, owned.
char *scene_list(const struct policy_list *l);
void assert_list(const struct policy_list *l, const char *words);
void assert_has(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);

#endif
