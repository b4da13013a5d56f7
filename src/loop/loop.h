// SPDX-License-Identifier: Apache-2.0
// Event loop: one thread, epoll, nothing blocks.
//
// Watchers and timers live inside their owner's struct; the loop only points at them, so the owner removes
// them before it frees itself. Removing is safe at any moment, also from a callback and also for another
// watcher whose event is already in the current batch: that event is dropped. A descriptor given to
// loop_close_fd is closed at the end of the iteration, so its number cannot come back under a stale event. No
// callback runs inside the call that armed it.
#ifndef BAWN_LOOP_LOOP_H
#define BAWN_LOOP_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

#define LOOP_BATCH 64 // events taken per epoll_wait
#define LOOP_DIRECT 8 // watches that are waited for directly

struct loop;
struct watch;
struct timer;

typedef void watch_fn(struct watch *w, uint32_t events); // EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP …
typedef void timer_fn(struct timer *t);

struct watch {
    int fd; // -1 while not added; borrowed, the owner closes it
    uint32_t events;
    watch_fn *fn;
    void *ctx;
    struct loop *loop;
};

struct timer {
    uint64_t when; // CLOCK_MONOTONIC ns
    size_t slot;   // place in the heap plus one; 0 while not armed
    timer_fn *fn;
    void *ctx;
    struct loop *loop;
};

struct loop {
    int epfd;
    bool quit;
    struct epoll_event batch[LOOP_BATCH];
    int nbatch, ibatch;
    struct timer **heap;
    size_t ntimers, heap_alloc;
    int *closing;
    size_t nclosing, closing_alloc;
    struct watch *direct[LOOP_DIRECT];
    size_t ndirect;
};

MUST_USE bool loop_init(struct loop *l, struct err *err);
void loop_deinit(struct loop *l);
// Runs until loop_quit.
MUST_USE bool loop_run(struct loop *l, struct err *err);
// One round: waits at most max_wait_ms (-1: until something happens).
MUST_USE bool loop_step(struct loop *l, int max_wait_ms, struct err *err);
void loop_quit(struct loop *l);
void loop_close_fd(struct loop *l, int fd);

MUST_USE bool watch_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn, void *ctx,
                        struct err *err);
// Waits for it with ppoll(2), not through epoll: who makes it ready and asks for a synchronous wakeup is then
// answered on its own processor, which epoll's indirection would undo. That saves an idle processor's wakeup,
// 40 microseconds each. For a few busy descriptors; beyond LOOP_DIRECT it changes nothing.
void watch_direct(struct watch *w);
void watch_change(struct watch *w, uint32_t events); // no call when nothing changes
void watch_del(struct watch *w);                     // also for one that was never added (zeroed)

void timer_set(struct loop *l, struct timer *t, uint64_t in_ns, timer_fn *fn, void *ctx); // arms or moves
void timer_del(struct timer *t);

#endif
