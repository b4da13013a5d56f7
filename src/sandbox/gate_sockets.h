// SPDX-License-Identifier: Apache-2.0
// The sockets that stay in the gate namespace.
#ifndef BAWN_SANDBOX_GATE_SOCKETS_H
#define BAWN_SANDBOX_GATE_SOCKETS_H

#include "sandbox/gate.h"

// All open in the caller's network namespace and append to *ret, which may hold descriptors on failure too:
// gate_close it. IPv6 listeners only where the kernel has IPv6.
MUST_USE bool gate_sockets_open(const struct gate_wants *wants, struct gate *ret, struct err *err);
// The explicit endpoint. Its port must not be one of the transparent ports.
MUST_USE bool gate_proxy_open(uint16_t port, struct gate *ret, struct err *err);

#endif
