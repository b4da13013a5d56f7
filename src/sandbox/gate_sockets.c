// SPDX-License-Identifier: Apache-2.0
#include "sandbox/gate_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IPV6_FREEBIND // Linux 4.15
#define IPV6_FREEBIND 78
#endif

#define BACKLOG 4096
#define ENDPOINT_STEPS 5
#define FILTER_MAX (GATE_PORTS_MAX + ENDPOINT_STEPS + 40)
#define SNAP 128 // enough for the addresses and ports of a first packet

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

// Keeps first packets (SYN without ACK; UDP) that no listener takes. Data starts at the network header; X is
// its length, A the transport protocol where the two families meet. Source:
// Documentation/networking/filter.rst.
static const struct sock_filter filter_head[] = {
    /* 0*/ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
    /* 1*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 1, 0),
    /* 2*/ BPF_STMT(BPF_RET | BPF_K, 0),
    /* 3*/ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
    /* 4*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 2, 0),
    /* 5*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 4, 0),
    /* 6*/ BPF_STMT(BPF_RET | BPF_K, 0),
    /* 7*/ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
    /* 8*/ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
    /* 9*/ BPF_STMT(BPF_JMP | BPF_JA, 2),
    /*10*/ BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 40), // IPv6 without extension headers
    /*11*/ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
    /*12*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 6, 0),
    /*13*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 1, 0),
    /*14*/ BPF_STMT(BPF_RET | BPF_K, 0),
    /*15*/ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
    /*16*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 53, 0, 1),
    /*17*/ BPF_STMT(BPF_RET | BPF_K, 0),
    /*18*/ BPF_STMT(BPF_RET | BPF_K, SNAP),
    /*19*/ BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
    /*20*/ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
    /*21*/ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 1, 0), // SYN, no ACK
    /*22*/ BPF_STMT(BPF_RET | BPF_K, 0),
    /*23*/ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
};

// The explicit endpoint's port is taken on the gate's own address alone; the 32 bits there are within the
// source's address in an IPv6 packet, where they are not the gate's.
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

// After the head: the endpoint, one test a port that has a listener, then keep, then drop.
static size_t make_filter(const struct gate *g, struct sock_filter f[FILTER_MAX])
{
    size_t head = ARRAY_LEN(filter_head), ports = 0;

    memcpy(f, filter_head, sizeof filter_head);
    head += endpoint_filter(g, f + head);
    for (size_t i = 0; i < g->n; i++)
        ports += takes_port(&g->fds[i]);
    for (size_t i = 0, k = 0; i < g->n; i++)
        if (takes_port(&g->fds[i])) {
            f[head + k] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, g->fds[i].port,
                                                       (uint8_t)(ports - k), 0);
            k++;
        }
    f[head + ports] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SNAP);
    f[head + ports + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    return head + ports + 2;
}

static bool open_refused(struct gate *g, struct err *err)
{
    // Protocol 0: nothing is delivered before it is bound to the device (packet(7)).
    AUTO_CLOSE int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sock_filter code[FILTER_MAX];
    struct sock_fprog prog = {.len = (unsigned short)make_filter(g, code), .filter = code};
    int room = 64 * 1024; // a flood of refused packets is dropped here, not queued

    if (fd < 0)
        return err_sys(err, errno, "cannot open a packet socket for the record of refused ports");
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) < 0)
        return err_sys(err, errno, "cannot attach the packet filter");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    keep(g, GATE_REFUSED, 0, TAKE_FD(fd));
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
           open_tcp(ret, AF_INET6, GATE_DNS_TCP6, 53, err) && open_refused(ret, err);
}

bool gate_sockets_bind_device(const struct gate *g, int ifindex, struct err *err)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};

    for (size_t i = 0; i < g->n; i++)
        if (g->fds[i].kind == GATE_REFUSED && bind(g->fds[i].fd, (void *)&to, sizeof to) < 0)
            return err_sys(err, errno, "cannot bind the packet socket to the gate's interface");
    return true;
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
