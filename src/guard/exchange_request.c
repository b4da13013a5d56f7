// SPDX-License-Identifier: Apache-2.0
// One request: for which host is it, do the rules permit it, does it carry what must not leave; then a
// connection to that host (the one at hand when it is for the same), and the head, written anew.
//
// The host of a transparent or tunnelled connection is the connection's own: what the request says must
// agree. At the explicit endpoint each request names its host, and each is judged alone.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "guard/decide.h"
#include "guard/exchange_parts.h"
#include "guard/refuse.h"
#include "guard/sniff.h"

// ---- refusing

static void record_request(struct flow *f, const char *event, const struct net_answer *a)
{
    struct exchange *x = f->x;
    json_t *o = flow_record(f, event);

    record_text(o, "host", x->host.text);
    record_number(o, "port", x->port);
    record_text(o, "method", x->req.method);
    record_text(o, "path", x->req.path);
    record_answer(o, a);
    record_send(&f->g->records, o);
}

void exchange_refuse(struct flow *f, int status, const char *why)
{
    struct exchange *x = f->x;
    bool head = x->req.method && strcmp(x->req.method, "HEAD") == 0;
    struct refusal r = {.status = status,
                        .host = x->host.text,
                        .method = x->req.method,
                        .path = x->req.path,
                        .port = x->port,
                        .reason = x->answer.reason,
                        .rule = x->answer.rule,
                        .allow_with = x->answer.allow_with};

    x->answer.verdict = VERDICT_DENY;
    if (why)
        snprintf(x->answer.reason, sizeof x->answer.reason, "%s", why);
    // What no rule refused but could not be done is on record too, under another name.
    record_request(f, status == 502 || status == 504 ? "failed" : "denied", &x->answer);
    x->refused = true;
    if (x->answered) {
        flow_abort(f); // an answer has begun already: it must not look whole
        return;
    }
    x->close |= x->req.framing != HTTP1_NO_BODY || !x->req.keep_alive || x->req.minor == 0;
    refuse_http(&f->client.out, &r, x->close, head);
    x->answered = x->resp_done = true;
    // Part of it may be on its way: the server must not take it for whole.
    if (x->uploaded)
        stream_reset(&f->up);
    f->pump = exchange_pump;
    flow_kick(f);
}

// ---- for which host?

static bool wrong(struct flow *f, int status, const char *why)
{
    struct net_answer *a = &f->x->answer;

    *a = (struct net_answer){0};
    memcpy(a->rule, f->answer.rule,
           sizeof a->rule); // by which the connection was opened; none at the endpoint
    exchange_refuse(f, status, why);
    return false;
}

static bool host_of_connection(struct flow *f)
{
    struct exchange *x = f->x;
    const struct http1 *q = &x->req;
    bool tls = f->tls == FLOW_TERMINATED;
    uint16_t usual = tls ? 443 : 80;

    x->host = f->host;
    x->port = f->port;
    if (q->form == HTTP1_AUTHORITY)
        return wrong(f, 405, "CONNECT is for the explicit proxy endpoint, not for this server");
    if (q->form == HTTP1_ABSOLUTE && strcmp(q->scheme, tls ? "https" : "http") != 0)
        return wrong(f, 400, "the request's scheme is not the connection's");
    if (q->host.kind == HOST_NONE && q->minor == 0)
        return true;
    if (!host_equal(&q->host, &f->host) ||
        (q->port ? q->port != f->port : q->form == HTTP1_ABSOLUTE && f->port != usual)) {
        char why[HOST_TEXT_SIZE * 2 + 120];

        snprintf(why, sizeof why, "the request names %s, but the connection was opened to %s port %u",
                 q->host.kind == HOST_NONE ? "no host" : q->host.text, f->host.text, f->port);
        return wrong(f, 421, why);
    }
    return true;
}

