// SPDX-License-Identifier: Apache-2.0
// Host patterns of network rules as text: what is well-formed, and which pattern covers which.
#ifndef BAWN_POLICY_HOSTS_H
#define BAWN_POLICY_HOSTS_H

#include "base/arena.h"

// Lower case, without a trailing dot, addresses in their usual spelling. `pattern` is kept when it is so
// already.
MUST_USE bool host_check(struct arena *arena, const char *pattern, const char **ret, struct err *err);
MUST_USE bool address_check(struct arena *arena, const char *text, const char **ret, struct err *err);
// Every host that `inner` matches `outer` matches too; both as host_check returned them.
bool host_covers(const char *outer, const char *inner);
// More labels (or a longer prefix) is more specific; exact names and single addresses are the most.
unsigned host_specificity(const char *pattern);

#endif
