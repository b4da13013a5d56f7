// SPDX-License-Identifier: Apache-2.0
// One validator for every place a host can be named: CONNECT and Host, SOCKS, SNI, DNS, policy. What it
// admits is either a canonical name (lower case, [a-z0-9-] labels, no trailing dot) or a canonical address;
// every other spelling is refused before anything is matched, so that two parts cannot read one text as two
// hosts. Sources: RFC 1123 2.1, RFC 3986 3.2.2, WHATWG URL "ends in a number".
#ifndef BAWN_GUARD_HOSTNAME_H
#define BAWN_GUARD_HOSTNAME_H

#include "guard/addresses.h"

#define HOST_TEXT_SIZE 254 // a name is at most 253 characters; an address always fits

enum host_kind { HOST_NONE = 0, HOST_NAME, HOST_ADDRESS };

struct host {
    enum host_kind kind;
    char text[HOST_TEXT_SIZE]; // canonical: "example.org", "192.0.2.1", "2001:db8::1" (no brackets)
    struct address address;    // HOST_ADDRESS only; an IPv4-mapped IPv6 address is stored as IPv4
};

// A name, a dotted quad, or an IPv6 address with or without brackets. Errors (ERR_INPUT) say what is wrong
// and how to write it.
MUST_USE bool host_parse(const char *s, size_t n, struct host *ret, struct err *err);
// HOST or HOST:PORT or [V6]:PORT, as in CONNECT and Host. *ret_port is 0 when none is written. Userinfo is
// refused.
MUST_USE bool host_parse_authority(const char *s, size_t n, struct host *ret, uint16_t *ret_port,
                                   struct err *err);
void host_from_address(const struct address *a, struct host *ret);
bool host_equal(const struct host *a, const struct host *b); // two HOST_NONE are not equal
// As it stands in a URL: brackets around IPv6, ":port" unless it is 0.
void host_authority_text(const struct host *h, uint16_t port, char ret[HOST_TEXT_SIZE + 10]);

#endif
