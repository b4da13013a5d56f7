// SPDX-License-Identifier: Apache-2.0
// TLS reads and writes through a BIO of our own on the same socket: it serves first what had been read before
// TLS was known to be there (a ClientHello is judged before it is answered), it never raises SIGPIPE, and it
// reads in large pieces. Between OpenSSL's view (want read, want write) and the loop's there are two marks,
// tls_wants_write and tls_wants_read, that stream_arm turns into events.
//
// Epoll reports EPOLLHUP and EPOLLERR whatever was asked for. A stream that is paused by backpressure would
// spin on them, so its watch is taken off until its owner wants to read again.
#include "guard/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

static int bio_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    struct stream *s = BIO_get_data(b);
    ssize_t r;

    BIO_clear_retry_flags(b);
    *ret_n = 0;
    if (s->raw.len) {
        *ret_n = n < s->raw.len ? n : s->raw.len;
        memcpy(p, s->raw.ptr, *ret_n);
        buf_consume(&s->raw, *ret_n);
        if (!s->raw.len)
            buf_deinit(&s->raw);
        return 1;
    }
    r = recv(s->fd, p, n, 0);
    if (r > 0) {
        *ret_n = (size_t)r;
        return 1;
    }
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(b);
    return 0;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    struct stream *s = BIO_get_data(b);
    ssize_t r = send(s->fd, p, n, MSG_NOSIGNAL);

    BIO_clear_retry_flags(b);
    *ret_n = 0;
    if (r > 0) {
        *ret_n = (size_t)r;
        return 1;
    }
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(b);
    return 0;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

BIO_METHOD *stream_bio_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bawn stream");

    if (!m || !BIO_meth_set_read_ex(m, bio_read) || !BIO_meth_set_write_ex(m, bio_write) ||
        !BIO_meth_set_ctrl(m, bio_ctrl))
        die_oom();
    return m;
}

bool stream_open(struct stream *s, struct loop *l, int fd, watch_fn *fn, void *ctx, struct err *err)
{
    *s = (struct stream){.fd = fd, .fn = fn, .ctx = ctx};
    buf_init(&s->in, STREAM_IN_MAX);
    buf_init(&s->out, STREAM_OUT_MAX);
    if (!watch_add(l, &s->watch, fd, 0, fn, ctx, err)) {
        close(fd);
        s->fd = -1;
        return false;
    }
    s->loop = l;
    return true;
}

