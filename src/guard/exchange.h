// SPDX-License-Identifier: Apache-2.0
// HTTP/1 on a flow: requests one at a time, each judged by itself, written anew toward the server that the
// rules permit, its answer written anew toward the client.
#ifndef BAWN_GUARD_EXCHANGE_H
#define BAWN_GUARD_EXCHANGE_H

#include "guard/flow.h"

// f->client carries HTTP from here on; client.in may already hold bytes of it.
void exchange_begin(struct flow *f);
void exchange_free(struct exchange *x); // takes NULL
// The question that the request under way was permitted by, and where its answer is kept. False when there is
// none, or it was refused or is held. What an upgrade made of a connection is its request's, to the end.
bool exchange_question(struct exchange *x, struct net_question *ret, struct net_answer **ret_answer);
// Host of the request under way or last made (the target of an explicit proxy's requests), or NULL.
const struct host *exchange_host(const struct exchange *x, uint16_t *ret_port);

#endif
