// SPDX-License-Identifier: Apache-2.0
// Accepting is limited by places, not by time: at most ACCEPT_ROUND connections a turn, and none while all
// places are taken by flows that may not be ended; those wait in the kernel's backlog.
#include "guard/listen.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "guard/dnsserve.h"
#include "guard/guard.h"
#include "guard/proto.h"
#include "guard/refused.h"

#define ACCEPT_ROUND 32

struct listener {
    struct guard *g;
    struct watch watch;
    int fd, kind;
    bool paused;
};

static void on_connection(struct watch *w, uint32_t events)
{
    struct listener *l = w->ctx;
    bool dns = l->kind == GUARD_DNS_TCP4 || l->kind == GUARD_DNS_TCP6;

    (void)events;
    for (int i = 0; i < ACCEPT_ROUND; i++) {
        struct sockaddr_storage from;
        socklen_t n = sizeof from;
        int fd;

        // Only the first is known to be there: none is ended for one that may not come.
        if (!dns && i && flows_full(l->g))
            return;
        if (!dns && !flows_make_room(l->g)) {
            l->paused = true;
            watch_change(&l->watch, 0);
            return;
        }
        fd = accept4(l->fd, (void *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return; // none left, or it went away before
        if (dns)
            dnsserve_accept(l->g->dns, fd, &from);
        else
            flow_accept(l->g, fd, &from, l->kind);
    }
}

static void on_datagram(struct watch *w, uint32_t events)
{
    struct listener *l = w->ctx;

    (void)events;
    dnsserve_datagrams(l->g->dns, l->fd);
}

static void on_refused(struct watch *w, uint32_t events)
{
    struct listener *l = w->ctx;

    (void)events;
    refused_read(l->g, l->fd, l->kind == GUARD_REFUSED_UDP4 || l->kind == GUARD_REFUSED_UDP6);
}

bool listener_add(struct guard *g, int kind, int fd, struct err *err)
{
    static watch_fn *const handlers[] = {
        [GUARD_TCP4] = on_connection,      [GUARD_TCP6] = on_connection,
        [GUARD_DNS_UDP4] = on_datagram,    [GUARD_DNS_UDP6] = on_datagram,
        [GUARD_DNS_TCP4] = on_connection,  [GUARD_DNS_TCP6] = on_connection,
        [GUARD_PROXY] = on_connection,     [GUARD_REFUSED_TCP4] = on_refused,
        [GUARD_REFUSED_TCP6] = on_refused, [GUARD_REFUSED_UDP4] = on_refused,
        [GUARD_REFUSED_UDP6] = on_refused,
    };
    struct listener *l;

    if (kind < 1 || (size_t)kind >= ARRAY_LEN(handlers) || g->nlisteners == GUARD_LISTENERS_MAX) {
        close(fd);
        return err_set(err, ERR_PROTOCOL, "listener of kind %d cannot be taken", kind);
    }
    l = xcalloc(1, sizeof *l);
    l->g = g;
    l->fd = fd;
    l->kind = kind;
    if (!fd_set_nonblock(fd, true) || !watch_add(&g->loop, &l->watch, fd, EPOLLIN, handlers[kind], l, err)) {
        close(fd);
        free(l);
        return err_set(err, ERR_SYSTEM, "cannot watch a listener");
    }
    g->listeners[g->nlisteners++] = l;
    return true;
}

void listeners_resume(struct guard *g)
{
    for (size_t i = 0; i < g->nlisteners; i++)
        if (g->listeners[i]->paused) {
            g->listeners[i]->paused = false;
            watch_change(&g->listeners[i]->watch, EPOLLIN);
        }
}

void listeners_free(struct guard *g)
{
    while (g->nlisteners) {
        struct listener *l = g->listeners[--g->nlisteners];

        watch_del(&l->watch);
        close(l->fd);
        free(l);
    }
}
