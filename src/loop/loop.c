// SPDX-License-Identifier: Apache-2.0
#include "loop/loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

bool loop_init(struct loop *l, struct err *err)
{
    memset(l, 0, sizeof *l);
    l->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epfd < 0)
        return err_sys(err, errno, "cannot create an epoll descriptor");
    return true;
}

static void close_deferred(struct loop *l)
{
    for (size_t i = 0; i < l->nclosing; i++)
        close(l->closing[i]);
    l->nclosing = 0;
}

void loop_deinit(struct loop *l)
{
    close_deferred(l);
    free(l->closing);
    free(l->heap);
    if (l->epfd > 0)
        close(l->epfd);
    memset(l, 0, sizeof *l);
    l->epfd = -1;
}

void loop_quit(struct loop *l)
{
    l->quit = true;
}

void loop_close_fd(struct loop *l, int fd)
{
    if (fd < 0)
        return;
    if (l->nclosing == l->closing_alloc) {
        l->closing_alloc = l->closing_alloc ? l->closing_alloc * 2 : 16;
        l->closing = xrealloc(l->closing, l->closing_alloc * sizeof *l->closing);
    }
    l->closing[l->nclosing++] = fd;
}

bool watch_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn, void *ctx,
               struct err *err)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};

    *w = (struct watch){.fd = -1};
    if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return err_sys(err, errno, "cannot watch descriptor %d", fd);
    *w = (struct watch){.fd = fd, .events = events, .fn = fn, .ctx = ctx, .loop = l};
    return true;
}

void watch_direct(struct watch *w)
{
    struct loop *l = w->loop;

    if (l && l->ndirect < LOOP_DIRECT)
        l->direct[l->ndirect++] = w;
}

static void no_longer_direct(struct loop *l, const struct watch *w)
{
    for (size_t i = 0; i < l->ndirect; i++)
        if (l->direct[i] == w)
            l->direct[i--] = l->direct[--l->ndirect];
}

void watch_change(struct watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};

    if (!w->loop || w->events == events)
        return;
    if (epoll_ctl(w->loop->epfd, EPOLL_CTL_MOD, w->fd, &ev) == 0)
        w->events = events;
}

void watch_del(struct watch *w)
{
    struct loop *l = w->loop;

    if (!l)
        return;
    epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = l->ibatch; i < l->nbatch; i++)
        if (l->batch[i].data.ptr == w)
            l->batch[i].data.ptr = NULL;
    no_longer_direct(l, w);
    *w = (struct watch){.fd = -1};
}

static void heap_put(struct loop *l, size_t i, struct timer *t)
{
    l->heap[i] = t;
    t->slot = i + 1;
}

static void heap_settle(struct loop *l, size_t i, struct timer *t)
{
    while (i && l->heap[(i - 1) / 2]->when > t->when) {
        heap_put(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        size_t kid = 2 * i + 1;

        if (kid + 1 < l->ntimers && l->heap[kid + 1]->when < l->heap[kid]->when)
            kid++;
        if (kid >= l->ntimers || l->heap[kid]->when >= t->when)
            break;
        heap_put(l, i, l->heap[kid]);
        i = kid;
    }
    heap_put(l, i, t);
}

void timer_set(struct loop *l, struct timer *t, uint64_t in_ns, timer_fn *fn, void *ctx)
{
    timer_del(t);
    *t = (struct timer){.when = clock_mono_ns() + in_ns, .fn = fn, .ctx = ctx, .loop = l};
    if (l->ntimers == l->heap_alloc) {
        l->heap_alloc = l->heap_alloc ? l->heap_alloc * 2 : 16;
        l->heap = xrealloc(l->heap, l->heap_alloc * sizeof *l->heap);
    }
    l->ntimers++;
    l->heap[l->ntimers - 1] = t;
    heap_settle(l, l->ntimers - 1, t);
}

void timer_del(struct timer *t)
{
    struct loop *l = t->loop;
    struct timer *last;
    size_t i;

    if (!t->slot)
        return;
    i = t->slot - 1;
    t->slot = 0;
    last = l->heap[--l->ntimers];
    if (last != t)
        heap_settle(l, i, last);
}

// Timers armed by a callback wait for the next round, even when they are due.
static void run_timers(struct loop *l)
{
    uint64_t now = l->ntimers ? clock_mono_ns() : 0;

    while (l->ntimers && l->heap[0]->when <= now && !l->quit) {
        struct timer *t = l->heap[0];

        timer_del(t);
        t->fn(t);
    }
}

// What is ready shows again when epoll is asked, so its answer here is only that there is something.
static void wait_directly(struct loop *l, const struct timespec *wait)
{
    struct pollfd fds[1 + LOOP_DIRECT] = {{.fd = l->epfd, .events = POLLIN}};

    for (size_t i = 0; i < l->ndirect; i++)
        fds[1 + i] = (struct pollfd){.fd = l->direct[i]->fd, .events = (short)l->direct[i]->events};
    ppoll(fds, 1 + l->ndirect, wait, NULL);
}

bool loop_step(struct loop *l, int max_wait_ms, struct err *err)
{
    struct timespec wait, *pwait = NULL;

    if (max_wait_ms >= 0) {
        wait = (struct timespec){max_wait_ms / 1000, max_wait_ms % 1000 * 1000000L};
        pwait = &wait;
    }
    if (l->ntimers) {
        uint64_t now = clock_mono_ns(), when = l->heap[0]->when;
        uint64_t ns = when > now ? when - now : 0;

        if (max_wait_ms < 0 || ns < (uint64_t)max_wait_ms * 1000000u) {
            wait = (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
            pwait = &wait;
        }
    }
    if (l->ndirect) {
        wait_directly(l, pwait);
        wait = (struct timespec){0};
        pwait = &wait;
    }
    l->nbatch = epoll_pwait2(l->epfd, l->batch, LOOP_BATCH, pwait, NULL);
    if (l->nbatch < 0) {
        l->nbatch = 0;
        if (errno != EINTR)
            return err_sys(err, errno, "cannot wait for events");
    }
    for (l->ibatch = 0; l->ibatch < l->nbatch && !l->quit;) {
        struct epoll_event *ev = &l->batch[l->ibatch++];
        struct watch *w = ev->data.ptr;

        if (w)
            w->fn(w, ev->events);
    }
    l->nbatch = 0;
    if (!l->quit)
        run_timers(l);
    close_deferred(l);
    return true;
}

bool loop_run(struct loop *l, struct err *err)
{
    while (!l->quit)
        if (!loop_step(l, -1, err))
            return false;
    return true;
}
