// SPDX-License-Identifier: Apache-2.0
// Landlock rules on top of the mounts: what a descriptor that slipped in could reach stays out of reach. Best
// effort down to ABI 1 (Linux 5.13) for file rights; what a caller names as needed is had or refused. TCP is
// not handled: the network namespace and the guard hold it, and a port alone says nothing about the host. Own
// constants for ABI 1–7 (landlock_abi.h). Source: landlock(7), Documentation/userspace-api/landlock.rst.
//
// A domain that handles files may not mount, and inherits to all that it starts: init stays outside, `nested:
// true` holds none.
#ifndef BAWN_SANDBOX_LANDLOCK_H
#define BAWN_SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "base/err.h"

// What a domain holds: nothing of it is allowed but what a rule grants.
// WRITES is writing, making, removing, moving, and ioctls on devices (a terminal opened by name needs it).
// READS is reading, listing, executing and truncating (the kernel asks for that at each open, so a domain
// that holds it has it look at the ancestors of all that is opened: a tenth of what find and grep cost).
enum landlock_hold { LANDLOCK_HOLD_READS = 1, LANDLOCK_HOLD_WRITES = 2 };

// READ is reading, listing and executing; WRITE is all that there is. A rule on a directory holds for all
// below it, through whatever mount; a rule on a file takes the rights that files have. WRITE_ONLY, for a
// file, is WRITE without reading: for one that was lent for output.
enum landlock_access { LANDLOCK_READ = 0, LANDLOCK_WRITE, LANDLOCK_WRITE_ONLY };

struct landlock_path {
    int fd; // O_PATH descriptor of a file or directory
    enum landlock_access access;
};

struct landlock_wants {
    const struct landlock_path *paths;
    size_t npaths;
    unsigned holds;      // of files, LANDLOCK_HOLD_…; with 0 paths must be empty, otherwise they must not
    bool scope_abstract; // no abstract UNIX sockets of outside (needed when the network namespace is the
                         // host's)
    bool scope_signal;   // no signals to outside (needed without a pid namespace)
};

int landlock_abi(void); // 0 when the kernel has none or it is switched off
// A ruleset descriptor (close-on-exec) with the best ABI up to 7. ERR_UNSUPPORTED without Landlock, and when
// a scope is wanted and the kernel has none (before ABI 6). On ABI 1 moving a file to another directory is
// EXDEV even in writable places (programs copy then), before ABI 3 truncate(2) is not held, before ABI 5
// device ioctls are not.
MUST_USE bool landlock_make(const struct landlock_wants *wants, int *ret_fd, struct err *err);
// Adds one more path (a regular file or directory) to a ruleset that holds `holds`, for domains entered from
// now on.
MUST_USE bool landlock_add(int ruleset_fd, unsigned holds, const struct landlock_path *path, struct err *err);
// Puts the calling thread into the domain; no_new_privs must be set. All three are async-signal-safe when
// they succeed.
MUST_USE bool landlock_enter(int ruleset_fd, struct err *err);

#endif
