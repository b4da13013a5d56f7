// SPDX-License-Identifier: Apache-2.0
// The guard process as one struct: what its parts share. One thread, one loop; see main.c for the order of
// start, flow.h for connections.
#ifndef BAWN_GUARD_GUARD_H
#define BAWN_GUARD_GUARD_H

#include "guard/config.h"
#include "guard/dial.h"
#include "guard/dnsnames.h"
#include "guard/flow.h"
#include "guard/inject.h"
#include "guard/needles.h"
#include "guard/pace.h"
#include "guard/record.h"
#include "guard/tls.h"

#define GUARD_SCRATCH (256u << 10) // one read; shared, as nothing is kept in it between callbacks
#define GUARD_LISTENERS_MAX 224

struct listener;
struct decision;
struct dnsserve;

struct guard {
    struct loop loop;
    int control;
    struct watch control_watch;
    bool configured;
    struct guard_config config; // as of the last update
    struct guard_config first;  // as of the start, once there was an update: it owns the secrets
    struct net_rules *rules;
    struct dns_names *names;
    struct resolver *resolver;
    struct dialer dialer;
    struct tls *tls;
    struct secrets *secrets;
    struct needles *known; // what must not leave; NULL without `scan`
    struct records records;
    struct flows flows;
    struct paces paces; // of the entries of allow
    struct dnsserve *dns;
    struct {
        uint64_t hash, when;
    } refused[1024]; // ports on record lately (refused.c)
    struct listener *listeners[GUARD_LISTENERS_MAX];
    size_t nlisteners;
    struct decision *decisions; // waiting for an answer
    uint32_t decision_id;
    char *scratch; // GUARD_SCRATCH bytes
};

#endif
