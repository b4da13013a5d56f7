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
    *r = (struct records){
        .control = control, .loop = loop, .tokens = RECORD_REQUESTS_BURST, .refilled = clock_mono_ns()};
    buf_init(&r->pending, GUARD_PACKET_MAX);
    buf_add(&r->pending, &(struct guard_header){.type = GUARD_RECORD}, sizeof(struct guard_header));
}

void records_deinit(struct records *r)
{
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

bool records_may_list(struct records *r)
{
    uint64_t now = clock_mono_ns();

    r->tokens += (double)(now - r->refilled) * 1e-9 * RECORD_REQUESTS_PER_SECOND;
    r->refilled = now;
    if (r->tokens > RECORD_REQUESTS_BURST)
        r->tokens = RECORD_REQUESTS_BURST;
    if (r->tokens < 1)
        return false;
    r->tokens--;
    return true;
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

void record_send(struct records *r, json_t *owned)
{
    AUTO_JSON json_t *o = owned;
    AUTO_FREE char *line = json_line(o);
    size_t n = strlen(line);
    const char *verdict = json_string_value(json_object_get(o, "verdict"));
    bool refused = verdict && strcmp(verdict, "allow") != 0;

    // Every member is bounded, so no line comes near a packet; a longer one would be a defect.
    if (n + 1 > BATCH_MAX)
        return;
    if (r->pending.len + n + 1 > GUARD_PACKET_MAX)
        records_flush(r);
    buf_add(&r->pending, line, n);
    buf_addc(&r->pending, '\n');
    // Lines of one round of the loop go in one message. A refusal goes before its program hears of it, so
    // that the program is still there when the supervisor looks who it was.
    if (refused)
        records_flush(r);
    else if (!r->flush.slot)
        timer_set(r->loop, &r->flush, 0, on_flush, r);
}
