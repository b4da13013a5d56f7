// SPDX-License-Identifier: Apache-2.0
// Opens that have to wait for somebody (internal to notify).
#ifndef BAWN_SANDBOX_NOTIFY_WAIT_H
#define BAWN_SANDBOX_NOTIFY_WAIT_H

#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

#define WAITS_MAX 64       // at once; one more is EAGAIN for the caller
#define WAITS_CHECK_MS 200 // how soon the waiting process of a dead caller is ended

struct call;
struct notify;

struct wait {
    int pidfd; // of the process that waits; -1: free slot
    int listener;
    uint64_t id;
    struct watch watch;
};

struct waits {
    struct wait *items;
    size_t busy;
    struct timer timer;
};

void waits_init(struct waits *w);
void waits_deinit(struct waits *w); // ends all of them
void waits_drop(struct waits *w, int listener);

// Opens the object with these flags in a process of its own, which answers the call. 0 when that is under
// way.
int wait_open(const struct call *c, int obj, int flags);

#endif
