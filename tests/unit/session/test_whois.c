// SPDX-License-Identifier: Apache-2.0
// This process stands for init, its children for what runs inside; the network is the machine's loopback.
#include "../test.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "session/whois.h"

static struct whois *new_whois(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        skip();
    return whois_new(getpid(), fd);
}

static int listener(int family, int type, struct sockaddr_storage *ret, socklen_t *ret_n)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    *ret_n = family == AF_INET ? sizeof in4 : sizeof in6;
    memcpy(ret, family == AF_INET ? (void *)&in4 : (void *)&in6, *ret_n);
    if (fd < 0 || bind(fd, (void *)ret, *ret_n) < 0)
        skip(); // no IPv6 here
    assert_true(type == SOCK_DGRAM || listen(fd, 8) == 0);
    assert_int_equal(getsockname(fd, (void *)ret, ret_n), 0);
    return fd;
}

struct child {
    pid_t pid;
    char client[64];
};

// A child of a child, as `inner` says, that connects by a socket of that family and waits to be killed.
static void start(struct child *c, int family, int type, const struct sockaddr *to, socklen_t n, bool inner)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    c->pid = fork();
    if (c->pid == 0) {
        struct sockaddr_storage own;
        socklen_t size = sizeof own;
        char address[INET6_ADDRSTRLEN], text[64];
        int fd;

        prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that fails leaves nobody
        if (inner && fork() != 0) {
            wait(NULL);
            _exit(0);
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fd = socket(family, type, 0);
        if (connect(fd, to, n) < 0 || getsockname(fd, (void *)&own, &size) < 0)
            _exit(1);
        if (to->sa_family == AF_INET || own.ss_family == AF_INET) {
            snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&own)->sin_port));
        } else {
            struct sockaddr_in6 *six = (void *)&own;
            bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);

            inet_ntop(AF_INET6, &six->sin6_addr, address, sizeof address);
            snprintf(text, sizeof text, mapped ? "127.0.0.1:%u" : "[::1]:%u", ntohs(six->sin6_port));
        }
        if (write(ready[1], text, sizeof text) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], c->client, sizeof c->client), sizeof c->client);
    close(ready[0]);
    close(ready[1]);
}

static void stop(struct whois *w, const struct child *c, pid_t found)
{
    kill(found, SIGKILL);
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    whois_free(w);
}

static void found_by(int family, int type, bool mapped, bool inner)
{
    struct whois *w = new_whois();
    struct sockaddr_storage to;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct whois_answer a, b;
    struct child c;
    char self[256];
    socklen_t n;
    int fd = listener(family, type, &to, &n);
    char end[64];
    ssize_t len;

    if (mapped) {
        six.sin6_port = ((struct sockaddr_in *)&to)->sin_port;
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
        start(&c, AF_INET6, type, (void *)&six, sizeof six, inner);
    } else {
        start(&c, family, type, (void *)&to, n, inner);
    }
    snprintf(end, sizeof end, family == AF_INET ? "127.0.0.1:%u" : "[::1]:%u",
             ntohs(((struct sockaddr_in *)&to)->sin_port));
    assert_false(whois_known(w, c.client, &a));
    assert_true(whois_find(w, c.client, type == SOCK_DGRAM ? NULL : end, &a));
    if (inner)
        assert_int_not_equal(a.pid, c.pid);
    else
        assert_int_equal(a.pid, c.pid);
    len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    assert_string_equal(a.program, self);
    assert_true(whois_known(w, c.client, &b));
    whois_forget(w, c.client);
    assert_false(whois_known(w, c.client, &b));
    close(fd);
    stop(w, &c, a.pid);
}

static void a_connection_is_found(void **state)
{
    (void)state;
    found_by(AF_INET, SOCK_STREAM, false, false);
}

static void a_connection_by_ipv6_is_found(void **state)
{
    (void)state;
    found_by(AF_INET6, SOCK_STREAM, false, false);
}

static void ipv4_by_a_socket_of_ipv6_is_found(void **state)
{
    (void)state;
    found_by(AF_INET, SOCK_STREAM, true, false);
}

static void a_grandchild_is_found(void **state)
{
    (void)state;
    found_by(AF_INET, SOCK_STREAM, false, true);
}

static void a_socket_of_udp_is_found(void **state)
{
    (void)state;
    found_by(AF_INET, SOCK_DGRAM, false, false);
    found_by(AF_INET, SOCK_DGRAM, true, false);
}

static void others_are_not(void **state)
{
    static const char *const clients[] = {
        "",        "x",    "127.0.0.1",   "127.0.0.1:0",    "127.0.0.1:99999",
        "[::1]:",  "[]:1", "[::1:5",      "256.1.1.1:5",    "127.0.0.1:1",
        "[::1]:1", ":",    "localhost:1", "[127.0.0.1]:80", "127.0.0.1:80x9"};
    struct whois *w = new_whois();
    struct whois_answer a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        assert_false(whois_find(w, clients[i], "127.0.0.1:1", &a) || whois_find(w, clients[i], NULL, &a));
    assert_false(whois_find(w, "127.0.0.1:1", "[::1]:1", &a) || whois_find(w, "127.0.0.1:1", "x", &a));
    assert_false(whois_find(NULL, "127.0.0.1:1", NULL, &a));
    whois_free(w);
}

static void questions_are_bounded(void **state)
{
    struct whois *w = new_whois();
    struct sockaddr_storage to;
    struct whois_answer a;
    struct child c;
    socklen_t n;
    char end[64];
    int fd = listener(AF_INET, SOCK_STREAM, &to, &n), asked = 0;
    bool found = true;

    (void)state;
    snprintf(end, sizeof end, "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&to)->sin_port));
    start(&c, AF_INET, SOCK_STREAM, (void *)&to, n, false);
    while (found && asked++ < 1000000) {
        found = whois_find(w, c.client, end, &a);
        whois_forget(w, c.client);
    }
    assert_false(found);
    for (int i = 0; i < 100 && !found; i++) {
        usleep(50000);
        found = whois_find(w, c.client, end, &a);
    }
    assert_true(found);
    close(fd);
    stop(w, &c, c.pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_found),
        cmocka_unit_test(a_connection_by_ipv6_is_found),
        cmocka_unit_test(ipv4_by_a_socket_of_ipv6_is_found),
        cmocka_unit_test(a_grandchild_is_found),
        cmocka_unit_test(a_socket_of_udp_is_found),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(questions_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
