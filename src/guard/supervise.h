// SPDX-License-Identifier: Apache-2.0
// The guard's end of the control socket: one table says which message is permitted when, and who handles it.
#ifndef BAWN_GUARD_SUPERVISE_H
#define BAWN_GUARD_SUPERVISE_H

#include "base/err.h"

struct guard;

// Blocks until the configuration is there, and reads it into g->config.
MUST_USE bool supervise_configure(struct guard *g, struct err *err);
// Sends READY and serves the control socket from then on.
MUST_USE bool supervise_start(struct guard *g, struct err *err);
void supervise_failed(int control, const struct err *why); // the last message
// Everything that follows from g->config: rules, secrets, what is looked for.
MUST_USE bool supervise_apply(struct guard *g, struct err *err);

#endif
