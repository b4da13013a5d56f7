// SPDX-License-Identifier: Apache-2.0
// Something is held for a person: the question goes to the supervisor, the answer comes back or the time runs
// out, which refuses. Without a reviewer nothing is held: callers ask decide_possible first.
#ifndef BAWN_GUARD_DECIDE_H
#define BAWN_GUARD_DECIDE_H

#include "base/json.h"
#include "base/sha256.h"
#include "loop/loop.h"
#include "policy/verdict.h"

#define DECISIONS_MAX 256u // held at once; more are refused

struct guard;
struct decision;

// Never called inside decide_ask; the decision is idle again. `timed_out` tells a refusal by time from one by
// hand.
typedef void decide_fn(struct decision *d, bool allowed, bool timed_out);

struct decision {        // embedded in its owner; zeroed when idle
    struct guard *guard; // NULL when idle
    struct decision *next, *prev;
    uint32_t id; // shared by equal questions
    char key[SHA256_HEX_SIZE];
    struct timer timer;
    decide_fn *fn;
    void *ctx;
};

bool decide_possible(const struct guard *g);
// Equal questions (by kind, host, port, method, path) are put once, and the answer is for all that wait for
// it. `question`: an object that says what is held (owned by the call): kind ("connect", "request", "name"),
// host, port, method, path, rule, reason, allow_with, client.
void decide_ask(struct guard *g, struct decision *d, json_t *question, decide_fn *fn, void *ctx);
void decide_cancel(struct decision *d); // also for an idle one
void decide_answered(struct guard *g, uint32_t id, enum verdict verdict);

#endif
