// SPDX-License-Identifier: Apache-2.0
// Removing the record of an old run, when its owner asks for it; nothing is ever removed by itself.
//
// Only what is a record goes, by its known names and never recursively. A run that still lives stays, and so
// does one that holds anything else: files that were moved into quarantine, or changes not committed yet.
#ifndef BAWN_AUDIT_PRUNE_H
#define BAWN_AUDIT_PRUNE_H

#include <stdint.h>

#include "base/err.h"

enum prune_outcome { PRUNE_HOLDS_MORE = 0, PRUNE_LIVES, PRUNE_REMOVED };

// Whether the run began before `when` (wall clock, ns since the epoch), by its id.
bool run_is_older(const char *id, uint64_t when);
// *ret says what became of it; one that is gone already counts as removed.
MUST_USE bool run_remove(const char *state_dir, const char *id, enum prune_outcome *ret, struct err *err);

#endif
