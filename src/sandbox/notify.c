// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A filter stops a call of a program inside and puts it on the listener; here it is
// received and answered, one after the other, within the callback: observed (notify_observe.c, notify_net.c)
// or performed (notify_open.c, notify_change.c). Nothing waits: an answer that depends on somebody else is
// given by a process of its own (notify_wait.c). A round of the event loop takes one call of each listener,
// so a flood from inside shares the loop with everything else.
//
// What is whose. A notification holds the registers of the call, copied by the kernel. Strings are in the
// program's memory: another thread, another process that maps it or a debugger inside can change them at any
// moment. A call that is continued reads them again. So what is continued can be anything, and in strict mode
// nothing is continued but
//   open with O_PATH   gives a name and nothing else (notify_open.c)
//   bind               a socket's name holds nothing that anybody could read or run; to move it is a call of
//   its own connect, sendto    the network namespace decides, the answer here is only friendlier unknown
//   calls      the filter notifies none that strict has no handler for; one that came in with a newer filter
//                      is answered ENOSYS, not continued
// All opens are performed, also those of read-only system trees and of the yard's own places: whether a path
// leads there is known only when it has been walked, and then the kernel would walk it again.
//
// Rights. Work is done with the supervisor's credentials: same user, same groups, and no capability in force
// (a supervisor that has some lays them down for the time). What it has more than its callers is that it owns
// their user namespace; that matters in their /proc only (notify_proc.c). The callers' Landlock domain does
// not bind it: the mounts give the same rights, and mounts that are not the sandbox's are refused
// (notify_mounts.c).
//
// What strict does not cover, as no call that opens or makes a name is in it: stat and the names in a
// directory; executing a denied file; the mode, owner, times and attributes of a protected one. Masks and
// read-only mounts cover these for what was there at the start. On a file system that ignores case a rule
// should name every spelling.
#include "sandbox/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/notify_call.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS // Linux 6.6
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

static void respond(const struct call *c, int sys, uint32_t flags)
{
    struct seccomp_notif_resp r = {.id = c->id, .error = -sys, .flags = flags};

    ioctl(c->listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

void call_continue(const struct call *c)
{
    respond(c, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void call_fail(const struct call *c, int sys)
{
    respond(c, sys, 0);
}

void call_done(const struct call *c)
{
    respond(c, 0, 0);
}

int call_give(const struct call *c, int fd, bool cloexec)
{
    struct seccomp_notif_addfd a = {.id = c->id,
                                    .flags = SECCOMP_ADDFD_FLAG_SEND,
                                    .srcfd = (uint32_t)fd,
                                    .newfd_flags = cloexec ? O_CLOEXEC : 0};

    // ENOENT: the caller is gone, and an answer would find nobody.
    return ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a) < 0 && errno != ENOENT ? errno : 0;
}

// With all set to none, what is done is done with a caller's rights.
static void lay_down_capabilities(bool down)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    if (syscall(SYS_capget, &head, caps) < 0)
        return;
    for (int i = 0; i < 2; i++)
        caps[i].effective = down ? 0 : caps[i].permitted;
    syscall(SYS_capset, &head, caps);
}

static void perform(const struct call *c, const struct request *r)
{
    switch (r->kind) {
    case REQUEST_OPEN:
        perform_open(c, r);
        break;
    case REQUEST_BIND:
        call_continue(c);
        break;
    case REQUEST_OPENAT2: // its users fall back to openat: openat2(2)
    case REQUEST_OTHER:
        call_fail(c, ENOSYS);
        break;
    default:
        perform_name(c, r);
        break;
    }
}

static void handle(const struct call *c)
{
    struct request r;
    int e = request_read(c, &r);

    if (r.kind == REQUEST_CONNECT || r.kind == REQUEST_SENDTO)
        observe_network(c, r.kind);
    else if (!c->n->strict && (e || r.kind == REQUEST_OTHER))
        call_continue(c);
    else if (!c->n->strict)
        observe(c, &r);
    else if (e)
        call_fail(c, e);
    else
        perform(c, &r);
}

static void drop(struct listener *l)
{
    struct notify *n = l->n;
    struct listener **at = &n->listeners;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    waits_drop(&n->waits, l->fd);
    watch_del(&l->watch);
    loop_close_fd(n->loop, l->fd);
    free(l);
}

// RECV waits when there is nothing, so it is done once for each time that the listener was found readable.
// When the caller died in between it does not wait but says ENOENT.
static bool receive(struct notify *n, int listener, struct call *ret)
{
    memset(n->notif, 0, n->notif_size);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, n->notif) < 0)
        return false;
    *ret = (struct call){.n = n, .listener = listener, .id = n->notif->id, .tid = (pid_t)n->notif->pid};
    ret->nr = n->notif->data.nr;
    for (int i = 0; i < 6; i++)
        ret->args[i] = n->notif->data.args[i];
    return true;
}

