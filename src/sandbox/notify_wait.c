// SPDX-License-Identifier: Apache-2.0
// A FIFO opens when its other end does, and a file under a lease when the lease is given up; nobody knows
// when. The supervisor has one thread and must not wait, so it forks a process that holds two descriptors,
// the object and the listener, opens, hands over, and is gone. It lives no longer than the supervisor
// (parent-death signal) or the caller (the supervisor looks now and then whether the call still stands). No
// signal tells of its end, but its pidfd: whoever reaps children by number never meets it.
#include "sandbox/notify_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sandbox/notify_call.h"
#include "sandbox/sys.h"

void waits_init(struct waits *w)
{
    *w = (struct waits){.items = xcalloc(WAITS_MAX, sizeof *w->items)};
    for (size_t i = 0; i < WAITS_MAX; i++)
        w->items[i].pidfd = -1;
}

static void end(struct waits *w, struct wait *one)
{
    siginfo_t info;

    pidfd_send_signal(one->pidfd, SIGKILL, NULL, 0);
    waitid(P_PIDFD, (id_t)one->pidfd, &info, WEXITED | __WALL);
    watch_del(&one->watch);
    close(one->pidfd);
    one->pidfd = -1;
    if (!--w->busy)
        timer_del(&w->timer);
}

void waits_drop(struct waits *w, int listener)
{
    for (size_t i = 0; w->items && i < WAITS_MAX; i++)
        if (w->items[i].pidfd >= 0 && w->items[i].listener == listener)
            end(w, &w->items[i]);
}

void waits_deinit(struct waits *w)
{
    for (size_t i = 0; w->items && i < WAITS_MAX; i++)
        if (w->items[i].pidfd >= 0)
            end(w, &w->items[i]);
    free(w->items);
    *w = (struct waits){0};
}

static void on_exit_of(struct watch *w, uint32_t events UNUSED)
{
    struct notify *n = w->ctx;

    for (size_t i = 0; i < WAITS_MAX; i++)
        if (&n->waits.items[i].watch == w)
            end(&n->waits, &n->waits.items[i]);
}

static void on_timer(struct timer *t)
{
    struct notify *n = t->ctx;

    for (size_t i = 0; i < WAITS_MAX; i++) {
        struct wait *one = &n->waits.items[i];

        if (one->pidfd >= 0 && ioctl(one->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &one->id) < 0)
            end(&n->waits, one);
    }
    if (n->waits.busy)
        timer_set(n->loop, t, WAITS_CHECK_MS * 1000000ull, on_timer, n);
}

static void close_but(int a, int b)
{
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

    if (low)
        close_range(0, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

// After fork: only system calls.
static _Noreturn void wait_for_peer(const struct call *c, int obj, int flags, pid_t parent)
{
    char path[32];
    sigset_t none;
    int fd, e;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    close_but(obj, c->listener);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(path, sizeof path, "/proc/self/fd/%d", obj);
    do
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    e = fd < 0 ? errno : call_give(c, fd, flags & O_CLOEXEC);
    if (e)
        call_fail(c, e);
    _exit(0);
}

int wait_open(const struct call *c, int obj, int flags)
{
    struct clone_args args = {.flags = CLONE_PIDFD};
    struct waits *w = &c->n->waits;
    struct wait *slot = NULL;
    pid_t parent = getpid();
    int pidfd = -1;
    long pid;

    for (size_t i = 0; i < WAITS_MAX && !slot; i++)
        if (w->items[i].pidfd < 0)
            slot = &w->items[i];
    if (!slot)
        return EAGAIN;
    args.pidfd = (uint64_t)(uintptr_t)&pidfd;
    pid = sys_clone3(&args); // exit_signal 0: no SIGCHLD
    if (pid == 0)
        wait_for_peer(c, obj, flags, parent);
    if (pid < 0)
        return EAGAIN;
    *slot = (struct wait){.pidfd = pidfd, .listener = c->listener, .id = c->id};
    if (!watch_add(c->n->loop, &slot->watch, pidfd, EPOLLIN, on_exit_of, c->n, NULL)) {
        w->busy++;
        end(w, slot);
        return EAGAIN;
    }
    if (!w->busy++)
        timer_set(c->n->loop, &w->timer, WAITS_CHECK_MS * 1000000ull, on_timer, c->n);
    return 0;
}
