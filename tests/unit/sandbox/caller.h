// SPDX-License-Identifier: Apache-2.0
// A program under a notifying filter, supervised by the test, in the host's own tree: what it may do is
// decided by the rules and by notify alone, there are no mounts or Landlock behind them.
#ifndef BAWN_TESTS_UNIT_SANDBOX_CALLER_H
#define BAWN_TESTS_UNIT_SANDBOX_CALLER_H

#include "base/strlist.h"
#include "sandbox/notify.h"

// Runs in the child: 0, or the line of what did not hold (EXPECT).
typedef int caller_fn(void *ctx);

#define EXPECT(what)                                                                                         \
    do {                                                                                                     \
        if (!(what))                                                                                         \
            return __LINE__;                                                                                 \
    } while (0)

struct caller_run {
    const struct file_rules *rules;
    bool strict, network_off;
    bool unsupervised;      // no filter: the control
    struct strlist refused; // "write /path", in order
    struct strlist details; // one for each, "" without
    struct strlist created;
};

// The child's result: its own, or 1000 + signal.
int caller_run(struct caller_run *r, caller_fn *fn, void *ctx);
// First thing in main: as root no mode refuses anything, and callers would have capabilities that none inside
// has.
void caller_become_user(void);
void caller_run_deinit(struct caller_run *r);

#endif
