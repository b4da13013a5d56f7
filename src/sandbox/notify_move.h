// SPDX-License-Identifier: Apache-2.0
// What moving a directory does to the names below it (internal to notify).
#ifndef BAWN_SANDBOX_NOTIFY_MOVE_H
#define BAWN_SANDBOX_NOTIFY_MOVE_H

#include "sandbox/rulematch.h"

// True when renaming the directory could take a name below it out of a deny rule or bring one under a protect
// rule; says yes when in doubt. Both paths normal, links resolved.
bool move_changes_cover(const struct rulematch *m, const char *from, const char *to);

#endif
