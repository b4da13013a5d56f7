// SPDX-License-Identifier: Apache-2.0
#include "guard/flow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "guard/decide.h"
#include "guard/exchange.h"
#include "guard/guard.h"
#include "guard/hello.h"
#include "guard/listen.h"
#include "guard/proto.h"
#include "guard/sniff.h"
#include "guard/socks5.h"

#define SPARE_DESCRIPTORS 320u // listeners, resolver, control
#define LINGER_BYTES (1u << 20)
#define CROWDED_NS UINT64_C(10000000000)

static const char *const via_names[] = {"transparent", "endpoint", "proxy", "connect", "socks"};
static const char *const tls_names[] = {"none", "passed", "terminated"};

void flows_init(struct flows *s)
{
    struct rlimit files;

    *s = (struct flows){.max = FLOWS_MAX};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_cur < 2u * FLOWS_MAX + SPARE_DESCRIPTORS)
            s->max = files.rlim_cur > SPARE_DESCRIPTORS + 64u ? (files.rlim_cur - SPARE_DESCRIPTORS) / 2 : 32;
    }
}

// ---- queues and ends

void flow_set_queue(struct flow *f, struct flow_queue *q)
{
    struct flow_queue *old = f->queue;

    if (old) {
        *(f->qprev ? &f->qprev->qnext : &old->oldest) = f->qnext;
        *(f->qnext ? &f->qnext->qprev : &old->newest) = f->qprev;
        old->n--;
    }
    f->queue = q;
    f->qnext = f->qprev = NULL;
    if (!q)
        return;
    f->since = clock_mono_ns();
    f->qprev = q->newest;
    *(q->newest ? &q->newest->qnext : &q->oldest) = f;
    q->newest = f;
    q->n++;
}

struct flow_queue *flow_young(struct flow *f)
{
    return &f->g->flows.young;
}

struct flow_queue *flow_idle(struct flow *f)
{
    return &f->g->flows.idle;
}

struct flow_queue *flow_busy(struct flow *f)
{
    return &f->g->flows.busy;
}

static void free_parts(struct flow *f)
{
    if (f->hello)
        hello_deinit(f->hello);
    free(f->hello);
    free(f->socks);
    exchange_free(f->x);
    free(f->dial);
    free(f->decision);
    free(f);
}

static void reap(struct timer *t)
{
    struct flows *s = t->ctx;

    while (s->dead) {
        struct flow *f = s->dead;

        s->dead = f->next;
        free_parts(f);
    }
}

static void record_closed(struct flow *f)
{
    const struct host *last = NULL;
    uint16_t port;
    json_t *o;

    if (!f->recorded && !f->requests)
        return;
    o = flow_record(f, "closed");
    if (f->host.kind == HOST_NONE && f->x)
        last = exchange_host(f->x, &port);
    record_text(o, "host", last ? last->text : f->host.text);
    record_number(o, "sent", f->client.got);
    record_number(o, "received", f->client.sent);
    if (f->requests)
        record_number(o, "requests", f->requests);
    if (f->unlisted)
        record_number(o, "unlisted", f->unlisted);
    record_send(&f->g->records, o);
}

static void flow_stop(struct flow *f, bool reset)
{
    struct flows *s = &f->g->flows;

    if (f->dead)
        return;
    f->dead = true;
    if (f->dial)
        dial_cancel(f->dial);
    if (f->decision)
        decide_cancel(f->decision);
    timer_del(&f->timer);
    timer_del(&f->kick);
    timer_del(&f->paced);
    flow_set_queue(f, NULL);
    (reset ? stream_reset : stream_close)(&f->client);
    stream_close(&f->up);
    record_closed(f);
    *(f->prev ? &f->prev->next : &s->all) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    s->n--;
    f->prev = NULL;
    f->next = s->dead;
    s->dead = f;
    timer_set(&f->g->loop, &s->reaper, 0, reap, s);
    listeners_resume(f->g);
}

void flow_end(struct flow *f)
{
    flow_stop(f, false);
}

void flow_abort(struct flow *f)
{
    flow_stop(f, true);
}

