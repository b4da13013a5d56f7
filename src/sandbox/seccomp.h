// SPDX-License-Identifier: Apache-2.0
// System call filters. The programs are made at build time (seccomp_gen.c, libseccomp) and stand in this
// library as data; loading one needs no library and no allocation, so it is safe between fork and exec.
#ifndef BAWN_SANDBOX_SECCOMP_H
#define BAWN_SANDBOX_SECCOMP_H

#include "base/err.h"

enum seccomp_program {
    SECCOMP_DENY = 0,    // what no program inside needs: see seccomp_gen.c for the list and the reasons
    SECCOMP_DENY_NESTED, // the same, but namespaces and mounts of a nested sandbox are possible
    SECCOMP_PIN_CPUS,    // sched_setaffinity refused: for a processor limit held by affinity
    SECCOMP_OBSERVE,     // user notification for the rare calls that cross the envelope: connect, opens for
                         // writing
    SECCOMP_STRICT,      // user notification for every call that opens or creates a name
    SECCOMP_PROGRAMS
};

// Stacks a program on the calling thread; no_new_privs must be set. With a notifying program *ret_listener is
// the listener (close-on-exec), else -1. Async-signal-safe.
MUST_USE bool seccomp_load(enum seccomp_program which, int *ret_listener, struct err *err);

#endif
