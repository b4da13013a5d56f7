// SPDX-License-Identifier: Apache-2.0
// The name that a server serves is that of the last ClientHello in the clear, and there may be two: a server
// that misses something in the first (a client can see to that) asks for another with HelloRetryRequest, and
// servers take the name anew from it. So nothing of the client's goes on before the server's answer is known,
// and a second hello is judged as the first was. After that all is encrypted.
//
//   hello sent ─► answer ─┬─ retry ─► second hello ─► relay
//                         └─ other ──────────────────► relay
//
// A client that sends early data (0-RTT) has it wait for the answer too, which costs it the round trip it
// meant to save.
#include "guard/passed.h"

#include "guard/guard.h"
#include "guard/hello.h"
#include "guard/refuse.h"
#include "guard/sniff.h"
#include "guard/tunnel.h"

#define ANSWER_READ 4096u

enum {
    RECORD_HEAD = 5,
    RECORD_CHANGE_CIPHER = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23
};

static bool move(struct stream *to, struct buf *in, size_t n)
{
    bool ok = stream_send(to, in->ptr, n);

    buf_consume(in, n);
    if (!in->len)
        buf_deinit(in);
    return ok;
}

static void refuse(struct flow *f, const char *why)
{
    refuse_flow(f, why, "");
    refuse_tls(f, ALERT_ACCESS_DENIED);
}

static bool client_gone(struct flow *f)
{
    if (!(f->client.fired & (EPOLLERR | EPOLLHUP)))
        return false;
    flow_end(f);
    return true;
}

// ---- the second hello

static void judge_second(struct flow *f)
{
    char why[2 * HOST_TEXT_SIZE + 120];

    if (!sniff_name_agrees(f, why, sizeof why))
        refuse(f, why);
    else if (f->hello->ech)
        refuse(f, "the TLS server name is hidden (encrypted_client_hello) in the second ClientHello");
    else
        tunnel_relay(f);
}

// Records of other kinds may come before it: early data that the server passes over, and an empty change of
// ciphers (RFC 8446 4.2.10, D.4). False: wait for more, or it is over.
static bool skip_records(struct flow *f)
{
    struct buf *in = &f->client.in;

    while (in->len && (uint8_t)in->ptr[0] != RECORD_HANDSHAKE) {
        const uint8_t *p = (const uint8_t *)in->ptr;
        size_t whole = in->len < RECORD_HEAD ? 0 : RECORD_HEAD + ((size_t)p[3] << 8 | p[4]);

        if (p[0] != RECORD_CHANGE_CIPHER && p[0] != RECORD_ALERT && p[0] != RECORD_DATA) {
            refuse(f, "what follows the server's HelloRetryRequest is no TLS record");
            return false;
        }
        if (!whole || in->len < whole)
            return false;
        if (!move(&f->up, in, whole)) {
            flow_abort(f);
            return false;
        }
    }
    return in->len != 0;
}

static void pump_second(struct flow *f)
{
    struct hello *h = f->hello;
    enum stream_io io;
    size_t used;

    if (client_gone(f))
        return;
    io = flow_read_client(f, HELLO_RAW_MAX);
    if (!stream_flush(&f->client) || !stream_flush(&f->up) || io == STREAM_ERROR || io == STREAM_EOF) {
        flow_end(f);
        return;
    }
    if (h->raw || skip_records(f)) {
        const uint8_t *p = (const uint8_t *)f->client.in.ptr;

        switch (hello_feed(h, p + h->raw, f->client.in.len - h->raw, &used)) {
        case HELLO_DONE:
            judge_second(f);
            return;
        case HELLO_MORE:
            break;
        default:
            refuse(f, h->why);
            return;
        }
    }
    if (f->dead || f->pump != pump_second)
        return;
    stream_arm(&f->client, true);
    stream_arm(&f->up, false);
}

// ---- the server's answer to the first

static void pump_answer(struct flow *f)
{
    struct buf *in = &f->up.in;
    enum stream_io io;
    size_t n = 0;

    if (client_gone(f))
        return;
    io = stream_flush(&f->up) ? stream_read(&f->up, f->g->scratch, ANSWER_READ, &n) : STREAM_ERROR;
    if (io == STREAM_ERROR || !buf_add(in, f->g->scratch, n)) {
        flow_abort(f);
        return;
    }
    switch (hello_answer((const uint8_t *)in->ptr, in->len)) {
    case HELLO_ANSWER_MORE:
        if (io == STREAM_EOF)
            break;
        stream_arm(&f->up, true);
        stream_arm(&f->client, false);
        if (io == STREAM_OK)
            flow_kick(f);
        return;
    case HELLO_ANSWER_RETRY:
        hello_deinit(f->hello);
        hello_init(f->hello);
        f->pump = pump_second;
        if (move(&f->client, in, in->len))
            flow_kick(f);
        else
            flow_end(f);
        return;
    case HELLO_ANSWER_CUT:
        refuse(f, "the server's answer is cut into records too small to be read");
        return;
    case HELLO_ANSWER_OTHER:
        break;
    }
    tunnel_relay(f);
}

void passed_begin(struct flow *f)
{
    f->pump = pump_answer;
    flow_set_queue(f, flow_young(f));
    flow_deadline(f, HELLO_MS, NULL);
    if (move(&f->up, &f->client.in, f->hello->raw)) // and no more of what came with it
        flow_kick(f);
    else
        flow_abort(f);
}
