// SPDX-License-Identifier: Apache-2.0
// The rules are asked by name and port before a byte is read. A yes for `protocol: tcp` dials at once; else
// the first bytes must be TLS for that very name, or HTTP. A no is told in the client's own protocol, so
// those bytes are looked at all the same, but nothing is dialled any more.
//
// TLS is passed on when the rules need not see inside and the hello hides nothing. A hello with
// encrypted_client_hello is terminated instead (hello.c says why), unless the rule says `tls: pass`.
#include "guard/sniff.h"

#include <stdio.h>
#include <string.h>

#include "guard/decide.h"
#include "guard/exchange.h"
#include "guard/guard.h"
#include "guard/hello.h"
#include "guard/refuse.h"
#include "guard/socks5.h"
#include "guard/tunnel.h"

// ---- explicit clients: their answers

bool sniff_tell_connected(struct flow *f)
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";

    if (f->told)
        return true;
    f->told = true;
    if (f->via == VIA_CONNECT)
        return stream_send(&f->client, established, sizeof established - 1);
    if (f->via != VIA_SOCKS)
        return true;
    socks_reply(f->socks, SOCKS_GRANTED);
    return stream_send(&f->client, f->socks->out, f->socks->nout);
}

static void tell_refused(struct flow *f, int status, enum socks_result code)
{
    AUTO_BUF struct buf out = {0};
    struct refusal r = {.status = status,
                        .host = f->host.text,
                        .method = "CONNECT",
                        .port = f->port,
                        .reason = f->answer.reason,
                        .rule = f->answer.rule,
                        .allow_with = f->answer.allow_with};

    buf_init(&out, 16384);
    if (f->via == VIA_CONNECT) {
        refuse_http(&out, &r, true, false);
        stream_send(&f->client, out.ptr, out.len);
    } else {
        socks_reply(f->socks, code);
        stream_send(&f->client, f->socks->out, f->socks->nout);
    }
    flow_linger(f);
}

void sniff_unreachable(struct flow *f)
{
    bool refused = f->dial->result == DIAL_REFUSED;

    if (refused) {
        f->answer = f->dial->refusal;
    } else {
        snprintf(f->answer.reason, sizeof f->answer.reason, "%.319s", f->dial->why);
        f->answer.allow_with[0] = '\0';
    }
    flow_record_outcome(f, refused ? "denied" : "failed", &f->host, f->port, &f->answer);
    if (!f->told && (f->via == VIA_CONNECT || f->via == VIA_SOCKS))
        tell_refused(f,
                     refused                             ? 403
                     : f->dial->result == DIAL_TIMED_OUT ? 504
                                                         : 502,
                     refused ? SOCKS_NOT_ALLOWED : SOCKS_HOST_UNREACHABLE);
    else if (f->tls == FLOW_PASSED)
        refuse_tls(f, refused ? ALERT_ACCESS_DENIED : ALERT_INTERNAL_ERROR);
    else
        flow_abort(f);
}

// ---- the decision by name and port

static void decided(struct flow *f)
{
    if (f->answer.verdict != VERDICT_ALLOW) {
        f->refused = true;
        if (f->via == VIA_CONNECT || f->via == VIA_SOCKS) {
            refuse_flow(f, NULL, NULL);
            tell_refused(f, 403, SOCKS_NOT_ALLOWED);
            return;
        }
    } else if (f->answer.protocol == PROTOCOL_TCP) {
        tunnel_begin(f);
        return;
    } else if (!sniff_tell_connected(f)) {
        flow_end(f);
        return;
    }
    f->pump = sniff_target;
    if (!f->queue)
        flow_set_queue(f, flow_young(f));
    flow_deadline(f, HELLO_MS, NULL);
    flow_kick(f);
}

