// SPDX-License-Identifier: Apache-2.0
// Limits by control groups: one group a run below a directory that was delegated to this user (v2), or per
// controller (v1, also hybrid). The group is made before the sandbox starts and removed after its last
// process; when the supervisor is killed the janitor removes it.
#ifndef BAWN_SANDBOX_CGROUP_H
#define BAWN_SANDBOX_CGROUP_H

#include <sys/types.h>

#include "policy/model.h"

enum cgroup_controller { CGROUP_MEMORY = 0, CGROUP_PIDS, CGROUP_CPU, CGROUP_CONTROLLERS };

struct cgroup_support {
    int version[CGROUP_CONTROLLERS];       // 0 not usable, 1 or 2
    char *parent[CGROUP_CONTROLLERS];      // directory in which this user may make a group; NULL when 0
    char why_not[CGROUP_CONTROLLERS][256]; // for doctor and for refusals: reason and remedy; "" when usable
};

struct cgroup {
    char *dir[CGROUP_CONTROLLERS]; // groups made (v2: the same directory thrice); NULL where not used
    int version[CGROUP_CONTROLLERS];
    int oom_fd; // readable when memory ran out: v1 an eventfd, v2 an inotify on memory.events; -1 without
};

// Reads /proc/self/cgroup and mountinfo below root ("" for the machine; a test names a tree of its own).
void cgroup_probe(const char *root, struct cgroup_support *ret);
void cgroup_support_deinit(struct cgroup_support *s);
// Makes groups for those of memory, processes and cpu that are set and usable; fails when one that `need`
// names cannot be armed. On failure nothing is left behind.
MUST_USE bool cgroup_make(const struct cgroup_support *s, const struct limits *l, const char *run_id,
                          const bool need[CGROUP_CONTROLLERS], struct cgroup *ret, struct err *err);
MUST_USE bool cgroup_enter(const struct cgroup *g, pid_t pid, struct err *err); // before the process forks
// How often the kernel refused memory (kills) or a process since the start.
bool cgroup_oom_killed(const struct cgroup *g);
bool cgroup_pids_hit(const struct cgroup *g);
uint64_t cgroup_memory_peak(const struct cgroup *g); // bytes; 0 unknown
// Kills what is left inside and removes the groups; retries for up to a second, as rmdir is EBUSY while tasks
// exit.
bool cgroup_remove(struct cgroup *g);

#endif
