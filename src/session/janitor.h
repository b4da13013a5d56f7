// SPDX-License-Identifier: Apache-2.0
// The janitor: a small process of the supervisor's own, forked before anything exists that would have to be
// cleaned by hand. It waits on a pipe whose only writer is the supervisor. When the supervisor dies without a
// word, it waits for the sandbox to be dead, takes protected names that appeared out of the writable roots,
// removes the control groups, closes the record, and ends.
//
// It also holds the wall when the supervisor cannot: one that waits for somebody who does not read what it
// writes runs no timers. JANITOR_GRACE_NS after the time is up it kills what is inside.
#ifndef BAWN_SESSION_JANITOR_H
#define BAWN_SESSION_JANITOR_H

#include <stdint.h>
#include <sys/types.h>

#include "audit/rundir.h"
#include "sandbox/cgroup.h"
#include "sandbox/quarantine.h"

#define JANITOR_GRACE_NS 1000000000u

struct janitor_work {
    int init_pidfd;
    int watch_fd; // treewatch_fd: the janitor is the one who waits for its last close; -1 without
    const struct rundir *rundir; // not closed: it holds the run's lock until the janitor is done
    const struct cgroup_support *cgroups;
    const struct file_rules *rules;
    const struct cover_list *covered;
};

struct janitor {
    pid_t pid;
    int life; // writing end
};

MUST_USE bool janitor_start(const struct janitor_work *work, struct janitor *ret, struct err *err);
// From now on everything inside may live for so long. Takes one that was never started.
void janitor_set_wall(const struct janitor *j, uint64_t in_ns);
// Sends it away with nothing to do: the supervisor has cleaned up itself and closed its own watch. It is gone
// some milliseconds later. Both take one that was never started.
void janitor_dismiss(struct janitor *j);
void janitor_await(struct janitor *j);

#endif
