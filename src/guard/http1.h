// SPDX-License-Identifier: Apache-2.0
// HTTP/1.0 and 1.1 as a gate reads it: parsed strictly, judged, and written anew. See http1.c for the theory.
//
// One parser follows one direction of one connection. feed() takes bytes, consumes some, and reports one
// event at a time; it does no I/O and keeps only the head. All strings are NUL-terminated (NUL is refused in
// input).
#ifndef BAWN_GUARD_HTTP1_H
#define BAWN_GUARD_HTTP1_H

#include "base/buf.h"
#include "guard/hostname.h"

#define HTTP1_HEAD_MAX (64u << 10)   // request or status line with all fields
#define HTTP1_TARGET_MAX (16u << 10) // request target
#define HTTP1_METHOD_MAX 32u
#define HTTP1_FIELDS_MAX 128u
#define HTTP1_TRAILERS_MAX (16u << 10)  // trailers of one message, dropped
#define HTTP1_EXTENSIONS_MAX (4u << 10) // chunk extensions of one message, dropped
#define HTTP1_INTERIM_MAX 16u           // 1xx answers before the final one

enum http1_kind { HTTP1_REQUESTS = 0, HTTP1_RESPONSES };

enum http1_event {
    HTTP1_ERROR = 0, // see status, why; the connection must be closed
    HTTP1_MORE,      // everything given was consumed; feed more
    HTTP1_HEAD,      // a message's head is complete; the fields below are valid until the next message starts
    HTTP1_BODY,      // `data`, `len` of the call: body bytes without framing, a view into what was fed
    HTTP1_END,       // the message is complete; bytes not consumed belong to the next one (or to the tunnel)
};

enum http1_form { HTTP1_ORIGIN = 0, HTTP1_ABSOLUTE, HTTP1_AUTHORITY, HTTP1_ASTERISK };
enum http1_framing { HTTP1_NO_BODY = 0, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE };
enum http1_upgrade { HTTP1_UPGRADE_NONE = 0, HTTP1_UPGRADE_WEBSOCKET, HTTP1_UPGRADE_OTHER };

struct http1_field {
    const char *name; // as sent
    const char *value;
};

struct http1 {
    // The message at hand.
    const char *method;   // requests
    const char *target;   // requests, as sent
    const char *path;     // requests: "/…" without the query, "*" for asterisk-form, "" for CONNECT
    const char *query;    // after the "?", or NULL
    enum http1_form form; // requests
    const char *scheme;   // "http" or "https" for absolute-form, else NULL
    struct host host;     // requests: target's authority, else the Host field; HOST_NONE in 1.0 without Host
    uint16_t port;        // as written there, else 0
    int status_code;      // responses
    const char *reason;   // responses, may be ""
    int minor;            // 0 or 1: HTTP/1.minor
    struct http1_field fields[HTTP1_FIELDS_MAX];
    size_t nfields;
    enum http1_framing framing;
    uint64_t length;      // HTTP1_LENGTH
    bool keep_alive;      // the sender would go on after this message
    bool expect_continue; // requests: the client waits for 100; answer HTTP1_CONTINUE once it is allowed
    enum http1_upgrade upgrade; // requests: what is asked for; 101 responses: OTHER or WEBSOCKET
    bool interim;               // responses: 1xx other than 101; the final answer follows
    // Why it failed: for a request parser the status to answer with, for a response parser 502.
    int status;
    char why[160];
    bool h2_preface; // the error is a plaintext HTTP/2 preface
    struct http1_state *state;
};

extern const char HTTP1_CONTINUE[]; // "HTTP/1.1 100 Continue" and an empty line

void http1_init(struct http1 *p, enum http1_kind kind);
void http1_deinit(struct http1 *p); // takes a zeroed struct too
// Responses: the request whose answer is read next. HEAD has no body; 101 is an error unless upgrade was
// sent.
void http1_expect(struct http1 *p, const char *method, bool upgrade_sent);
// Consumes up to n bytes (*ret_used) and reports one event; call again with the rest until HTTP1_MORE. After
// HTTP1_END of a request the parser waits, consuming nothing, until http1_next: one request at a time.
enum http1_event http1_feed(struct http1 *p, const char *data, size_t n, size_t *ret_used,
                            const char **ret_data, size_t *ret_len);
// The peer closed. HTTP1_END for a body that ends so, HTTP1_MORE between messages (a clean end), else ERROR.
enum http1_event http1_eof(struct http1 *p);
// Ready for the next message on this connection; frees what this one held.
void http1_next(struct http1 *p);
// Nothing of a message has been seen yet (idle between messages).
bool http1_idle(const struct http1 *p);
const char *http1_field(const struct http1 *p, const char *name); // first value, or NULL

// How a message is written toward the other side. Framing and connection fields are always made anew;
// hop-by-hop fields, Expect, trailers, HTTP2-Settings and Alt-Svc are dropped.
struct http1_rewrite {
    const char *path;  // requests: path to send (urlpath_normal's), NULL: as received
    const char *query; // requests: query to send, NULL: as received
    const char *host;  // requests: value of Host (from host_authority_text)
    bool restricted;   // requests: drop fields that override the method or the path (net_answer.restricted)
    bool upgrade;      // let Upgrade through (only where the rule allows it)
    bool close;        // say "Connection: close"
    int peer_minor;    // responses: version of the client's request; 0 gets no chunked coding
    // Replaces a field's value (injects or scrubs a secret): return a string valid until the next call,
    // `value` to leave it, NULL to drop the field. NULL: leave all. For an answer's reason phrase `name` is
    // "".
    const char *(*value)(void *ctx, const char *name, const char *value);
    void *ctx;
    // A body that is changed on its way (scrubbed, injected) loses its length: LENGTH is written as CHUNKED.
    bool body_changes;
};

// Appends the head. *ret_framing is how the body must be written: LENGTH and UNTIL_CLOSE bytes as they are,
// CHUNKED through http1_write_chunk / http1_write_last_chunk.
MUST_USE bool http1_write_request(const struct http1 *p, const struct http1_rewrite *how, struct buf *out,
                                  enum http1_framing *ret_framing, struct err *err);
MUST_USE bool http1_write_response(const struct http1 *p, const struct http1_rewrite *how, struct buf *out,
                                   enum http1_framing *ret_framing, struct err *err);
// Head of a chunk of n > 0 bytes; the caller appends the data and "\r\n".
size_t http1_chunk_head(uint64_t n, char ret[24]);
#define HTTP1_LAST_CHUNK "0\r\n\r\n"
bool http1_has_body(const struct http1 *p); // requests: one of at least a byte, as far as the head tells
// A body whose meaning the method does not define: some servers leave it unread and take it for the next
// request, so the upstream connection must not be used again (http1_write_request says "close" by itself).
bool http1_body_unexpected(const struct http1 *p);

#endif
