// SPDX-License-Identifier: Apache-2.0
// Every address leads here, so whichever name server a program was told of, this one answers, and from the
// address that was asked (resolvers drop other answers). A refused name is on record once a minute, however
// often it is asked.
//
// With hold_names a name that policy asks about is answered when the reviewer has answered; without, it gets
// its address and the connection is held. Over TCP names are never held: one message at a time would hold the
// others.
#include "guard/dnsserve.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "guard/decide.h"
#include "guard/guard.h"

#define ROUND 64         // datagrams a turn
#define REMEMBERED 1024u // refused names, by hash
#define REPEAT_NS UINT64_C(60000000000)
#define TCP_IDLE_NS UINT64_C(10000000000)

// By which the supervisor finds the process. `to` is the other end of a connection.
struct asker {
    struct sockaddr_storage from, to;
    bool tcp;
};

struct origin_of_query {
    int fd;
    struct asker who;
    socklen_t nfrom;
    union {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;
    } to;
};

struct held {
    struct dnsserve *d;
    struct held *next, *prev;
    struct decision decision;
    struct dns_query query;
    struct origin_of_query origin;
};

struct dns_connection {
    struct dnsserve *d;
    struct dns_connection *next, *prev;
    struct stream stream;
    struct timer timer;
    struct dns_tcp tcp;
    struct asker who;
};

struct dnsserve {
    struct guard *g;
    struct dns_connection *connections; // newest first
    size_t nconnections;
    struct held *held;
    size_t nheld;
    struct {
        uint64_t hash, when;
    } refused[REMEMBERED];
};

struct dnsserve *dnsserve_new(struct guard *g)
{
    struct dnsserve *d = xcalloc(1, sizeof *d);

    d->g = g;
    return d;
}

// ---- verdicts

static bool recorded_lately(struct dnsserve *d, const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037), now = clock_mono_ns();

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
    if (d->refused[h % REMEMBERED].hash == h && now - d->refused[h % REMEMBERED].when < REPEAT_NS)
        return true;
    d->refused[h % REMEMBERED].hash = h;
    d->refused[h % REMEMBERED].when = now;
    return false;
}

static void record_end(json_t *o, const char *key, const struct sockaddr_storage *end)
{
    char text[ADDRESS_TEXT_SIZE], whole[ADDRESS_TEXT_SIZE + 8];
    struct address address;
    uint16_t port;

    if (!address_from_sockaddr((const void *)end, &address, &port))
        return;
    address_unmap(&address);
    address_text(&address, text);
    snprintf(whole, sizeof whole, address.v6 ? "[%s]:%u" : "%s:%u", text, port);
    record_text(o, key, whole);
}

static void record_refused(struct dnsserve *d, const struct dns_query *q, const struct asker *who,
                           const struct net_answer *a, bool full)
{
    json_t *o;

    // A flood of distinct names is still bounded by the rate of lines; those beyond the bound share one.
    if (recorded_lately(d, full ? "" : q->host.text))
        return;
    if (!full && !records_may_list(&d->g->records)) {
        records_leave_out(&d->g->records);
        return;
    }
    o = record_new("dns");
    record_end(o, "client", &who->from);
    if (who->tcp)
        record_end(o, "to", &who->to);
    record_text(o, "host", q->host.text);
    record_answer(o, a);
    record_send(&d->g->records, o);
}

static enum verdict judge(struct dnsserve *d, const struct dns_query *q, const struct asker *who,
                          struct net_answer *ret)
{
    struct net_question question = {
        .stage = NET_STAGE_NAME, .host = &q->host, .watched = d->g->config.watched};

    bool full;

    *ret = (struct net_answer){0};
    if (q->host.kind == HOST_NONE || q->reverse)
        return VERDICT_DENY;
    net_rules_ask(d->g->rules, &question, ret, NULL);
    if (ret->verdict == VERDICT_ASK && !d->g->config.reviewer)
        ret->verdict = VERDICT_DENY;
    full = ret->verdict != VERDICT_DENY && !dns_names_room(d->g->names, q->host.text);
    if (full) {
        ret->verdict = VERDICT_DENY;
        snprintf(ret->reason, sizeof ret->reason,
                 "%u names have an address already, which is all there is room for", DNS_NAMES_MAX);
        snprintf(ret->allow_with, sizeof ret->allow_with, "fewer different names in one run");
    }
    if (ret->verdict == VERDICT_DENY)
        record_refused(d, q, who, ret, full);
    return ret->verdict;
}

