// SPDX-License-Identifier: Apache-2.0
// From the first bytes of a connection to what is done with it. See flow.h for the picture.
#ifndef BAWN_GUARD_SNIFF_H
#define BAWN_GUARD_SNIFF_H

#include "guard/flow.h"

void sniff_endpoint(struct flow *f); // pump: a new connection at the explicit endpoint
void sniff_target(struct flow *f);   // pump: the target is known; TLS, HTTP, or neither
// The name in a ClientHello must be the flow's host. False: `why` says how they differ.
bool sniff_name_agrees(const struct flow *f, char *why, size_t size);
// An explicit client (CONNECT, SOCKS) waits for its answer; nothing for the others, or when it was told
// before.
bool sniff_tell_connected(struct flow *f);
// f->dial failed: tells the client in its protocol, records, ends.
void sniff_unreachable(struct flow *f);

#endif
