// SPDX-License-Identifier: Apache-2.0
// How covers_find builds its list (covers.h is for its users).
#ifndef BAWN_SANDBOX_COVERLIST_H
#define BAWN_SANDBOX_COVERLIST_H

#include "sandbox/covers.h"

void cover_list_add_link(struct cover_list *l, const char *path, const char *target,
                         const struct file_rule *rule);
// Pins the ancestors of what is covered below the roots, sorts, and drops what another cover makes needless.
void cover_list_finish(struct cover_list *l, const struct strlist *roots);

#endif
