// SPDX-License-Identifier: Apache-2.0
#include "guard/decide.h"

#include <string.h>

#include "base/fd.h"
#include "guard/guard.h"
#include "guard/proto.h"

static size_t waiting(const struct guard *g)
{
    size_t n = 0;

    for (const struct decision *d = g->decisions; d; d = d->next)
        n++;
    return n;
}

bool decide_possible(const struct guard *g)
{
    return g->config.reviewer && waiting(g) < DECISIONS_MAX;
}

void decide_cancel(struct decision *d)
{
    if (!d->guard)
        return;
    timer_del(&d->timer);
    if (d->prev)
        d->prev->next = d->next;
    else
        d->guard->decisions = d->next;
    if (d->next)
        d->next->prev = d->prev;
    d->guard = NULL;
    d->next = d->prev = NULL;
}

static void finish(struct decision *d, bool allowed, bool timed_out)
{
    decide_cancel(d);
    d->fn(d, allowed, timed_out);
}

static void on_timeout(struct timer *t)
{
    finish(t->ctx, false, true);
}

static bool send_question(struct guard *g, uint32_t id, const json_t *question)
{
    AUTO_FREE char *line = json_line(question);
    AUTO_BUF struct buf b = {0};

    buf_init(&b, GUARD_PACKET_MAX);
    // Records that led here are in the log before the question is on the screen.
    records_flush(&g->records);
    return buf_add(&b, &(struct guard_header){GUARD_DECIDE, id}, sizeof(struct guard_header)) &&
           buf_adds(&b, line) && fd_send(g->control, b.ptr, b.len, NULL, 0, 0) >= 0;
}

static void make_key(const json_t *question, char ret[SHA256_HEX_SIZE])
{
    static const char *const parts[] = {"kind", "host", "method", "path"};
    AUTO_BUF struct buf b = {0};

    buf_init(&b, GUARD_PACKET_MAX);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *s = json_string_value(json_object_get(question, parts[i]));

        buf_adds(&b, s ? s : "");
        buf_addc(&b, '\0');
    }
    buf_addf(&b, "%lld", (long long)json_integer_value(json_object_get(question, "port")));
    sha256_hex(b.ptr, b.len, ret);
}

// The id under which an equal question was put, or 0.
static uint32_t same_question(const struct guard *g, const struct decision *d)
{
    for (const struct decision *o = g->decisions; o; o = o->next)
        if (o != d && strcmp(o->key, d->key) == 0)
            return o->id;
    return 0;
}

void decide_ask(struct guard *g, struct decision *d, json_t *question, decide_fn *fn, void *ctx)
{
    AUTO_JSON json_t *owned = question;
    uint64_t wait = g->config.ask_timeout_ms * UINT64_C(1000000);

    *d = (struct decision){.guard = g, .next = g->decisions, .fn = fn, .ctx = ctx};
    make_key(owned, d->key);
    if (d->next)
        d->next->prev = d;
    g->decisions = d;
    d->id = same_question(g, d);
    if (!d->id) {
        d->id = ++g->decision_id;
        if (!send_question(g, d->id, owned))
            wait = 0; // refused in the next round
    }
    timer_set(&g->loop, &d->timer, wait, on_timeout, d);
}

void decide_answered(struct guard *g, uint32_t id, enum verdict verdict)
{
    struct decision *d;

    // What one answer sets off may end others that wait, so the list is looked at anew each time. An answer
    // that comes too late finds none: what it was for has been refused or is gone.
    do {
        for (d = g->decisions; d && d->id != id; d = d->next)
            ;
        if (d)
            finish(d, verdict == VERDICT_ALLOW, false);
    } while (d);
}
