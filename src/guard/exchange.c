// SPDX-License-Identifier: Apache-2.0
// The pump moves what can be moved in both directions and repeats until nothing moves: requests from the
// client as far as one whole request, answers from the server as far as the client takes them. The client is
// not read while its request is whole and unanswered, nor while the server does not take the body; the server
// is not read while the client does not take the answer. What a read brought beyond the message at hand waits
// in `in`.
#include "guard/exchange.h"

#include <string.h>

#include "guard/exchange_parts.h"
#include "guard/refuse.h"
#include "guard/tunnel.h"

#define HEAD_READ 16384u
#define ROUNDS 16 // turns of one flow before others have theirs

void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    http1_deinit(&x->req);
    http1_deinit(&x->resp);
    buf_deinit(&x->path);
    buf_deinit(&x->req_held);
    buf_deinit(&x->place_held);
    buf_deinit(&x->resp_held);
    buf_deinit(&x->before);
    free(x);
}

void exchange_begin(struct flow *f)
{
    struct exchange *x = xcalloc(1, sizeof *x);

    exchange_free(f->x);
    f->x = x;
    http1_init(&x->req, HTTP1_REQUESTS);
    http1_init(&x->resp, HTTP1_RESPONSES);
    buf_init(&x->path, HTTP1_TARGET_MAX + 1);
    buf_init(&x->req_held, NEEDLES_HELD_MAX);
    buf_init(&x->place_held, NEEDLES_HELD_MAX);
    buf_init(&x->resp_held, NEEDLES_HELD_MAX);
    buf_init(&x->before, INJECT_BEFORE);
    f->pump = exchange_pump;
    flow_deadline(f, HELLO_MS, NULL);
    flow_kick(f);
}

const struct host *exchange_host(const struct exchange *x, uint16_t *ret_port)
{
    if (x->host.kind == HOST_NONE)
        return NULL;
    *ret_port = x->port;
    return &x->host;
}

bool exchange_question(struct exchange *x, struct net_question *ret, struct net_answer **ret_answer)
{
    if (!x->open || x->refused || x->answer.verdict != VERDICT_ALLOW)
        return false;
    *ret = (struct net_question){.stage = NET_STAGE_REQUEST,
                                 .host = &x->host,
                                 .port = x->port,
                                 .method = x->req.method,
                                 .path = x->req.path,
                                 .upgrade = x->req.upgrade != HTTP1_UPGRADE_NONE};
    *ret_answer = &x->answer;
    return true;
}

// ---- the client's side

void exchange_up_deaf(struct flow *f)
{
    buf_deinit(&f->up.out);
    f->x->deaf = true;
}

// Said in HTTP/1.1, from which a client sees that it did not connect. After SETTINGS and GOAWAY it would take
// the connection for made and its call for unsent: gRPC then connects anew at once, a thousand times a
// second.
static void refuse_http2(struct flow *f)
{
    static const char why[] =
        "plaintext HTTP/2 is not served: use HTTP/1.1, or HTTP/2 over TLS where no rule must see inside";
    static const char remedy[] = "protocol: tcp, or a client that speaks HTTP/1.1";
    const struct refusal r = {.status = f->x->req.status,
                              .host = f->host.text,
                              .port = f->port,
                              .reason = why,
                              .rule = f->answer.rule,
                              .allow_with = remedy};
    AUTO_BUF struct buf out = {0};

    buf_init(&out, 16384);
    refuse_http(&out, &r, true, false);
    refuse_flow(f, why, remedy);
    stream_send(&f->client, out.ptr, out.len);
    flow_linger(f);
}

static void bad_request(struct flow *f)
{
    struct exchange *x = f->x;

    if (x->req.h2_preface) {
        refuse_http2(f);
        return;
    }
    if (!x->open) { // a head: what is left of the request before it is not this one's
        x->host = f->host;
        x->port = f->port;
        x->answer = (struct net_answer){.rule = "RFC 9112"};
    }
    x->open = x->close = true;
    exchange_refuse(f, x->req.status, x->req.why);
}

// How much to read from the client: of a head, or of a body as far as the rule's rate lets it.
static size_t request_room(struct flow *f)
{
    const struct exchange *x = f->x;

    if (!x->open)
        return HEAD_READ;
    if (x->refused || x->req.framing == HTTP1_NO_BODY)
        return flow_piece(f);
    return flow_upload_room(f, &x->answer, flow_piece(f));
}

