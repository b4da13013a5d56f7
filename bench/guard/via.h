// SPDX-License-Identifier: Apache-2.0
// Connections of the bench's clients: straight, or through the HTTP proxy that http_proxy names
// (http://[USER:PASSWORD@]HOST:PORT). BENCH_VIA says how: "forward" asks it for absolute URLs, "connect" for
// a tunnel; unset, there is no proxy.
#ifndef BENCH_VIA_H
#define BENCH_VIA_H

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct via {
    int forward, tunnel;
    char authorization[4096]; // a header line, or ""
    struct addrinfo *where;   // what is dialled
    char to[512];             // HOST:PORT that is meant
};

static void via_fail(const char *what, const char *detail)
{
    fprintf(stderr, "via: %s: %.300s\n", what, detail);
    exit(1);
}

static void via_base64(const char *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned char)in[i] << 16 | (i + 1 < n ? (unsigned char)in[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned char)in[i + 2] : 0);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = 0;
}

static struct via via_open(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    const char *how = getenv("BENCH_VIA"), *proxy = getenv("http_proxy");
    char copy[4096], coded[4096], *at, *colon;
    struct via v = {.forward = how && !strcmp(how, "forward"), .tunnel = how && !strcmp(how, "connect")};

    snprintf(v.to, sizeof v.to, "%s:%s", host, port);
    if (how) {
        if (!proxy || strncmp(proxy, "http://", 7) != 0 || strlen(proxy) > 2800)
            via_fail("http_proxy", proxy ? proxy : "not set");
        snprintf(copy, sizeof copy, "%s", proxy + 7);
        at = strrchr(copy, '@');
        if (at) {
            via_base64(copy, (size_t)(at - copy), coded);
            snprintf(v.authorization, sizeof v.authorization, "Proxy-Authorization: Basic %.4000s\r\n",
                     coded);
        }
        host = at ? at + 1 : copy;
        colon = strchr(host, ':');
        if (!colon)
            via_fail("no port", proxy);
        *colon = 0;
        port = colon + 1;
        colon[1 + strcspn(colon + 1, "/")] = 0;
    }
    if (getaddrinfo(host, port, &hints, &v.where))
        via_fail("does not resolve", host);
    return v;
}

static int via_connect(const struct via *v)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, n;
    char text[8192];
    size_t have = 0;

    // A relay into the sandbox may come up after the program.
    for (int i = 0; connect(fd, v->where->ai_addr, v->where->ai_addrlen) < 0; i++) {
        if (errno != ECONNREFUSED || i == 100 || !getenv("BENCH_VIA"))
            perror("connect"), exit(1);
        close(fd);
        usleep(20000);
        fd = socket(AF_INET, SOCK_STREAM, 0);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!v->tunnel)
        return fd;
    n = snprintf(text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", v->to, v->to,
                 v->authorization);
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        perror("send"), exit(1);
    do {
        if (have == sizeof text - 1 || recv(fd, text + have, 1, 0) != 1)
            via_fail("no tunnel", "the proxy closed the connection");
        text[++have] = 0;
    } while (have < 4 || strcmp(text + have - 4, "\r\n\r\n") != 0);
    if (strncmp(text, "HTTP/1.", 7) != 0 || strncmp(text + 8, " 200", 4) != 0)
        via_fail("no tunnel", text);
    return fd;
}

#endif