static bool host_of_proxy_request(struct flow *f)
{
    struct exchange *x = f->x;
    const struct http1 *q = &x->req;

    if (q->form == HTTP1_ORIGIN || q->form == HTTP1_ASTERISK)
        return wrong(f, 400, "this is a proxy: a request needs a whole URL (GET http://host/path)");
    x->host = q->host;
    x->port = q->port ? q->port : 80;
    if (q->form == HTTP1_AUTHORITY) {
        if (!q->port)
            return wrong(f, 400, "CONNECT needs host:port");
        return true;
    }
    if (strcmp(q->scheme, "http") != 0)
        return wrong(f, 400, "for https use CONNECT: the proxy does not make TLS on your behalf");
    f->via = VIA_PROXY;
    return true;
}

// ---- is it permitted?

static void permitted(struct flow *f);

static void after_hold(struct flow *f)
{
    struct exchange *x = f->x;

    if (f->answer.verdict == VERDICT_ALLOW) {
        f->pump = exchange_pump;
        permitted(f);
        return;
    }
    snprintf(x->answer.reason, sizeof x->answer.reason, "%s", f->answer.reason);
    exchange_refuse(f, 403, NULL);
}

static json_t *question_of(struct flow *f)
{
    struct exchange *x = f->x;
    json_t *o = flow_record(f, "asked");

    record_text(o, "kind", "request");
    record_text(o, "host", x->host.text);
    record_number(o, "port", x->port);
    record_text(o, "method", x->req.method);
    record_text(o, "path", x->req.path);
    record_answer(o, &x->answer);
    return o;
}

void exchange_judge(struct flow *f)
{
    struct exchange *x = f->x;
    struct net_question q = {.stage = NET_STAGE_REQUEST, .watched = f->g->config.watched};
    bool endpoint = f->via == VIA_ENDPOINT || f->via == VIA_PROXY;

    x->open = true;
    if (endpoint)
        f->granted = false; // a yes is for one request there, not for the next one's host
    flow_deadline(f, BODY_MS, NULL);
    if (f->refused) { // before a look at what the request says: that is why
        x->host = f->host;
        x->port = f->port;
        x->answer = f->answer;
        exchange_refuse(f, 403, NULL);
        return;
    }
    if (endpoint ? !host_of_proxy_request(f) : !host_of_connection(f))
        return;
    if (x->req.form == HTTP1_AUTHORITY) {
        flow_target(f, &x->host, x->port, VIA_CONNECT);
        return;
    }
    q.host = &x->host;
    q.port = x->port;
    q.method = x->req.method;
    q.path = x->req.path;
    q.upgrade = x->req.upgrade != HTTP1_UPGRADE_NONE;
    x->path.len = 0;
    net_rules_ask(f->g->rules, &q, &x->answer, &x->path);
    if (x->answer.verdict == VERDICT_ALLOW || (x->answer.verdict == VERDICT_ASK && f->granted && !endpoint)) {
        permitted(f);
    } else if (x->answer.verdict == VERDICT_ASK && decide_possible(f->g)) {
        record_send(&f->g->records, question_of(f));
        flow_hold(f, question_of(f), after_hold);
    } else {
        exchange_refuse(f, 403, NULL);
    }
}

// ---- does it carry what must not leave?

static const struct needle *find_in(const struct needles *set, const char *text)
{
    size_t at;

    return text ? needles_find(set, text, strlen(text), &at) : NULL;
}

static const struct needle *find_leak(const struct needles *known, const struct http1 *q)
{
    const struct needle *hit = find_in(known, q->target);

    for (size_t i = 0; i < q->nfields && !hit; i++) {
        hit = find_in(known, q->fields[i].value);
        if (!hit)
            hit = find_in(known, q->fields[i].name);
    }
    return hit ? hit : find_in(known, q->method);
}

void exchange_refuse_cleartext(struct flow *f, const char *secret)
{
    struct exchange *x = f->x;
    char why[256];

    snprintf(why, sizeof why, "the secret %s is not put into a connection without TLS", secret);
    snprintf(x->answer.rule, sizeof x->answer.rule, "secrets.%s", secret);
    snprintf(x->answer.allow_with, sizeof x->answer.allow_with, "secrets.%s.cleartext: true, or https",
             secret);
    exchange_refuse(f, 403, why);
}

