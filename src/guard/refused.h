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

// From the network header on; false for anything else, or cut short.
bool refused_parse(const uint8_t *p, size_t n, struct refused_packet *ret);
void refused_read(struct guard *g, int fd); // the packet socket is readable

#endif
