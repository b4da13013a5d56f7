// SPDX-License-Identifier: Apache-2.0
// The supervisor's end: starts bawn-guard, hands it configuration and listeners, and takes what it says.
// Nothing here blocks but guard_wait_ready; the caller watches guard_control.fd.
#ifndef BAWN_GUARD_CONTROL_H
#define BAWN_GUARD_CONTROL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/json.h"
#include "guard/proto.h"
#include "policy/verdict.h"

#define GUARD_LEAVE_MS 2000 // for a guard to end by itself

struct guard_control {
    pid_t pid;
    int fd;    // SEQPACKET; readable when the guard has said something, end of file when it is gone
    bool gone; // that end of file was read
};

struct guard_handler {
    void (*record)(void *ctx, const json_t *event); // record.h names the members
    // Something is held: answer with guard_answer, now or later. `question` is borrowed.
    void (*decide)(void *ctx, uint32_t id, const json_t *question);
    void (*updated)(void *ctx, const char *error); // "" when the update was taken
    void *ctx;
};

// Starts the program at `path` with an empty environment (and SSL_CERT_FILE where set), standard error kept,
// and sends it the document, which may be freed after. The guard dies with the calling thread's process.
MUST_USE bool guard_spawn(const char *path, const json_t *config, struct guard_control *ret, struct err *err);
// Waits until the guard is jailed; appends the run's CA certificate (PEM) to ret_ca.
MUST_USE bool guard_wait_ready(struct guard_control *c, struct buf *ret_ca, struct err *err);
// Descriptors are not taken over.
MUST_USE bool guard_send_listeners(struct guard_control *c, const struct guard_listener *l, const int *fds,
                                   size_t n, struct err *err); // n <= FD_PASS_MAX
MUST_USE bool guard_update(struct guard_control *c, const json_t *config, struct err *err);
MUST_USE bool guard_answer(struct guard_control *c, uint32_t id, enum verdict verdict, struct err *err);
// Handles what has come, without waiting. False when the guard is gone (ERR_PROTOCOL says why it said so):
// the run's network is closed then.
MUST_USE bool guard_receive(struct guard_control *c, const struct guard_handler *h, struct err *err);
// Tells the guard to leave; it ends its connections and says so, then closes its end.
void guard_dismiss(struct guard_control *c);
// Handles what it says until then, GUARD_LEAVE_MS at most.
void guard_finish(struct guard_control *c, const struct guard_handler *h);
void guard_stop(struct guard_control *c); // reaps the process; one that has not left is killed

#endif
