// SPDX-License-Identifier: Apache-2.0
// Paths as text: nothing here touches the file system. "Normal" means absolute, no empty, "." or ".."
// component, no trailing slash (but "/" itself).
#ifndef BAWN_BASE_PATH_H
#define BAWN_BASE_PATH_H

#include "base/err.h"

// Joins and normalises: an absolute path stands alone, a relative one is taken from base (normal). ".." is
// resolved as text and never climbs above "/". Owned result.
char *path_normal(const char *base, const char *path);
// True when path is dir itself or lies below it; both normal.
bool path_within(const char *path, const char *dir);
// The part of path below dir without a leading slash ("" when equal), or NULL when it is not within.
const char *path_below(const char *path, const char *dir);
const char *path_base(const char *path); // last component; "/" for the root
char *path_parent(const char *path);     // owned; "/" for the root
size_t path_depth(const char *path);     // number of components; 0 for "/"

// Globs: `*`, `?`, `[…]` within a component, `**` as a whole component for any number of components (also
// none).
bool glob_is(const char *pattern); // has a glob character
// Whole match of a normal path with an absolute pattern.
bool glob_match(const char *pattern, const char *path);
// True when a descendant of dir, or dir itself, could still match: used to prune walks.
bool glob_may_match_below(const char *pattern, const char *dir);

#endif
