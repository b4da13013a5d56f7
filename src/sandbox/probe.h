// SPDX-License-Identifier: Apache-2.0
// What the kernel, and whatever confines us already (a container runtime, a security module), let a sandbox
// do. Each feature is tried for real, in a child of its own that a filter may kill; no version number decides
// anything.
//
// For `bawn doctor`, and for the one line that `run` prints when it cannot start; nothing here is on the way
// of a run that works.
#ifndef BAWN_SANDBOX_PROBE_H
#define BAWN_SANDBOX_PROBE_H

#include "base/err.h"

enum probe_feature {
    PROBE_USERNS = 0,
    PROBE_ID_MAPS,
    PROBE_MOUNTNS,
    PROBE_PIDNS,
    PROBE_NETNS,
    PROBE_IPCNS,
    PROBE_UTSNS,
    PROBE_CGROUPNS,
    PROBE_MOUNT_API,
    PROBE_PROC,
    PROBE_NESTING_OFF,
    PROBE_SYSFS,
    PROBE_PTY,
    PROBE_SECCOMP,
    PROBE_NOTIFY,
    PROBE_LANDLOCK,
    PROBE_PIDFD,
    PROBE_CLONE3,
    PROBE_OPENAT2,
    PROBE_CLOSE_RANGE,
    PROBE_KEYRING,
    PROBE_INOTIFY,
    PROBE_GATE,
    PROBE_OVERLAY,
    PROBE_CGROUP_MEMORY,
    PROBE_CGROUP_PIDS,
    PROBE_CGROUP_CPU,
    PROBE_FEATURES
};

enum probe_state { PROBE_MISSING = 0, PROBE_PARTLY, PROBE_WORKS };

struct probe_result {
    const char *name;  // stable: "user_namespaces"
    const char *title; // for people
    const char *keys;  // what rests on it: policy keys, or "everything"
    bool needed;       // `run` with the default policy does not start without it
    enum probe_state state;
    char found[256]; // what was seen: a version, a number, or what failed and how
    char
        remedy[768]; // how to get what is missing; "" when it works, lines end in '\n' when there are several
};

struct probe_report {
    struct probe_result features[PROBE_FEATURES];
    char kernel[136], arch[72]; // uname(2)
    bool works;                 // everything needed is there
};

const char *probe_state_name(enum probe_state s); // "missing", "partly", "works"

// The rows of control groups; the others come from probe_all, to be called before.
void probe_cgroups(struct probe_report *r);

// Takes some 20 ms. scratch is a directory on a disk (the state's) in which directories may be made and
// removed again, for the overlay; NULL takes /tmp. Must be called with one thread.
void probe_all(const char *scratch, struct probe_report *ret);

// True when a user namespace can be made and used; else one line: what failed, why, and what to do. For the
// case that a start has failed.
bool probe_can_sandbox(struct err *err);

#endif
