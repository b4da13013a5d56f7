// SPDX-License-Identifier: Apache-2.0
// Order matters, and each step's reason is a trap that was met (see gate.h for the picture):
//  1. in G: network sysctls (they follow the writer's namespace), a netlink socket and the listeners;
//  2. unshare: now in S. The pair is made in S with its peer put into G by descriptor;
//  3. both ends are configured by netlink, one batch each: neighbours are permanent, so that the first packet
//     of an IPv6 connection need not wait for discovery, and the catch-all routes of G stand in table main:
//     in table local, ::/0 would swallow the replies to S.
// Everything of IPv6 is optional: without it in the kernel nothing inside reaches anything by IPv6.
#include "sandbox/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "sandbox/gate_sockets.h"
#include "sandbox/netlink.h"

// One number for both ends, far from what a kernel with fallback tunnel devices puts into each namespace.
#define QUEUE_LOOKS 10000 // half a second and more
#define DEVICE_INDEX 64
#define LOOPBACK_INDEX 1 // always (net/core/dev.c gives it first)
#define MTU 65535
#define BIG_TCP 524280 // GSO/GRO_MAX_SIZE of the kernel: 2.5 GB/s instead of 1.8 through the guard

#ifndef IFLA_GSO_IPV4_MAX_SIZE // Linux 6.3
#define IFLA_GSO_IPV4_MAX_SIZE 63
#define IFLA_GRO_IPV4_MAX_SIZE 64
#endif
#ifndef IFLA_GRO_MAX_SIZE // Linux 5.19
#define IFLA_GRO_MAX_SIZE 58
#endif

struct end {
    const char *addr4, *addr6, *peer4, *peer6;
    unsigned char mac[6], peer_mac[6];
};

static const struct end gate_end = {.addr4 = GATE_ADDR4,
                                    .addr6 = GATE_ADDR6,
                                    .peer4 = GATE_INSIDE4,
                                    .peer6 = GATE_INSIDE6,
                                    .mac = {2, 'b', 'a', 'w', 'n', 1},
                                    .peer_mac = {2, 'b', 'a', 'w', 'n', 2}};
static const struct end inside_end = {.addr4 = GATE_INSIDE4,
                                      .addr6 = GATE_INSIDE6,
                                      .peer4 = GATE_ADDR4,
                                      .peer6 = GATE_ADDR6,
                                      .mac = {2, 'b', 'a', 'w', 'n', 2},
                                      .peer_mac = {2, 'b', 'a', 'w', 'n', 1}};

// A read-only /proc/sys (some container runtimes) must not stop a start: what is lost is only that a ping is
// answered by the gate, or that a low port needs a number above 1023 inside.
static void write_sysctl(const char *path, const char *value)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, value, strlen(value)) < 0)
        return;
}

static size_t address(int family, const char *text, unsigned char ret[16])
{
    if (inet_pton(family, text, ret) != 1)
        abort(); // our own literals
    return family == AF_INET ? 4 : 16;
}

static void add_address(struct nl_batch *b, int family, const char *text)
{
    struct ifaddrmsg m = {.ifa_family = (unsigned char)family,
                          .ifa_prefixlen = family == AF_INET ? 30 : 126,
                          .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
                          .ifa_index = DEVICE_INDEX};
    unsigned char a[16];
    size_t n = address(family, text, a);

    nl_message(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m, "add the gate's address");
    if (family == AF_INET6)
        nl_optional(b);
    nl_attr(b, IFA_LOCAL, a, n);
    nl_attr(b, IFA_ADDRESS, a, n);
}

static void add_neighbour(struct nl_batch *b, int family, const char *text, const unsigned char mac[6])
{
    struct ndmsg m = {
        .ndm_family = (unsigned char)family, .ndm_ifindex = DEVICE_INDEX, .ndm_state = NUD_PERMANENT};
    unsigned char a[16];
    size_t n = address(family, text, a);

    nl_message(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m, "add the gate's neighbour");
    if (family == AF_INET6)
        nl_optional(b);
    nl_attr(b, NDA_DST, a, n);
    nl_attr(b, NDA_LLADDR, mac, 6);
}

