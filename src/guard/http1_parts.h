// SPDX-License-Identifier: Apache-2.0
// Between the three files of the HTTP/1 parser; nobody else includes this.
#ifndef BAWN_GUARD_HTTP1_PARTS_H
#define BAWN_GUARD_HTTP1_PARTS_H

#include "guard/http1.h"

enum http1_step {
    STEP_START = 0,   // nothing of a message yet
    STEP_HEAD,        // in the start line or the fields
    STEP_LENGTH,      // `left` bytes of body to come
    STEP_SIZE,        // in the digits of a chunk size
    STEP_EXTENSION,   // after them, up to CR
    STEP_SIZE_LF,     //
    STEP_CHUNK,       // `left` bytes of chunk data to come
    STEP_CHUNK_CR,    //
    STEP_CHUNK_LF,    //
    STEP_TRAILER,     // lines after the last chunk
    STEP_UNTIL_CLOSE, //
    STEP_COMPLETE,    // END is due, or was given
    STEP_FAILED,
};

struct http1_state {
    enum http1_kind kind;
    enum http1_step step;
    struct buf head; // the head as it came; strings of the message point into it
    struct buf text; // path and query
    bool after_cr;   // the last byte of the line was CR
    size_t line;     // bytes of the current line before CR
    bool skipped;    // the one empty line before a request was seen
    bool first_seen; // the first line was looked at
    uint64_t left;   // body or chunk bytes to come
    unsigned digits; // of the chunk size
    size_t extensions, trailers;
    bool has_length;                     // a valid Content-Length was there, also where there is no body
    char expected[HTTP1_METHOD_MAX + 1]; // responses: method of the request
    bool upgrade_sent;
    unsigned interims;
};

// Fails the message: false, so that `return http1_fail(…)` reads well.
bool http1_fail(struct http1 *p, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Parses state->head, which ends with the empty line, into the message.
MUST_USE bool http1_parse_head(struct http1 *p);
// Calls fn for each element of a comma-separated list of tokens; empty elements are skipped.
void http1_each_token(const char *list, void (*fn)(void *ctx, const char *token, size_t n), void *ctx);
bool http1_token_is(const char *token, size_t n, const char *word); // letter case ignored

#endif
