// SPDX-License-Identifier: Apache-2.0
// What the types alone do not say: required keys, contradictions, what this build does not have, what is a
// risk.
#ifndef BAWN_POLICY_CHECK_H
#define BAWN_POLICY_CHECK_H

#include "policy/value.h"

// The merged policy: entries that need several keys, and keys that only make sense together.
MUST_USE bool check_merged(const struct value *root, struct err *err);
// ERR_UNSUPPORTED for the first thing that this build cannot do. One table (features.c) says what that is.
MUST_USE bool check_features(const struct value *root, struct err *err);
// One line each for what is allowed but worth a second look.
void check_risks(const struct value *root, const char *workspace, const char *home, struct buf *notes);

#endif
