// SPDX-License-Identifier: Apache-2.0
// One intercepted call on its way to an answer, and the state of a run that the parts of notify share
// (internal).
//
// Errors here are answers: unless a comment says otherwise a function that prepares an answer returns 0, or
// the errno that the caller inside is to get.
#ifndef BAWN_SANDBOX_NOTIFY_CALL_H
#define BAWN_SANDBOX_NOTIFY_CALL_H

#include <limits.h>
#include <linux/seccomp.h>

#include "sandbox/notify.h"
#include "sandbox/notify_mounts.h"
#include "sandbox/notify_names.h"
#include "sandbox/notify_wait.h"

struct listener {
    struct notify *n;
    int fd;
    struct watch watch;
    struct listener *next;
};

struct notify {
    struct loop *loop;
    const struct file_rules *rules;
    bool strict, network_off;
    pid_t init_pid;
    struct notify_handler handler;
    struct listener *listeners;
    struct seccomp_notif *notif; // room for what this kernel sends
    size_t notif_size;
    int root;        // the sandbox's "/", O_PATH
    int fds;         // our /proc/self/fd
    bool privileged; // we have capabilities that callers have not
    struct mount_table mounts;
    struct names names;
    struct waits waits;
};

struct call {
    struct notify *n;
    int listener;
    uint64_t id;
    pid_t tid; // as seen here
    int nr;
    uint64_t args[6];
};

// Answers. Each may come too late for a caller that was killed; there is nothing to do about it then.
void call_continue(const struct call *c);
void call_fail(const struct call *c, int sys);
void call_done(const struct call *c); // returns 0
// Puts a copy of fd into the caller as the call's result.
int call_give(const struct call *c, int fd, bool cloexec);
// Still the same caller: /proc/TID and memory that were looked at before are its own, not those of a later
// TID.
bool call_valid(const struct call *c);

// The caller's memory. A string must end within cap bytes (ENAMETOOLONG).
int call_string(const struct call *c, uint64_t addr, char *ret, size_t cap);
int call_bytes(const struct call *c, uint64_t addr, void *ret, size_t n);

struct caller {
    mode_t umask;
    pid_t tgid;                    // as seen here
    pid_t tgid_inside, tid_inside; // as the sandbox's /proc names them
};
int call_caller(const struct call *c, struct caller *ret);

enum request_kind {
    REQUEST_OTHER = 0,
    REQUEST_OPEN,
    REQUEST_OPENAT2,
    REQUEST_TRUNCATE,
    REQUEST_MKDIR,
    REQUEST_MKNOD,
    REQUEST_SYMLINK,
    REQUEST_LINK,
    REQUEST_RENAME,
    REQUEST_UNLINK,
    REQUEST_BIND,
    REQUEST_CONNECT,
    REQUEST_SENDTO,
};

// The arguments of a call that names files, whichever spelling of it was used.
struct request {
    enum request_kind kind;
    int dir[2];     // AT_FDCWD or a descriptor of the caller
    unsigned flags; // of open, or AT_* or RENAME_*
    mode_t mode;
    uint64_t value;         // length or device number
    char path[2][PATH_MAX]; // [1] is the new name of link, rename and symlink; [0] of symlink is its text
};

// Reads the arguments; REQUEST_OTHER and network calls have none read.
int request_read(const struct call *c, struct request *ret);

// Each answers the call.
void observe(const struct call *c, const struct request *r);        // notify_observe.c
void observe_network(const struct call *c, enum request_kind kind); // notify_net.c
void perform_open(const struct call *c, const struct request *r);   // notify_open.c
void perform_name(const struct call *c, const struct request *r);   // notify_change.c

#endif
