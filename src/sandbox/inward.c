// SPDX-License-Identifier: Apache-2.0
#include "sandbox/inward.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/attr.h"

static int connect_to(int family, const void *address, socklen_t n, int *ret_fd)
{
    AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int on = 1, error = 0;

    if (fd < 0)
        return errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, address, n) < 0 && errno != EINPROGRESS)
        return errno;
    // On the loopback a refusal has come by now, though connect could not tell of it: the answer was
    // processed as the call let go of the socket.
    if (poll(&p, 1, 0) > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
        return error;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int inward_connect(uint16_t port, int *ret_fd)
{
    struct sockaddr_in in4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int why = connect_to(AF_INET, &in4, sizeof in4, ret_fd);

    return why == ECONNREFUSED && connect_to(AF_INET6, &in6, sizeof in6, ret_fd) == 0 ? 0 : why;
}

int inward_diagnose(int *ret_fd)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return errno;
    *ret_fd = fd;
    return 0;
}
