// SPDX-License-Identifier: Apache-2.0
// lookup → vet all → for each: ask the kernel whether it is this host's own → connect with a deadline → next.
//
// The host's own addresses are refused although they look global. Which they are is asked of the kernel for
// each address, as they come and go: a connected UDP socket sends nothing, and toward an address of one's own
// the kernel picks that same address as source (ip(7)).
#include "guard/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void dialer_deinit(struct dialer *d)
{
    cidr_set_deinit(&d->own);
}

static void close_try(struct dial *d)
{
    watch_del(&d->watch);
    if (d->fd >= 0)
        loop_close_fd(d->dialer->loop, d->fd);
    d->fd = -1;
}

void dial_cancel(struct dial *d)
{
    if (!d->active)
        return;
    d->active = false;
    resolver_cancel(&d->lookup);
    timer_del(&d->timer);
    close_try(d);
}

static void finish(struct dial *d, enum dial_result result, int fd)
{
    d->active = false;
    d->result = result;
    timer_del(&d->timer);
    d->fn(d, result, fd);
}

static bool is_own(struct dial *d, const struct address *a)
{
    struct sockaddr_storage to, from;
    socklen_t n = address_to_sockaddr(a, 9, &to), got = sizeof from;
    AUTO_CLOSE int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct cidr c = {.bits = a->v6 ? 128 : 32};
    uint16_t port;

    if (cidr_set_find(&d->dialer->own, a))
        return true;
    if (fd < 0 || connect(fd, (void *)&to, n) < 0 || getsockname(fd, (void *)&from, &got) < 0 ||
        !address_from_sockaddr((void *)&from, &c.base, &port))
        return false; // no route: connect will say so
    address_unmap(&c.base);
    if (!address_equal(&c.base, a))
        return false;
    cidr_set_add(&d->dialer->own, &c);
    return true;
}

// Keeps what may be dialled; the last refusal is the reason when nothing is left.
static void vet(struct dial *d, const struct address *addresses, size_t n)
{
    d->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct net_answer answer;
        struct address inner = addresses[i];

        address_unwrap(&inner);
        is_own(d, &inner); // notes it in `own`, which the rules look at
        net_rules_vet(d->dialer->rules, &d->host, &addresses[i], d->port, &d->dialer->own, &answer);
        if (answer.verdict == VERDICT_ALLOW)
            d->addresses[d->n++] = addresses[i];
        else
            d->refusal = answer;
    }
}

static void try_next(struct dial *d);

static void on_connected(struct watch *w, uint32_t events)
{
    struct dial *d = w->ctx;
    int failed = 0, fd = d->fd;
    socklen_t n = sizeof failed;

    (void)events;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0)
        failed = errno;
    if (failed) {
        char text[ADDRESS_TEXT_SIZE];

        address_text(&d->address, text);
        snprintf(d->why, sizeof d->why, "%s (%s) port %u: %s", d->host.text, text, d->port, strerror(failed));
        close_try(d);
        try_next(d);
        return;
    }
    watch_del(&d->watch);
    d->fd = -1;
    finish(d, DIAL_OK, fd);
}

static void on_deadline(struct timer *t)
{
    struct dial *d = t->ctx;
    char text[ADDRESS_TEXT_SIZE];

    address_text(&d->address, text);
    snprintf(d->why, sizeof d->why, "%s (%s) port %u does not answer", d->host.text, text, d->port);
    close_try(d);
    if (clock_mono_ns() >= d->deadline)
        finish(d, DIAL_TIMED_OUT, -1);
    else
        try_next(d);
}

static bool begin_connect(struct dial *d)
{
    struct sockaddr_storage to;
    socklen_t n = address_to_sockaddr(&d->address, d->port, &to);
    int on = 1;

    d->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->fd < 0)
        return false;
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(d->fd, (void *)&to, n) < 0 && errno != EINPROGRESS)
        return false;
    // An immediate success is reported by the loop too: nothing runs inside dial_start.
    return watch_add(d->dialer->loop, &d->watch, d->fd, EPOLLOUT, on_connected, d, NULL);
}

static void try_next(struct dial *d)
{
    uint64_t now = clock_mono_ns(), left = d->deadline > now ? d->deadline - now : 0;
    uint64_t one = UINT64_C(1000000) * DIAL_TRY_MS;

    while (d->next < d->n) {
        d->address = d->addresses[d->next++];
        if (begin_connect(d)) {
            timer_set(d->dialer->loop, &d->timer, d->next < d->n && one < left ? one : left, on_deadline, d);
            return;
        }
        snprintf(d->why, sizeof d->why, "%s port %u: %s", d->host.text, d->port, strerror(errno));
        close_try(d);
    }
    finish(d, DIAL_FAILED, -1);
}

static void on_addresses(struct lookup *l, const struct address *addresses, size_t n, const char *why)
{
    struct dial *d = l->ctx;

    if (!n) {
        snprintf(d->why, sizeof d->why, "cannot resolve %s: %s", d->host.text, why ? why : "no address");
        finish(d, DIAL_FAILED, -1);
        return;
    }
    vet(d, addresses, n);
    if (!d->n)
        finish(d, DIAL_REFUSED, -1);
    else
        try_next(d);
}

static void on_literal(struct timer *t)
{
    struct dial *d = t->ctx;
    struct address a = d->host.address;

    on_addresses(&(struct lookup){.ctx = d}, &a, 1, NULL);
}

void dial_start(struct dial *d, struct dialer *dialer, const struct host *host, uint16_t port, dial_fn *fn,
                void *ctx)
{
    *d = (struct dial){.dialer = dialer,
                       .host = *host,
                       .port = port,
                       .fd = -1,
                       .deadline = clock_mono_ns() + UINT64_C(1000000) * DIAL_TOTAL_MS,
                       .fn = fn,
                       .ctx = ctx,
                       .active = true};
    if (host->kind == HOST_ADDRESS)
        timer_set(dialer->loop, &d->timer, 0, on_literal, d);
    else
        resolver_lookup(dialer->resolver, host->text, &d->lookup, on_addresses, d);
}
