// SPDX-License-Identifier: Apache-2.0
// A network namespace that is made while its user goes on: a fifth of the whole start would be the wait for
// it. In bawn-init, with capabilities in the sandbox's user namespace.
#ifndef BAWN_SANDBOX_NETNS_H
#define BAWN_SANDBOX_NETNS_H

#include <sys/types.h>

#include "base/err.h"

struct netns {
    pid_t maker; // 0: none is being made
    int fd;      // the namespace, once it is made
    char *stack;
    struct err err;
};

// Starts to make it, with its loopback interface up. *n must stay where it is until netns_enter.
MUST_USE bool netns_begin(struct netns *n, struct err *err);
// Waits for it and goes into it. Nothing to do where none was begun, or when it has been entered or dropped
// already.
MUST_USE bool netns_enter(struct netns *n, struct err *err);
// For who turns out to need none. Nothing can fail that matters then.
void netns_drop(struct netns *n);

#endif
