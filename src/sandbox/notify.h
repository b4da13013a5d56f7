// SPDX-License-Identifier: Apache-2.0
// The supervisor's side of seccomp user notification: one listener a command, one struct notify a run
// (kernel.md 4).
//
// OBSERVE: crossings of the envelope are recorded, never allowed here: the mounts, Landlock and the network
// namespace decide. What the rules refuse is reported once a subject; the call then continues and the kernel
// refuses it with the errno that programs expect. Two answers are given here, because they are friendlier
// than what the wall does later: making a protected name is EACCES (else it is moved away after the fact),
// and traffic to other than loopback without a network is ENETUNREACH. A program that changes its arguments
// under our eyes only falsifies its own record. STRICT: every open and every call that makes, moves or
// removes a name is performed here, on the resolved object, so that a denied or protected name is refused
// soundly, however it appeared. No call whose answer depends on memory of the program is ever continued.
// Needs `nested: false`: in mount namespaces that programs make themselves nothing can be opened (it is
// refused as outside the sandbox).
#ifndef BAWN_SANDBOX_NOTIFY_H
#define BAWN_SANDBOX_NOTIFY_H

#include "loop/loop.h"
#include "policy/files.h"

#define NOTIFY_SUBJECTS_MAX 256 // reports a run; one more then says that there are more

struct notify;

struct notify_report {
    const char
        *kind; // "read", "write", "network"; "more" when NOTIFY_SUBJECTS_MAX was reached (the last report)
    const char *subject;             // path, address:port, or the name that was asked for
    const char *detail;              // "name look-up by 10.0.0.2:53"; NULL without
    const struct file_verdict *file; // for files; NULL otherwise
    pid_t pid;                       // the thread, as seen here
};

struct notify_handler { // must not call back into notify
    void (*refused)(void *ctx, const struct notify_report *r);
    // A program inside is about to make this name (before it exists), and a deny glob could match it: what
    // the run itself creates is its own. Any of the two may be NULL.
    void (*creates)(void *ctx, const char *path);
    void *ctx;
};

struct notify_wants {
    const struct file_rules *rules; // borrowed until notify_free
    bool strict;
    bool network_off; // connects and datagrams to other than loopback are refused
    pid_t init_pid;   // in our pid namespace
    int root;         // the sandbox's "/", O_PATH; taken over, also on failure
};

// Takes over the run's first listener and watches it on the loop. A listener whose last process is gone is
// closed and watched no more.
MUST_USE bool notify_new(struct loop *loop, int listener, const struct notify_wants *wants,
                         const struct notify_handler *handler, struct notify **ret, struct err *err);
// Takes over the listener of a further command of the same run (also when it fails): subjects are reported
// once a run, and what one command made is also the other's own.
MUST_USE bool notify_add(struct notify *n, int listener, struct err *err);
void notify_free(struct notify *n); // takes NULL; waiting callers get ENOSYS

#endif
