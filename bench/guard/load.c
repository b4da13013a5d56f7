// SPDX-License-Identifier: Apache-2.0
// Load for the bench: keep-alive GETs over CONNS connections for SECONDS, one request in flight on each.
// usage: load HOST PORT PATH CONNS SECONDS   (through a proxy: via.h)
// Prints: requests/s, median and 99th percentile latency in microseconds, MB/s of answers.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "via.h"

struct conn {
    int fd;
    size_t have, left;
    int in_body;
    double sent;
    char head[4096];
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static char scratch[262144], request[8192];
static float *latency;
static size_t nlatency, alloc_latency, bytes;

static void ask(struct conn *c)
{
    c->sent = now();
    c->have = 0;
    c->in_body = 0;
    if (send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        perror("send"), exit(1);
}

static void finished(struct conn *c)
{
    if (nlatency == alloc_latency) {
        alloc_latency = alloc_latency ? alloc_latency * 2 : 65536;
        latency = realloc(latency, alloc_latency * sizeof *latency);
    }
    latency[nlatency++] = (float)(now() - c->sent);
    ask(c);
}

static void got(struct conn *c, const char *p, size_t n)
{
    while (n) {
        if (!c->in_body) {
            size_t take = n < sizeof c->head - 1 - c->have ? n : sizeof c->head - 1 - c->have, used;
            char *end, *length;

            memcpy(c->head + c->have, p, take);
            c->head[c->have + take] = 0;
            end = strstr(c->head, "\r\n\r\n");
            if (!end) {
                c->have += take;
                return;
            }
            used = (size_t)(end + 4 - c->head) - c->have;
            *end = 0;
            if (strncmp(c->head, "HTTP/1.1 200", 12) != 0)
                fprintf(stderr, "load: %.200s\n", c->head), exit(1);
            length = strcasestr(c->head, "content-length:");
            c->left = length ? strtoul(length + 15, NULL, 10) : 0;
            c->in_body = 1;
            p += used;
            n -= used;
        }
        if (n >= c->left) {
            finished(c);
            return;
        }
        c->left -= n;
        return;
    }
}

int main(int argc, char **argv)
{
    int conns, ep = epoll_create1(0);
    double start, end;
    struct epoll_event ev[64];
    struct via via;

    if (argc != 6)
        return 1;
    via = via_open(argv[1], argv[2]);
    conns = atoi(argv[4]);
    snprintf(request, sizeof request,
             "GET %s%s%s HTTP/1.1\r\nHost: %s\r\n%sUser-Agent: load\r\nAccept: */*\r\n\r\n",
             via.forward ? "http://" : "", via.forward ? via.to : "", argv[3], via.to,
             via.forward ? via.authorization : "");
    close(via_connect(&via)); // the relay is up from here on
    start = now();
    end = start + atof(argv[5]);
    for (int i = 0; i < conns; i++) {
        struct conn *c = calloc(1, sizeof *c);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        c->fd = via_connect(&via);
        epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
        ask(c);
    }
    while (now() < end) {
        int n = epoll_wait(ep, ev, 64, 1000);

        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            ssize_t r = recv(c->fd, scratch, sizeof scratch, 0);

            if (r <= 0)
                return fprintf(stderr, "load: connection ended: %s\n", strerror(errno)), 1;
            bytes += (size_t)r;
            got(c, scratch, (size_t)r);
        }
    }
    end = now();
    qsort(latency, nlatency, sizeof *latency, compare);
    printf("%10.2f req/s  median %6.1f us  p99 %7.1f us  %8.1f MB/s\n", (double)nlatency / (end - start),
           nlatency ? latency[nlatency / 2] * 1e6 : 0.0, nlatency ? latency[nlatency * 99 / 100] * 1e6 : 0.0,
           (double)bytes / (end - start) / 1e6);
    return 0;
}