static json_t *question_of(const struct flow *f)
{
    json_t *o = flow_record(f, "asked");

    record_text(o, "kind", "connect");
    record_text(o, "host", f->host.text);
    record_number(o, "port", f->port);
    record_answer(o, &f->answer);
    return o;
}

void flow_target(struct flow *f, const struct host *host, uint16_t port, enum flow_via via)
{
    struct net_question q = {.stage = NET_STAGE_CONNECT, .port = port, .watched = f->g->config.watched};

    // An address that stands for a name is that name, also for a client that resolves before it asks a proxy.
    const char *name = host->kind == HOST_ADDRESS ? dns_names_of(f->g->names, &host->address) : NULL;

    if (!name || !host_parse(name, strlen(name), &f->host, NULL))
        f->host = *host;
    f->port = port;
    f->via = via;
    q.host = &f->host;
    net_rules_ask(f->g->rules, &q, &f->answer, NULL);
    if (f->answer.verdict == VERDICT_ASK && decide_possible(f->g)) {
        record_send(&f->g->records, question_of(f));
        flow_hold(f, question_of(f), decided);
        return;
    }
    decided(f);
}

// ---- TLS

static void pump_accept(struct flow *f)
{
    char why[256];

    switch (stream_handshake(&f->client)) {
    case STREAM_OK:
        exchange_begin(f);
        return;
    case STREAM_AGAIN:
        stream_arm(&f->client, false);
        return;
    default:
        tls_explain(&f->client, &f->host, why, sizeof why);
        // Most often a client that has its own idea of whom to trust.
        refuse_flow(f, why,
                    "tls: pass, where no rule must see inside; or let the program trust the run's CA");
        flow_linger(f);
    }
}

static void terminate(struct flow *f)
{
    struct err err = {0};

    if (f->hello->alpn && !f->hello->http11) {
        refuse_flow(
            f,
            "the client offers only HTTP/2, and this connection must be looked into, which is done for "
            "HTTP/1.1",
            "tls: pass, or a client that speaks HTTP/1.1");
        refuse_tls(f, ALERT_NO_ALPN);
        return;
    }
    f->tls = FLOW_TERMINATED;
    if (!tls_accept(f->g->tls, &f->client, &f->host, &err)) {
        refuse_flow(f, err.msg, "");
        flow_abort(f);
        return;
    }
    f->pump = pump_accept;
    flow_kick(f);
}

static void refuse_hello(struct flow *f, const char *why, const char *allow_with)
{
    refuse_flow(f, why, allow_with);
    refuse_tls(f, ALERT_ACCESS_DENIED);
}

bool sniff_name_agrees(const struct flow *f, char *why, size_t size)
{
    const struct hello *h = f->hello;
    bool named = h->sni.kind != HOST_NONE;

    if (named ? host_equal(&h->sni, &f->host) : f->host.kind != HOST_NAME)
        return true;
    snprintf(why, size, "the TLS server name (%s) is not the host that the connection was opened to (%s)",
             named ? h->sni.text : "none", f->host.text);
    return false;
}

static void judge_hello(struct flow *f)
{
    const struct hello *h = f->hello;
    char why[2 * HOST_TEXT_SIZE + 120];

    if (f->refused) {
        refuse_hello(f, NULL, NULL);
        return;
    }
    if (!sniff_name_agrees(f, why, sizeof why)) {
        refuse_hello(f, why, "");
    } else if (!h->tls12 && !h->tls13) {
        refuse_flow(f, "the client offers no TLS newer than 1.1", "a client that speaks TLS 1.2 or 1.3");
        refuse_tls(f, ALERT_PROTOCOL_VERSION);
    } else if (f->answer.inspect || (h->ech && f->answer.inspect_ok)) {
        terminate(f);
    } else if (h->ech) {
        refuse_hello(f, "the TLS server name is hidden (encrypted_client_hello), and the rule says tls: pass",
                     "tls: auto");
    } else {
        f->tls = FLOW_PASSED;
        tunnel_begin(f);
    }
}

