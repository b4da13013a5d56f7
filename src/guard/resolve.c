// SPDX-License-Identifier: Apache-2.0
// c-ares does the DNS; its sockets and timeouts are fed into the loop. Two channels: names with a dot are
// never extended by the search list (a rule for "a.example.org" must not reach "a.example.org.corp.test"),
// single labels are, as the host's own programs do it. c-ares reads no file after its start: the hosts file
// is ours (lookups "b"), aliases are not read (HOSTALIASES is cleared in main).
//
// Concurrent lookups of one name share one query. A query outlives its waiters: its answer is for the cache
// then.
#include "guard/resolve.h"

#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "guard/hostname.h"
#include "guard/hosts.h"

#define BUCKETS 1024u
#define TIMEOUT_MS 2500 // of the first try; c-ares doubles it
#define TRIES 3
#define TTL_MIN 5u // seconds; a server that says 0 is not asked for each connection
#define TTL_MAX 300u
#define TTL_NEGATIVE 2u

struct socket_watch {
    struct watch watch;
    struct channel *channel;
    struct socket_watch *next;
};

struct channel {
    ares_channel ares;
    bool open;
    struct resolver *resolver;
    struct socket_watch *sockets;
    struct timer timer;
};

struct query {
    struct resolver *resolver;
    struct lookup *waiting;
    struct query *next;
    bool done;
    uint64_t expires; // CLOCK_MONOTONIC ns, once done
    struct address addresses[RESOLVE_ADDRESSES_MAX];
    size_t n;
    const char *why;
    char name[HOST_TEXT_SIZE];
};

struct resolver {
    struct loop *loop;
    struct hosts *hosts;
    struct channel whole, searched;
    struct query *bucket[BUCKETS];
    size_t nqueries;
    bool closing;
};

static void arm_timer(struct channel *c);

static void on_socket(struct watch *w, uint32_t events)
{
    struct socket_watch *s = w->ctx;
    struct channel *c = s->channel;
    int fd = w->fd;

    // s may be gone after this.
    ares_process_fd(c->ares, events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
                    events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
    arm_timer(c);
}

static void on_timer(struct timer *t)
{
    struct channel *c = t->ctx;

    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(c);
}

static void arm_timer(struct channel *c)
{
    struct timeval tv, *next = ares_timeout(c->ares, NULL, &tv);

    if (next)
        timer_set(c->resolver->loop, &c->timer,
                  (uint64_t)next->tv_sec * 1000000000u + (uint64_t)next->tv_usec * 1000u + 1000000u, on_timer,
                  c);
    else
        timer_del(&c->timer);
}

static void on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = ctx;
    struct socket_watch **at = &c->sockets, *s;
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0u) | (writable ? (uint32_t)EPOLLOUT : 0u);

    while (*at && (*at)->watch.fd != fd)
        at = &(*at)->next;
    s = *at;
    if (!events) {
        if (s) {
            watch_del(&s->watch);
            *at = s->next;
            free(s);
        }
        return;
    }
    if (s) {
        watch_change(&s->watch, events);
        return;
    }
    s = xcalloc(1, sizeof *s);
    s->channel = c;
    if (!watch_add(c->resolver->loop, &s->watch, fd, events, on_socket, s, NULL)) {
        free(s); // the query times out
        return;
    }
    s->next = c->sockets;
    c->sockets = s;
}

static bool open_channel(struct resolver *r, struct channel *c, int flags, struct err *err)
{
    struct ares_options o = {.flags = flags,
                             .timeout = TIMEOUT_MS,
                             .tries = TRIES,
                             .sock_state_cb = on_socket_state,
                             .sock_state_cb_data = c,
                             .lookups = (char[]){"b"}};
    int rc;

    c->resolver = r;
    rc = ares_init_options(&c->ares, &o,
                           ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
                               ARES_OPT_LOOKUPS);
    if (rc != ARES_SUCCESS)
        return err_set(err, ERR_SYSTEM, "cannot set up the resolver (resolv.conf(5)): %s", ares_strerror(rc));
    c->open = true;
    return true;
}

bool resolver_new(struct loop *loop, struct resolver **ret, struct err *err)
{
    struct resolver *r = xcalloc(1, sizeof *r);

    r->loop = loop;
    r->hosts = hosts_load("/etc/hosts");
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        !open_channel(r, &r->whole, ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES, err) ||
        !open_channel(r, &r->searched, ARES_FLAG_NOALIASES, err)) {
        resolver_free(r);
        return err_set(err, ERR_SYSTEM, "cannot set up the resolver");
    }
    *ret = r;
    return true;
}

static void close_channel(struct channel *c)
{
    if (c->open)
        ares_destroy(c->ares); // calls back with ARES_EDESTRUCTION and closes sockets
    timer_del(&c->timer);
    while (c->sockets) {
        struct socket_watch *s = c->sockets;

        c->sockets = s->next;
        watch_del(&s->watch);
        free(s);
    }
}

