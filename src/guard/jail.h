// SPDX-License-Identifier: Apache-2.0
// The guard's own cage, entered after its files are loaded and before it reads a byte from the sandbox: no
// file, no new program, no new process, no listening; sockets to the network, its descriptors, memory and
// time.
#ifndef BAWN_GUARD_JAIL_H
#define BAWN_GUARD_JAIL_H

#include "base/err.h"

// First thing in main: dies with its parent, no core, not traceable, no new privileges, and no descriptor but
// 0 to 2 and `keep_fd`. 0 and 1 become /dev/null.
MUST_USE bool jail_prepare(int keep_fd, struct err *err);
// Capabilities off, Landlock without any rule (where the kernel has it), then the system call list (always).
MUST_USE bool jail_enter(struct err *err);

#endif
