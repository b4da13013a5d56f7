// SPDX-License-Identifier: Apache-2.0
// IP addresses: strict parsing, what kind of place an address is, and sets of them.
//
// The guard dials only addresses of class "global", plus those that policy excepts. IPv4 inside IPv6 is the
// old trap: each form in which a v4 address can be wrapped either takes the class of what it wraps (mapped,
// NAT64) or is refused as a tunnel (compatible, 6to4, Teredo, ISATAP, translated), since no server worth
// reaching is only there. IPv6 outside 2000::/3 is never global. Sources: IANA special-purpose registries for
// IPv4 and IPv6, RFC 6890, 6052, 8215, 3056, 4380, 5214.
#ifndef BAWN_GUARD_ADDRESSES_H
#define BAWN_GUARD_ADDRESSES_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define ADDRESS_TEXT_SIZE 46 // INET6_ADDRSTRLEN

struct address {
    uint8_t bytes[16]; // v4 in the first four
    bool v6;
};

// Zeroed memory is refused.
enum address_class {
    ADDRESS_UNSPECIFIED = 0, // 0.0.0.0/8, ::
    ADDRESS_GLOBAL,          // may be dialled
    ADDRESS_LOOPBACK,
    ADDRESS_LINK_LOCAL,
    ADDRESS_PRIVATE, // RFC 1918, ULA, site-local, local-use NAT64
    ADDRESS_SHARED,  // carrier-grade NAT, 100.64.0.0/10
    ADDRESS_METADATA,
    ADDRESS_BENCHMARK, // 198.18.0.0/15: also the synthetic addresses of names
    ADDRESS_DOCUMENTATION,
    ADDRESS_MULTICAST,
    ADDRESS_TUNNEL, // IPv4 embedded by a transition mechanism
    ADDRESS_RESERVED,
};

// Dotted quad of four decimal numbers without leading zeros, or RFC 4291 text without zone. Nothing else.
bool address_parse(const char *s, size_t n, struct address *ret);
void address_text(const struct address *a, char ret[ADDRESS_TEXT_SIZE]);
bool address_from_sockaddr(const struct sockaddr *sa, struct address *ret, uint16_t *ret_port);
socklen_t address_to_sockaddr(const struct address *a, uint16_t port, struct sockaddr_storage *ret);
// ::ffff:a.b.c.d becomes a.b.c.d; all else stays.
void address_unmap(struct address *a);
// Also 64:ff9b::a.b.c.d (NAT64) becomes a.b.c.d: the server that a packet to it ends at.
void address_unwrap(struct address *a);
bool address_equal(const struct address *a, const struct address *b);

enum address_class address_classify(const struct address *a); // mapped addresses are unwrapped first
const char *address_class_name(enum address_class c);         // "loopback", "private" …

struct cidr {
    struct address base;
    uint8_t bits; // 0…32 or 0…128
};

// "10.0.0.0/8", "2001:db8::/32", or an address (all bits). Bits set beyond the prefix are an error.
MUST_USE bool cidr_parse(const char *s, size_t n, struct cidr *ret, struct err *err);
bool cidr_contains(const struct cidr *c, const struct address *a); // v4 in v4, v6 in v6; mapped unwrapped
// True when the whole range lies in one refused class: naming such a range can only mean to permit it, where
// 0.0.0.0/0 means "any server", not "and my own network".
bool cidr_names_refused(const struct cidr *c);

struct cidr_set {
    struct cidr *items;
    size_t n, alloc;
};

void cidr_set_deinit(struct cidr_set *s);
void cidr_set_add(struct cidr_set *s, const struct cidr *c);
const struct cidr *cidr_set_find(const struct cidr_set *s,
                                 const struct address *a); // longest prefix, or NULL

#endif
