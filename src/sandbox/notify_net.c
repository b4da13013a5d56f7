// SPDX-License-Identifier: Apache-2.0
// Traffic of a sandbox without a network: its network namespace has a loopback interface and nothing else, so
// nothing leaves whatever is answered here. What is meant for elsewhere is put on record and answered
// ENETUNREACH, what a machine without a network says. Port 53 counts as elsewhere also on loopback (a
// resolver of the host listens on 127.0.0.53): nobody inside can serve a port below 1024.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/notify_dns.h"
#include "sandbox/notify_call.h"

#define DNS_PORT 53
#define DNS_LOOK 512 // bytes of a query; a question comes first

struct target {
    char address[INET6_ADDRSTRLEN + 2]; // in brackets for IPv6
    unsigned port;
    bool outside;
};

static bool is_local4(uint32_t address) // host order
{
    return address >> 24 == 127 || address == INADDR_ANY;
}

static bool target4(const struct sockaddr_in *in, struct target *ret)
{
    inet_ntop(AF_INET, &in->sin_addr, ret->address, sizeof ret->address);
    ret->port = ntohs(in->sin_port);
    ret->outside = !is_local4(ntohl(in->sin_addr.s_addr));
    return true;
}

static bool target6(const struct sockaddr_in6 *in, struct target *ret)
{
    char text[INET6_ADDRSTRLEN];
    uint32_t v4;

    inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    snprintf(ret->address, sizeof ret->address, "[%s]", text);
    ret->port = ntohs(in->sin6_port);
    memcpy(&v4, &in->sin6_addr.s6_addr[12], sizeof v4);
    if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr))
        ret->outside = !is_local4(ntohl(v4));
    else
        ret->outside = !IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) && !IN6_IS_ADDR_UNSPECIFIED(&in->sin6_addr);
    return true;
}

static bool read_target(const struct call *c, uint64_t addr, uint64_t len, struct target *ret)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    size_t n = len < sizeof a ? (size_t)len : sizeof a;

    if (!addr || n < sizeof(sa_family_t) || call_bytes(c, addr, &a, n) != 0)
        return false;
    if (a.any.sa_family == AF_INET && n >= sizeof a.v4)
        return target4(&a.v4, ret);
    // Without a scope id it is an address still (RFC 2133 size).
    if (a.any.sa_family == AF_INET6 && n >= offsetof(struct sockaddr_in6, sin6_scope_id))
        return target6(&a.v6, ret);
    return false;
}

static bool read_question(const struct call *c, char ret[DNS_NAME_SIZE])
{
    uint8_t query[DNS_LOOK];
    size_t n = c->args[2] < sizeof query ? (size_t)c->args[2] : sizeof query;

    return call_bytes(c, c->args[1], query, n) == 0 && dns_question(query, n, ret);
}

static void report(const struct call *c, enum request_kind kind, const struct target *t)
{
    char place[INET6_ADDRSTRLEN + 16], detail[INET6_ADDRSTRLEN + 64], name[DNS_NAME_SIZE];

    snprintf(place, sizeof place, "%s:%u", t->address, t->port);
    if (t->port != DNS_PORT) {
        names_report(c, "network", place, NULL, NULL);
        return;
    }
    snprintf(detail, sizeof detail, "name look-up by %s", place);
    if (kind == REQUEST_SENDTO && read_question(c, name))
        names_report(c, "network", name, detail, NULL);
    else
        names_report(c, "network", place, "name look-up", NULL);
}

void observe_network(const struct call *c, enum request_kind kind)
{
    unsigned at = kind == REQUEST_CONNECT ? 1 : 4;
    struct target t;

    if (!c->n->network_off || !read_target(c, c->args[at], (uint32_t)c->args[at + 1], &t) ||
        (!t.outside && t.port != DNS_PORT)) {
        call_continue(c);
        return;
    }
    report(c, kind, &t);
    call_fail(c, ENETUNREACH);
}
