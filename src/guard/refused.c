// SPDX-License-Identifier: Apache-2.0
// A program that cannot connect tries again and again, and a scan tries all ports: each (address, port) is on
// record once a minute, and all of it within the rate of lines.
#include "guard/refused.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "guard/guard.h"

#define ROUND 32
#define REPEAT_NS UINT64_C(60000000000)

enum { TCP = 6, UDP = 17 };

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

bool refused_parse(const uint8_t *p, size_t n, struct refused_packet *ret)
{
    struct refused_packet r = {0};
    size_t head;
    int proto;

    if (n >= 20 && p[0] >> 4 == 4) {
        head = (size_t)(p[0] & 15) * 4;
        proto = p[9];
        memcpy(r.from.bytes, p + 12, 4);
        memcpy(r.to.bytes, p + 16, 4);
    } else if (n >= 40 && p[0] >> 4 == 6) {
        head = 40;
        proto = p[6];
        r.from.v6 = r.to.v6 = true;
        memcpy(r.from.bytes, p + 8, 16);
        memcpy(r.to.bytes, p + 24, 16);
    } else {
        return false;
    }
    if (head < 20 || n < head + 4 || (proto != TCP && proto != UDP))
        return false;
    r.udp = proto == UDP;
    r.from_port = get16(p + head);
    r.to_port = get16(p + head + 2);
    *ret = r;
    return true;
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

void refused_read(struct guard *g, int fd)
{
    for (int i = 0; i < ROUND; i++) {
        uint8_t packet[256];
        struct refused_packet r;
        ssize_t n = recv(fd, packet, sizeof packet, MSG_DONTWAIT);

        if (n < 0)
            return;
        if (!refused_parse(packet, (size_t)n, &r) || r.to.bytes[0] == (r.to.v6 ? 0xff : 0xe0))
            continue; // multicast: neighbours' chatter, nobody meant a server
        if (recorded_lately(g, &r))
            continue;
        if (records_may_list(&g->records))
            record(g, &r);
        else
            records_leave_out(&g->records);
    }
}
