// SPDX-License-Identifier: Apache-2.0
// Strict mode: whether an object may be opened, and a name made or taken away (internal to notify). Refusals
// are reported here.
#ifndef BAWN_SANDBOX_NOTIFY_MAY_H
#define BAWN_SANDBOX_NOTIFY_MAY_H

#include <sys/stat.h>

#include "sandbox/notify_walk.h"

int object_look(int fd, struct statx *ret);
int entry_look(int parent, const char *base,
               struct statx *ret); // a link is not followed, a slash behind it ignored
bool open_writes(int flags);       // opening with these flags changes something

// With the flags of open(2) in force.
int may_open(const struct call *c, const struct found *f, const struct statx *what, int flags);
// A name that is not there yet. *ret_own: it will be the run's own under a deny glob (names_own, when it is
// made).
int may_make(const struct call *c, int parent, const char *base, bool *ret_own);
// Unlinking a name, renaming it, renaming over it. *ret_own: it is the run's own under a deny glob.
int may_remove(const struct call *c, int parent, const char *base, bool *ret_own);
// After a change failed with this errno; base NULL: the object itself. Returns the errno.
int refused_by_mounts(const struct call *c, int sys, int fd, const char *base);

#endif
