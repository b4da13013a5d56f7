// SPDX-License-Identifier: Apache-2.0
// One end of a connection: a socket, TLS on it or not, and two buffers: `in` holds what was read and not yet
// used, `out` what the socket would not take yet. Nothing here blocks. The owner decides when to read, so
// backpressure is: do not read one end while the other end's `out` is above STREAM_HIGH.
#ifndef BAWN_GUARD_STREAM_H
#define BAWN_GUARD_STREAM_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "loop/loop.h"

#define STREAM_HIGH (128u << 10)     // bytes queued in `out` above which its source is not read
#define STREAM_IN_MAX (320u << 10)   // most bytes kept unread (one whole read and a head)
#define STREAM_OUT_MAX (1024u << 10) // most bytes queued; one read's worth above STREAM_HIGH, with framing

enum stream_io {
    STREAM_ERROR = 0, // the connection is of no more use
    STREAM_AGAIN,     // wait for an event
    STREAM_EOF,       // the peer has ended its direction
    STREAM_OK,
};

struct stream {
    int fd; // -1: not open
    struct watch watch;
    SSL *ssl;
    char *peer; // whose TLS session this is (tls.c), or NULL
    struct buf in, out;
    struct buf raw;       // TLS: what had been read before TLS was begun; its first input
    bool eof;             // nothing more will be read
    bool shut;            // our direction is ended
    uint32_t fired;       // events since the last stream_arm; the callback sets it
    bool hup;             // the socket is dead for polling; the watch is off until input is wanted again
    bool tls_wants_write; // TLS must write before it can read on, or read before it can write on
    bool tls_wants_read;
    uint64_t got, sent; // bytes of payload
    watch_fn *fn;
    void *ctx;
    struct loop *loop;
};

// Takes over fd (non-blocking). `fn` gets events with `ctx`.
MUST_USE bool stream_open(struct stream *s, struct loop *l, int fd, watch_fn *fn, void *ctx, struct err *err);
// Bounds what the kernel keeps for the socket, each way; without it the kernel finds out (tcp(7)).
void stream_bound(struct stream *s, int bytes);
void stream_close(struct stream *s); // closes at the end of the loop's round; takes a zeroed or closed one
void stream_reset(struct stream *s); // the same, with a TCP reset instead of an orderly end
static inline bool stream_is_open(const struct stream *s)
{
    return s->loop && s->fd >= 0;
}

// Puts TLS on an open stream. Bytes in `in` become the first that TLS reads; from then on `in` holds
// plaintext. Takes over ssl.
void stream_start_tls(struct stream *s, SSL *ssl, const BIO_METHOD *method);
BIO_METHOD *stream_bio_new(void); // for stream_start_tls; one serves all
// One step of the handshake: OK when complete.
enum stream_io stream_handshake(struct stream *s);

// Reads what there is, at most n bytes; *ret_n > 0 with STREAM_OK.
enum stream_io stream_read(struct stream *s, void *p, size_t n, size_t *ret_n);
// Sends now what the socket takes and queues the rest. False when the connection failed or the queue is full.
bool stream_send(struct stream *s, const void *p, size_t n);
bool stream_flush(struct stream *s); // false when the connection failed
// Ends our direction once `out` is empty (TLS: close_notify, then FIN); call again after each flush.
void stream_shut(struct stream *s);
// Sets what is waited for: input if wanted, output if something is queued.
void stream_arm(struct stream *s, bool want_input);
#endif