static bool refuse_cleartext(struct flow *f)
{
    struct exchange *x = f->x;
    const char *name = NULL;

    if (!x->secrets || f->tls == FLOW_TERMINATED)
        return false;
    for (size_t i = 0; i < x->req.nfields && !name; i++)
        name = inject_needs_tls(x->secrets, x->req.fields[i].name, x->req.fields[i].value);
    if (!name && x->req.query)
        name = inject_query_needs_tls(x->secrets, x->req.query);
    if (name)
        exchange_refuse_cleartext(f, name);
    return name != NULL;
}

static bool refuse_foreign(struct flow *f)
{
    struct exchange *x = f->x;
    const char *where = NULL;
    char why[HOST_TEXT_SIZE + 160];

    if (!x->only)
        return false;
    for (size_t i = 0; i < x->req.nfields && !where; i++)
        if (inject_foreign(x->secrets, x->req.fields[i].name, x->req.fields[i].value))
            where = x->req.fields[i].name;
    if (!where && x->req.query && inject_foreign_query(x->secrets, x->req.query))
        where = "the query";
    if (!where)
        return false;
    snprintf(why, sizeof why, "a credential in %.60s that is none of the policy's: %s gets no other", where,
             x->host.text);
    snprintf(x->answer.rule, sizeof x->answer.rule, "secrets: only");
    snprintf(x->answer.allow_with, sizeof x->answer.allow_with,
             "the credential as a secret of policy for this host, or `only: false` in those that it has");
    exchange_refuse(f, 403, why);
    return true;
}

// ---- sending it

struct rewriting {
    const struct secret_set *set;
    struct buf text;
};

static const char *rewrite_field(void *ctx, const char *name, const char *value)
{
    struct rewriting *r = ctx;

    static const char *const partial[] = {"accept-encoding", "range", "if-range"};

    // Only an answer that is whole and not compressed can be scrubbed.
    for (size_t i = 0; i < ARRAY_LEN(partial); i++)
        if (strcasecmp(name, partial[i]) == 0)
            return NULL;
    return inject_field(r->set, name, value, &r->text);
}

static bool write_head(struct flow *f, struct err *err)
{
    struct exchange *x = f->x;
    struct rewriting r = {.set = x->secrets, .text = {.cap = HTTP1_HEAD_MAX}};
    AUTO_BUF struct buf query = {.cap = HTTP1_HEAD_MAX};
    char authority[HOST_TEXT_SIZE + 10];
    struct http1_rewrite how = {.path = x->path.len ? buf_cstr(&x->path) : NULL,
                                .host = authority,
                                .restricted = x->answer.restricted,
                                .upgrade = x->answer.upgrade};
    size_t before = f->up.out.len;
    bool ok;

    host_authority_text(&x->host, x->port == (f->tls == FLOW_TERMINATED ? 443 : 80) ? 0 : x->port, authority);
    if (x->secrets) {
        how.value = rewrite_field;
        how.ctx = &r;
        how.query = x->req.query ? inject_query(x->secrets, x->req.query, &query) : NULL;
    }
    ok = http1_write_request(&x->req, &how, &f->up.out, &x->req_framing, err);
    buf_deinit(&r.text);
    if (!ok)
        f->up.out.len = before;
    return ok;
}

static void send_head(struct flow *f)
{
    struct exchange *x = f->x;
    struct err err = {0};

    f->pump = exchange_pump;
    http1_expect(&x->resp, x->req.method, x->answer.upgrade && x->req.upgrade != HTTP1_UPGRADE_NONE);
    if (!write_head(f, &err)) {
        exchange_refuse(f, 400, err.msg);
        return;
    }
    x->up_requests++;
    if (x->req.expect_continue && !buf_adds(&f->client.out, HTTP1_CONTINUE)) {
        flow_end(f);
        return;
    }
    flow_deadline(f, ANSWER_MS, NULL);
    flow_kick(f);
}

