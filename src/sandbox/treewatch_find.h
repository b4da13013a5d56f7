// SPDX-License-Identifier: Apache-2.0
// How covers_find hands what it walks to a watch; for that file only (treewatch.h is for the others).
#ifndef BAWN_SANDBOX_TREEWATCH_FIND_H
#define BAWN_SANDBOX_TREEWATCH_FIND_H

#include "sandbox/gitplaces.h"
#include "sandbox/rulematch.h"
#include "sandbox/treewalk.h"

struct treewatch;

// The watch compiles the rules; covers_find uses the same ones and adds the places that git's configuration
// names.
struct rulematch *treewatch_match(struct treewatch *w);
struct gitplaces *treewatch_git(struct treewatch *w);
// Watches the open directory and sets its tag. A watch that falls back to polling takes note of nothing.
void treewatch_enter(struct treewatch *w, struct walk_dir *dir);
void treewatch_mark_repository(struct treewatch *w, uint32_t tag);
// A directory that could not be read: what appears in it is not seen.
void treewatch_blind(struct treewatch *w, const char *path);

#endif
