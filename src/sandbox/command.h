// SPDX-License-Identifier: Apache-2.0
// One command inside the sandbox, started by bawn-init: its terminal, its confinement, its exec.
#ifndef BAWN_SANDBOX_COMMAND_H
#define BAWN_SANDBOX_COMMAND_H

#include <sys/types.h>

#include "sandbox/plan.h"
#include "sandbox/proto.h"

struct confinement {
    const struct plan_header *head;
    int landlock;       // ruleset, or -1
    int landlock_reads; // the same for reading, for a command that has files from outside the tree; or -1
    int sock;           // to the supervisor
};

struct command_spec {
    uint32_t id, flags; // START_*
    uint16_t rows, cols;
    struct tty_modes modes; // with START_MODES
    const char *cwd;
    char *const *argv, *const *env;
    int std[3]; // -1 where the PTY serves
};

struct command_failure {
    enum init_stage stage;
    struct err err;
};

// Starts the command in a session of its own and returns when it has executed its program. On success
// *ret_pid is its pid and *ret_master the PTY's master (-1 without one). On failure its process, if there was
// one, is dead or about to be; the caller reaps it like any orphan. The caller blocks all signals, handles
// none, and has an empty bounding set.
MUST_USE bool command_start(const struct confinement *c, const struct command_spec *spec, pid_t *ret_pid,
                            int *ret_master, struct command_failure *ret_failed);

#endif
