// SPDX-License-Identifier: Apache-2.0
// Names to addresses, on the host's side: /etc/hosts as it was at the start, then DNS by c-ares. Results are
// kept for their time to live. Nothing is looked up that policy has not let through.
#ifndef BAWN_GUARD_RESOLVE_H
#define BAWN_GUARD_RESOLVE_H

#include "guard/addresses.h"
#include "loop/loop.h"

#define RESOLVE_ADDRESSES_MAX 16u // of one name; more are left out
#define RESOLVE_CACHE_MAX 4096u   // names kept; then the table starts anew

struct resolver;
struct lookup;

// `n` is 0 when there are none; `why` then says the reason ("no such name"). Never called inside the call
// that started the lookup.
typedef void lookup_fn(struct lookup *l, const struct address *addresses, size_t n, const char *why);

struct lookup { // embedded in its owner; zeroed when idle
    struct resolver *resolver;
    struct query *query;        // waits for this one
    struct lookup *next, *prev; // among those that wait for the same name
    struct timer timer;         // delivers what is already known
    lookup_fn *fn;
    void *ctx;
    struct address addresses[RESOLVE_ADDRESSES_MAX];
    size_t n;
    const char *why;
};

// Reads /etc/hosts and the resolver's configuration: before the jail.
MUST_USE bool resolver_new(struct loop *loop, struct resolver **ret, struct err *err);
void resolver_free(struct resolver *r); // takes NULL; no lookup may be pending
void resolver_lookup(struct resolver *r, const char *name, struct lookup *l, lookup_fn *fn, void *ctx);
void resolver_cancel(struct lookup *l); // also for an idle one

#endif
