// SPDX-License-Identifier: Apache-2.0
// The supervisor's side of seccomp user notification: one listener a command (kernel.md 4).
//
// OBSERVE: crossings of the envelope are recorded, never allowed or refused here: the mounts, Landlock and
// the network namespace decide. What the rules refuse is reported once a subject and answered with the error
// the rules mean (EACCES for files, ENETUNREACH for the network); all else continues. A program that changes
// its arguments under our eyes only falsifies its own record. STRICT: opens and creations in writable roots
// are performed here, on the resolved object, so that a denied or protected name is refused soundly, however
// it appeared; nothing whose arguments lie in the program's memory is ever continued when the answer depends
// on them.
#ifndef BAWN_SANDBOX_NOTIFY_H
#define BAWN_SANDBOX_NOTIFY_H

#include "loop/loop.h"
#include "policy/files.h"

struct notify;

struct notify_report {
    const char *kind;                // "read", "write", "network", "signal"
    const char *subject;             // path, or address:port
    const struct file_verdict *file; // for files; NULL otherwise
    pid_t pid;                       // as seen here
};

struct notify_handler {
    void (*refused)(void *ctx, const struct notify_report *r);
    // A program inside is about to make this name (before it exists): what the run itself creates is its own.
    void (*creates)(void *ctx, const char *path);
    void *ctx;
};

struct notify_wants {
    const struct file_rules *rules;
    bool strict;
    bool network_off; // connects and datagrams to other than loopback are refused
    pid_t init_pid;   // in our pid namespace: its /proc/PID/root is the sandbox's tree
};

// Takes over the listener. Watches it on the loop; freed with the session (after the last process of
// the filter is gone it stops watching by itself).
MUST_USE bool notify_new(struct loop *loop, int listener, const struct notify_wants *wants,
                         const struct notify_handler *handler, struct notify **ret, struct err *err);
void notify_free(struct notify *n); // takes NULL; waiting callers get ENOSYS

#endif
