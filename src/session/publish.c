// SPDX-License-Identifier: Apache-2.0
// A connection is `asked` from when it is accepted until init has answered, then it is a relay until both
// ways are over. Nothing is read from it before init has answered, so a connection costs a descriptor and
// little else until then.
#include "session/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/scalar.h"
#include "session/relay.h"

#define BACKLOG 128

struct listening {
    int fd;
    uint16_t port;
    struct watch watch;
    struct publish *owner;
};

struct visit {
    uint32_t id;
    int asked; // the accepted socket while init is asked; else -1
    struct relay *relay;
    struct visit *next;
};

struct publish {
    struct loop *loop;
    struct publish_handler handler;
    struct listening *listeners;
    size_t nlisteners, nvisits;
    struct visit *visits;
    uint32_t next_id;
    bool full;
};

static bool listen_on(struct publish *p, int family, uint16_t port, struct err *err)
{
    struct sockaddr_in in4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool six = family == AF_INET6;
    AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0 && six && errno == EAFNOSUPPORT)
        return true;
    if (fd < 0)
        return err_sys(err, errno, "network.publish: cannot open a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, six ? (void *)&in6 : (void *)&in4, six ? sizeof in6 : sizeof in4) < 0 ||
        listen(fd, BACKLOG) < 0) {
        if (six && errno == EADDRNOTAVAIL) // IPv6 is switched off
            return true;
        if (errno == EADDRINUSE)
            return err_set(
                err, ERR_INPUT,
                "network.publish: port %u of this machine's loopback is in use; end what listens there, or "
                "publish another port",
                port);
        return err_sys(err, errno, "network.publish: cannot listen on port %u of the loopback", port);
    }
    p->listeners[p->nlisteners++] = (struct listening){.fd = TAKE_FD(fd), .port = port, .owner = p};
    return true;
}

static bool take_ports(struct publish *p, const struct policy_list *list, struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        uint16_t port;

        if (!scalar_port(list->items[i].text, &port, err))
            return err_prefix(err, "network.publish");
        if (!listen_on(p, AF_INET, port, err) || !listen_on(p, AF_INET6, port, err))
            return false;
    }
    return true;
}

bool publish_new(const struct policy *policy, struct publish **ret, struct err *err)
{
    const struct policy_list *list = &policy->network.publish;
    struct publish *p;

    *ret = NULL;
    if (!list->n)
        return true;
    if (policy->network.mode == NET_OPEN)
        return err_set(
            err, ERR_INPUT,
            "network.publish beside network.mode: open: what listens inside is on this machine's network "
            "already; remove one of the two");
    p = xcalloc(1, sizeof *p);
    p->listeners = xcalloc(2 * list->n, sizeof *p->listeners);
    if (!take_ports(p, list, err)) {
        publish_free(p);
        return false;
    }
    *ret = p;
    return true;
}

// --- connections ---

static bool listen_more(struct publish *p);

static void end_visit(struct publish *p, struct visit *v)
{
    const struct linger reset = {.l_onoff = 1};
    struct visit **at = &p->visits;

    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    p->nvisits--;
    if (v->asked >= 0) { // nothing listens inside: as if nothing listened here
        setsockopt(v->asked, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        loop_close_fd(p->loop, v->asked);
    }
    relay_free(v->relay);
    free(v);
    if (p->full)
        p->full = !listen_more(p);
}

static void on_ended(void *ctx, struct relay *r)
{
    struct publish *p = ctx;

    for (struct visit *v = p->visits; v; v = v->next)
        if (v->relay == r) {
            end_visit(p, v);
            return;
        }
}

static void stop_listening(struct publish *p)
{
    p->full = true;
    for (size_t i = 0; i < p->nlisteners; i++)
        watch_del(&p->listeners[i].watch);
}

static void tell(struct publish *p, const struct listening *l, const struct sockaddr_storage *from)
{
    const struct sockaddr_in *in4 = (const void *)from;
    const struct sockaddr_in6 *in6 = (const void *)from;
    char address[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 10];
    bool six = from->ss_family == AF_INET6;

    inet_ntop(from->ss_family, six ? (const void *)&in6->sin6_addr : (const void *)&in4->sin_addr, address,
              sizeof address);
    snprintf(text, sizeof text, six ? "[%s]:%u" : "%s:%u", address,
             ntohs(six ? in6->sin6_port : in4->sin_port));
    p->handler.accepted(p->handler.ctx, l->port, text);
}

static void on_visitor(struct watch *w, uint32_t events)
{
    struct listening *l = w->ctx;
    struct publish *p = l->owner;
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof from;
    int on = 1, fd = accept4(l->fd, (void *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct visit *v;

    (void)events;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) // until one ends
            stop_listening(p);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    v = xcalloc(1, sizeof *v);
    *v = (struct visit){.id = ++p->next_id, .asked = fd, .next = p->visits};
    p->visits = v;
    if (++p->nvisits >= PUBLISH_CONNECTIONS)
        stop_listening(p);
    tell(p, l, &from);
    if (!p->handler.connect(p->handler.ctx, v->id, l->port))
        end_visit(p, v);
}

static bool listen_more(struct publish *p)
{
    for (size_t i = 0; i < p->nlisteners; i++)
        if (!p->listeners[i].watch.loop && !watch_add(p->loop, &p->listeners[i].watch, p->listeners[i].fd,
                                                      EPOLLIN, on_visitor, &p->listeners[i], NULL))
            return false;
    return true;
}

bool publish_start(struct publish *p, struct loop *loop, const struct publish_handler *h, struct err *err)
{
    p->loop = loop;
    p->handler = *h;
    return listen_more(p) || err_set(err, ERR_SYSTEM, "network.publish: cannot watch the listeners");
}

void publish_connected(struct publish *p, uint32_t id, int inside)
{
    AUTO_CLOSE int fd = inside;

    for (struct visit *v = p ? p->visits : NULL; v; v = v->next) {
        if (v->id != id || v->asked < 0)
            continue;
        if (fd < 0 || !relay_new(p->loop, TAKE_FD(v->asked), TAKE_FD(fd), on_ended, p, &v->relay, NULL))
            end_visit(p, v);
        return;
    }
}

void publish_free(struct publish *p)
{
    if (!p)
        return;
    p->full = false;
    while (p->visits) {
        if (p->visits->relay)
            relay_drain(p->visits->relay);
        end_visit(p, p->visits);
    }
    for (size_t i = 0; i < p->nlisteners; i++) {
        watch_del(&p->listeners[i].watch);
        close(p->listeners[i].fd);
    }
    free(p->listeners);
    free(p);
}
