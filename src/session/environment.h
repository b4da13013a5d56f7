// SPDX-License-Identifier: Apache-2.0
// The environment inside, built from nothing: a few names that programs cannot do without, what env.pass
// names of the caller's, what env.set sets.
#ifndef BAWN_SESSION_ENVIRONMENT_H
#define BAWN_SESSION_ENVIRONMENT_H

#include "policy/model.h"

struct session_places;

// An entry NAME=VALUE takes the place of an earlier one of that name.
void environment_set(struct strlist *env, const char *entry);
void environment_make(const struct policy *p, const struct session_places *places, struct strlist *ret);

#endif
