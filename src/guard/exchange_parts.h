// SPDX-License-Identifier: Apache-2.0
// Between the files of the exchange; nobody else includes this.
#ifndef BAWN_GUARD_EXCHANGE_PARTS_H
#define BAWN_GUARD_EXCHANGE_PARTS_H

#include "guard/exchange.h"
#include "guard/guard.h"
#include "guard/http1.h"
#include "guard/inject.h"

struct exchange {
    struct http1 req, resp;
    bool pending;  // the request parser may have an event without more bytes
    bool open;     // a request is under way
    bool req_done; // all of it was read
    bool answered; // the head of an answer is written to the client
    bool resp_done;
    bool close; // the client's connection ends after this exchange
    bool refused;
    bool upgraded; // 101 was passed on
    bool deaf;     // the server takes no more bytes; it may still answer
    // The request at hand.
    struct host host;
    uint16_t port;
    struct net_answer answer;
    struct buf path; // to send
    enum http1_framing req_framing, resp_framing;
    uint64_t uploaded;
    const struct secret_set *secrets; // of its host, or NULL
    bool only;                        // that host gets no other credential
    struct body_places places;
    struct buf req_held, place_held,
        resp_held;     // tails that may begin a needle: of the scan, placing, scrubbing
    struct buf before; // the last INJECT_BEFORE bytes of the body that went by
    // The connection in f->up.
    struct host up_host;
    uint16_t up_port;
    uint64_t up_requests;
    bool retried;
};

// exchange.c
void exchange_pump(struct flow *f);
void exchange_up_deaf(struct flow *f); // writing to the server failed
// The request is over, in one way or the other: next one, or the end of the connection.
void exchange_finish(struct flow *f);

// exchange_request.c
void exchange_judge(struct flow *f); // a request's head is complete
// Refuses the request with an HTTP answer made from x->answer; `why` replaces its reason.
void exchange_refuse(struct flow *f, int status, const char *why);
// A secret that must not go in cleartext is refused rather than left out: the program would get an answer
// that nobody could explain.
void exchange_refuse_cleartext(struct flow *f, const char *secret);
void exchange_up_failed(struct flow *f, const char *why); // f->up is of no more use while a request is open

// exchange_body.c: false when the flow was ended or the request refused.
bool exchange_send_body(struct flow *f, const char *data, size_t n, bool last);
bool exchange_leak(struct flow *f, const struct needle *hit); // refuses; always false
bool exchange_answer_head(struct flow *f);
bool exchange_answer_body(struct flow *f, const char *data, size_t n, bool last);

#endif
