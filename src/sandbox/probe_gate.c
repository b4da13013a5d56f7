// SPDX-License-Identifier: Apache-2.0
// The gate namespace, tried as a guarded run makes it: a connection to an address that exists nowhere arrives
// at our listener, which learns what address was meant.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/gate.h"
#include "sandbox/probe_tries.h"

#define MEANT "198.51.100.7" // TEST-NET-2, RFC 5737

static int listener_of(const struct gate *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->fds[i].kind == GATE_TCP4 && g->fds[i].port == 80)
            return g->fds[i].fd;
    return -1;
}

static void meet(struct outcome *o, int listener)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = inet_addr(MEANT)};
    struct sockaddr_in meant = {0};
    struct pollfd p = {.fd = listener, .events = POLLIN};
    AUTO_CLOSE int inside = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    AUTO_CLOSE int outside = -1;
    socklen_t n = sizeof meant;

    if (!try_step(o, inside >= 0, "a socket") ||
        !try_step(o, connect(inside, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS,
                  "connect") ||
        !try_step(o, poll(&p, 1, 2000) == 1, "a connection to any address arriving at the gate"))
        return;
    outside = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (try_step(o, outside >= 0 && getsockname(outside, (struct sockaddr *)&meant, &n) == 0,
                 "accepting it")) {
        errno = 0;
        try_step(o, meant.sin_addr.s_addr == to.sin_addr.s_addr, "the address that was meant is lost");
    }
}

void try_gate(struct outcome *o)
{
    static const uint16_t ports[] = {80};
    struct gate_wants wants = {.ports = ports, .nports = 1};
    struct gate gate = {0};
    struct err err = {0};

    if (!gate_make(&wants, &gate, &err)) {
        errno = err.sys;
        try_step(o, false, "making the gate namespace");
        snprintf(o->text, sizeof o->text, "%.159s", err.msg);
        return;
    }
    // The pair's queues are switched on by a kernel worker (linkwatch); what is sent before is lost, and a
    // lost SYN comes again after a second only.
    usleep(2000);
    meet(o, listener_of(&gate));
    gate_close(&gate);
}
