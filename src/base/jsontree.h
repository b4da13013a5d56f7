// SPDX-License-Identifier: Apache-2.0
// JSON as a tree that knows where each value stands, for files that people write and that errors and comments
// must point into. The nodes are those of yaml.h, so whatever reads a policy reads this as well; a string is
// not `plain`, any other scalar is, and its text is that of the file.
#ifndef BAWN_BASE_JSONTREE_H
#define BAWN_BASE_JSONTREE_H

#include "base/yaml.h"

// Strict as json.h, and no deeper than YAML_DEPTH_MAX. Errors read "LINE:COLUMN: what". All in the arena.
MUST_USE bool jsontree_parse(struct arena *arena, const char *text, size_t n, struct yaml_node **ret,
                             struct err *err);

#endif
