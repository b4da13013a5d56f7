// SPDX-License-Identifier: Apache-2.0
// How each limit of the policy is held on this machine: by a control group, a resource limit, processor
// affinity, or the supervisor (a timer, a counter). A limit that nothing can hold refuses the run, naming its
// key and the remedy; with `degrade: allow` it is listed as missing instead. Pure: nothing is armed here.
#ifndef BAWN_SANDBOX_LIMITS_H
#define BAWN_SANDBOX_LIMITS_H

#include <sys/types.h>

#include "policy/model.h"
#include "sandbox/cgroup.h"

enum limit_key {
    LIMIT_WALL = 0,
    LIMIT_CPU,
    LIMIT_MEMORY,
    LIMIT_PROCESSES,
    LIMIT_DISK,
    LIMIT_OPEN_FILES,
    LIMIT_OUTPUT,
    LIMIT_AFTER_INPUT,
    LIMIT_KEYS
};

enum limit_means {
    MEANS_NONE = 0, // the policy sets no such limit
    MEANS_MISSING,  // it does, and nothing holds it (degrade: allow)
    MEANS_CGROUP,
    MEANS_RLIMIT,   // set by init inside the user namespace
    MEANS_AFFINITY, // init pins the run to as many processors; a filter refuses to change that
    MEANS_TIMER,    // supervisor
    MEANS_COUNTER,  // supervisor
};

struct limits_plan {
    enum limit_means means[LIMIT_KEYS];
    bool uses_cgroup;                     // cgroup_make is to be called
    bool need_cgroup[CGROUP_CONTROLLERS]; // and must not do without these
    // Values for init; 0: not set. rlimit_processes is the policy's number: init adds itself. Core files are
    // always off.
    uint64_t rlimit_processes, rlimit_open_files, rlimit_file_size; // files: bytes
    uint64_t tmpfs_size;                                            // bytes, of the private /tmp and HOME
    uint32_t affinity_cpus;
    bool pin_cpus;          // SECCOMP_PIN_CPUS goes with the affinity
    struct strlist missing; // one sentence each, for the person
};

const char *limit_key_name(enum limit_key k);     // "limits.wall"
const char *limit_means_name(enum limit_means m); // "cgroup", "rlimit" …

// For a run that uid starts. ERR_UNSUPPORTED when a limit cannot be held and degrade does not permit that.
// RLIMIT_NPROC counts the run alone only since Linux 5.14 (per user namespace), which is also the oldest
// kernel that the rest of the sandbox runs on.
MUST_USE bool limits_plan(const struct limits *l, const struct cgroup_support *s, uid_t uid,
                          enum degrade degrade, struct limits_plan *ret, struct err *err);
void limits_plan_deinit(struct limits_plan *p);

#endif
