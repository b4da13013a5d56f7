// SPDX-License-Identifier: Apache-2.0
// Limits by control groups: one group a run below a directory that was delegated to this user (v2), or per
// controller (v1, also hybrid). The group is made before the sandbox starts and removed after its last
// process; when the supervisor is killed the janitor removes it; when that died too, the next run's
// cgroup_sweep.
//
// A group is two directories: PARENT/bawn-RUN carries the limits, PARENT/bawn-RUN/in the processes. Whatever
// is mounted inside shows `in` as its root, provided the namespace is made after cgroup_enter
// (unshare(CLONE_NEWCGROUP) by init, not a flag of the clone): the files with the limits are out of the
// payload's reach even where it may mount. Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst and
// cgroup-v1/{memory,pids}.rst.
#ifndef BAWN_SANDBOX_CGROUP_H
#define BAWN_SANDBOX_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "policy/model.h"

// Where the supervisor and its neighbours go when their own group becomes a parent (v2).
#define CGROUP_OUTER "bawn-outer"

enum cgroup_controller { CGROUP_MEMORY = 0, CGROUP_PIDS, CGROUP_CPU, CGROUP_CONTROLLERS };

struct cgroup_support {
    int version[CGROUP_CONTROLLERS];       // 0 not usable, 1 or 2
    char *parent[CGROUP_CONTROLLERS];      // directory in which this user may make a group; NULL when 0
    char why_not[CGROUP_CONTROLLERS][512]; // for doctor and for refusals: reason and remedy; "" when usable
};

struct cgroup {
    char *dir[CGROUP_CONTROLLERS]; // groups made (v2, joined v1: the same directory); NULL where not used
    int version[CGROUP_CONTROLLERS];
    int oom_fd; // readable when memory ran out: v1 an eventfd, v2 an inotify on memory.events; -1 without.
                // Nonblocking.
};

const char *cgroup_controller_name(enum cgroup_controller c); // "memory", "pids", "cpu"

// Reads /proc/self/cgroup and mountinfo below root ("" for the machine; a test names a tree of its own).
// Changes nothing.
void cgroup_probe(const char *root, struct cgroup_support *ret);
void cgroup_support_deinit(struct cgroup_support *s);

// Makes groups for those of memory, processes and cpu that are set and usable; fails when one that `need`
// names cannot be armed, passes over the others. Swap counts as memory (v2 and v1 with memsw; v1 without is
// told not to swap). The limit of processes is one higher, for init. On v2 this process, and what else lives
// in a group that was delegated to it, may be moved to PARENT/bawn-outer first: the kernel wants inner groups
// empty. On failure no group is left behind.
MUST_USE bool cgroup_make(const struct cgroup_support *s, const struct limits *l, const char *run_id,
                          const bool need[CGROUP_CONTROLLERS], struct cgroup *ret, struct err *err);
// Puts a process under its limits, before it forks. Moving another process waits for an RCU grace period in
// the kernel: 6–18 ms. Both ways below take some 30 µs, and together they do the same.
MUST_USE bool cgroup_enter(const struct cgroup *g, pid_t pid, struct err *err);
// v1: descriptors to which the process itself, while it has one thread, writes "0" to enter. One a distinct
// group, -1 behind the last; close-on-exec, the caller's. All -1 when no group is v1.
MUST_USE bool cgroup_open_tasks(const struct cgroup *g, int ret_fds[CGROUP_CONTROLLERS], struct err *err);
// v2: the directory for clone3's CLONE_INTO_CGROUP (clone_args.cgroup); *ret_fd is -1 when no group is v2.
MUST_USE bool cgroup_open_inner(const struct cgroup *g, int *ret_fd, struct err *err);
// Whether the kernel killed, or is about to kill, for memory; whether it refused a process, since the start.
bool cgroup_oom_killed(const struct cgroup *g);
bool cgroup_pids_hit(const struct cgroup *g);
uint64_t cgroup_memory_peak(const struct cgroup *g); // bytes; 0 unknown
// Kills what is left inside and removes the groups; retries for up to a second, as rmdir is EBUSY while tasks
// exit. False when something is still there. The struct is empty afterwards; takes an empty one (with oom_fd
// -1) too.
bool cgroup_remove(struct cgroup *g);
// The same by the run's name, for the janitor, who never saw the struct. True also when there is nothing.
bool cgroup_remove_run(const struct cgroup_support *s, const char *run_id);
// Removes groups without processes that crashed runs left, older than a minute. Returns how many.
size_t cgroup_sweep(const struct cgroup_support *s);

#endif