// One event of the request parser. False: stop feeding for now.
static bool request_event(struct flow *f, enum http1_event e, const char *data, size_t n)
{
    struct exchange *x = f->x;

    switch (e) {
    case HTTP1_HEAD:
        exchange_judge(f);
        return f->pump == exchange_pump && !f->dead && request_room(f);
    case HTTP1_BODY:
        return x->refused || (exchange_send_body(f, data, n, false) && f->up.out.len <= flow_piece(f) / 2);
    case HTTP1_END:
        x->req_done = true;
        if (!x->refused)
            exchange_send_body(f, NULL, 0, true);
        return false;
    case HTTP1_ERROR:
        if (x->answered)
            flow_abort(f);
        else
            bad_request(f);
        return false;
    case HTTP1_MORE:
        break;
    }
    return false;
}

static void feed_request(struct flow *f, const char *data, size_t n)
{
    struct exchange *x = f->x;
    struct buf *in = &f->client.in;
    bool kept = in->len != 0, go_on = true;
    size_t used_all = 0;

    do {
        const char *body = NULL;
        size_t used = 0, len = 0;
        enum http1_event e = http1_feed(&x->req, data + used_all, n - used_all, &used, &body, &len);

        used_all += used;
        x->pending = e != HTTP1_MORE && e != HTTP1_END;
        go_on = request_event(f, e, body, len);
        if (f->dead)
            return;
    } while (go_on);
    if (kept) {
        buf_consume(in, used_all);
        if (!in->len)
            buf_deinit(in);
    } else if (used_all < n && !buf_add(in, data + used_all, n - used_all))
        flow_abort(f);
}

static void client_ended(struct flow *f)
{
    struct exchange *x = f->x;

    // Between requests that is the usual end; within one, it will never be whole.
    if (!x->open || !x->req_done)
        flow_end(f);
}

// Reads and feeds once. False when nothing could be moved, or the flow has gone elsewhere.
static bool move_request(struct flow *f)
{
    struct exchange *x = f->x;
    size_t n = 0, room;

    if (x->req_done || (x->open && f->up.out.len > flow_piece(f) / 2) || !(room = request_room(f)))
        return false;
    if (f->client.in.len || x->pending) {
        feed_request(f, f->client.in.len ? f->client.in.ptr : "",
                     f->client.in.len < room ? f->client.in.len : room);
        return !f->dead && f->pump == exchange_pump;
    }
    switch (stream_read(&f->client, f->g->scratch, room, &n)) {
    case STREAM_OK:
        break;
    case STREAM_AGAIN:
        return false;
    default:
        client_ended(f);
        return false;
    }
    if (!x->open && http1_idle(&x->req))
        flow_deadline(f, HELLO_MS, NULL); // from the first byte of a head, all of it has to come in time
    feed_request(f, f->g->scratch, n);
    return !f->dead && f->pump == exchange_pump;
}

// ---- the server's side

static bool response_event(struct flow *f, enum http1_event e, const char *data, size_t n)
{
    struct exchange *x = f->x;

    switch (e) {
    case HTTP1_HEAD:
        return exchange_answer_head(f);
    case HTTP1_BODY:
        return exchange_answer_body(f, data, n, false);
    case HTTP1_END:
        if (x->resp.interim) {
            http1_next(&x->resp);
            return true;
        }
        x->resp_done = true;
        if (!x->upgraded)
            exchange_answer_body(f, NULL, 0, true);
        return false;
    case HTTP1_ERROR:
        exchange_up_failed(f, x->resp.why);
        return false;
    case HTTP1_MORE:
        break;
    }
    return false;
}

static void feed_response(struct flow *f, const char *data, size_t n)
{
    struct exchange *x = f->x;
    size_t used_all = 0;
    bool go_on = true;

    do {
        const char *body = NULL;
        size_t used = 0, len = 0;
        enum http1_event e = http1_feed(&x->resp, data + used_all, n - used_all, &used, &body, &len);

        used_all += used;
        go_on = response_event(f, e, body, len);
        if (f->dead || f->pump != exchange_pump)
            return;
    } while (go_on);
    // After an upgrade the rest belongs to the tunnel; after an answer nobody asked for more.
    if (x->upgraded && used_all < n && !buf_add(&f->up.in, data + used_all, n - used_all))
        flow_abort(f);
    else if (!x->upgraded && used_all < n)
        x->resp.keep_alive = false;
}

