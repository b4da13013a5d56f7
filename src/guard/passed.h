// SPDX-License-Identifier: Apache-2.0
// TLS that is passed through, from the first ClientHello to where it is encrypted.
#ifndef BAWN_GUARD_PASSED_H
#define BAWN_GUARD_PASSED_H

#include "guard/flow.h"

// Both streams are open, the ClientHello that was judged waits in client.in. Ends in tunnel_relay.
void passed_begin(struct flow *f);

#endif
