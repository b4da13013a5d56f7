// SPDX-License-Identifier: Apache-2.0
// From a layer's YAML to its tree of values: everything in it is known, of its type, and free of
// contradictions within the layer.
#ifndef BAWN_POLICY_READ_H
#define BAWN_POLICY_READ_H

#include "base/yaml.h"
#include "policy/value.h"

struct read_source {
    enum layer layer;
    const char *file; // for errors and origins; lives as long as the arena
    const char *dir;  // what `ca`, `feed` and `file:` are relative to
    const char *workspace, *home;
};

// Text of one file. An empty one is an empty map.
MUST_USE bool read_layer(struct arena *arena, const struct read_source *source, const char *text, size_t n,
                         struct value **ret, struct err *err);
// A tree made by other means (options). Lines and columns of 0 are left out of errors.
MUST_USE bool read_tree(struct arena *arena, const struct read_source *source, const struct yaml_node *root,
                        struct value **ret, struct err *err);
// After all of a layer is there: what implies something (network.allow without a mode) and what contradicts
// itself.
MUST_USE bool read_finish(struct arena *arena, const struct read_source *source, struct value *layer,
                          struct err *err);

#endif