static void add_default_route(struct nl_batch *b, int family, const char *via)
{
    struct rtmsg m = {.rtm_family = (unsigned char)family,
                      .rtm_table = RT_TABLE_MAIN,
                      .rtm_protocol = RTPROT_STATIC,
                      .rtm_scope = RT_SCOPE_UNIVERSE,
                      .rtm_type = RTN_UNICAST};
    unsigned char a[16];
    size_t n = address(family, via, a);

    nl_message(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m, "add the default route to the gate");
    if (family == AF_INET6)
        nl_optional(b);
    nl_attr(b, RTA_GATEWAY, a, n);
    nl_attr32(b, RTA_OIF, DEVICE_INDEX);
}

static void add_local_route(struct nl_batch *b, int family)
{
    struct rtmsg m = {.rtm_family = (unsigned char)family,
                      .rtm_table = RT_TABLE_MAIN,
                      .rtm_protocol = RTPROT_STATIC,
                      .rtm_scope = RT_SCOPE_HOST,
                      .rtm_type = RTN_LOCAL};

    nl_message(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m,
               "make every address local to the gate");
    if (family == AF_INET6)
        nl_optional(b);
    nl_attr32(b, RTA_OIF, LOOPBACK_INDEX);
}

static void set_up(struct nl_batch *b, int index)
{
    struct ifinfomsg m = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

    nl_message(b, RTM_NEWLINK, 0, &m, sizeof m, "bring the gate's interface up");
}

// No link-local address: nothing inside shall speak to the gate but as itself. Must come before the link is
// up.
static void no_generated_addresses(struct nl_batch *b)
{
    struct ifinfomsg m = {.ifi_index = DEVICE_INDEX};
    const unsigned char none = IN6_ADDR_GEN_MODE_NONE;
    struct rtattr *spec, *inet6;

    nl_message(b, RTM_NEWLINK, 0, &m, sizeof m, "switch generated addresses off");
    nl_optional(b);
    spec = nl_nest(b, IFLA_AF_SPEC);
    inet6 = nl_nest(b, AF_INET6);
    nl_attr(b, IFLA_INET6_ADDR_GEN_MODE, &none, 1);
    nl_nest_end(b, inet6);
    nl_nest_end(b, spec);
}

static void large_segments(struct nl_batch *b)
{
    static const uint16_t sizes[] = {IFLA_GSO_MAX_SIZE, IFLA_GRO_MAX_SIZE, IFLA_GSO_IPV4_MAX_SIZE,
                                     IFLA_GRO_IPV4_MAX_SIZE};
    struct ifinfomsg m = {.ifi_index = DEVICE_INDEX};

    nl_message(b, RTM_NEWLINK, 0, &m, sizeof m, "set large segments");
    nl_optional(b); // older kernels: only slower
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        nl_attr32(b, sizes[i], BIG_TCP);
}

static void link_attributes(struct nl_batch *b, const char *name, const struct end *e)
{
    nl_attr(b, IFLA_IFNAME, name, strlen(name) + 1);
    nl_attr(b, IFLA_ADDRESS, e->mac, 6);
    nl_attr32(b, IFLA_MTU, MTU);
}

static bool make_pair(int sock, int netns_gate, struct err *err)
{
    struct ifinfomsg m = {.ifi_index = DEVICE_INDEX};
    struct nl_batch b;
    struct rtattr *info, *data, *peer;

    nl_begin(&b, sock);
    nl_message(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m,
               "make a veth pair for the gate (is the kernel's veth module there?)");
    link_attributes(&b, GATE_DEVICE, &inside_end);
    info = nl_nest(&b, IFLA_LINKINFO);
    nl_attr(&b, IFLA_INFO_KIND, "veth", 4);
    data = nl_nest(&b, IFLA_INFO_DATA);
    peer = nl_nest(&b, VETH_INFO_PEER);
    nl_fixed(&b, &m, sizeof m);
    link_attributes(&b, "gate0", &gate_end);
    nl_attr32(&b, IFLA_NET_NS_FD, (uint32_t)netns_gate);
    nl_nest_end(&b, peer);
    nl_nest_end(&b, data);
    nl_nest_end(&b, info);
    return nl_commit(&b, err);
}

