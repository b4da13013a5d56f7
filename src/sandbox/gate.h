// SPDX-License-Identifier: Apache-2.0
// The gate namespace: a second network namespace that stands outside the sandbox's and in which every address
// is local, so that each connection made inside arrives at a listener of the guard, and getsockname(2) on it
// tells the address that was meant.
//
//      S, the sandbox                          G, the gate
//      bawn0 192.0.2.2/30  fd62:…:2/126  <-->  gate0 192.0.2.1/30  fd62:…:1/126
//      default via .1 / :1                     local 0.0.0.0/0 and ::/0 dev lo  (table main)
//
// No netfilter, tap device, privilege or daemon: one user namespace that owns both. It is made with raw
// rtnetlink in one process without a fork, because this is on the path of every start. Static: base only.
#ifndef BAWN_SANDBOX_GATE_H
#define BAWN_SANDBOX_GATE_H

#include <stdint.h>

#include "base/err.h"

#define GATE_ADDR4 "192.0.2.1" // the gate's side: the name server, and the explicit proxy's address
#define GATE_ADDR6 "fd62:6177:6e67::1"
#define GATE_INSIDE4 "192.0.2.2" // the sandbox's side
#define GATE_INSIDE6 "fd62:6177:6e67::2"
#define GATE_DEVICE "bawn0" // the interface's name inside

#define GATE_PORTS_MAX 96 // TCP ports that may have a listener; more is ERR_LIMIT
#define GATE_FDS_MAX (2 * GATE_PORTS_MAX + 8)

enum gate_kind {
    GATE_TCP4 = 1, // transparent listener on `port`
    GATE_TCP6,
    GATE_DNS_UDP4, // with IP_PKTINFO, so that an answer leaves from the address that was asked
    GATE_DNS_UDP6,
    GATE_DNS_TCP4,
    GATE_DNS_TCP6,
    GATE_PROXY,        // HTTP, CONNECT and SOCKS on GATE_ADDR4
    GATE_REFUSED_TCP4, // raw sockets: the first packet of every connection to a port without a listener
    GATE_REFUSED_TCP6,
    GATE_REFUSED_UDP4,
    GATE_REFUSED_UDP6,
};

// A listener as it is told to others, beside its descriptor.
struct gate_listener {
    uint16_t kind, port;
};

struct gate_fd {
    uint16_t kind; // enum gate_kind
    uint16_t port; // host order; 53 for DNS, 0 for GATE_REFUSED_…
    int fd;        // close-on-exec, non-blocking
};

struct gate_wants {
    const uint16_t *ports; // for transparent listeners; 53 is the guard's DNS and ignored here
    size_t nports;
    uint16_t proxy_port; // 0: no explicit endpoint
};

struct gate {
    struct gate_fd fds[GATE_FDS_MAX];
    size_t n;
};

// To be called in a new network namespace, with CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE in its
// user namespace and the host's /proc still there. That namespace becomes G; on return the calling process is
// in a new one, S, which is up, and the listeners stay in G. On failure the process may be in either: give
// up.
MUST_USE bool gate_make(const struct gate_wants *wants, struct gate *ret, struct err *err);
void gate_close(struct gate *g); // closes all descriptors

#endif
