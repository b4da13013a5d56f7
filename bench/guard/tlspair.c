// SPDX-License-Identifier: Apache-2.0
// TLS for the bench: a server and a client, one blocking thread a connection.
// usage: tlspair serve PORT CERT KEY          /N answers with N bytes
//        tlspair load NAME PORT PATH CONNS SECONDS CA   (through a proxy: via.h)
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "via.h"

static SSL_CTX *ctx;
static char block[65536];
static char request[1024];
static const char *name;
static struct via via;
static double until;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static float *latency;
static size_t nlatency, room, bytes;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *serve_one(void *arg)
{
    int fd = (int)(long)arg, on = 1;
    SSL *s = SSL_new(ctx);
    char in[8192];

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(s, fd);
    if (SSL_accept(s) == 1)
        for (size_t have = 0;;) {
            int n = SSL_read(s, in + have, (int)(sizeof in - 1 - have));
            char *path, *end, out[65536 + 128];
            size_t size;
            int h;

            if (n <= 0)
                break;
            have += (size_t)n;
            in[have] = 0;
            if (!(end = strstr(in, "\r\n\r\n")))
                continue;
            have = 0;
            path = strchr(in, '/');
            size = path && path[1] >= '0' && path[1] <= '9' ? strtoul(path + 1, NULL, 10) : 1024;
            h = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
            if (size <= sizeof block) {
                memcpy(out + h, block, size);
                if (SSL_write(s, out, h + (int)size) <= 0)
                    break;
                continue;
            }
            if (SSL_write(s, out, h) <= 0)
                break;
            for (; size; size -= size < sizeof block ? size : sizeof block)
                if (SSL_write(s, block, (int)(size < sizeof block ? size : sizeof block)) <= 0)
                    goto out;
        }
out:
    SSL_free(s);
    close(fd);
    return NULL;
}

static int serve(char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    ctx = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(ctx, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, argv[4], SSL_FILETYPE_PEM) != 1)
        return fprintf(stderr, "tlspair: certificate\n"), 1;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (void *)&a, sizeof a) < 0 || listen(l, 256) < 0)
        return perror("tlspair"), 1;
    for (;;) {
        int fd = accept(l, NULL, NULL);
        pthread_t t;

        if (fd >= 0 && pthread_create(&t, NULL, serve_one, (void *)(long)fd) == 0)
            pthread_detach(t);
    }
}

static void note(double took, size_t n)
{
    pthread_mutex_lock(&lock);
    if (nlatency == room)
        latency = realloc(latency, (room = room ? room * 2 : 65536) * sizeof *latency);
    latency[nlatency++] = (float)took;
    bytes += n;
    pthread_mutex_unlock(&lock);
}

static void *load_one(void *arg)
{
    int fd = via_connect(&via);
    SSL *s = SSL_new(ctx);

    (void)arg;
    SSL_set_fd(s, fd);
    SSL_set_tlsext_host_name(s, name);
    SSL_set1_host(s, name);
    if (SSL_connect(s) != 1)
        fprintf(stderr, "tlspair: handshake: %s\n", X509_verify_cert_error_string(SSL_get_verify_result(s))),
            exit(1);
    while (now() < until) {
        double start = now();
        char in[65536 + 1], *end = NULL, *length;
        size_t have = 0, left, total = 0;
        int n;

        if (SSL_write(s, request, (int)strlen(request)) <= 0)
            exit(1);
        do {
            n = SSL_read(s, in + have, (int)(sizeof in - 1 - have));
            if (n <= 0)
                fprintf(stderr, "tlspair: connection ended\n"), exit(1);
            have += (size_t)n;
            in[have] = 0;
        } while (!(end = strstr(in, "\r\n\r\n")));
        if (strncmp(in, "HTTP/1.1 200", 12) != 0)
            fprintf(stderr, "tlspair: %.200s\n", in), exit(1);
        length = strcasestr(in, "content-length:");
        left = length ? strtoul(length + 15, NULL, 10) : 0;
        total = left;
        left -= have - (size_t)(end + 4 - in);
        while (left) {
            n = SSL_read(s, in, (int)(left < sizeof in ? left : sizeof in));
            if (n <= 0)
                exit(1);
            left -= (size_t)n;
        }
        note(now() - start, total);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static int load(char **argv)
{
    int conns = atoi(argv[5]);
    pthread_t t[256];
    double start = now();

    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(ctx, argv[7], NULL) != 1)
        return fprintf(stderr, "tlspair: roots\n"), 1;
    name = argv[2];
    via = via_open(name, argv[3]);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[4], via.to);
    close(via_connect(&via)); // the relay is up from here on
    start = now();
    until = start + atof(argv[6]);
    for (int i = 0; i < conns; i++)
        pthread_create(&t[i], NULL, load_one, NULL);
    for (int i = 0; i < conns; i++)
        pthread_join(t[i], NULL);
    start = now() - start;
    qsort(latency, nlatency, sizeof *latency, compare);
    printf("%10.2f req/s  median %6.1f us  p99 %7.1f us  %8.1f MB/s\n", (double)nlatency / start,
           latency[nlatency / 2] * 1e6, latency[nlatency * 99 / 100] * 1e6, (double)bytes / start / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    memset(block, 'x', sizeof block);
    if (argc == 5 && strcmp(argv[1], "serve") == 0)
        return serve(argv);
    if (argc == 8 && strcmp(argv[1], "load") == 0)
        return load(argv);
    return 1;
}