static size_t answer(struct dnsserve *d, const struct dns_query *q, enum dns_parsed parsed,
                     enum verdict verdict, size_t cap, uint8_t ret[DNS_ANSWER_MAX])
{
    struct dns_reply fail = {.rcode = q->rcode};

    if (parsed == DNS_FAIL)
        return dns_answer(q, &fail, cap, ret);
    return dns_names_respond(d->g->names, q, verdict, cap, ret);
}

// ---- UDP

static void reply(const struct origin_of_query *o, const uint8_t *data, size_t n)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = n};
    bool six = o->who.from.ss_family == AF_INET6;
    size_t size = six ? sizeof o->to.v6 : sizeof o->to.v4;
    struct msghdr m = {.msg_name = (void *)(uintptr_t)&o->who.from,
                       .msg_namelen = o->nfrom,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = CMSG_SPACE(size)};
    struct cmsghdr *c;

    memset(&control, 0, sizeof control);
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
    c->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), &o->to, size);
    // What does not fit into the socket is lost, as UDP is; the client asks again.
    if (sendmsg(o->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

static void take_pktinfo(struct msghdr *m, struct origin_of_query *o)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&o->to.v4, CMSG_DATA(c), sizeof o->to.v4);
            // The address asked becomes the source (ip(7)).
            o->to.v4.ipi_spec_dst = o->to.v4.ipi_addr;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&o->to.v6, CMSG_DATA(c), sizeof o->to.v6);
        }
    }
}

static void held_free(struct held *h)
{
    decide_cancel(&h->decision);
    *(h->prev ? &h->prev->next : &h->d->held) = h->next;
    if (h->next)
        h->next->prev = h->prev;
    h->d->nheld--;
    free(h);
}

static void on_decided(struct decision *decision, bool allowed, bool timed_out)
{
    struct held *h = decision->ctx;
    uint8_t out[DNS_ANSWER_MAX];

    (void)timed_out;
    reply(&h->origin, out,
          answer(h->d, &h->query, DNS_QUERY, allowed ? VERDICT_ALLOW : VERDICT_DENY, h->query.udp_size, out));
    held_free(h);
}

static void hold(struct dnsserve *d, const struct dns_query *q, const struct origin_of_query *o,
                 const struct net_answer *a)
{
    struct held *h = xcalloc(1, sizeof *h);
    json_t *question = record_new("asked");

    *h = (struct held){.d = d, .next = d->held, .query = *q, .origin = *o};
    if (h->next)
        h->next->prev = h;
    d->held = h;
    d->nheld++;
    record_text(question, "kind", "name");
    record_text(question, "host", q->host.text);
    record_answer(question, a);
    decide_ask(d->g, &h->decision, question, on_decided, h);
}

static bool already_held(const struct dnsserve *d, const struct dns_query *q, const struct origin_of_query *o)
{
    for (const struct held *h = d->held; h; h = h->next)
        if (h->query.id == q->id && h->query.type == q->type && host_equal(&h->query.host, &q->host) &&
            h->origin.nfrom == o->nfrom && memcmp(&h->origin.who.from, &o->who.from, o->nfrom) == 0)
            return true;
    return false;
}

static void one_query(struct dnsserve *d, const uint8_t *msg, size_t n, const struct origin_of_query *o)
{
    uint8_t out[DNS_ANSWER_MAX];
    struct dns_query q;
    struct net_answer a;
    enum dns_parsed parsed = dns_parse(msg, n, &q);
    enum verdict v = VERDICT_DENY;

    if (parsed == DNS_DROP)
        return;
    if (parsed == DNS_QUERY)
        v = judge(d, &q, &o->who, &a);
    if (v == VERDICT_ASK && d->g->config.hold_names && d->nheld < DNS_HELD_MAX && decide_possible(d->g)) {
        if (!already_held(d, &q, o)) // a client repeats itself while it waits
            hold(d, &q, o, &a);
        return;
    }
    reply(o, out, answer(d, &q, parsed, v, q.udp_size, out));
}

