// SPDX-License-Identifier: Apache-2.0
// Starts bawn-init in its namespaces.
#ifndef BAWN_SANDBOX_LAUNCH_H
#define BAWN_SANDBOX_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"

struct launched {
    pid_t pid; // in our pid namespace
    int pidfd;
    int sock; // ours; closing it ends init and everything inside
};

// bawn-init is found as base/companion.h says. With own_net it makes a network
// namespace while the caller goes on. The calling process must have one thread. What fails in the child
// before its exec arrives as an INIT_FAILED message. ERR_UNSUPPORTED where user namespaces are not to be had.
MUST_USE bool launch_init(bool own_net, struct launched *ret, struct err *err);

#endif