void stream_bound(struct stream *s, int bytes)
{
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void stream_close(struct stream *s)
{
    if (!s->loop)
        return;
    SSL_free(s->ssl);
    free(s->peer);
    watch_del(&s->watch);
    loop_close_fd(s->loop, s->fd);
    buf_deinit(&s->in);
    buf_deinit(&s->raw);
    buf_deinit(&s->out);
    *s = (struct stream){.fd = -1, .got = s->got, .sent = s->sent};
}

void stream_reset(struct stream *s)
{
    struct linger hard = {.l_onoff = 1};

    if (s->loop)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    stream_close(s);
}

void stream_start_tls(struct stream *s, SSL *ssl, const BIO_METHOD *method)
{
    BIO *b = BIO_new(method);

    if (!b)
        die_oom();
    s->raw = s->in;
    buf_init(&s->in, STREAM_IN_MAX);
    BIO_set_data(b, s);
    BIO_set_init(b, 1);
    SSL_set_bio(ssl, b, b);
    s->ssl = ssl;
}

// What OpenSSL's answer means for the loop.
static enum stream_io tls_result(struct stream *s, int r)
{
    int saved = errno, why = SSL_get_error(s->ssl, r);

    ERR_clear_error();
    errno = saved;
    switch (why) {
    case SSL_ERROR_WANT_READ:
        s->tls_wants_read = true;
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        s->tls_wants_write = true;
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_EOF;
    default:
        return STREAM_ERROR;
    }
}

enum stream_io stream_handshake(struct stream *s)
{
    int r;

    s->tls_wants_read = s->tls_wants_write = false;
    r = SSL_do_handshake(s->ssl);
    if (r == 1)
        return STREAM_OK;
    // The owner reads the reason from OpenSSL's queue on failure, so it is not cleared here.
    switch (SSL_get_error(s->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        s->tls_wants_read = true;
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        s->tls_wants_write = true;
        return STREAM_AGAIN;
    default:
        return STREAM_ERROR;
    }
}

static enum stream_io plain_read(struct stream *s, void *p, size_t n, size_t *ret_n)
{
    ssize_t r = recv(s->fd, p, n, 0);

    if (r > 0) {
        *ret_n = (size_t)r;
        return STREAM_OK;
    }
    if (r == 0)
        return STREAM_EOF;
    return errno == EAGAIN || errno == EINTR ? STREAM_AGAIN : STREAM_ERROR;
}

enum stream_io stream_read(struct stream *s, void *p, size_t n, size_t *ret_n)
{
    enum stream_io io;

    if (s->eof)
        return STREAM_EOF;
    s->tls_wants_write = false;
    if (s->ssl) {
        size_t have = 0;
        int r = SSL_read_ex(s->ssl, p, n, &have);

        *ret_n = have;
        io = r == 1 ? STREAM_OK : tls_result(s, 0);
        // More to read is the owner's to want: the mark would wake one that holds back.
        s->tls_wants_read = false;
    } else {
        io = plain_read(s, p, n, ret_n);
    }
    if (io == STREAM_OK)
        s->got += *ret_n;
    // A TLS peer that just vanishes (no close_notify) may have been cut off: an error, so that a body that
    // ends with the connection is not taken for whole (RFC 8446 6.1).
    if (io == STREAM_EOF || io == STREAM_ERROR)
        s->eof = true;
    return io;
}

// Bytes taken by the socket now: 0 when it would block.
static bool write_some(struct stream *s, const char *p, size_t n, size_t *ret_n)
{
    ssize_t r;

    *ret_n = 0;
    if (s->ssl) {
        size_t done = 0;
        int ok = SSL_write_ex(s->ssl, p, n, &done);

        if (ok == 1) {
            *ret_n = done;
            s->sent += done;
            return true;
        }
        return tls_result(s, 0) == STREAM_AGAIN;
    }
    r = send(s->fd, p, n, MSG_NOSIGNAL);
    if (r < 0)
        return errno == EAGAIN || errno == EINTR;
    *ret_n = (size_t)r;
    s->sent += (size_t)r;
    return true;
}

bool stream_send(struct stream *s, const void *data, size_t n)
{
    const char *p = data;

    while (n && !s->out.len) {
        size_t done;

        if (!write_some(s, p, n, &done))
            return false;
        if (!done)
            break;
        p += done;
        n -= done;
    }
    return !n || buf_add(&s->out, p, n);
}

bool stream_flush(struct stream *s)
{
    size_t at = 0;

    while (at < s->out.len) {
        size_t done;

        if (!write_some(s, s->out.ptr + at, s->out.len - at, &done))
            return false;
        if (!done)
            break;
        at += done;
    }
    if (at == s->out.len)
        buf_deinit(&s->out); // an idle connection keeps no buffer
    else if (at)
        buf_consume(&s->out, at);
    return true;
}

void stream_shut(struct stream *s)
{
    if (s->shut || s->out.len || !stream_is_open(s))
        return;
    if (s->ssl && SSL_is_init_finished(s->ssl))
        SSL_shutdown(s->ssl);
    ERR_clear_error();
    shutdown(s->fd, SHUT_WR);
    s->shut = true;
}

void stream_arm(struct stream *s, bool want_input)
{
    uint32_t events = 0;

    if (!stream_is_open(s))
        return;
    if ((want_input && !s->eof) || s->tls_wants_read)
        events |= EPOLLIN;
    if (s->out.len || s->tls_wants_write)
        events |= EPOLLOUT;
    if (s->hup) {
        if (events && watch_add(s->loop, &s->watch, s->fd, events, s->fn, s->ctx, NULL))
            s->hup = false;
        return;
    }
    if ((s->fired & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)) {
        s->hup = true;
        watch_del(&s->watch);
        return;
    }
    // Input that may come while it is not wanted stays armed until it does come: most exchanges end before,
    // and that saves two system calls each.
    if ((s->watch.events & EPOLLIN) && !(s->fired & EPOLLIN))
        events |= EPOLLIN;
    s->fired = 0;
    watch_change(&s->watch, events);
}
