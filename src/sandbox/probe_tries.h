// SPDX-License-Identifier: Apache-2.0
// The tries themselves: each runs in a child made for it (probe.c), in the namespaces that its row names and
// with the caller's ids mapped, and leaves in *o how far it came.
#ifndef BAWN_SANDBOX_PROBE_TRIES_H
#define BAWN_SANDBOX_PROBE_TRIES_H

#include <stdbool.h>

// Lies in memory shared with the parent. A step that fails ends the try.
struct outcome {
    bool done;        // the try came to its end; false: the child was killed
    const char *step; // what failed, a literal; NULL when nothing did
    int sys;          // errno of it
    int killed_by;    // signal, filled in by the parent
    long number;      // a version or a count
    bool partly;      // works, but less than all of it; text says what is missing
    char text[160];
    char scratch[256]; // given: a directory to work in, "" when there is none
};

typedef void try_fn(struct outcome *o);

// Records a failed step with errno; returns ok.
bool try_step(struct outcome *o, bool ok, const char *step);

try_fn try_nothing; // the namespaces alone
try_fn try_mount_api, try_proc, try_nesting_off, try_sysfs, try_pty, try_overlay;
try_fn try_seccomp, try_notify, try_landlock, try_pidfd, try_clone3, try_openat2, try_close_range,
    try_keyring;
try_fn try_inotify, try_gate;

#endif