static bool configure(int sock, const struct end *e, bool gate_side, struct err *err)
{
    struct nl_batch b;

    nl_begin(&b, sock);
    no_generated_addresses(&b);
    large_segments(&b);
    set_up(&b, LOOPBACK_INDEX);
    set_up(&b, DEVICE_INDEX);
    add_address(&b, AF_INET, e->addr4);
    add_address(&b, AF_INET6, e->addr6);
    add_neighbour(&b, AF_INET, e->peer4, e->peer_mac);
    add_neighbour(&b, AF_INET6, e->peer6, e->peer_mac);
    if (gate_side) {
        add_local_route(&b, AF_INET);
        add_local_route(&b, AF_INET6);
    } else {
        add_default_route(&b, AF_INET, e->peer4);
        add_default_route(&b, AF_INET6, e->peer6);
    }
    return nl_commit(&b, err);
}

// What must happen while the caller is still in G.
static bool gate_side(const struct gate_wants *wants, struct gate *g, int *ret_sock, int *ret_netns,
                      struct err *err)
{
    AUTO_CLOSE int sock = -1;
    int netns;

    // A ping that is answered would claim that the host is there.
    write_sysctl("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1");
    write_sysctl("/proc/sys/net/ipv6/icmp/echo_ignore_all", "1");
    if (!nl_open(&sock, err) || (wants->proxy_port && !gate_proxy_open(wants->proxy_port, g, err)) ||
        !gate_sockets_open(wants, g, err))
        return false;
    netns = ioctl(sock, SIOCGSKNS);
    if (netns < 0)
        return err_sys(err, errno, "cannot get a descriptor of the gate's network namespace");
    *ret_sock = TAKE_FD(sock);
    *ret_netns = netns;
    return true;
}

// The name of the interface's queue, as the kernel tells it under its lock; "" when it does not.
static void queue_name(int sock, char ret[32])
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
    } ask = {.head = {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
             .link = {.ifi_index = DEVICE_INDEX}};
    _Alignas(NLMSG_ALIGNTO) char answer[8192];
    const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
    ssize_t n;

    ret[0] = '\0';
    if (send(sock, &ask, sizeof ask, 0) < 0 ||
        (n = recv(sock, answer, sizeof answer, 0)) < (ssize_t)sizeof *head ||
        head->nlmsg_type != RTM_NEWLINK || head->nlmsg_len > (size_t)n)
        return;
    for (size_t at = NLMSG_LENGTH(sizeof ask.link); at + sizeof(struct rtattr) <= head->nlmsg_len;) {
        const struct rtattr *attr = (const struct rtattr *)(answer + at);

        if (attr->rta_len < sizeof *attr || at + attr->rta_len > head->nlmsg_len)
            return;
        if (attr->rta_type == IFLA_QDISC)
            snprintf(ret, 32, "%.31s", (const char *)(attr + 1));
        at += RTA_ALIGN(attr->rta_len);
    }
}

// A worker of the kernel's (linkwatch) switches the pair's queues on after the ends are up. Until then the
// queue is "noop" and what is sent is lost; a lost SYN costs a second.
static bool await_queue(int sock, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 50000};
    char name[32];

    for (int i = 0; i < QUEUE_LOOKS; i++) {
        queue_name(sock, name);
        if (strcmp(name, "noop") != 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return err_set(err, ERR_SYSTEM, "the pair's queues are not switched on");
}

bool gate_make(const struct gate_wants *wants, struct gate *ret, struct err *err)
{
    AUTO_CLOSE int sock_gate = -1, sock_inside = -1, netns = -1;
    struct gate g = {.n = 0};

    if (!gate_side(wants, &g, &sock_gate, &netns, err))
        goto failed;
    if (unshare(CLONE_NEWNET) < 0) {
        err_sys(err, errno, "cannot make the sandbox's network namespace");
        goto failed;
    }
    // Programs inside may listen on any port of their own loopback.
    write_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    if (!nl_open(&sock_inside, err) || !make_pair(sock_inside, netns, err) ||
        !configure(sock_gate, &gate_end, true, err) || !configure(sock_inside, &inside_end, false, err) ||
        !await_queue(sock_gate, err) || !await_queue(sock_inside, err))
        goto failed;
    *ret = g;
    return true;
failed:
    gate_close(&g);
    return err_prefix(err, "network gate");
}

void gate_close(struct gate *g)
{
    while (g->n)
        close(g->fds[--g->n].fd);
}
