// SPDX-License-Identifier: Apache-2.0
// The guard's listeners: accepting connections, answering DNS, recording refused ports.
#ifndef BAWN_GUARD_LISTEN_H
#define BAWN_GUARD_LISTEN_H

#include <stdint.h>

#include "base/err.h"

struct guard;

// Takes over fd; `kind` is an enum guard_listener_kind.
MUST_USE bool listener_add(struct guard *g, int kind, int fd, struct err *err);
void listeners_free(struct guard *g);
// There is room for connections again; does nothing when none was left waiting.
void listeners_resume(struct guard *g);

#endif
