// SPDX-License-Identifier: Apache-2.0
// A flow is one connection from inside, with the connection to a server that may belong to it.
//
//   accepted ──► sniff ──┬─► TLS hello ──┬─► pass (passed.c) ───► tunnel
//     │          ▲       │               └─► terminate ─► http
//     │          │       ├─► http (a loop of requests) ─► upgraded: tunnel
//     │          │       └─► refused
//     │          │ target known
//     └► endpoint┴─ SOCKS, CONNECT; absolute-form requests stay in http
//
// What goes on now is `pump`: it is called when either socket is ready, when a dial or a decision is over,
// and when it was kicked; it does all it can and then says what it waits for. A pump never calls another one:
// it sets f->pump and kicks. A flow that is ended is freed after the round, so a pump may end its own.
//
// Bounds. A flow costs about 4 KiB before it has a target; an HTTP flow 12 KiB and the heads of request and
// answer (≤ 64 KiB each); TLS 35 KiB a side while bytes are in flight; a tunnel or body whose receiver is
// slow up to 1.5 pieces a direction, where a piece is 256 KiB while there are at most FLOWS_FEW flows and 16
// KiB beyond. With FLOWS_MAX that is at most 500 MiB; all of them terminated, with slow receivers and usual
// heads, are 185 MiB, and idle ones 30 MiB. Beyond FLOWS_FEW the kernel keeps FLOW_KERNEL a direction for
// each socket.
//
// A connection that has not said what it wants within HELLO_MS is ended. When all places are taken, one makes
// room: of those that have not said what they want the oldest, if they have more than half of the places;
// else of the others the one that has been without progress for longest. So neither half-open nor slow
// clients keep others out, and it is on record.
#ifndef BAWN_GUARD_FLOW_H
#define BAWN_GUARD_FLOW_H

#include "base/json.h"
#include "guard/rules.h"
#include "guard/stream.h"

#define FLOWS_MAX 2048u
#define FLOWS_FEW 64u
#define FLOW_KERNEL 32768 // asked for each way of each socket beyond FLOWS_FEW; the kernel doubles it

#define HELLO_MS 15000u     // to the end of the first head or ClientHello, and of a handshake
#define IDLE_MS 120000u     // between two requests
#define BODY_MS 300000u     // without any progress of a body
#define ANSWER_MS 1800000u  // for a server to answer
#define TUNNEL_MS 14400000u // without a byte in either direction; dead peers are found by keepalive
#define LINGER_MS 2000u     // for a refused client to read its answer

struct guard;
struct flow;
struct hello;
struct socks;
struct exchange;
struct dial;
struct decision;

typedef void flow_fn(struct flow *f);

enum flow_via { VIA_TRANSPARENT = 0, VIA_ENDPOINT, VIA_PROXY, VIA_CONNECT, VIA_SOCKS };
enum flow_tls { FLOW_PLAIN = 0, FLOW_PASSED, FLOW_TERMINATED };

struct flow_queue {
    struct flow *oldest, *newest;
    size_t n;
};

struct flow {
    struct guard *g;
    struct flow *next, *prev;   // every flow
    struct flow *qnext, *qprev; // in `queue`
    struct flow_queue *queue;   // of those that may have to make room; NULL: none
    uint64_t since;             // there; CLOCK_MONOTONIC ns
    uint64_t number;
    bool dead;
    flow_fn *pump;
    enum flow_via via;
    enum flow_tls tls;
    struct stream client, up;
    char client_text[ADDRESS_TEXT_SIZE + 8], to_text[ADDRESS_TEXT_SIZE + 8]; // both ends as they are inside
    struct host host; // target; HOST_NONE at the endpoint
    uint16_t port;
    struct net_answer answer; // to "may a connection be opened?"
    bool refused;             // and it was no: what follows only finds out how to say so
    bool granted;             // a person said yes
    bool told;                // an explicit client has its answer
    bool recorded;            // "connection" is on record
    uint64_t requests, unlisted;
    uint64_t before_relay; // bytes from the client before those that are relayed
    struct timer timer, kick;
    struct timer paced; // running while the client is not read because of upload_rate
    uint64_t deadline;
    flow_fn *expired;
    struct hello *hello;
    struct socks *socks;
    struct exchange *x;
    struct dial *dial;
    struct decision *decision;
    flow_fn *then;  // after a dial or a decision
    size_t drained; // while lingering
};

struct flows {
    struct flow *all, *dead;
    struct flow_queue young, idle, busy; // have not said what they want; between requests; the others
    size_t n, max;
    struct {
        uint64_t when, count; // of the last line, and what happened since
    } crowded;
    uint64_t number;
    struct timer reaper;
};

void flows_init(struct flows *s); // finds `max` by the descriptor limit, which it raises
void flows_deinit(struct guard *g);
bool flows_full(const struct guard *g);
// Room for one more, if need be by ending another; false: do not accept now.
bool flows_make_room(struct guard *g);
// After an update: ends what the rules no longer permit (recheck.c).
void flows_recheck(struct guard *g);

// Takes over fd. `kind` GUARD_PROXY: the endpoint; else transparent, and getsockname tells the target.
void flow_accept(struct guard *g, int fd, const struct sockaddr_storage *from, int kind);
void flow_end(struct flow *f);   // orderly
void flow_abort(struct flow *f); // the client gets a reset
void flow_kick(struct flow *f);  // pump in this round of the loop, but not inside this call
// From now; NULL ends the flow. A busy flow has made progress.
void flow_deadline(struct flow *f, unsigned ms, flow_fn *expired);
void flow_set_queue(struct flow *f, struct flow_queue *q); // as the newest; NULL: none
struct flow_queue *flow_young(struct flow *f);
struct flow_queue *flow_idle(struct flow *f);
struct flow_queue *flow_busy(struct flow *f);
// Reads what the client has sent into client.in, up to `max` bytes there. EOF and errors as by stream_read;
// OK when something came.
enum stream_io flow_read_client(struct flow *f, size_t max);
// How much to read at once; a source is not read while more than half of it waits on the other side.
size_t flow_piece(const struct flow *f);
// How many of `most` bytes of a body or a tunnel may be taken from the client now, as to the rule's
// upload_rate. When it is 0 the pump runs again as soon as some may. What was taken is spent, also beyond
// what there was: the next ones wait.
size_t flow_upload_room(struct flow *f, const struct net_answer *a, size_t most);
void flow_spend_upload(struct flow *f, const struct net_answer *a, size_t n);
// Sends what is queued, ends our direction, waits for the client's end or LINGER_MS, and is gone.
void flow_linger(struct flow *f);
// The target is known: asks the rules, holds if they say so, refuses or goes on (sniff.c).
void flow_target(struct flow *f, const struct host *host, uint16_t port, enum flow_via via);
// Opens f->up to the host, then pumps `then`: f->dial->result says how it went, f->up is open only with
// DIAL_OK.
void flow_dial(struct flow *f, const struct host *host, uint16_t port, flow_fn *then);
// Holds for a decision, then pumps `then`: f->answer.verdict is ALLOW or DENY, and f->granted says so.
void flow_hold(struct flow *f, json_t *question, flow_fn *then);

json_t *flow_record(const struct flow *f, const char *event); // with flow, client, via
void flow_record_connection(struct flow *f, const struct host *host, uint16_t port,
                            const struct net_answer *a);
// "denied" (a rule, or what the client sent) or "failed" (permitted, but it could not be done).
void flow_record_outcome(struct flow *f, const char *event, const struct host *host, uint16_t port,
                         const struct net_answer *a);

#endif
