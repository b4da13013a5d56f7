// SPDX-License-Identifier: Apache-2.0
// The names that policy lets resolve, and the synthetic address of each: 198.18.1.0 and up, with a twin in
// fd62:6177:6e00::/64. An address once given stays that name's for the run and is never given to another, so
// "address X" in the guard always means the name the program asked for. The table is bounded: a program that
// resolves names without end gets no more addresses, and what it had goes on working.
#ifndef BAWN_GUARD_DNSNAMES_H
#define BAWN_GUARD_DNSNAMES_H

#include "guard/dns.h"
#include "policy/verdict.h"

#define DNS_NAMES_MAX 16384u // most names of one run; about 80 bytes each
#define DNS_TTL 300u         // seconds, of a synthetic address
#define DNS_TTL_NEGATIVE 1u  // policy may widen at any moment

struct dns_names;

struct dns_names *dns_names_new(size_t max); // at most DNS_NAMES_MAX
void dns_names_free(struct dns_names *d);    // takes NULL
// The name's addresses, made at the first call; false when the table is full.
bool dns_names_get(struct dns_names *d, const char *name, struct address *ret_v4, struct address *ret_v6);
// The name behind a synthetic address (borrowed, for the run), or NULL.
const char *dns_names_of(const struct dns_names *d, const struct address *a);
bool dns_names_synthetic(const struct address *a); // lies in either range, given to a name or not
// Whether the name has an address or can get one.
bool dns_names_room(const struct dns_names *d, const char *name);
size_t dns_names_count(const struct dns_names *d);

// What becomes of a parsed query, given the verdict for its host (DENY for anything not a host): addresses
// for A and AAAA, NODATA for other types of a known name (HTTPS and SVCB too: no ECH keys, no HTTP/3 hints),
// PTR for synthetic addresses, NXDOMAIN otherwise. Returns the answer's length.
size_t dns_names_respond(struct dns_names *d, const struct dns_query *q, enum verdict verdict, size_t cap,
                         uint8_t ret[DNS_ANSWER_MAX]);

#endif
