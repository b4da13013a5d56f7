// SPDX-License-Identifier: Apache-2.0
#include "sandbox/gate_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_FREEBIND // Linux 4.15
#define IPV6_FREEBIND 78
#endif

#define BACKLOG 4096
#define ENDPOINT_STEPS 5
#define FILTER_MAX (GATE_PORTS_MAX + ENDPOINT_STEPS + 12)
#define SNAP 64 // an IPv4 header with all options, and the ports

static void keep(struct gate *g, enum gate_kind kind, uint16_t port, int fd)
{
    g->fds[g->n++] = (struct gate_fd){.kind = (uint16_t)kind, .port = port, .fd = fd};
}

static bool set_on(int fd, int level, int option, struct err *err)
{
    int on = 1;

    if (setsockopt(fd, level, option, &on, sizeof on) < 0)
        return err_sys(err, errno, "cannot set socket option %d/%d", level, option);
    return true;
}

static bool bind_any(int fd, int family, uint16_t port, struct err *err)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool six = family == AF_INET6;

    if (six && !set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, err))
        return false;
    if (bind(fd, six ? (void *)&in6 : (void *)&in4, six ? sizeof in6 : sizeof in4) < 0)
        return err_sys(err, errno, "cannot bind port %u in the gate namespace", port);
    return true;
}

static bool open_tcp(struct gate *g, int family, enum gate_kind kind, uint16_t port, struct err *err)
{
    AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 && family == AF_INET6 && errno == EAFNOSUPPORT)
        return true;
    if (fd < 0)
        return err_sys(err, errno, "cannot open a listener for port %u", port);
    // Accepted connections inherit the first two (tcp(7)): small answers leave at once, dead peers are
    // noticed.
    if (!set_on(fd, IPPROTO_TCP, TCP_NODELAY, err) || !set_on(fd, SOL_SOCKET, SO_KEEPALIVE, err) ||
        !set_on(fd, SOL_SOCKET, SO_REUSEPORT, err) || !bind_any(fd, family, port, err))
        return false;
    if (listen(fd, BACKLOG) < 0)
        return err_sys(err, errno, "cannot listen on port %u in the gate namespace", port);
    keep(g, kind, port, TAKE_FD(fd));
    return true;
}

static bool open_dns_udp(struct gate *g, int family, enum gate_kind kind, struct err *err)
{
    AUTO_CLOSE int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool six = family == AF_INET6;

    if (fd < 0 && six && errno == EAFNOSUPPORT)
        return true;
    if (fd < 0)
        return err_sys(err, errno, "cannot open a socket for DNS");
    if (!set_on(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, err) ||
        !bind_any(fd, family, 53, err))
        return false;
    // A route makes a v6 address local for what comes in, but not for what answers in its name
    // (net/ipv6/datagram.c).
    if (six && !set_on(fd, IPPROTO_IPV6, IPV6_FREEBIND, err))
        return false;
    keep(g, kind, 53, TAKE_FD(fd));
    return true;
}

// ---- the record of refused ports

// The explicit endpoint's port is taken on the gate's own address alone, which is of IPv4.
static size_t endpoint_filter(const struct gate *g, struct sock_filter f[ENDPOINT_STEPS])
{
    struct in_addr gate;

    inet_pton(AF_INET, GATE_ADDR4, &gate);
    for (size_t i = 0; i < g->n; i++)
        if (g->fds[i].kind == GATE_PROXY) {
            const struct sock_filter steps[ENDPOINT_STEPS] = {
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, g->fds[i].port, 0, 4),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(gate.s_addr), 0, 1),
                BPF_STMT(BPF_RET | BPF_K, 0),
                BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
            };

            memcpy(f, steps, sizeof steps);
            return ENDPOINT_STEPS;
        }
    return 0;
}

static bool takes_port(const struct gate_fd *f)
{
    return f->kind == GATE_TCP4 || f->kind == GATE_DNS_TCP4;
}

static size_t taken_ports(const struct gate *g, int protocol, uint16_t ret[GATE_PORTS_MAX + 2])
{
    size_t n = 0;

    if (protocol == IPPROTO_UDP)
        ret[n++] = 53;
    for (size_t i = 0; protocol == IPPROTO_TCP && i < g->n; i++)
        if (takes_port(&g->fds[i]))
            ret[n++] = g->fds[i].port;
    return n;
}

