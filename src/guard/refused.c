// SPDX-License-Identifier: Apache-2.0
// A program that cannot connect tries again and again, and a scan tries all ports: each (address, port) is on
// record once a minute, and all of it within the rate of lines.
#include "guard/refused.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "guard/guard.h"

#define ROUND 32
#define REPEAT_NS UINT64_C(60000000000)

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

bool refused_ports(const uint8_t *p, size_t n, bool v6, struct refused_packet *ret)
{
    size_t head = 0;

    if (!v6) {
        head = n ? (size_t)(p[0] & 15) * 4 : 0;
        if (head < 20)
            return false;
    }
    if (n < head + 4)
        return false;
    ret->from_port = get16(p + head);
    ret->to_port = get16(p + head + 2);
    return true;
}

static bool find_addresses(struct msghdr *m, struct refused_packet *ret)
{
    uint16_t none;

    if (!address_from_sockaddr(m->msg_name, &ret->from, &none))
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;

        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(c), sizeof v4);
            memcpy(ret->to.bytes, &v4.ipi_addr, sizeof v4.ipi_addr);
            return true;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(c), sizeof v6);
            memcpy(ret->to.bytes, &v6.ipi6_addr, sizeof v6.ipi6_addr);
            ret->to.v6 = true;
            return true;
        }
    }
    return false;
}

static bool recorded_lately(struct guard *g, const struct refused_packet *r)
{
    uint64_t h = UINT64_C(14695981039346656037), now = clock_mono_ns();
    size_t slot;

    for (size_t i = 0; i < sizeof r->to.bytes; i++)
        h = (h ^ r->to.bytes[i]) * UINT64_C(1099511628211);
    h = (h ^ r->to_port) * UINT64_C(1099511628211);
    h = (h ^ r->udp) * UINT64_C(1099511628211);
    slot = h % ARRAY_LEN(g->refused);
    if (g->refused[slot].hash == h && now - g->refused[slot].when < REPEAT_NS)
        return true;
    g->refused[slot].hash = h;
    g->refused[slot].when = now;
    return false;
}

static void explain(struct guard *g, const struct refused_packet *r, const struct host *host,
                    struct net_answer *a)
{
    struct net_question q = {
        .stage = NET_STAGE_CONNECT, .host = host, .port = r->to_port, .watched = g->config.watched};

    net_rules_ask(g->rules, &q, a, NULL);
    if (r->udp) {
        snprintf(a->reason, sizeof a->reason, "UDP is not let out; QUIC clients fall back to TCP at once");
        a->allow_with[0] = '\0';
    } else if (a->verdict == VERDICT_ALLOW) {
        snprintf(a->reason, sizeof a->reason,
                 "port %u was permitted after the start, and its listener has to be there from the start",
                 r->to_port);
        snprintf(a->allow_with, sizeof a->allow_with, "name the port in the policy, and start again");
    }
    a->verdict = VERDICT_DENY;
}

static void record(struct guard *g, const struct refused_packet *r)
{
    struct net_answer a;
    struct host host;
    const char *name = dns_names_of(g->names, &r->to);
    char text[ADDRESS_TEXT_SIZE], client[ADDRESS_TEXT_SIZE + 8];
    json_t *o;

    if (!name || !host_parse(name, strlen(name), &host, NULL))
        host_from_address(&r->to, &host);
    explain(g, r, &host, &a);
    address_text(&r->from, text);
    snprintf(client, sizeof client, r->from.v6 ? "[%s]:%u" : "%s:%u", text, r->from_port);
    o = record_new("refused-port");
    record_text(o, "client", client);
    record_text(o, "host", host.text);
    record_number(o, "port", r->to_port);
    record_text(o, "protocol", r->udp ? "udp" : "tcp");
    record_answer(o, &a);
    record_send(&g->records, o);
}

void refused_read(struct guard *g, int fd, bool udp)
{
    for (int i = 0; i < ROUND; i++) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        } control;
        uint8_t packet[256];
        struct sockaddr_storage from;
        struct refused_packet r = {.udp = udp};
        struct iovec iov = {.iov_base = packet, .iov_len = sizeof packet};
        struct msghdr m = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
        ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

        if (n < 0)
            return;
        if (!find_addresses(&m, &r) || !refused_ports(packet, (size_t)n, r.to.v6, &r) ||
            r.to.bytes[0] == (r.to.v6 ? 0xff : 0xe0))
            continue; // multicast: neighbours' chatter, nobody meant a server
        if (recorded_lately(g, &r))
            continue;
        if (records_may_list(&g->records))
            record(g, &r);
        else
            records_leave_out(&g->records);
    }
}
