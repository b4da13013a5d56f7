// SPDX-License-Identifier: Apache-2.0
// The record of what no listener took: the first packet of each connection to another port, and UDP other
// than DNS. The kernel has refused them already (RST, ICMP); this only tells.
#ifndef BAWN_GUARD_REFUSED_H
#define BAWN_GUARD_REFUSED_H

#include "guard/addresses.h"

struct guard;

struct refused_packet {
    bool udp;
    struct address from, to;
    uint16_t from_port, to_port;
};

// Reads the ports from what a raw socket gives: IPv4 from the network header on, IPv6 from the transport
// header on (raw(7), RFC 3542 3). False when cut short.
bool refused_ports(const uint8_t *p, size_t n, bool v6, struct refused_packet *ret);
void refused_read(struct guard *g, int fd, bool udp); // that raw socket is readable

#endif
