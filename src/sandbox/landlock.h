// SPDX-License-Identifier: Apache-2.0
// Landlock rules on top of the mounts: what a descriptor that slipped in could reach stays out of reach. Own
// constants for ABI 1–7, as system headers lag. Source: landlock(7),
// Documentation/userspace-api/landlock.rst.
#ifndef BAWN_SANDBOX_LANDLOCK_H
#define BAWN_SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "base/err.h"

enum landlock_access { LANDLOCK_READ = 0, LANDLOCK_WRITE }; // WRITE has all of READ

struct landlock_path {
    int fd; // O_PATH descriptor of a file or directory
    enum landlock_access access;
};

struct landlock_wants {
    const struct landlock_path *paths;
    size_t npaths;
    bool scope_abstract; // no abstract UNIX sockets of outside (needed when the network namespace is the
                         // host's)
    bool scope_signal;   // no signals to outside (needed without a pid namespace)
};

int landlock_abi(void); // 0 when the kernel has none or it is switched off
// A ruleset descriptor (close-on-exec) with the best ABI up to 7. ERR_UNSUPPORTED without Landlock.
MUST_USE bool landlock_make(const struct landlock_wants *wants, int *ret_fd, struct err *err);
// Adds one more path to a ruleset that nobody has entered with it yet. Async-signal-safe when it succeeds.
MUST_USE bool landlock_add(int ruleset_fd, const struct landlock_path *path, struct err *err);
// Puts the calling thread into the domain; no_new_privs must be set. Async-signal-safe.
MUST_USE bool landlock_enter(int ruleset_fd, struct err *err);

#endif