// A flood is one line, then one every CROWDED_NS and one at the end.
static void record_crowded(struct guard *g, bool last)
{
    struct flows *s = &g->flows;
    uint64_t now = clock_mono_ns();
    char reason[256];
    json_t *o;

    if (!s->crowded.count || (!last && s->crowded.when && now - s->crowded.when < CROWDED_NS))
        return;
    snprintf(reason, sizeof reason,
             "%zu connections are open at once, which is all there is room for: one that had not said "
             "what it wants, or the one without progress for longest, was ended for the next",
             s->max);
    o = record_new("crowded");
    record_text(o, "verdict", "deny");
    record_text(o, "host", "too many connections at once");
    record_text(o, "rule", "bound of the guard");
    record_text(o, "reason", reason);
    record_text(o, "allow_with", "fewer connections at once, or a higher limit on open files (ulimit -Hn)");
    record_number(o, "count", s->crowded.count);
    record_send(&g->records, o);
    s->crowded.when = now;
    s->crowded.count = 0;
}

void flows_deinit(struct guard *g)
{
    record_crowded(g, true);
    while (g->flows.all)
        flow_stop(g->flows.all, true);
    timer_del(&g->flows.reaper);
    reap(&(struct timer){.ctx = &g->flows});
}

bool flows_full(const struct guard *g)
{
    return g->flows.n >= g->flows.max;
}

bool flows_make_room(struct guard *g)
{
    struct flows *s = &g->flows;
    struct flow *idle = s->idle.oldest, *busy = s->busy.oldest;

    if (!flows_full(g))
        return true;
    if (s->young.n > s->max / 2 || (s->young.oldest && !idle && !busy))
        flow_abort(s->young.oldest);
    else if (idle && (!busy || idle->since < busy->since))
        flow_end(idle);
    else if (busy)
        flow_abort(busy); // within an answer or a tunnel: the client must not take it for the end
    else
        return false; // all are held for a person's answer
    s->crowded.count++;
    record_crowded(g, false);
    return true;
}

// ---- events and time

static void run(struct flow *f)
{
    if (!f->dead)
        f->pump(f);
}

static void on_client(struct watch *w, uint32_t events)
{
    struct flow *f = w->ctx;

    f->client.fired |= events;
    run(f);
}

static void on_up(struct watch *w, uint32_t events)
{
    struct flow *f = w->ctx;

    f->up.fired |= events;
    run(f);
}

static void on_kick(struct timer *t)
{
    run(t->ctx);
}

void flow_kick(struct flow *f)
{
    if (!f->dead && !f->kick.slot)
        timer_set(&f->g->loop, &f->kick, 0, on_kick, f);
}

// The timer is moved only to an earlier moment; a later deadline is found when it fires.
static void on_timer(struct timer *t)
{
    struct flow *f = t->ctx;
    uint64_t now = clock_mono_ns();

    if (now < f->deadline)
        timer_set(&f->g->loop, &f->timer, f->deadline - now, on_timer, f);
    else if (f->expired)
        f->expired(f);
    else
        flow_end(f);
}

void flow_deadline(struct flow *f, unsigned ms, flow_fn *expired)
{
    uint64_t wait = ms * UINT64_C(1000000);

    f->deadline = clock_mono_ns() + wait;
    f->expired = expired;
    if (f->queue == flow_busy(f))
        flow_set_queue(f, f->queue);
    if (!f->timer.slot || f->timer.when > f->deadline)
        timer_set(&f->g->loop, &f->timer, wait, on_timer, f);
}

// ---- reading, lingering

enum stream_io flow_read_client(struct flow *f, size_t max)
{
    enum stream_io last = STREAM_AGAIN;

    while (f->client.in.len < max) {
        size_t n = 0, room = max - f->client.in.len;
        enum stream_io io = stream_read(&f->client, f->g->scratch, room < 16384 ? room : 16384, &n);

        if (io != STREAM_OK)
            return last == STREAM_OK && io == STREAM_AGAIN ? STREAM_OK : io;
        if (!buf_add(&f->client.in, f->g->scratch, n))
            return STREAM_ERROR;
        last = STREAM_OK;
        if (n < 16384)
            break;
    }
    return last;
}

