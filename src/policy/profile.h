// SPDX-License-Identifier: Apache-2.0
// The built-in profiles: what lies under every policy.
#ifndef BAWN_POLICY_PROFILE_H
#define BAWN_POLICY_PROFILE_H

#include "policy/value.h"

// The profile's tree, its origins "profile NAME". ERR_UNSUPPORTED for agent:NAME, which this build has none
// of.
MUST_USE bool profile_make(struct arena *a, const char *name, struct value **ret, struct err *err);

#endif