static void server_ended(struct flow *f)
{
    struct exchange *x = f->x;

    if (!x->open) {
        stream_close(&f->up);
        return;
    }
    switch (http1_eof(&x->resp)) {
    case HTTP1_END:
        x->resp_done = true;
        exchange_answer_body(f, NULL, 0, true);
        break;
    case HTTP1_MORE:
        exchange_up_failed(f, "the server closed the connection without an answer");
        break;
    default:
        exchange_up_failed(f, "the server ended the connection within its answer");
    }
}

// The answer is complete, the request is not: some servers read the rest, so it goes on until one of them
// ends.
static bool watch_server(struct flow *f)
{
    size_t n = 0;

    if (stream_read(&f->up, f->g->scratch, 1, &n) != STREAM_AGAIN)
        exchange_up_deaf(f);
    return false;
}

static bool move_response(struct flow *f)
{
    struct exchange *x = f->x;
    size_t n = 0;
    enum stream_io io;

    if (x->resp_done && !x->req_done && !x->deaf && stream_is_open(&f->up))
        return watch_server(f);
    if (!stream_is_open(&f->up) || x->resp_done || (x->open && f->client.out.len > flow_piece(f) / 2))
        return false;
    io = stream_read(&f->up, f->g->scratch, flow_piece(f), &n);
    if (io == STREAM_AGAIN)
        return false;
    if (io == STREAM_EOF) {
        server_ended(f);
    } else if (io == STREAM_ERROR) {
        if (x->open)
            exchange_up_failed(f, "the connection to the server failed");
        else
            stream_close(&f->up);
    } else if (!x->open) {
        stream_close(&f->up); // an answer to nothing
    } else {
        feed_response(f, f->g->scratch, n);
    }
    return !f->dead && f->pump == exchange_pump;
}

// ---- together

void exchange_finish(struct flow *f)
{
    struct exchange *x = f->x;
    bool body_left = !x->req_done;

    if (stream_is_open(&f->up) && (!x->resp.keep_alive || body_left || f->up.eof || x->refused ||
                                   http1_body_unexpected(&x->req) || x->resp_framing == HTTP1_UNTIL_CLOSE))
        stream_close(&f->up);
    if (x->close || body_left) {
        flow_linger(f);
        return;
    }
    http1_next(&x->req);
    http1_next(&x->resp);
    x->open = x->req_done = x->answered = x->resp_done = x->refused = x->retried = x->pending = false;
    x->deaf = false;
    x->uploaded = 0;
    buf_deinit(&x->req_held);
    buf_deinit(&x->place_held);
    buf_deinit(&x->resp_held);
    x->before.len = 0;
    x->path.len = 0;
    flow_set_queue(f, flow_idle(f));
    flow_deadline(f, IDLE_MS, NULL);
}

static void arm(struct flow *f)
{
    struct exchange *x = f->x;
    size_t high = flow_piece(f) / 2;

    stream_arm(&f->client, !x->req_done && f->up.out.len <= high && !f->paced.slot);
    stream_arm(&f->up, (!x->resp_done || !x->req_done) && f->client.out.len <= high);
}

// A whole answer is there. A refused request without a body is read to its end, so that the connection can go
// on.
static bool is_over(const struct flow *f)
{
    const struct exchange *x = f->x;

    if (x->req_done)
        return true;
    return x->refused ? x->req.framing != HTTP1_NO_BODY : x->deaf || !stream_is_open(&f->up);
}

void exchange_pump(struct flow *f)
{
    struct exchange *x = f->x;
    bool moved = true;
    int rounds = 0;

    while (moved && rounds++ < ROUNDS) {
        moved = move_request(f);
        if (f->dead || f->pump != exchange_pump)
            return;
        // A server that refuses a body half way has often answered already: its answer is still read.
        if (stream_is_open(&f->up) && !stream_flush(&f->up))
            exchange_up_deaf(f);
        moved |= move_response(f);
        if (f->dead || f->pump != exchange_pump)
            return;
        if (!stream_flush(&f->client)) {
            flow_end(f);
            return;
        }
        if (x->upgraded) {
            f->answer = x->answer; // what the request was permitted by is what holds for the tunnel
            tunnel_relay(f);
            return;
        }
        if (x->open && x->resp_done && is_over(f)) {
            exchange_finish(f);
            moved = true;
            if (f->dead || f->pump != exchange_pump)
                return;
        }
    }
    // The client is gone: nobody waits for the answer.
    if ((f->client.fired & (EPOLLERR | EPOLLHUP)) && (x->req_done || f->client.eof)) {
        flow_end(f);
        return;
    }
    arm(f);
    if (moved)
        flow_kick(f);
}
