// SPDX-License-Identifier: Apache-2.0
// Opens a connection to a host that policy permits: the name is resolved once, every address is vetted by
// class and by the host's own interfaces, and the vetted address itself is dialled, so that no second
// resolution can change it (DNS rebinding). Addresses are tried in turn.
#ifndef BAWN_GUARD_DIAL_H
#define BAWN_GUARD_DIAL_H

#include "guard/resolve.h"
#include "guard/rules.h"

#define DIAL_TRY_MS 2000    // for one address while others are left
#define DIAL_TOTAL_MS 20000 // for all

enum dial_result {
    DIAL_FAILED = 0, // no address answered, or the name has none
    DIAL_REFUSED,    // policy: `refusal` says which rule
    DIAL_TIMED_OUT,
    DIAL_OK,
};

// What all dials of the process share.
struct dialer {
    struct loop *loop;
    struct resolver *resolver;
    const struct net_rules *rules; // changes with updates
    struct cidr_set own;           // addresses of the host's interfaces, as they were met
};

struct dial;
// fd is the caller's with DIAL_OK, else -1. Never called inside dial_start; the dial is idle again.
typedef void dial_fn(struct dial *d, enum dial_result result, int fd);

struct dial { // embedded in its owner; zeroed when idle
    struct dialer *dialer;
    struct lookup lookup;
    struct host host;
    uint16_t port;
    struct address addresses[RESOLVE_ADDRESSES_MAX]; // vetted
    size_t n, next;
    struct address address; // the one being dialled, then connected to
    int fd;
    struct watch watch;
    struct timer timer;
    uint64_t deadline;
    dial_fn *fn;
    void *ctx;
    struct net_answer refusal; // DIAL_REFUSED
    char why[480];             // DIAL_FAILED, DIAL_TIMED_OUT: a sentence
    bool active;
    enum dial_result result; // of the last one, when it is over
};

void dialer_deinit(struct dialer *d);
void dial_start(struct dial *d, struct dialer *dialer, const struct host *host, uint16_t port, dial_fn *fn,
                void *ctx);
void dial_cancel(struct dial *d); // also for an idle one

#endif
