// SPDX-License-Identifier: Apache-2.0
// One side's state is what was read from it and not yet written to the other, and how far its end has
// travelled:
//
//      open  --read gives 0-->  eof  --its bytes are written, other side shut down-->  passed
//
// Over when both sides are `passed`, or at the first error. A side is watched only for what can be done: with
// nothing to do it is not watched at all, because a hang-up is reported in any case and would spin.
#include "session/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define ROUNDS 16 // reads of one side before others have their turn

struct side {
    int fd;
    struct watch watch;
    bool eof, passed;
    size_t at, len; // of what is in bytes
    char bytes[RELAY_BUFFER];
};

struct relay {
    struct loop *loop;
    relay_ended_fn *ended;
    void *ctx;
    bool broken;
    struct side sides[2];
};

static void on_side(struct watch *w, uint32_t events);

static bool again(void)
{
    return errno == EAGAIN || errno == EINTR || errno == EINPROGRESS || errno == ENOTCONN;
}

// False when nothing more can be done now.
static bool pass_some(struct relay *r, struct side *from, struct side *to)
{
    ssize_t n;

    if (from->len) {
        n = send(to->fd, from->bytes + from->at, from->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return again() ? false : (r->broken = true, false);
        from->at += (size_t)n;
        from->len -= (size_t)n;
        return true;
    }
    if (from->eof) {
        if (from->passed)
            return false;
        from->passed = true;
        if (shutdown(to->fd, SHUT_WR) < 0 && errno != ENOTCONN)
            r->broken = true;
        return false;
    }
    n = recv(from->fd, from->bytes, sizeof from->bytes, MSG_DONTWAIT);
    if (n < 0)
        return again() ? false : (r->broken = true, false);
    from->at = 0;
    from->len = (size_t)n;
    from->eof = n == 0;
    return true;
}

static void pass(struct relay *r, struct side *from, struct side *to)
{
    for (int i = 0; i < 2 * ROUNDS && !r->broken && pass_some(r, from, to); i++)
        ;
}

static void want(struct relay *r, struct side *s, const struct side *other)
{
    uint32_t events = (!s->eof && !s->len ? EPOLLIN : 0u) | (other->len ? EPOLLOUT : 0u);

    if (!events)
        watch_del(&s->watch);
    else if (s->watch.loop)
        watch_change(&s->watch, events);
    else if (!watch_add(r->loop, &s->watch, s->fd, events, on_side, r, NULL))
        r->broken = true;
}

static void go_on(struct relay *r)
{
    struct side *a = &r->sides[0], *b = &r->sides[1];

    pass(r, a, b);
    pass(r, b, a);
    if (!r->broken && !(a->passed && b->passed)) {
        want(r, a, b);
        want(r, b, a);
    }
    if (r->broken || (a->passed && b->passed))
        r->ended(r->ctx, r);
}

static void on_side(struct watch *w, uint32_t events)
{
    struct relay *r = w->ctx;
    int error = 0;
    socklen_t n = sizeof error;

    // A connection that failed or was reset: the other side must not take the silence for an orderly end.
    if ((events & EPOLLERR) && getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error)
        r->broken = true;
    go_on(r);
}

bool relay_new(struct loop *loop, int a, int b, relay_ended_fn *ended, void *ctx, struct relay **ret,
               struct err *err)
{
    struct relay *r = xcalloc(1, sizeof *r);

    *r = (struct relay){.loop = loop, .ended = ended, .ctx = ctx};
    r->sides[0].fd = a;
    r->sides[1].fd = b;
    if (!watch_add(loop, &r->sides[0].watch, a, EPOLLIN, on_side, r, err) ||
        !watch_add(loop, &r->sides[1].watch, b, EPOLLIN, on_side, r, err)) {
        relay_free(r);
        return false;
    }
    *ret = r;
    return true;
}

void relay_drain(struct relay *r)
{
    pass(r, &r->sides[0], &r->sides[1]);
    pass(r, &r->sides[1], &r->sides[0]);
}

void relay_free(struct relay *r)
{
    const struct linger reset = {.l_onoff = 1};

    if (!r)
        return;
    for (int i = 0; i < 2; i++) {
        watch_del(&r->sides[i].watch);
        // What did not end in order ends with a reset, so that nobody takes a part for the whole.
        if (r->broken)
            setsockopt(r->sides[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        loop_close_fd(r->loop, r->sides[i].fd);
    }
    free(r);
}
