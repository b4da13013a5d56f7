// SPDX-License-Identifier: Apache-2.0
// What depends on who asks: /proc/self and the links in /proc/PID, the controlling terminal (internal to
// notify).
#ifndef BAWN_SANDBOX_NOTIFY_PROC_H
#define BAWN_SANDBOX_NOTIFY_PROC_H

#include "sandbox/notify_call.h"

#define PROC_TEXT_MAX 64

bool proc_is_root(int dir);
// For "self" and "thread-self" in the root of a procfs: what they say to the caller.
int proc_self_text(const struct call *c, const char *name, char ret[PROC_TEXT_MAX]);
// A link in procfs, opened as one: true when it is a jump of the kernel's ("/proc/7/fd/3"), false when it is
// text.
bool proc_is_jump(const struct notify *n, int link);
// Follows such a jump for the caller. *ret_held: the descriptor is a dup of the caller's own.
int proc_jump(const struct call *c, int link, int *ret_fd, bool *ret_held);
// Whether the caller may open this object of its /proc, which we could open in any case.
int proc_may_open(const struct call *c, int obj, bool writes);
// Path inside of the caller's controlling terminal; ENXIO without.
int terminal_path(const struct call *c, char ret[PROC_TEXT_MAX]);

#endif
