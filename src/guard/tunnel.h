// SPDX-License-Identifier: Apache-2.0
// Bytes both ways, unseen.
#ifndef BAWN_GUARD_TUNNEL_H
#define BAWN_GUARD_TUNNEL_H

#include "guard/flow.h"

// Dials the target, tells an explicit client how that went, and relays; what was read from the client before
// goes first.
void tunnel_begin(struct flow *f);
// Relays on two open streams (after an upgrade). Bytes in up.in go to the client first.
void tunnel_relay(struct flow *f);

#endif
