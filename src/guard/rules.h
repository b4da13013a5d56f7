// SPDX-License-Identifier: Apache-2.0
// Network rules of a policy, compiled, and the one place where they are applied: the guard and `explain url`
// ask the same question of the same table, so they cannot disagree. Semantics in rules_ask.c and
// docs/network.md.
#ifndef BAWN_GUARD_RULES_H
#define BAWN_GUARD_RULES_H

#include "base/buf.h"
#include "guard/hostname.h"
#include "guard/presets.h"
#include "policy/model.h"

struct net_rules;

// Errors are ERR_INPUT with the entry's place in the policy. `registries` may be NULL. The policy is borrowed
// and must outlive the rules.
MUST_USE bool net_rules_make(const struct policy *p, const struct preset_registries *registries,
                             struct net_rules **ret, struct err *err);
void net_rules_free(struct net_rules *r); // takes NULL

// How much is known when the question is asked. Ask again at each later stage.
enum net_stage {
    NET_STAGE_NAME = 0, // a DNS query: may this name resolve at all?
    NET_STAGE_CONNECT,  // host and port: may a connection be opened?
    NET_STAGE_REQUEST,  // also method and path
};

struct net_question {
    enum net_stage stage;
    const struct host *host;
    uint16_t port;
    const char *method; // REQUEST
    const char *path;   // REQUEST: raw path without query; "*" for OPTIONS *
    bool upgrade;       // REQUEST: asks for WebSocket or another protocol
    bool watched;       // somebody watches the run
};

struct net_answer {
    enum verdict verdict;
    bool listed;                // an entry of allow names this host (whether or not it lets this through)
    enum net_protocol protocol; // PROTOCOL_TCP: relay bytes unseen
    bool inspect;               // TLS must be terminated: a rule has to see inside. False: pass through
    bool inspect_ok;            // TLS may be terminated (no entry says `tls: pass`)
    bool restricted;            // methods or paths are limited: write requests with http1_rewrite.restricted
    bool upgrade;               // Upgrade may pass
    uint64_t max_upload;        // bytes of one request's body (or of a tunnel); 0: no limit
    uint64_t upload_rate; // bytes a second, of everything that this entry of allow lets through; 0: no limit
    size_t paced_by;      // its place in the policy's allow
    char rule[256];       // "network.allow: *.example.org (bawn.yaml:12)"
    char reason[320];
    char allow_with[256]; // "--allow evil.test:8080"; "" when no option would
};

// With `ret_path` (may be NULL) an allowed REQUEST leaves the path to send there: normalised when rules have
// paths for this host, as received otherwise.
void net_rules_ask(const struct net_rules *r, const struct net_question *q, struct net_answer *ret,
                   struct buf *ret_path);

// May this resolved (or literal) address be dialled for that host? `own` are addresses of the host's
// interfaces. Fills verdict, rule, reason, allow_with.
void net_rules_vet(const struct net_rules *r, const struct host *host, const struct address *a, uint16_t port,
                   const struct cidr_set *own, struct net_answer *ret);

// Is the host one of those that secret number `secret` of the policy may go to?
bool net_rules_secret(const struct net_rules *r, size_t secret, const struct host *host);

// Ports that listeners are needed for, sorted: those that allow names, and always 80 and 443.
size_t net_rules_ports(const struct net_rules *r, const uint16_t **ret);
// One line each for what a reader of the policy should know of its addresses: wide ranges, and this machine's
// own surroundings. The other risks are told where the policy is read.
void net_rules_address_risks(const struct net_rules *r, struct buf *ret);

#endif
