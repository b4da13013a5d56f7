// SPDX-License-Identifier: Apache-2.0
// The profiles: what lies under every policy. Those without a colon are tables (profile.c), which a plain run
// reads without a parser; agent:NAME are policy files that people can read, extend and add to
// (profile_file.c).
#ifndef BAWN_POLICY_PROFILE_H
#define BAWN_POLICY_PROFILE_H

#include "policy/load.h"
#include "policy/value.h"

// The files of profiles/ in the source tree, put into the build by tools/embed-profiles; ended by a NULL
// name.
struct profile_text {
    const char *name, *text;
};
extern const struct profile_text profile_texts[];

// The profile's tree; its origins are "profile NAME", with a line where it is a file. places may be NULL: no
// profiles of the user's own. ERR_UNSUPPORTED for one that is not there.
MUST_USE bool profile_make(struct arena *a, const struct policy_places *places, const char *name,
                           struct value **ret, struct err *err);
// For agent:NAME.
MUST_USE bool profile_file_make(struct arena *a, const struct policy_places *places, const char *name,
                                struct value **ret, struct err *err);

#endif