static void pump_handshake(struct flow *f)
{
    char why[256];

    switch (stream_handshake(&f->up)) {
    case STREAM_OK:
        send_head(f);
        return;
    case STREAM_AGAIN:
        stream_arm(&f->up, false);
        stream_arm(&f->client, false);
        return;
    default:
        tls_explain(&f->up, &f->x->up_host, why, sizeof why);
        stream_close(&f->up);
        exchange_refuse(f, 502, why);
    }
}

static void on_dialled(struct flow *f)
{
    struct exchange *x = f->x;
    struct err err = {0};

    switch (f->dial->result) {
    case DIAL_OK:
        break;
    case DIAL_REFUSED:
        x->answer = f->dial->refusal;
        exchange_refuse(f, 403, NULL);
        return;
    default:
        exchange_refuse(f, f->dial->result == DIAL_TIMED_OUT ? 504 : 502, f->dial->why);
        return;
    }
    flow_record_connection(f, &x->host, x->port, &x->answer);
    if (f->tls != FLOW_TERMINATED) {
        send_head(f);
        return;
    }
    if (!tls_connect(f->g->tls, &f->up, &x->host, x->port, &err)) {
        stream_close(&f->up);
        exchange_refuse(f, 502, err.msg);
        return;
    }
    flow_deadline(f, HELLO_MS, NULL);
    f->pump = pump_handshake;
    flow_kick(f);
}

static void dial_up(struct flow *f)
{
    struct exchange *x = f->x;

    http1_deinit(&x->resp);
    http1_init(&x->resp, HTTP1_RESPONSES);
    x->up_host = x->host;
    x->up_port = x->port;
    x->up_requests = 0;
    flow_dial(f, &x->host, x->port, on_dialled);
}

static void permitted(struct flow *f)
{
    struct exchange *x = f->x;
    const struct needle *hit = find_leak(f->g->known, &x->req);

    x->answer.verdict = VERDICT_ALLOW; // or a person said so
    x->secrets = secrets_for(f->g->secrets, &x->host, &x->only);
    if (hit) {
        exchange_leak(f, hit);
        return;
    }
    if (refuse_cleartext(f) || refuse_foreign(f))
        return;
    if (x->answer.max_upload && x->req.framing == HTTP1_LENGTH && x->req.length > x->answer.max_upload) {
        exchange_refuse(f, 413, "the body is longer than max_upload");
        return;
    }
    inject_body_kind(&x->places, x->secrets, f->tls == FLOW_TERMINATED, http1_field(&x->req, "content-type"));
    f->requests++;
    flow_set_queue(f, flow_busy(f));
    if (records_may_list(&f->g->records))
        record_request(f, "request", &x->answer);
    else
        f->unlisted++;
    if (stream_is_open(&f->up) && x->up_port == x->port && host_equal(&x->up_host, &x->host))
        send_head(f);
    else
        dial_up(f);
}

static bool may_repeat(const struct http1 *q)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

    for (size_t i = 0; i < ARRAY_LEN(safe); i++)
        if (strcmp(q->method, safe[i]) == 0)
            return q->framing == HTTP1_NO_BODY;
    return false;
}

// A kept connection may be closed by the server at the very moment when a request is sent on it: such a
// request is sent once more on a new one, if nothing of an answer came and repeating it changes nothing (RFC
// 9112 9.3.1).
void exchange_up_failed(struct flow *f, const char *why)
{
    struct exchange *x = f->x;
    char text[HOST_TEXT_SIZE + 240];

    stream_close(&f->up);
    if (x->answered) {
        flow_abort(f);
        return;
    }
    if (x->up_requests > 1 && !x->retried && http1_idle(&x->resp) && may_repeat(&x->req)) {
        x->retried = true;
        x->deaf = false;
        dial_up(f);
        return;
    }
    snprintf(text, sizeof text, "%s: %s", x->host.text, why);
    exchange_refuse(f, 502, text);
}
