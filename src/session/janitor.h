// SPDX-License-Identifier: Apache-2.0
// The janitor: a small process of the supervisor's own, forked before anything exists that would have to be
// cleaned by hand. It waits on a pipe whose only writer is the supervisor. When the supervisor dies without a
// word, it waits for the sandbox to be dead, takes protected names that appeared out of the writable roots,
// removes the control groups, closes the record, and ends.
#ifndef BAWN_SESSION_JANITOR_H
#define BAWN_SESSION_JANITOR_H

#include <sys/types.h>

#include "audit/rundir.h"
#include "sandbox/cgroup.h"
#include "sandbox/quarantine.h"

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
// Sends it away with nothing to do: the supervisor has cleaned up itself and closed its own watch. It is gone
// some milliseconds later. Both take one that was never started.
void janitor_dismiss(struct janitor *j);
void janitor_await(struct janitor *j);

#endif
