// SPDX-License-Identifier: Apache-2.0
// Plain copying through one large buffer: with large segments on the gate's interface that is faster than
// splice (2.5 against 1.2 GB/s). A direction reads only while the other side's queue is empty, so a slow
// receiver costs at most one piece. Each end of file is passed on by itself (half-closed connections are in
// use).
#include "guard/tunnel.h"

#include <stdio.h>
#include <string.h>

#include "guard/guard.h"
#include "guard/passed.h"
#include "guard/refuse.h"
#include "guard/sniff.h"

#define ROUND (2u << 20) // bytes of one direction before others have their turn

// What came before the relay began. Of the client's it counts as any other.
static bool pass_kept(struct flow *f, struct stream *from, struct stream *to)
{
    bool ok = true;

    if (!from->in.len || (from == &f->client && !flow_upload_room(f, &f->answer, from->in.len)))
        return true;
    if (from == &f->client)
        flow_spend_upload(f, &f->answer, from->in.len);
    ok = stream_send(to, from->in.ptr, from->in.len);
    buf_deinit(&from->in);
    return ok;
}

static bool over_upload(const struct flow *f)
{
    return f->answer.max_upload && f->client.got - f->before_relay > f->answer.max_upload;
}

// At most this much of the client's is read at once: no byte beyond max_upload is sent, and one more tells
// that there are more. 0: none now, because of upload_rate.
static size_t client_piece(struct flow *f)
{
    uint64_t used = f->client.got - f->before_relay, most = f->answer.max_upload;
    size_t piece = flow_upload_room(f, &f->answer, flow_piece(f));

    return !most || most - used >= piece ? piece : (size_t)(most - used) + 1;
}

static bool is_client(const struct flow *f, const struct stream *s)
{
    return s == &f->client;
}

// False when the connection cannot go on. *more: stopped only to let others have a turn.
static bool carry(struct flow *f, struct stream *from, struct stream *to, bool *more)
{
    size_t done = 0, piece;

    if (over_upload(f) || !stream_flush(to) || !pass_kept(f, from, to))
        return false;
    while (!to->out.len && !from->eof && (piece = is_client(f, from) ? client_piece(f) : flow_piece(f))) {
        size_t n = 0;
        enum stream_io io;

        if (done >= ROUND) {
            *more = true;
            break;
        }
        io = stream_read(from, f->g->scratch, piece, &n);
        if (io == STREAM_AGAIN)
            break;
        if (io == STREAM_ERROR || over_upload(f) || (n && !stream_send(to, f->g->scratch, n)))
            return false;
        done += n;
        if (is_client(f, from))
            flow_spend_upload(f, &f->answer, n);
    }
    if (from->eof && !from->in.len)
        stream_shut(to);
    if (done)
        flow_deadline(f, TUNNEL_MS, NULL);
    return true;
}

static void tell_over_upload(struct flow *f)
{
    char why[128];

    snprintf(why, sizeof why, "more than max_upload (%llu bytes) was sent",
             (unsigned long long)f->answer.max_upload);
    refuse_flow(f, why, "");
}

static void pump_tunnel(struct flow *f)
{
    bool more = false;

    if (!carry(f, &f->client, &f->up, &more) || !carry(f, &f->up, &f->client, &more)) {
        if (over_upload(f))
            tell_over_upload(f);
        flow_abort(f);
        return;
    }
    if (f->client.shut && f->up.shut) {
        flow_end(f);
        return;
    }
    stream_arm(&f->client, !f->up.out.len && !f->paced.slot);
    stream_arm(&f->up, !f->client.out.len);
    if (more)
        flow_kick(f);
}

void tunnel_relay(struct flow *f)
{
    f->pump = pump_tunnel;
    f->before_relay = f->client.got - f->client.in.len;
    flow_set_queue(f, flow_busy(f));
    flow_deadline(f, TUNNEL_MS, NULL);
    flow_kick(f);
}

static void on_dialled(struct flow *f)
{
    if (f->dial->result != DIAL_OK) {
        sniff_unreachable(f);
        return;
    }
    flow_record_connection(f, &f->host, f->port, &f->answer);
    if (!sniff_tell_connected(f)) {
        flow_end(f);
        return;
    }
    if (f->tls == FLOW_PASSED)
        passed_begin(f);
    else
        tunnel_relay(f);
}

void tunnel_begin(struct flow *f)
{
    flow_dial(f, &f->host, f->port, on_dialled);
}
