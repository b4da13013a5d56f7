// SPDX-License-Identifier: Apache-2.0
// Starts bawn-init in its namespaces.
#ifndef BAWN_SANDBOX_LAUNCH_H
#define BAWN_SANDBOX_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"

struct launched {
    pid_t pid; // in our pid namespace
    int pidfd;
    int sock;      // ours; closing it ends init and everything inside
    void *scratch; // what it ran on before its exec: to be freed when it is dead. May be NULL
};

// bawn-init is found as base/companion.h says, and starts while the caller goes on. The calling process must
// have one thread. What fails in the child before its exec arrives as an INIT_FAILED message. ERR_UNSUPPORTED
// where user namespaces are not to be had.
MUST_USE bool launch_init(struct launched *ret, struct err *err);
// Ends one that no session took over, and waits for that. Nothing to do for a zeroed one.
void launch_drop(struct launched *l);

#endif
