// SPDX-License-Identifier: Apache-2.0
// The session's side of a guarded network: starts bawn-guard, gives it rules, secrets and the gate's
// listeners, puts what it records on record, and says what the sandbox must have so that programs inside
// trust and find it.
#ifndef BAWN_SESSION_NETWORK_H
#define BAWN_SESSION_NETWORK_H

#include "base/json.h"
#include "loop/loop.h"
#include "policy/model.h"
#include "sandbox/layout.h"

#define NETWORK_PROXY_PORT 3128 // of the explicit endpoint, on the gate's address

struct credentials;
struct network;
struct session_places;

struct network_handler {
    void (*record)(void *ctx, const json_t *event); // members: guard/record.h
    void (*gone)(void *ctx, const char *why);       // the guard died: the network is closed from now on
    void (*updated)(void *ctx, const char *error);  // "" when an update was taken
    void *ctx;
};

// Reads registries, and starts the guard. Proxy variables for the inside are added to env. The credentials
// are borrowed until the end.
MUST_USE bool network_new(const struct policy *p, const struct session_places *places,
                          const struct credentials *c, struct strlist *env, struct network **ret,
                          struct err *err);
// Reads the machine's roots and waits until the guard is ready; then the files for the inside are known. Adds
// to env where trust lies.
MUST_USE bool network_wait(struct network *n, const struct session_places *places, struct strlist *env,
                           struct err *err);
const char *network_ports(const struct network *n); // "80,443"
size_t network_files(const struct network *n, const struct layout_file **ret);
MUST_USE bool network_start(struct network *n, struct loop *loop, const struct network_handler *h,
                            struct err *err);
// What bawn-init made in the gate: `n` descriptors, and a struct gate_listener of each.
MUST_USE bool network_listeners(struct network *n, const void *listeners, const int *fds, size_t nfds,
                                struct err *err);
// New rules; secrets stay. Connections that they no longer permit are cut.
MUST_USE bool network_update(struct network *n, const struct policy *p, struct err *err);
// The end: nobody inside needs the guard any more. It leaves meanwhile.
void network_dismiss(struct network *n);
void network_finish(struct network *n); // takes what it says until it has left
void network_free(struct network *n);   // ends the guard; takes NULL

#endif
