// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/gate.h"

// Each check runs in a child that makes the two namespaces for real; its exit status says which step failed.
enum { OK = 0, NO_NAMESPACE = 77 };

static bool write_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void enter(struct gate *ret, const struct gate_wants *wants)
{
    char map[64];
    struct err err = {0};
    unsigned uid = getuid(), gid = getgid();

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        _exit(NO_NAMESPACE);
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (!write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/uid_map", map))
        _exit(NO_NAMESPACE);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    if (!write_text("/proc/self/gid_map", map))
        _exit(NO_NAMESPACE);
    if (!gate_make(wants, ret, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(1);
    }
}

static int listener(const struct gate *g, enum gate_kind kind, uint16_t port)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->fds[i].kind == kind && (!port || g->fds[i].port == port))
            return g->fds[i].fd;
    return -1;
}

static int dial4(const char *text, uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    inet_pton(AF_INET, text, &to.sin_addr);
    if (connect(fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        return -1;
    return fd;
}

static bool ready(int fd, short what)
{
    struct pollfd p = {.fd = fd, .events = what};

    return poll(&p, 1, 2000) == 1;
}

static const uint16_t ports[] = {80, 443, 443};
static const struct gate_wants wants = {.ports = ports, .nports = 3, .proxy_port = 3128};

static int child_any_address4(void)
{
    struct gate g;
    struct sockaddr_in got;
    socklen_t n = sizeof got;
    int l, c;
    AUTO_CLOSE int fd = -1;

    enter(&g, &wants);
    l = listener(&g, GATE_TCP4, 443);
    fd = dial4("203.0.113.77", 443);
    if (l < 0 || fd < 0 || !ready(l, POLLIN))
        return 2;
    c = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    if (c < 0 || getsockname(c, (void *)&got, &n) < 0)
        return 3;
    return got.sin_addr.s_addr == inet_addr("203.0.113.77") && got.sin_port == htons(443) ? OK : 4;
}

static int child_any_address6(void)
{
    struct gate g;
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(80)}, got;
    socklen_t n = sizeof got;
    int l, c;
    AUTO_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    enter(&g, &wants);
    if (fd < 0)
        return NO_NAMESPACE;
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    inet_pton(AF_INET6, "2001:db8::9", &to.sin6_addr);
    l = listener(&g, GATE_TCP6, 80);
    if (l < 0 || (connect(fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) || !ready(l, POLLIN))
        return 2;
    c = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    if (c < 0 || getsockname(c, (void *)&got, &n) < 0)
        return 3;
    return memcmp(&got.sin6_addr, &to.sin6_addr, 16) == 0 ? OK : 4;
}

static int child_unlistened_port(void)
{
    struct gate g;
    unsigned char packet[256];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(25)};
    AUTO_CLOSE int fd = -1;
    int raw;

    enter(&g, &wants);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "198.51.100.3", &to.sin_addr);
    if (connect(fd, (void *)&to, sizeof to) == 0 || errno != ECONNREFUSED)
        return 2;
    raw = listener(&g, GATE_REFUSED_TCP4, 0);
    if (raw < 0 || !ready(raw, POLLIN))
        return 3;
    if (recv(raw, packet, sizeof packet, 0) < 40 || packet[9] != IPPROTO_TCP)
        return 4;
    return memcmp(packet + 16, &to.sin_addr, 4) == 0 && packet[22] == 0 && packet[23] == 25 ? OK : 5;
}

// What the raw sockets keep of IPv6 and UDP: the ports, and the address that was meant beside the data.
static int child_unlistened_port6(void)
{
    struct gate g;
    unsigned char packet[256], control[256];
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
    struct iovec iov = {packet, sizeof packet};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct in6_pktinfo info;
    AUTO_CLOSE int tcp = -1, udp = -1;

    enter(&g, &wants);
    tcp = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    udp = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (tcp < 0)
        return NO_NAMESPACE;
    inet_pton(AF_INET6, "2001:db8::9", &to.sin6_addr);
    if (connect(tcp, (void *)&to, sizeof to) == 0 || errno != ECONNREFUSED ||
        sendto(udp, "x", 1, 0, (void *)&to, sizeof to) != 1 ||
        !ready(listener(&g, GATE_REFUSED_TCP6, 0), POLLIN) ||
        !ready(listener(&g, GATE_REFUSED_UDP6, 0), POLLIN))
        return 2;
    if (recvmsg(listener(&g, GATE_REFUSED_TCP6, 0), &m, 0) < 20 || packet[2] != 0 || packet[3] != 25 ||
        !CMSG_FIRSTHDR(&m) || CMSG_FIRSTHDR(&m)->cmsg_type != IPV6_PKTINFO)
        return 3;
    memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof info);
    return memcmp(&info.ipi6_addr, &to.sin6_addr, 16) == 0 ? OK : 4;
}

