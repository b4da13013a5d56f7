// SPDX-License-Identifier: Apache-2.0
// System call filters. The programs are made at build time (seccomp_gen.c, libseccomp) and stand in this
// library as data; loading one needs no library and no allocation, so it is safe between fork and exec.
//
// Programs stack: load SECCOMP_DENY (by itself or in one with another) or SECCOMP_DENY_NESTED always, the
// others on top as the policy needs them. Of several answers the kernel takes the strictest (kill, errno,
// notify, allow), so the order of loading is free, but with one exception: a notifying program comes last, as
// whoever loads it waits on its own notified calls from then on. Only one notifying program fits (the
// kernel's rule): STRICT has all the file calls of OBSERVE, and connect.
//
// In every program another ABI of the machine (int 0x80, 32-bit executables) kills the process, and x32
// numbers and numbers newer than this list answer ENOSYS.
#ifndef BAWN_SANDBOX_SECCOMP_H
#define BAWN_SANDBOX_SECCOMP_H

#include "base/err.h"

enum seccomp_program {
    SECCOMP_DENY = 0,    // what no program inside needs: see seccomp_gen.c for the list and the reasons
    SECCOMP_DENY_NESTED, // the same, but namespaces and mounts of a nested sandbox are possible
    SECCOMP_NO_CLONE3, // clone3 answers ENOSYS, libc falls back to clone, whose flags a filter can see: for a
                       // backend that cannot write user.max_user_namespaces
    SECCOMP_AS_ROOT,   // chown, setgroups and mknod of devices succeed without doing anything, for `as_root`
    SECCOMP_PIN_CPUS,  // sched_setaffinity refused: for a processor limit held by affinity
    SECCOMP_OBSERVE, // user notification for the rare calls that cross the envelope: connect, sendto with an
                     // address, opens for writing, making, moving and removing names
    SECCOMP_STRICT,  // user notification for every call that opens, creates, moves or truncates by name
    SECCOMP_DENY_OBSERVE, // DENY and OBSERVE in one: half the time to load, half to run
    SECCOMP_DENY_STRICT,  // DENY and STRICT in one
    SECCOMP_PROGRAMS
};

struct sock_filter;

// Stacks a program on the calling thread; no_new_privs must be set. With a notifying program *ret_listener is
// the listener (close-on-exec), else -1; it may be NULL for the others. Async-signal-safe when it succeeds; a
// failure formats its message. ERR_UNSUPPORTED when the kernel has no seccomp filters or no user notification
// (5.0).
MUST_USE bool seccomp_load(enum seccomp_program which, int *ret_listener, struct err *err);

// The program itself, for tests and for backends that hand it to another loader (OCI, seatbelt-like
// wrappers).
const struct sock_filter *seccomp_program_code(enum seccomp_program which, unsigned short *ret_n);
bool seccomp_program_notifies(enum seccomp_program which);

#endif