static void read_hello(struct flow *f)
{
    struct hello *h = f->hello;
    size_t used;

    if (!h) {
        h = f->hello = xcalloc(1, sizeof *h);
        hello_init(h);
    }
    switch (hello_feed(h, (const uint8_t *)f->client.in.ptr + h->raw, f->client.in.len - h->raw, &used)) {
    case HELLO_DONE:
        judge_hello(f);
        return;
    case HELLO_MORE:
        if (f->client.eof || f->client.in.len >= HELLO_RAW_MAX)
            break;
        stream_arm(&f->client, true);
        return;
    default:
        break;
    }
    refuse_hello(f, h->why[0] ? h->why : "the connection ended within the TLS hello", "");
}

// ---- first bytes

static bool is_method_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '\r';
}

// True when there are bytes to look at; else the flow waits or is over.
static bool have_bytes(struct flow *f)
{
    enum stream_io io = f->client.eof ? STREAM_EOF : flow_read_client(f, HELLO_RAW_MAX);

    if (io == STREAM_ERROR || (io == STREAM_EOF && !f->client.in.len)) {
        flow_end(f);
        return false;
    }
    if (!f->client.in.len) {
        stream_arm(&f->client, true);
        return false;
    }
    return true;
}

static void on_silence(struct flow *f)
{
    refuse_flow(f, "the client sent nothing: neither HTTP nor TLS begins with the server",
                "protocol: tcp, if this port speaks something else");
    flow_abort(f);
}

void sniff_target(struct flow *f)
{
    f->expired = on_silence;
    if (!have_bytes(f))
        return;
    f->expired = NULL;
    if (hello_sniff((uint8_t)f->client.in.ptr[0])) {
        read_hello(f);
    } else if (is_method_byte(f->client.in.ptr[0])) {
        exchange_begin(f);
    } else {
        refuse_flow(f, f->refused ? NULL : "what the client sent is neither HTTP nor TLS",
                    f->refused ? NULL : "protocol: tcp, if this port speaks something else");
        flow_abort(f);
    }
}

static void read_socks(struct flow *f)
{
    struct socks *s = f->socks;

    if (!s) {
        s = f->socks = xcalloc(1, sizeof *s);
        socks_init(s);
    }
    for (;;) {
        size_t used = 0;
        enum socks_event e = socks_feed(s, (const uint8_t *)f->client.in.ptr, f->client.in.len, &used);

        if (used)
            buf_consume(&f->client.in, used);
        switch (e) {
        case SOCKS_MORE:
            stream_arm(&f->client, true);
            return;
        case SOCKS_SEND:
            if (stream_send(&f->client, s->out, s->nout))
                continue;
            flow_end(f);
            return;
        case SOCKS_CONNECT: {
            struct host host = s->host;

            flow_target(f, &host, s->port, VIA_SOCKS);
            return;
        }
        default:
            if (s->nout)
                stream_send(&f->client, s->out, s->nout);
            f->via = VIA_SOCKS;
            refuse_flow(f, s->why, "");
            flow_linger(f);
            return;
        }
    }
}

void sniff_endpoint(struct flow *f)
{
    if (f->socks) {
        enum stream_io io = flow_read_client(f, SOCKS_INPUT_MAX);

        if (io == STREAM_ERROR || io == STREAM_EOF)
            flow_end(f);
        else
            read_socks(f);
        return;
    }
    if (!have_bytes(f))
        return;
    if (socks_sniff((uint8_t)f->client.in.ptr[0])) {
        read_socks(f);
    } else if (hello_sniff((uint8_t)f->client.in.ptr[0])) {
        refuse_flow(f, "TLS was spoken to the proxy endpoint itself: it is plain HTTP (http://…) or SOCKS",
                    "");
        refuse_tls(f, ALERT_HANDSHAKE_FAILURE);
    } else {
        exchange_begin(f);
    }
}