// Keeps first packets (SYN without ACK; UDP) that no listener takes. A raw socket's data starts at the
// network header (IPv4) or at the transport header (IPv6); X is where the transport header starts. Source:
// Documentation/networking/filter.rst.
static size_t make_filter(const struct gate *g, int family, int protocol, struct sock_filter f[FILTER_MAX])
{
    uint16_t ports[GATE_PORTS_MAX + 2];
    size_t nports = taken_ports(g, protocol, ports), n = 0;

    f[n++] = family == AF_INET ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
                               : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0);
    if (protocol == IPPROTO_TCP) {
        f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13);
        f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12);
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 1, 0); // SYN, no ACK
        f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    }
    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2);
    if (family == AF_INET && protocol == IPPROTO_TCP)
        n += endpoint_filter(g, f + n);
    for (size_t i = 0; i < nports; i++)
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ports[i], (uint8_t)(nports - i), 0);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SNAP);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    return n;
}

// Raw and not AF_PACKET: a packet socket's close waits for an RCU grace period (packet_release in
// net/packet/af_packet.c), 10 to 20 ms at the end of every run, and it costs a copied header on what leaves
// too.
static bool open_refused(struct gate *g, int family, int protocol, enum gate_kind kind, struct err *err)
{
    AUTO_CLOSE int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    struct sock_filter code[FILTER_MAX];
    struct sock_fprog prog = {.len = (unsigned short)make_filter(g, family, protocol, code), .filter = code};
    int room = 64 * 1024; // a flood of refused packets is dropped here, not queued
    bool six = family == AF_INET6;

    if (fd < 0 && six && errno == EAFNOSUPPORT)
        return true;
    if (fd < 0)
        return err_sys(err, errno, "cannot open a raw socket for the record of refused ports");
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) < 0)
        return err_sys(err, errno, "cannot attach the packet filter");
    if (!set_on(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, err))
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    keep(g, kind, 0, TAKE_FD(fd));
    return true;
}

static bool has_port(const struct gate *g, uint16_t port)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->fds[i].kind == GATE_TCP4 && g->fds[i].port == port)
            return true;
    return false;
}

bool gate_sockets_open(const struct gate_wants *wants, struct gate *ret, struct err *err)
{
    if (wants->nports > GATE_PORTS_MAX)
        return err_set(err, ERR_LIMIT,
                       "network.allow names %zu ports, the gate has room for %d: name fewer ports",
                       wants->nports, GATE_PORTS_MAX);
    for (size_t i = 0; i < wants->nports; i++) {
        uint16_t port = wants->ports[i];

        if (port == 0 || port == 53 || has_port(ret, port))
            continue;
        if (!open_tcp(ret, AF_INET, GATE_TCP4, port, err) || !open_tcp(ret, AF_INET6, GATE_TCP6, port, err))
            return false;
    }
    return open_dns_udp(ret, AF_INET, GATE_DNS_UDP4, err) &&
           open_dns_udp(ret, AF_INET6, GATE_DNS_UDP6, err) &&
           open_tcp(ret, AF_INET, GATE_DNS_TCP4, 53, err) &&
           open_tcp(ret, AF_INET6, GATE_DNS_TCP6, 53, err) &&
           open_refused(ret, AF_INET, IPPROTO_TCP, GATE_REFUSED_TCP4, err) &&
           open_refused(ret, AF_INET6, IPPROTO_TCP, GATE_REFUSED_TCP6, err) &&
           open_refused(ret, AF_INET, IPPROTO_UDP, GATE_REFUSED_UDP4, err) &&
           open_refused(ret, AF_INET6, IPPROTO_UDP, GATE_REFUSED_UDP6, err);
}

// A transparent listener may have the same port on every address. With SO_REUSEPORT on both they share it,
// and the kernel prefers the one that is bound to the very address (net/ipv4/inet_hashtables.c). The address
// appears only when the links are up, hence IP_FREEBIND.
bool gate_proxy_open(uint16_t port, struct gate *ret, struct err *err)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (fd < 0)
        return err_sys(err, errno, "cannot open the explicit proxy's listener");
    inet_pton(AF_INET, GATE_ADDR4, &to.sin_addr);
    if (!set_on(fd, IPPROTO_TCP, TCP_NODELAY, err) || !set_on(fd, SOL_SOCKET, SO_KEEPALIVE, err) ||
        !set_on(fd, SOL_SOCKET, SO_REUSEPORT, err) || !set_on(fd, IPPROTO_IP, IP_FREEBIND, err))
        return false;
    if (bind(fd, (void *)&to, sizeof to) < 0)
        return err_sys(err, errno, "cannot bind the explicit proxy to " GATE_ADDR4 " port %u", port);
    if (listen(fd, BACKLOG) < 0)
        return err_sys(err, errno, "cannot listen on the explicit proxy's port %u", port);
    keep(ret, GATE_PROXY, port, TAKE_FD(fd));
    return true;
}
