// SPDX-License-Identifier: Apache-2.0
// Two connected stream sockets joined: what comes from either goes to the other, in order, and so does the
// end of what comes, so a half-closed connection works. At most RELAY_BUFFER bytes are held for each
// direction; a slow reader slows its writer.
#ifndef BAWN_SESSION_RELAY_H
#define BAWN_SESSION_RELAY_H

#include "loop/loop.h"

#define RELAY_BUFFER 65536u

struct relay;
typedef void relay_ended_fn(void *ctx, struct relay *r); // both ways are over; free it there or later

// Takes over both descriptors (non-blocking; connecting is good enough), also when it fails.
MUST_USE bool relay_new(struct loop *loop, int a, int b, relay_ended_fn *ended, void *ctx, struct relay **ret,
                        struct err *err);
void relay_drain(struct relay *r); // passes on what has come already, as far as it can without waiting
void relay_free(struct relay *r);  // closes both; takes NULL

#endif