static int child_listened_port_is_not_recorded(void)
{
    struct gate g;
    unsigned char packet[256];
    AUTO_CLOSE int fd = -1, udp = -1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};

    enter(&g, &wants);
    fd = dial4("203.0.113.77", 443);
    if (fd < 0 || !ready(fd, POLLOUT))
        return 2;
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, GATE_ADDR4, &to.sin_addr);
    if (sendto(udp, "x", 1, 0, (void *)&to, sizeof to) != 1 || !ready(listener(&g, GATE_DNS_UDP4, 0), POLLIN))
        return 3;
    return recv(listener(&g, GATE_REFUSED_TCP4, 0), packet, sizeof packet, MSG_DONTWAIT) < 0 &&
                   recv(listener(&g, GATE_REFUSED_UDP4, 0), packet, sizeof packet, MSG_DONTWAIT) < 0
               ? OK
               : 4;
}

static int child_proxy_endpoint(void)
{
    struct gate g;
    AUTO_CLOSE int fd = -1, other = -1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(3128)};

    enter(&g, &wants);
    fd = dial4(GATE_ADDR4, 3128);
    if (fd < 0 || !ready(listener(&g, GATE_PROXY, 0), POLLIN))
        return 2;
    other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "203.0.113.1", &to.sin_addr);
    return connect(other, (void *)&to, sizeof to) < 0 && errno == ECONNREFUSED ? OK : 3;
}

static int child_udp_is_refused_at_once(void)
{
    struct gate g;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(443)};
    AUTO_CLOSE int fd = -1;
    char c;

    enter(&g, &wants);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "203.0.113.1", &to.sin_addr);
    if (connect(fd, (void *)&to, sizeof to) < 0 || send(fd, "quic", 4, 0) != 4 ||
        !ready(fd, POLLIN | POLLERR))
        return 2;
    return recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED ? OK : 3;
}

static int child_too_many_ports(void)
{
    uint16_t many[GATE_PORTS_MAX + 1];
    struct gate_wants w = {.ports = many, .nports = GATE_PORTS_MAX + 1};
    struct gate g;
    struct err err = {0};

    for (uint16_t i = 0; i <= GATE_PORTS_MAX; i++)
        many[i] = (uint16_t)(10000 + i);
    return !gate_make(&w, &g, &err) && err.kind == ERR_LIMIT ? OK : 2;
}

static void run_child(int (*child)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_NAMESPACE)
        skip(); // this machine lets no ordinary user make a user namespace
    assert_int_equal(WEXITSTATUS(status), OK);
}

static void a_connection_to_any_v4_address_arrives_and_tells_its_address(void **state UNUSED)
{
    run_child(child_any_address4);
}

static void a_connection_to_any_v6_address_arrives_and_tells_its_address(void **state UNUSED)
{
    run_child(child_any_address6);
}

static void a_port_without_listener_is_refused_and_recorded(void **state UNUSED)
{
    run_child(child_unlistened_port);
}

static void a_port_without_listener_is_recorded_over_v6_too(void **state UNUSED)
{
    run_child(child_unlistened_port6);
}

static void a_port_with_listener_is_not_recorded(void **state UNUSED)
{
    run_child(child_listened_port_is_not_recorded);
}

static void the_proxy_endpoint_is_at_one_address_only(void **state UNUSED)
{
    run_child(child_proxy_endpoint);
}

static void udp_is_refused_at_once(void **state UNUSED)
{
    run_child(child_udp_is_refused_at_once);
}

static void too_many_ports_are_an_error_before_anything_is_made(void **state UNUSED)
{
    run_child(child_too_many_ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_to_any_v4_address_arrives_and_tells_its_address),
        cmocka_unit_test(a_connection_to_any_v6_address_arrives_and_tells_its_address),
        cmocka_unit_test(a_port_without_listener_is_refused_and_recorded),
        cmocka_unit_test(a_port_without_listener_is_recorded_over_v6_too),
        cmocka_unit_test(a_port_with_listener_is_not_recorded),
        cmocka_unit_test(the_proxy_endpoint_is_at_one_address_only),
        cmocka_unit_test(udp_is_refused_at_once),
        cmocka_unit_test(too_many_ports_are_an_error_before_anything_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
