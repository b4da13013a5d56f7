// SPDX-License-Identifier: Apache-2.0
// A plain HTTP/1.1 server for the bench, as fast as epoll lets it be: /N answers with N bytes (default 1024).
// usage: origin PORT
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    int fd;
    size_t have, left; // bytes of requests; bytes of the body still to send
    char in[8192];
};

static char block[262144];

static void done(struct client *c)
{
    close(c->fd);
    free(c);
}

// False when the connection is over.
static int pump(struct client *c, int ep)
{
    for (;;) {
        char *end, head[160];
        ssize_t n;

        while (c->left) {
            n = send(c->fd, block, c->left < sizeof block ? c->left : sizeof block, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) {
                struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
                epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
                return 1;
            }
            if (n <= 0)
                return 0;
            c->left -= (size_t)n;
        }
        c->in[c->have] = 0;
        end = strstr(c->in, "\r\n\r\n");
        if (end) {
            const char *path = strchr(c->in, '/');
            size_t size = path && path[1] >= '0' && path[1] <= '9' ? strtoul(path + 1, NULL, 10) : 1024;
            size_t used = (size_t)(end + 4 - c->in);
            int h = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);

            memmove(c->in, end + 4, c->have - used);
            c->have -= used;
            if (size <= 65536) {
                char one[65536 + 160];

                memcpy(one, head, (size_t)h);
                memcpy(one + h, block, size);
                if (send(c->fd, one, (size_t)h + size, MSG_NOSIGNAL) != h + (ssize_t)size)
                    return 0;
            } else {
                if (send(c->fd, head, (size_t)h, MSG_NOSIGNAL) != h)
                    return 0;
                c->left = size;
            }
            continue;
        }
        n = recv(c->fd, c->in + c->have, sizeof c->in - 1 - c->have, 0);
        if (n < 0 && errno == EAGAIN)
            return 1;
        if (n <= 0)
            return 0;
        c->have += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "18090"))};
    struct epoll_event ev = {.events = EPOLLIN}, got[64];

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(block, 'x', sizeof block);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (void *)&a, sizeof a) < 0 || listen(l, 1024) < 0)
        return perror("origin"), 1;
    epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
    for (;;) {
        int n = epoll_wait(ep, got, 64, -1);

        for (int i = 0; i < n; i++) {
            struct client *c = got[i].data.ptr;

            if (!c) {
                int fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
                struct epoll_event e = {.events = EPOLLIN};

                if (fd < 0)
                    continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                e.data.ptr = c;
                epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
            } else if (!pump(c, ep)) {
                done(c);
            }
        }
    }
}
