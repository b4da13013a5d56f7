// SPDX-License-Identifier: Apache-2.0
// What the guard tells the supervisor for the audit log: JSON objects, one a line, several to a message.
// When the supervisor does not read, the guard waits for it, and the run's network with it. Nothing is lost
// before RECORD_BURST bytes: what comes faster than RECORD_PER_SECOND then is counted, and the count is on
// record, so that no program inside can fill a disk by what it is refused.
//
// Events: "connection" (first allowed use of a connection), "request" (an allowed request), "closed" (with
// counts), "denied", "failed" (permitted, but no server answered), "asked", "answered", "alert" (a secret in
// what would have left), "refused-port", "dns", "crowded" (connections ended to make room), "unrecorded"
// (lines were left out: count). Members, where they apply: flow (number of the connection), client and to
// ("address:port" of both ends inside, by which the supervisor finds the process), via, host, address, port,
// tls, method, path, status, sent, received, requests, unlisted, verdict, rule, reason, allow_with, secret,
// count.
#ifndef BAWN_GUARD_RECORD_H
#define BAWN_GUARD_RECORD_H

#include "base/json.h"
#include "guard/rules.h"
#include "loop/loop.h"

#define RECORD_PER_SECOND                                                                                    \
    (64u << 10) // bytes of lines; alerts and what a reviewer is asked always have theirs
#define RECORD_BURST (64u << 20)
// Allowed requests have a line each up to this rate; more are only counted ("unlisted" of "closed").
#define RECORD_REQUESTS_PER_SECOND 200u
#define RECORD_REQUESTS_BURST 2000u
// A refusal is told to its program when the supervisor has it on record, so that who it was can still be
// found. The wait is short, and no longer than RECORD_SEEN_MS; beyond this rate nothing waits.
#define RECORD_WAITS_PER_SECOND 100u
#define RECORD_WAITS_BURST 500u
#define RECORD_SEEN_MS 50
#define RECORD_PATH_MAX 2048u // bytes of a path that are recorded

struct record_rate {
    double tokens;
    uint64_t refilled; // CLOCK_MONOTONIC ns
};

struct records {
    int control;
    struct loop *loop;
    struct buf pending; // lines not sent yet
    struct timer flush;
    struct record_rate listed, waited, bytes;
    uint64_t left_out; // lines since the last one that was sent
    uint32_t seen_id;  // of the last message that was waited for
    bool broken;       // the supervisor is gone
};

void records_init(struct records *r, struct loop *loop, int control);
void records_deinit(struct records *r);
void records_flush(struct records *r);     // waits for the supervisor if it must
bool records_may_list(struct records *r);  // takes one of the tokens for allowed requests
void records_leave_out(struct records *r); // counts a line that is not sent

json_t *record_new(const char *event);
void record_text(json_t *o, const char *key, const char *text); // nothing when NULL or empty
void record_number(json_t *o, const char *key, uint64_t n);
void record_answer(json_t *o, const struct net_answer *a); // verdict, rule, reason, allow_with
void record_send(struct records *r, json_t *owned);

#endif
