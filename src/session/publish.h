// SPDX-License-Identifier: Apache-2.0
// network.publish: a port of this machine's loopback leads to the same port of the sandbox's. The listeners
// are here, in the supervisor; bawn-init makes the socket inside for each connection and hands it out, and
// bytes are relayed, unseen. Every user of this machine can reach its loopback.
#ifndef BAWN_SESSION_PUBLISH_H
#define BAWN_SESSION_PUBLISH_H

#include "loop/loop.h"
#include "policy/model.h"

#define PUBLISH_CONNECTIONS 256u // at once, over all ports; more wait in the listeners' queues

struct publish;

struct publish_handler {
    // Ask for a connection to that port inside; publish_connected tells the outcome. False: nobody to ask.
    bool (*connect)(void *ctx, uint32_t id, uint16_t port);
    // One was accepted, from that address of this machine.
    void (*accepted)(void *ctx, uint16_t port, const char *from);
    void *ctx;
};

// Takes the ports, so that one that is in use is an error before anything runs. *ret is NULL when there are
// none.
MUST_USE bool publish_new(const struct policy *p, struct publish **ret, struct err *err);
MUST_USE bool publish_start(struct publish *p, struct loop *loop, const struct publish_handler *h,
                            struct err *err);
// fd is taken over; -1 when nothing listens there.
void publish_connected(struct publish *p, uint32_t id, int fd);
void publish_free(struct publish *p); // what has come from inside is still delivered; takes NULL

#endif
