// SPDX-License-Identifier: Apache-2.0
// Bodies and answers. Four things may happen to bytes on their way, each only where the rules or secrets ask
// for it: a known secret in what leaves ends the request (scan), a placeholder in its place becomes the
// value, an upload over its limit ends the request, and values in what comes back become placeholders
// (scrub). Replacements are of the same length, so a Content-Length stays true.
//
// Small pieces are collected in `out` and leave with the head in one call; large ones go straight to the
// socket.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "guard/exchange_parts.h"
#include "guard/refuse.h"

#define DIRECT 16384u // bytes from which a copy into `out` costs more than a call of its own

static bool emit(struct stream *s, enum http1_framing framing, const char *data, size_t n)
{
    char head[24];

    if (!n)
        return true;
    if (framing != HTTP1_CHUNKED)
        return n >= DIRECT ? stream_send(s, data, n) : buf_add(&s->out, data, n);
    return buf_add(&s->out, head, http1_chunk_head(n, head)) &&
           (n >= DIRECT ? stream_flush(s) && stream_send(s, data, n) : buf_add(&s->out, data, n)) &&
           buf_add(&s->out, "\r\n", 2);
}

static bool emit_end(struct stream *s, enum http1_framing framing)
{
    return framing != HTTP1_CHUNKED || buf_adds(&s->out, HTTP1_LAST_CHUNK);
}

// ---- requests

static void alert(struct flow *f, const struct needle *hit)
{
    struct exchange *x = f->x;
    json_t *o = flow_record(f, "alert");

    record_text(o, "host", x->host.text);
    record_number(o, "port", x->port);
    record_text(o, "method", x->req.method);
    record_text(o, "path", x->req.path);
    record_text(o, "secret", hit->name);
    record_text(o, "form", hit->form);
    record_text(o, "verdict", "deny");
    record_text(o, "rule", "network.scan");
    record_send(&f->g->records, o);
}

bool exchange_leak(struct flow *f, const struct needle *hit)
{
    struct exchange *x = f->x;
    char why[256];

    alert(f, hit);
    snprintf(why, sizeof why, "the request carries the secret %s (%s)", hit->name, hit->form);
    snprintf(x->answer.rule, sizeof x->answer.rule, "network.scan");
    x->answer.allow_with[0] = '\0';
    exchange_refuse(f, 403, why);
    return false;
}

static bool too_much(struct flow *f)
{
    struct exchange *x = f->x;
    char why[128];

    snprintf(why, sizeof why, "the body is longer than max_upload (%llu bytes)",
             (unsigned long long)x->answer.max_upload);
    exchange_refuse(f, 413, why);
    return false;
}

// Replaces placeholders that stand in their place; others stay what they are. False without room, or with
// *ret_bare: that secret would go in cleartext.
static bool place_secrets(struct exchange *x, const char *data, size_t n, struct buf *out,
                          const struct needle **ret_bare)
{
    size_t from = 0;

    while (from < n) {
        AUTO_BUF struct buf seen = {.cap = SIZE_MAX / 2};
        size_t at;
        const struct needle *hit = needles_find(x->secrets->placed, data + from, n - from, &at);
        size_t take = hit ? at : n - from;

        if (!buf_add(out, data + from, take))
            return false;
        buf_add(&seen, x->before.ptr, x->before.len);
        buf_add(&seen, data + from, take);
        if (hit) {
            enum inject_place place = inject_in_place(&x->places, hit, seen.ptr, seen.len);

            *ret_bare = place == INJECT_NEEDS_TLS ? hit : NULL;
            if (*ret_bare || !buf_add(out, place == INJECT_HERE ? hit->other : hit->bytes, hit->len))
                return false;
            buf_add(&seen, hit->bytes, hit->len);
            take += hit->len;
        }
        from += take;
        x->before.len = 0;
        if (seen.len > INJECT_BEFORE)
            buf_consume(&seen, seen.len - INJECT_BEFORE);
        buf_add(&x->before, seen.ptr, seen.len);
    }
    return true;
}

// Through the scan, then through the placing of secrets; both may hold back a tail.
static bool send_looked_at(struct flow *f, const char *data, size_t n, bool last)
{
    struct exchange *x = f->x;
    bool place = x->secrets && x->places.kind != BODY_OTHER;
    AUTO_BUF struct buf scanned = {.cap = 2 * NEEDLES_HELD_MAX}, placed = {.cap = 2 * NEEDLES_HELD_MAX};
    AUTO_BUF struct buf all = {.cap = 2 * NEEDLES_HELD_MAX};
    const struct needle *hit, *bare = NULL;

    if (!needles_pass(f->g->known, &x->req_held, data, n, last, false, &scanned, &hit))
        return false;
    if (hit)
        return exchange_leak(f, hit);
    if (!place)
        return emit(&f->up, x->req_framing, scanned.ptr, scanned.len);
    // A placeholder may be cut anywhere: what could be the beginning of one waits for the rest.
    if (!buf_add(&all, x->place_held.ptr, x->place_held.len) || !buf_add(&all, scanned.ptr, scanned.len))
        return false;
    buf_deinit(&x->place_held);
    n = all.len - (last ? 0 : needles_tail(x->secrets->placed, all.ptr, all.len));
    if (!place_secrets(x, all.ptr, n, &placed, &bare)) {
        if (bare)
            exchange_refuse_cleartext(f, bare->name);
        return false;
    }
    return buf_add(&x->place_held, all.ptr + n, all.len - n) &&
           emit(&f->up, x->req_framing, placed.ptr, placed.len);
}

