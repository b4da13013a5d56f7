// SPDX-License-Identifier: Apache-2.0
// The one way in which a layer can take rights away but never add any: an untrusted workspace file narrows
// what the layers below it say, the managed file narrows the whole.
#ifndef BAWN_POLICY_NARROW_H
#define BAWN_POLICY_NARROW_H

#include "policy/value.h"

struct narrow_by {
    struct arena *arena;
    const char *workspace, *home; // for comparing paths; home may be NULL
    bool trusted;                 // the managed file: what does not narrow is merged instead of dropped
    struct strlist *dropped; // "network.mode open": what had no effect, or was taken away by a trusted cap
    bool *profile_dropped;   // something of the profile that an untrusted file extends had no effect
};

// Changes *base. `cap` is used up.
void narrow(const struct narrow_by *by, struct value *base, struct value *cap);

// The parts, each the intersection of two lists of that kind as a new list of base's origin where they agree.
struct value *narrow_paths(const struct narrow_by *by, const struct value *base, const struct value *cap);
struct value *narrow_rules(const struct narrow_by *by, const struct value *base, const struct value *cap);
// The path that both sides of the intersection grant, or NULL. Sets are compared by what they hold.
const char *narrow_path(const struct narrow_by *by, const char *a, const char *b);

#endif
