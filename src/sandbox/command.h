// SPDX-License-Identifier: Apache-2.0
// One command inside the sandbox, started by bawn-init: its terminal, its confinement, its exec.
#ifndef BAWN_SANDBOX_COMMAND_H
#define BAWN_SANDBOX_COMMAND_H

#include <sys/types.h>

#include "sandbox/plan.h"
#include "sandbox/proto.h"

struct confinement {
    const struct plan_header *head;
    int landlock; // ruleset, or -1
    int sock;     // to the supervisor
    int cap_last; // number of the kernel's last capability
};

struct command_spec {
    uint32_t id, flags; // START_*
    uint16_t rows, cols;
    const char *cwd;
    char *const *argv, *const *env;
    int std[3]; // -1 where the PTY serves
};

// Starts the command in a session of its own. On success *ret_pid is its pid and *ret_master the PTY's master
// (-1 without one). A failure after the fork is reported by the child itself (INIT_FAILED on the socket).
MUST_USE bool command_start(const struct confinement *c, const struct command_spec *spec, pid_t *ret_pid,
                            int *ret_master, struct err *err);

#endif