size_t flow_piece(const struct flow *f)
{
    return f->g->flows.n <= FLOWS_FEW ? GUARD_SCRATCH : 16384;
}

size_t flow_upload_room(struct flow *f, const struct net_answer *a, size_t most)
{
    uint64_t wait = 0;
    size_t room = a->upload_rate ? pace_room(&f->g->paces, a->paced_by, a->upload_rate, most, &wait) : most;

    if (wait)
        timer_set(&f->g->loop, &f->paced, wait, on_kick, f);
    return room;
}

void flow_spend_upload(struct flow *f, const struct net_answer *a, size_t n)
{
    if (a->upload_rate)
        pace_spend(&f->g->paces, a->paced_by, n);
}

static void pump_linger(struct flow *f)
{
    if (!stream_flush(&f->client)) {
        flow_end(f);
        return;
    }
    stream_shut(&f->client);
    while (f->client.shut) {
        size_t n = 0;
        enum stream_io io = stream_read(&f->client, f->g->scratch, GUARD_SCRATCH, &n);

        if (io == STREAM_AGAIN)
            break;
        f->drained += n;
        if (io != STREAM_OK || f->drained > LINGER_BYTES) {
            flow_end(f);
            return;
        }
    }
    stream_arm(&f->client, true);
}

void flow_linger(struct flow *f)
{
    stream_close(&f->up);
    f->pump = pump_linger;
    flow_set_queue(f, flow_young(f));
    flow_deadline(f, LINGER_MS, NULL);
    flow_kick(f);
}

// ---- dialling

// What the kernel holds for stuck connections counts against all TCP of the machine (tcp_mem in tcp(7)); left
// to itself it is megabytes for each.
static void bound_kernel(struct flow *f, struct stream *s)
{
    if (f->g->flows.n > FLOWS_FEW)
        stream_bound(s, FLOW_KERNEL);
}

static void on_dialled(struct dial *d, enum dial_result result, int fd)
{
    struct flow *f = d->ctx;

    if (result == DIAL_OK && !stream_open(&f->up, &f->g->loop, fd, on_up, f, NULL)) {
        snprintf(d->why, sizeof d->why, "cannot watch the connection to %s", d->host.text);
        d->result = DIAL_FAILED;
    }
    if (stream_is_open(&f->up))
        bound_kernel(f, &f->up);
    f->pump = f->then;
    run(f);
}

// Nothing is read while a dial or a decision is under way, but a client that went away ends the flow.
static void pump_wait(struct flow *f)
{
    if (f->client.fired & (EPOLLERR | EPOLLHUP)) {
        flow_end(f);
        return;
    }
    stream_arm(&f->client, false);
}

void flow_dial(struct flow *f, const struct host *host, uint16_t port, flow_fn *then)
{
    if (!f->dial)
        f->dial = xcalloc(1, sizeof *f->dial);
    stream_close(&f->up);
    f->then = then;
    f->pump = pump_wait;
    flow_deadline(f, DIAL_TOTAL_MS + HELLO_MS, NULL);
    dial_start(f->dial, &f->g->dialer, host, port, on_dialled, f);
    flow_kick(f);
}

// ---- decisions

static void on_decided(struct decision *d, bool allowed, bool timed_out)
{
    struct flow *f = d->ctx;
    json_t *o = flow_record(f, "answered");

    record_text(o, "verdict", allowed ? "allow" : "deny");
    record_text(o, "reason", timed_out ? "nobody answered in time" : "the reviewer answered");
    record_send(&f->g->records, o);
    f->granted = allowed;
    f->answer.verdict = allowed ? VERDICT_ALLOW : VERDICT_DENY;
    if (!allowed)
        snprintf(f->answer.reason, sizeof f->answer.reason, "%s",
                 timed_out ? "policy asks about this, and nobody answered in time"
                           : "policy asks about this, and the answer was no");
    f->pump = f->then;
    run(f);
}

