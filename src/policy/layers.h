// SPDX-License-Identifier: Apache-2.0
// The layers of one load, each read and checked by itself, before anything is merged.
#ifndef BAWN_POLICY_LAYERS_H
#define BAWN_POLICY_LAYERS_H

#include "policy/load.h"
#include "policy/value.h"

struct layers {
    struct value *user, *workspace, *file, *managed; // NULL: not there
    bool workspace_trusted;
    const char *file_path;      // of -p, absolute; NULL without
    const char *workspace_file; // its path; NULL when there is none
    struct buf workspace_text;  // its very bytes
};

// Everything that is in files. Trees live in the arena.
MUST_USE bool layers_read(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                          struct layers *ret, struct err *err);
void layers_deinit(struct layers *l);

// The profile that an option names, or NULL (*ret).
MUST_USE bool options_profile(struct arena *a, const struct policy_places *places,
                              const struct policy_options *o, const char **ret, struct err *err);
// Merges what the command line says onto root.
MUST_USE bool options_merge(struct arena *a, const struct policy_places *places,
                            const struct policy_options *o, struct value *root, struct err *err);

#endif