void dnsserve_datagrams(struct dnsserve *d, int fd)
{
    for (int i = 0; i < ROUND; i++) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
        } control;
        uint8_t msg[DNS_QUERY_MAX];
        struct origin_of_query o = {.fd = fd};
        struct iovec iov = {.iov_base = msg, .iov_len = sizeof msg};
        struct msghdr m = {.msg_name = &o.who.from,
                           .msg_namelen = sizeof o.who.from,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
        ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

        if (n < 0)
            return;
        if (m.msg_flags & MSG_TRUNC)
            continue;
        o.nfrom = m.msg_namelen;
        take_pktinfo(&m, &o);
        one_query(d, msg, (size_t)n, &o);
    }
}

// ---- TCP

static void connection_end(struct dns_connection *c)
{
    struct dnsserve *d = c->d;

    timer_del(&c->timer);
    stream_close(&c->stream);
    *(c->prev ? &c->prev->next : &d->connections) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    d->nconnections--;
    free(c);
}

static void on_idle(struct timer *t)
{
    connection_end(t->ctx);
}

static bool answer_tcp(struct dns_connection *c, const uint8_t *msg, size_t n)
{
    uint8_t out[2 + DNS_ANSWER_MAX];
    struct dns_query q;
    struct net_answer a;
    enum dns_parsed parsed = dns_parse(msg, n, &q);
    size_t len;

    if (parsed == DNS_DROP)
        return false;
    len = answer(c->d, &q, parsed, parsed == DNS_QUERY ? judge(c->d, &q, &c->who, &a) : VERDICT_DENY,
                 DNS_ANSWER_MAX, out + 2);
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    return stream_send(&c->stream, out, 2 + len);
}

static bool serve_tcp(struct dns_connection *c)
{
    uint8_t in[4096];
    size_t n = 0, at = 0;
    enum stream_io io = stream_read(&c->stream, in, sizeof in, &n);

    if (io == STREAM_AGAIN)
        return true;
    if (io != STREAM_OK)
        return false;
    while (at < n) {
        const uint8_t *msg;
        size_t used, len;
        enum dns_tcp_event e = dns_tcp_feed(&c->tcp, in + at, n - at, &used, &msg, &len);

        at += used;
        if (e == DNS_TCP_ERROR || (e == DNS_TCP_MESSAGE && !answer_tcp(c, msg, len)))
            return false;
        if (e == DNS_TCP_MORE)
            break;
    }
    return true;
}

static void on_stream(struct watch *w, uint32_t events)
{
    struct dns_connection *c = w->ctx;

    c->stream.fired |= events;
    if (!stream_flush(&c->stream) || (!c->stream.out.len && !serve_tcp(c))) {
        connection_end(c);
        return;
    }
    timer_set(&c->d->g->loop, &c->timer, TCP_IDLE_NS, on_idle, c);
    stream_arm(&c->stream, !c->stream.out.len);
}

void dnsserve_accept(struct dnsserve *d, int fd, const struct sockaddr_storage *from)
{
    struct dns_connection *c = xcalloc(1, sizeof *c);
    socklen_t n = sizeof c->who.to;

    if (d->nconnections >= DNS_CONNECTIONS_MAX) {
        struct dns_connection *oldest = d->connections;

        while (oldest->next)
            oldest = oldest->next;
        connection_end(oldest);
    }
    c->d = d;
    c->who.from = *from;
    c->who.tcp = getsockname(fd, (void *)&c->who.to, &n) == 0;
    dns_tcp_init(&c->tcp);
    if (!stream_open(&c->stream, &d->g->loop, fd, on_stream, c, NULL)) {
        free(c);
        return;
    }
    c->next = d->connections;
    if (c->next)
        c->next->prev = c;
    d->connections = c;
    d->nconnections++;
    timer_set(&d->g->loop, &c->timer, TCP_IDLE_NS, on_idle, c);
    stream_arm(&c->stream, true);
}

void dnsserve_free(struct dnsserve *d)
{
    if (!d)
        return;
    while (d->connections)
        connection_end(d->connections);
    while (d->held)
        held_free(d->held);
    free(d);
}