void flow_hold(struct flow *f, json_t *question, flow_fn *then)
{
    if (!f->decision)
        f->decision = xcalloc(1, sizeof *f->decision);
    f->then = then;
    f->pump = pump_wait;
    // The flow waits as long as the question; no longer deadline of its own.
    flow_deadline(f, (unsigned)f->g->config.ask_timeout_ms + HELLO_MS, NULL);
    flow_set_queue(f, NULL);
    decide_ask(f->g, f->decision, question, on_decided, f);
    flow_kick(f);
}

// ---- beginning

static bool find_target(int fd, struct host *ret, uint16_t *ret_port)
{
    struct sockaddr_storage meant;
    socklen_t n = sizeof meant;
    struct address a;

    if (getsockname(fd, (void *)&meant, &n) < 0 || !address_from_sockaddr((void *)&meant, &a, ret_port))
        return false;
    host_from_address(&a, ret);
    return true;
}

static void describe(const struct sockaddr_storage *sa, char *ret, size_t size)
{
    struct address a;
    uint16_t port;
    char text[ADDRESS_TEXT_SIZE];

    if (!address_from_sockaddr((const void *)sa, &a, &port))
        return;
    address_unmap(&a);
    address_text(&a, text);
    snprintf(ret, size, a.v6 ? "[%s]:%u" : "%s:%u", text, port);
}

static void describe_ends(struct flow *f, int fd, const struct sockaddr_storage *from)
{
    struct sockaddr_storage to;
    socklen_t n = sizeof to;

    describe(from, f->client_text, sizeof f->client_text);
    if (getsockname(fd, (void *)&to, &n) == 0)
        describe(&to, f->to_text, sizeof f->to_text);
}

void flow_accept(struct guard *g, int fd, const struct sockaddr_storage *from, int kind)
{
    struct flow *f = xcalloc(1, sizeof *f);
    struct flows *s = &g->flows;
    struct host host;
    uint16_t port;

    f->g = g;
    f->number = ++s->number;
    f->client.fd = f->up.fd = -1;
    if (!stream_open(&f->client, &g->loop, fd, on_client, f, NULL)) {
        free(f);
        return;
    }
    describe_ends(f, fd, from);
    f->next = s->all;
    if (f->next)
        f->next->prev = f;
    s->all = f;
    s->n++;
    bound_kernel(f, &f->client);
    flow_set_queue(f, &s->young);
    flow_deadline(f, HELLO_MS, NULL);
    if (kind == GUARD_PROXY) {
        f->via = VIA_ENDPOINT;
        f->pump = sniff_endpoint;
        flow_kick(f);
    } else if (find_target(fd, &host, &port)) {
        flow_target(f, &host, port, VIA_TRANSPARENT);
    } else {
        flow_abort(f);
    }
}

// ---- records

json_t *flow_record(const struct flow *f, const char *event)
{
    json_t *o = record_new(event);

    record_number(o, "flow", f->number);
    record_text(o, "client", f->client_text);
    record_text(o, "to", f->to_text);
    record_text(o, "via", via_names[f->via]);
    record_text(o, "tls", tls_names[f->tls]);
    return o;
}

void flow_record_connection(struct flow *f, const struct host *host, uint16_t port,
                            const struct net_answer *a)
{
    json_t *o = flow_record(f, "connection");
    char text[ADDRESS_TEXT_SIZE];

    record_text(o, "host", host->text);
    record_number(o, "port", port);
    if (f->dial && f->dial->result == DIAL_OK) {
        address_text(&f->dial->address, text);
        record_text(o, "address", text);
    }
    record_text(o, "verdict", "allow");
    record_text(o, "rule", a->rule);
    record_send(&f->g->records, o);
    f->recorded = true;
}

void flow_record_outcome(struct flow *f, const char *event, const struct host *host, uint16_t port,
                         const struct net_answer *a)
{
    json_t *o = flow_record(f, event);

    record_text(o, "host", host->text);
    record_number(o, "port", port);
    record_answer(o, a);
    record_send(&f->g->records, o);
}