static void on_listener(struct watch *w, uint32_t events)
{
    struct listener *l = w->ctx;
    struct notify *n = l->n;
    struct call c;

    if (!(events & EPOLLIN)) {
        if (events & (EPOLLHUP | EPOLLERR))
            drop(l);
        return;
    }
    if (n->privileged)
        lay_down_capabilities(true);
    if (receive(n, l->fd, &c))
        handle(&c);
    if (n->privileged)
        lay_down_capabilities(false);
}

bool notify_add(struct notify *n, int listener, struct err *err)
{
    struct listener *l = xcalloc(1, sizeof *l);
    uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;

    l->n = n;
    l->fd = listener;
    if (!watch_add(n->loop, &l->watch, listener, EPOLLIN, on_listener, l, err)) {
        close(listener);
        free(l);
        return err_prefix(err, "watching a command's system calls");
    }
    // Older kernels lack it; answers then take a little longer.
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
    watch_direct(&l->watch);
    l->next = n->listeners;
    n->listeners = l;
    return true;
}

static bool open_trees(struct notify *n, struct err *err)
{
    n->fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (n->fds < 0)
        return err_sys(err, errno, "cannot open /proc/self/fd (is /proc mounted?)");
    return !n->strict || mount_table_read(&n->mounts, n->init_pid, err);
}

static bool take_sizes(struct notify *n, struct err *err)
{
    struct seccomp_notif_sizes sizes;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
        return err_set(
            err, ERR_UNSUPPORTED,
            "the kernel has no seccomp user notification (Linux 5.0): files.strict and the record of "
            "refused crossings need it");
    n->notif_size = sizes.seccomp_notif > sizeof *n->notif ? sizes.seccomp_notif : sizeof *n->notif;
    n->notif = xcalloc(1, n->notif_size);
    return true;
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2] = {0};

    return syscall(SYS_capget, &head, caps) < 0 || caps[0].effective || caps[1].effective;
}

bool notify_new(struct loop *loop, int listener, const struct notify_wants *wants,
                const struct notify_handler *handler, struct notify **ret, struct err *err)
{
    struct notify *n = xcalloc(1, sizeof *n);

    *n = (struct notify){.loop = loop,
                         .rules = wants->rules,
                         .strict = wants->strict,
                         .network_off = wants->network_off,
                         .init_pid = wants->init_pid,
                         .handler = *handler,
                         .root = wants->root,
                         .fds = -1,
                         .privileged = wants->strict && has_capabilities()};
    names_init(&n->names, wants->rules, wants->strict);
    waits_init(&n->waits);
    if (!take_sizes(n, err) || !open_trees(n, err)) {
        close(listener);
        notify_free(n);
        return false;
    }
    if (!notify_add(n, listener, err)) {
        notify_free(n);
        return false;
    }
    *ret = n;
    return true;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    while (n->listeners)
        drop(n->listeners);
    waits_deinit(&n->waits);
    if (n->root >= 0)
        close(n->root);
    if (n->fds >= 0)
        close(n->fds);
    mount_table_deinit(&n->mounts);
    names_deinit(&n->names);
    free(n->notif);
    free(n);
}
