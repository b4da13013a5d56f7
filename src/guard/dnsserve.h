// SPDX-License-Identifier: Apache-2.0
// The sandbox's name server on its sockets: UDP and TCP. What is answered is decided in dns.h and dnsnames.h.
#ifndef BAWN_GUARD_DNSSERVE_H
#define BAWN_GUARD_DNSSERVE_H

#include <sys/socket.h>

#include "base/err.h"

struct guard;
struct dnsserve;

#define DNS_CONNECTIONS_MAX 64u // over TCP at once; the oldest makes room
#define DNS_HELD_MAX 64u        // queries held for a reviewer at once

struct dnsserve *dnsserve_new(struct guard *g);
void dnsserve_free(struct dnsserve *d);              // takes NULL
void dnsserve_datagrams(struct dnsserve *d, int fd); // fd is readable; it has IP_PKTINFO or IPV6_RECVPKTINFO
void dnsserve_accept(struct dnsserve *d, int fd, const struct sockaddr_storage *from); // takes over fd

#endif
