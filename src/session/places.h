// SPDX-License-Identifier: Apache-2.0
// Where this user's and this machine's files of bawn are, and the policy that is found there.
#ifndef BAWN_SESSION_PLACES_H
#define BAWN_SESSION_PLACES_H

#include "policy/load.h"

struct places {
    char *workspace;          // -C, else the current directory; normal, links resolved
    char *home;               // $HOME with links resolved; NULL when unset
    char *config_dir;         // $XDG_CONFIG_HOME/bawn or ~/.config/bawn
    char *state_dir;          // $XDG_STATE_HOME/bawn or ~/.local/state/bawn
    char *path_env;           // $PATH, or NULL
    const char *managed_file; // compiled in
};

// directory: the argument of -C, or NULL. The password file is not asked: the binary is static.
MUST_USE bool places_find(const char *directory, struct places *ret, struct err *err);
void places_deinit(struct places *p);
MUST_USE bool places_load_policy(const struct places *p, const struct policy_options *options,
                                 struct policy **ret, struct buf *notes, struct err *err);

#endif
