// SPDX-License-Identifier: Apache-2.0
// From the merged tree to struct policy. The tree was checked when it was read, so binding cannot fail.
#ifndef BAWN_POLICY_BIND_H
#define BAWN_POLICY_BIND_H

#include "policy/value.h"

struct policy_priv {
    struct arena arena; // everything of the policy but the struct itself
    struct value *root;
    const char *file; // of -p, absolute; NULL without
};

// Takes the arena over; `file` lives in it.
struct policy *bind_policy(struct arena *arena, struct value *root, const char *file);

#endif