static void drop_done(struct resolver *r, bool all)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct query **at = &r->bucket[i]; *at;) {
            struct query *q = *at;

            if (!all && !q->done) {
                at = &q->next;
                continue;
            }
            *at = q->next;
            free(q);
            r->nqueries--;
        }
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    r->closing = true;
    close_channel(&r->whole);
    close_channel(&r->searched);
    drop_done(r, true);
    hosts_free(r->hosts);
    ares_library_cleanup();
    free(r);
}

// ---- lookups

static void deliver(struct timer *t)
{
    struct lookup *l = t->ctx;

    l->fn(l, l->addresses, l->n, l->why);
}

static void give(struct lookup *l, const struct address *a, size_t n, const char *why)
{
    l->query = NULL;
    l->n = n;
    l->why = why;
    if (n)
        memcpy(l->addresses, a, n * sizeof *a);
    timer_set(l->resolver->loop, &l->timer, 0, deliver, l);
}

static void take_addresses(struct query *q, const struct ares_addrinfo *info, uint32_t *ttl)
{
    for (const struct ares_addrinfo_node *node = info->nodes; node && q->n < RESOLVE_ADDRESSES_MAX;
         node = node->ai_next) {
        uint16_t port;

        if (!address_from_sockaddr(node->ai_addr, &q->addresses[q->n], &port))
            continue;
        address_unmap(&q->addresses[q->n]);
        q->n++;
        if (node->ai_ttl >= 0 && (uint32_t)node->ai_ttl < *ttl)
            *ttl = (uint32_t)node->ai_ttl;
    }
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
    struct query *q = ctx;
    uint32_t ttl = TTL_MAX;

    (void)timeouts;
    if (q->resolver->closing) {
        if (info)
            ares_freeaddrinfo(info);
        return;
    }
    if (status == ARES_SUCCESS && info)
        take_addresses(q, info, &ttl);
    if (info)
        ares_freeaddrinfo(info);
    q->done = true;
    q->why = q->n ? NULL : status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status);
    if (ttl < TTL_MIN)
        ttl = TTL_MIN;
    q->expires = clock_mono_ns() + (q->n ? ttl : TTL_NEGATIVE) * UINT64_C(1000000000);
    while (q->waiting) {
        struct lookup *l = q->waiting;

        q->waiting = l->next;
        give(l, q->addresses, q->n, q->why);
    }
}

static struct query *find_query(struct resolver *r, const char *name, size_t bucket)
{
    for (struct query **at = &r->bucket[bucket]; *at; at = &(*at)->next) {
        struct query *q = *at;

        if (strcmp(q->name, name) != 0)
            continue;
        if (q->done && q->expires <= clock_mono_ns()) {
            *at = q->next;
            free(q);
            r->nqueries--;
            return NULL;
        }
        return q;
    }
    return NULL;
}

static void wait_for(struct query *q, struct lookup *l)
{
    l->query = q;
    l->prev = NULL;
    l->next = q->waiting;
    if (l->next)
        l->next->prev = l;
    q->waiting = l;
}

static void ask(struct resolver *r, const char *name, size_t bucket, struct lookup *l)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC};
    struct channel *c = strchr(name, '.') ? &r->whole : &r->searched;
    struct query *q;

    if (r->nqueries >= RESOLVE_CACHE_MAX)
        drop_done(r, false);
    if (r->nqueries >= RESOLVE_CACHE_MAX) {
        give(l, NULL, 0, "too many names are being looked up at once");
        return;
    }
    q = xcalloc(1, sizeof *q);
    q->resolver = r;
    snprintf(q->name, sizeof q->name, "%s", name);
    q->next = r->bucket[bucket];
    r->bucket[bucket] = q;
    r->nqueries++;
    wait_for(q, l);
    ares_getaddrinfo(c->ares, name, NULL, &hints, on_answer, q);
    arm_timer(c);
}

void resolver_lookup(struct resolver *r, const char *name, struct lookup *l, lookup_fn *fn, void *ctx)
{
    struct address found[RESOLVE_ADDRESSES_MAX];
    size_t n = hosts_find(r->hosts, name, found, RESOLVE_ADDRESSES_MAX), bucket;
    uint32_t h = 2166136261u;
    struct query *q;

    l->resolver = r;
    l->fn = fn;
    l->ctx = ctx;
    if (n) {
        give(l, found, n, NULL);
        return;
    }
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    bucket = h % BUCKETS;
    q = find_query(r, name, bucket);
    if (!q)
        ask(r, name, bucket, l);
    else if (q->done)
        give(l, q->addresses, q->n, q->why);
    else
        wait_for(q, l);
}

void resolver_cancel(struct lookup *l)
{
    timer_del(&l->timer);
    if (!l->query)
        return;
    if (l->prev)
        l->prev->next = l->next;
    else
        l->query->waiting = l->next;
    if (l->next)
        l->next->prev = l->prev;
    l->query = NULL;
    l->next = l->prev = NULL;
}
