// SPDX-License-Identifier: Apache-2.0
// Landlock rules on top of the mounts: what a descriptor that slipped in could reach stays out of reach. Best
// effort down to ABI 1 (Linux 5.13) for file rights; what a caller names as needed is had or refused. TCP is
// not handled: the network namespace and the guard hold it, and a port alone says nothing about the host. Own
// constants for ABI 1–7 (landlock_abi.h). Source: landlock(7), Documentation/userspace-api/landlock.rst.
//
// A domain that handles files may not mount, and inherits to all that it starts: init stays outside, `nested:
// true` sets no_files.
#ifndef BAWN_SANDBOX_LANDLOCK_H
#define BAWN_SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "base/err.h"

// READ is reading, listing and executing. WRITE has all of READ, and writing, making, removing, moving,
// truncating and ioctls on devices (a terminal opened by name needs WRITE). A rule on a directory holds for
// all below it, through whatever mount; a rule on a file takes the rights that files have.
// READ_KEPT is READ for a tree that its modes and a read-only mount keep from us anyway: truncating and
// device ioctls are not refused a second time. Every open asks for these two besides, and where no rule
// grants them the kernel looks at all ancestors up to the root: a tenth of what find and grep cost.
// WRITE_ONLY, for a file, is WRITE without reading: for one that was lent for output.
enum landlock_access { LANDLOCK_READ = 0, LANDLOCK_READ_KEPT, LANDLOCK_WRITE, LANDLOCK_WRITE_ONLY };

struct landlock_path {
    int fd; // O_PATH descriptor of a file or directory
    enum landlock_access access;
};

struct landlock_wants {
    const struct landlock_path *paths;
    size_t npaths;
    bool no_files; // no file rules at all: paths must be empty. Without it no paths is an error, not a free
                   // pass.
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
// Adds one more path (a regular file or directory) to a ruleset, for domains entered from now on.
// Async-signal-safe when it succeeds.
MUST_USE bool landlock_add(int ruleset_fd, const struct landlock_path *path, struct err *err);
// Puts the calling thread into the domain; no_new_privs must be set. Async-signal-safe when it succeeds.
MUST_USE bool landlock_enter(int ruleset_fd, struct err *err);

#endif
