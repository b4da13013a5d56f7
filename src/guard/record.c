// SPDX-License-Identifier: Apache-2.0
#include "guard/record.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "guard/proto.h"

#define BATCH_MAX (GUARD_PACKET_MAX - sizeof(struct guard_header))

static const char *const verdicts[] = {"deny", "ask", "allow"};

void records_init(struct records *r, struct loop *loop, int control)
{
    *r = (struct records){.control = control,
                          .loop = loop,
                          .listed = {RECORD_REQUESTS_BURST, clock_mono_ns()},
                          .waited = {RECORD_WAITS_BURST, clock_mono_ns()},
                          .bytes = {RECORD_BURST, clock_mono_ns()}};
    buf_init(&r->pending, GUARD_PACKET_MAX);
    buf_add(&r->pending, &(struct guard_header){.type = GUARD_RECORD}, sizeof(struct guard_header));
}

static void tell_left_out(struct records *r);

void records_deinit(struct records *r)
{
    tell_left_out(r);
    records_flush(r);
    timer_del(&r->flush);
    buf_deinit(&r->pending);
}

void records_flush(struct records *r)
{
    size_t head = sizeof(struct guard_header);

    timer_del(&r->flush);
    while (r->pending.len > head && !r->broken) {
        struct pollfd p = {.fd = r->control, .events = POLLOUT};

        if (fd_send(r->control, r->pending.ptr, r->pending.len, NULL, 0, MSG_DONTWAIT) >= 0)
            break;
        if (errno != EAGAIN && errno != ENOBUFS)
            r->broken = true;
        else if (poll(&p, 1, -1) < 0 && errno != EINTR)
            r->broken = true;
        else if (p.revents & (POLLHUP | POLLERR))
            r->broken = true;
    }
    r->pending.len = head;
}

static void on_flush(struct timer *t)
{
    records_flush(t->ctx);
}

static bool take_tokens(struct record_rate *rate, double per_second, double burst, double n)
{
    uint64_t now = clock_mono_ns();

    rate->tokens += (double)(now - rate->refilled) * 1e-9 * per_second;
    rate->refilled = now;
    if (rate->tokens > burst)
        rate->tokens = burst;
    if (rate->tokens < n)
        return false;
    rate->tokens -= n;
    return true;
}

bool records_may_list(struct records *r)
{
    return take_tokens(&r->listed, RECORD_REQUESTS_PER_SECOND, RECORD_REQUESTS_BURST, 1);
}

void records_leave_out(struct records *r)
{
    r->left_out++;
}

// Another message ahead of it ends the wait: that one is for the loop.
static void await_seen(struct records *r)
{
    uint64_t end = clock_mono_ns() + RECORD_SEEN_MS * UINT64_C(1000000), now;
    struct pollfd p = {.fd = r->control, .events = POLLIN};
    struct guard_header head = {0};

    while (head.id != r->seen_id && (now = clock_mono_ns()) < end) {
        if (poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0 || !(p.revents & POLLIN) ||
            recv(r->control, &head, sizeof head, MSG_PEEK | MSG_DONTWAIT) != sizeof head ||
            head.type != GUARD_SEEN || recv(r->control, &head, sizeof head, MSG_DONTWAIT) != sizeof head)
            return;
    }
}

static void send_refusal(struct records *r)
{
    struct guard_header head = {.type = GUARD_RECORD};

    if (r->broken || !take_tokens(&r->waited, RECORD_WAITS_PER_SECOND, RECORD_WAITS_BURST, 1)) {
        records_flush(r);
        return;
    }
    head.id = ++r->seen_id;
    memcpy(r->pending.ptr, &head, sizeof head);
    records_flush(r);
    head.id = 0;
    memcpy(r->pending.ptr, &head, sizeof head);
    await_seen(r);
}

json_t *record_new(const char *event)
{
    json_t *o = json_object();

    if (!o)
        die_oom();
    record_text(o, "event", event);
    return o;
}

void record_text(json_t *o, const char *key, const char *text)
{
    size_t n = text ? strnlen(text, RECORD_PATH_MAX) : 0;

    if (n)
        json_object_set_new_nocheck(o, key, json_textn(text, n));
}

void record_number(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new_nocheck(o, key, json_integer((json_int_t)n));
}

void record_answer(json_t *o, const struct net_answer *a)
{
    record_text(o, "verdict", verdicts[a->verdict]);
    record_text(o, "rule", a->rule);
    record_text(o, "reason", a->reason);
    record_text(o, "allow_with", a->allow_with);
}

static void add_line(struct records *r, const char *line)
{
    size_t n = strlen(line);

    // Every member is bounded, so no line comes near a packet; a longer one would be a defect.
    if (n + 1 > BATCH_MAX)
        return;
    if (r->pending.len + n + 1 > GUARD_PACKET_MAX)
        records_flush(r);
    buf_add(&r->pending, line, n);
    buf_addc(&r->pending, '\n');
}

static void tell_left_out(struct records *r)
{
    AUTO_JSON json_t *o = NULL;
    AUTO_FREE char *line = NULL;

    if (!r->left_out)
        return;
    o = record_new("unrecorded");
    record_text(o, "host", "(lines left out)");
    record_number(o, "count", r->left_out);
    r->left_out = 0;
    line = json_line(o);
    add_line(r, line);
}

static bool has_room(struct records *r, const json_t *o, size_t n)
{
    static const char *const always[] = {"alert", "asked", "answered"};
    const char *event = json_string_value(json_object_get(o, "event"));

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        if (strcmp(event, always[i]) == 0)
            return true;
    return take_tokens(&r->bytes, RECORD_PER_SECOND, RECORD_BURST, (double)n);
}

void record_send(struct records *r, json_t *owned)
{
    AUTO_JSON json_t *o = owned;
    AUTO_FREE char *line = json_line(o);
    const char *verdict = json_string_value(json_object_get(o, "verdict"));
    bool refused = verdict && strcmp(verdict, "allow") != 0;

    if (!has_room(r, o, strlen(line))) {
        records_leave_out(r);
        return;
    }
    tell_left_out(r);
    add_line(r, line);
    // Lines of one round of the loop go in one message. A refusal goes before its program hears of it, so
    // that the program is still there when the supervisor looks who it was.
    if (refused)
        send_refusal(r);
    else if (!r->flush.slot)
        timer_set(r->loop, &r->flush, 0, on_flush, r);
}