bool exchange_send_body(struct flow *f, const char *data, size_t n, bool last)
{
    struct exchange *x = f->x;
    bool ok;

    x->uploaded += n;
    flow_spend_upload(f, &x->answer, n);
    if (x->answer.max_upload && x->uploaded > x->answer.max_upload)
        return too_much(f);
    if (x->deaf)
        return true;
    if (needles_empty(f->g->known) && (!x->secrets || x->places.kind == BODY_OTHER))
        ok = emit(&f->up, x->req_framing, data, n);
    else if (x->req.framing != HTTP1_NO_BODY)
        ok = send_looked_at(f, data, n, last);
    else
        ok = true;
    if (f->dead || x->refused)
        return false;
    if (!ok || (last && !emit_end(&f->up, x->req_framing)))
        exchange_up_deaf(f);
    flow_deadline(f, last ? ANSWER_MS : BODY_MS, NULL);
    return true;
}

// ---- answers

struct scrubbing {
    const struct secret_set *set;
    struct buf text;
};

static const char *scrub_field(void *ctx, const char *name, const char *value)
{
    struct scrubbing *s = ctx;
    struct buf held = {.cap = NEEDLES_HELD_MAX};
    const struct needle *hit;
    size_t at;

    s->text.len = 0;
    if (needles_find(s->set->scrub, name, strlen(name), &at) ||
        !needles_pass(s->set->scrub, &held, value, strlen(value), true, true, &s->text, &hit))
        return NULL;
    return buf_cstr(&s->text);
}

// A coded body cannot be looked into; requests to such hosts ask for none (exchange_request.c).
static bool is_coded(const struct http1 *p)
{
    for (size_t i = 0; i < p->nfields && p->framing != HTTP1_NO_BODY; i++) {
        const char *coding = p->fields[i].value;

        if (strcasecmp(p->fields[i].name, "content-encoding") == 0 && *coding &&
            strcasecmp(coding, "identity") != 0)
            return true;
    }
    return false;
}

static bool begin_answer(struct flow *f)
{
    struct exchange *x = f->x;
    struct scrubbing s = {.set = x->secrets, .text = {.cap = HTTP1_HEAD_MAX}};
    struct http1_rewrite how = {.upgrade = x->answer.upgrade, .peer_minor = x->req.minor};
    struct err err = {0};
    size_t before = f->client.out.len;
    bool ok;

    // Without its whole body read, or for 1.0, the connection cannot be used again.
    x->close = x->close || !x->req.keep_alive || x->req.minor == 0;
    how.close = x->close;
    if (x->secrets) {
        how.value = scrub_field;
        how.ctx = &s;
    }
    ok = http1_write_response(&x->resp, &how, &f->client.out, &x->resp_framing, &err);
    buf_deinit(&s.text);
    if (!ok) {
        f->client.out.len = before;
        exchange_up_failed(f, err.msg);
        return false;
    }
    x->answered = true;
    if (x->resp_framing == HTTP1_UNTIL_CLOSE)
        x->close = true;
    flow_deadline(f, BODY_MS, NULL);
    return true;
}

bool exchange_answer_head(struct flow *f)
{
    struct exchange *x = f->x;

    if (x->resp.interim)
        return true; // 100 was said by the guard itself, the others are hints
    if (x->secrets && is_coded(&x->resp)) {
        exchange_up_failed(
            f, "the answer is compressed although that was not asked for: a secret that it may hold "
               "could not be taken out");
        return false;
    }
    if (!begin_answer(f))
        return false;
    if (x->resp.status_code != 101)
        return true;
    x->upgraded = true;
    return true;
}

bool exchange_answer_body(struct flow *f, const char *data, size_t n, bool last)
{
    struct exchange *x = f->x;
    bool ok;

    if (x->secrets && x->resp.framing != HTTP1_NO_BODY) {
        AUTO_BUF struct buf clean = {.cap = 2 * NEEDLES_HELD_MAX};
        const struct needle *hit;

        ok = needles_pass(x->secrets->scrub, &x->resp_held, data, n, last, true, &clean, &hit) &&
             emit(&f->client, x->resp_framing, clean.ptr, clean.len);
    } else {
        ok = emit(&f->client, x->resp_framing, data, n);
    }
    if (!ok || (last && !emit_end(&f->client, x->resp_framing))) {
        flow_abort(f);
        return false;
    }
    if (!last)
        flow_deadline(f, BODY_MS, NULL);
    return true;
}
