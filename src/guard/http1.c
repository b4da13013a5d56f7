// SPDX-License-Identifier: Apache-2.0
// Theory. Request smuggling lives on two readers of one byte stream that disagree about where a message ends.
// The guard takes that away twice: what can be read in two ways is refused here, and nothing that was read is
// passed on as it came: the next reader sees a message that http1_write.c wrote from the parsed parts, framed
// in one way.
//
// The machine below finds boundaries only. A head is collected whole (up to HTTP1_HEAD_MAX) and handed to
// http1_head.c; bodies pass by as views without being stored. Per message:
//
//   START → HEAD → (event HEAD) → LENGTH | SIZE … TRAILER | UNTIL_CLOSE | nothing → COMPLETE (event END)
//
// Refused: lines that end in a bare LF, a CR or NUL anywhere, folded fields, space before the colon, both or
// repeated Content-Length and Transfer-Encoding, codings other than chunked, chunk sizes that are not plain
// hex, bodies on GET and HEAD. Dropped: chunk extensions, trailers, hop-by-hop fields. Invariants: `left`
// never exceeds 2^60; a failed parser stays failed; nothing of a later message is consumed before http1_next.
#include "guard/http1.h"

#include <stdio.h>
#include <string.h>

#include "guard/http1_parts.h"

#define KEEP_MAX 2048u       // bytes of buffer kept between messages
#define CHUNK_DIGITS_MAX 15u // 2^60: no sum of these overflows

const char HTTP1_CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";

void http1_init(struct http1 *p, enum http1_kind kind)
{
    *p = (struct http1){.state = xcalloc(1, sizeof *p->state)};
    p->state->kind = kind;
    buf_init(&p->state->head, HTTP1_HEAD_MAX);
    buf_init(&p->state->text, HTTP1_TARGET_MAX + 2);
}

void http1_deinit(struct http1 *p)
{
    if (p->state) {
        buf_deinit(&p->state->head);
        buf_deinit(&p->state->text);
        free(p->state);
    }
    *p = (struct http1){0};
}

// Idle connections keep little: a buffer that once grew is given back.
static void recycle(struct buf *b)
{
    if (b->alloc > KEEP_MAX)
        buf_deinit(b);
    b->len = 0;
    b->full = false;
}

void http1_next(struct http1 *p)
{
    struct http1_state *s = p->state;
    struct http1_state fresh = {.kind = s->kind, .upgrade_sent = s->upgrade_sent, .interims = s->interims};

    if (s->step == STEP_FAILED)
        return;
    memcpy(fresh.expected, s->expected, sizeof fresh.expected);
    recycle(&s->head);
    recycle(&s->text);
    fresh.head = s->head;
    fresh.text = s->text;
    *s = fresh;
    *p = (struct http1){.state = s};
}

void http1_expect(struct http1 *p, const char *method, bool upgrade_sent)
{
    snprintf(p->state->expected, sizeof p->state->expected, "%s", method);
    p->state->upgrade_sent = upgrade_sent;
    p->state->interims = 0;
}

bool http1_idle(const struct http1 *p)
{
    return p->state->step == STEP_START;
}

bool http1_fail(struct http1 *p, int status, const char *fmt, ...)
{
    va_list ap;

    if (p->state->step == STEP_FAILED)
        return false;
    p->state->step = STEP_FAILED;
    p->status = p->state->kind == HTTP1_RESPONSES ? 502 : status;
    va_start(ap, fmt);
    vsnprintf(p->why, sizeof p->why, fmt, ap);
    va_end(ap);
    return false;
}

static bool is_token_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_text_byte(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

// What comes first tells most garbage (TLS, binary, another protocol) before a head is collected.
static bool start_ok(struct http1 *p, unsigned char c)
{
    if (is_token_byte(c) || (p->state->kind == HTTP1_REQUESTS && c == '\r' && !p->state->skipped))
        return true;
    return http1_fail(p, 400, "this is not HTTP: a message starts with byte 0x%02x", c);
}

// The first line, as soon as it is there: a client or server of another protocol waits for an answer to it,
// and would never send an empty line.
static bool first_line_ok(struct http1 *p)
{
    static const char mark[] = "HTTP/";
    struct http1_state *s = p->state;
    const struct buf *head = &s->head;
    const char *lf = memchr(head->ptr, '\n', head->len);

    if (s->kind == HTTP1_RESPONSES) {
        if (memcmp(head->ptr, mark, head->len < 5 ? head->len : 5) != 0)
            return http1_fail(p, 502, "the server does not speak HTTP/1");
    } else if (lf && lf - head->ptr > 1 && !memmem(head->ptr, (size_t)(lf - head->ptr), mark, 5)) {
        return http1_fail(p, 400, "this is not HTTP/1: the first line names no version");
    }
    s->first_seen = lf || (s->kind == HTTP1_RESPONSES && head->len >= 5);
    return true;
}

// RFC 9112 2.2 lets a server ignore an empty line before a request; one is.
static void skip_empty_line(struct http1_state *s)
{
    s->skipped = true;
    s->first_seen = false;
    s->step = STEP_START;
    buf_deinit(&s->head);
}

// Takes bytes up to the end of the head. Returns how many; *ret_whole when the empty line was among them.
static size_t take_head(struct http1 *p, const char *data, size_t n, bool *ret_whole)
{
    struct http1_state *s = p->state;
    size_t i = 0;

    *ret_whole = false;
    while (i < n) {
        const char *lf = memchr(data + i, '\n', n - i);
        size_t end = lf ? (size_t)(lf - data) : n;
        size_t line = s->line + (end - i);
        bool cr = end > i ? data[end - 1] == '\r' : s->after_cr;

        if (!lf) {
            s->line = line;
            s->after_cr = cr;
            i = n;
            break;
        }
        if (!cr) {
            http1_fail(p, 400, "a line ends in LF without CR");
            return 0;
        }
        s->line = 0;
        s->after_cr = false;
        i = end + 1;
        if (line == 1) {
            *ret_whole = true;
            break;
        }
    }
    if (!buf_add(&s->head, data, i))
        http1_fail(p, 431, "the head is longer than %u bytes", HTTP1_HEAD_MAX);
    return i;
}

static enum http1_event after_head(struct http1 *p)
{
    struct http1_state *s = p->state;

    if (!http1_parse_head(p))
        return HTTP1_ERROR;
    s->left = p->framing == HTTP1_LENGTH ? p->length : 0;
    switch (p->framing) {
    case HTTP1_NO_BODY:
        s->step = STEP_COMPLETE;
        break;
    case HTTP1_LENGTH:
        s->step = s->left ? STEP_LENGTH : STEP_COMPLETE;
        break;
    case HTTP1_CHUNKED:
        s->step = STEP_SIZE;
        break;
    case HTTP1_UNTIL_CLOSE:
        s->step = STEP_UNTIL_CLOSE;
        break;
    }
    return HTTP1_HEAD;
}

static enum http1_event feed_head(struct http1 *p, const char *data, size_t n, size_t *ret_used)
{
    struct http1_state *s = p->state;
    bool whole;

    if (s->step == STEP_START) {
        if (!start_ok(p, (unsigned char)data[0]))
            return HTTP1_ERROR;
        s->step = STEP_HEAD;
    }
    *ret_used = take_head(p, data, n, &whole);
    if (s->step == STEP_FAILED)
        return HTTP1_ERROR;
    if (!s->first_seen && !first_line_ok(p))
        return HTTP1_ERROR;
    if (!whole)
        return HTTP1_MORE;
    if (s->head.len == 2) {
        skip_empty_line(s);
        return HTTP1_MORE; // the caller of this one loops
    }
    return after_head(p);
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool size_byte(struct http1 *p, unsigned char c)
{
    struct http1_state *s = p->state;
    int digit = hex_value(c);

    if (digit >= 0) {
        if (++s->digits > CHUNK_DIGITS_MAX)
            return http1_fail(p, 400, "a chunk size has more than %u digits", CHUNK_DIGITS_MAX);
        s->left = s->left << 4 | (unsigned)digit;
        return true;
    }
    if (!s->digits)
        return http1_fail(p, 400, "a chunk has no size");
    if (c == '\r')
        s->step = STEP_SIZE_LF;
    else if (c == ';' || c == ' ' || c == '\t')
        s->step = STEP_EXTENSION;
    else
        return http1_fail(p, 400, "a chunk size is not hexadecimal (byte 0x%02x)", c);
    return true;
}

static bool extension_byte(struct http1 *p, unsigned char c)
{
    struct http1_state *s = p->state;

    if (c == '\r') {
        s->step = STEP_SIZE_LF;
        return true;
    }
    if (!is_text_byte(c))
        return http1_fail(p, 400, "a chunk extension has a control byte (0x%02x)", c);
    if (++s->extensions > HTTP1_EXTENSIONS_MAX)
        return http1_fail(p, 400, "chunk extensions are longer than %u bytes", HTTP1_EXTENSIONS_MAX);
    return true;
}

static bool trailer_byte(struct http1 *p, unsigned char c)
{
    struct http1_state *s = p->state;

    if (++s->trailers > HTTP1_TRAILERS_MAX)
        return http1_fail(p, 400, "trailers are longer than %u bytes", HTTP1_TRAILERS_MAX);
    if (s->after_cr) {
        if (c != '\n')
            return http1_fail(p, 400, "a trailer has CR without LF");
        s->after_cr = false;
        if (!s->line)
            s->step = STEP_COMPLETE;
        s->line = 0;
        return true;
    }
    if (c == '\r')
        s->after_cr = true;
    else if (is_text_byte(c))
        s->line++;
    else
        return http1_fail(p, 400, "a trailer has a control byte (0x%02x)", c);
    return true;
}

// One byte of chunked framing; false on failure.
static bool framing_byte(struct http1 *p, unsigned char c)
{
    struct http1_state *s = p->state;

    switch (s->step) {
    case STEP_SIZE:
        return size_byte(p, c);
    case STEP_EXTENSION:
        return extension_byte(p, c);
    case STEP_SIZE_LF:
        if (c != '\n')
            return http1_fail(p, 400, "a chunk size has CR without LF");
        s->digits = 0;
        s->step = s->left ? STEP_CHUNK : STEP_TRAILER;
        return true;
    case STEP_CHUNK_CR:
        if (c != '\r')
            return http1_fail(p, 400, "a chunk is longer than its size");
        s->step = STEP_CHUNK_LF;
        return true;
    case STEP_CHUNK_LF:
        if (c != '\n')
            return http1_fail(p, 400, "a chunk ends in CR without LF");
        s->step = STEP_SIZE;
        return true;
    default:
        return trailer_byte(p, c);
    }
}

static enum http1_event feed_body(struct http1 *p, const char *data, size_t n, size_t *ret_used,
                                  const char **ret_data, size_t *ret_len)
{
    struct http1_state *s = p->state;
    size_t i = 0;

    while (i < n && s->step != STEP_COMPLETE) {
        uint64_t take = n - i;

        if (s->step != STEP_LENGTH && s->step != STEP_CHUNK && s->step != STEP_UNTIL_CLOSE) {
            if (!framing_byte(p, (unsigned char)data[i++]))
                return HTTP1_ERROR;
            continue;
        }
        if (s->step != STEP_UNTIL_CLOSE) {
            if (take > s->left)
                take = s->left;
            s->left -= take;
            if (!s->left)
                s->step = s->step == STEP_CHUNK ? STEP_CHUNK_CR : STEP_COMPLETE;
        }
        *ret_data = data + i;
        *ret_len = (size_t)take;
        *ret_used = i + (size_t)take;
        return HTTP1_BODY;
    }
    *ret_used = i;
    return s->step == STEP_COMPLETE ? HTTP1_END : HTTP1_MORE;
}

enum http1_event http1_feed(struct http1 *p, const char *data, size_t n, size_t *ret_used,
                            const char **ret_data, size_t *ret_len)
{
    struct http1_state *s = p->state;
    enum http1_event event = HTTP1_MORE;
    size_t used = 0, part = 0;

    *ret_used = *ret_len = 0;
    *ret_data = NULL;
    if (s->step == STEP_FAILED)
        return HTTP1_ERROR;
    if (s->step == STEP_COMPLETE)
        return HTTP1_END;
    if (s->step != STEP_START && s->step != STEP_HEAD)
        return feed_body(p, data, n, ret_used, ret_data, ret_len);
    // Twice at most: an empty line before a request is skipped once.
    while (used < n && event == HTTP1_MORE) {
        part = 0;
        event = feed_head(p, data + used, n - used, &part);
        used += part;
    }
    *ret_used = used;
    return event;
}

enum http1_event http1_eof(struct http1 *p)
{
    struct http1_state *s = p->state;

    switch (s->step) {
    case STEP_START:
        return HTTP1_MORE;
    case STEP_UNTIL_CLOSE:
        s->step = STEP_COMPLETE;
        return HTTP1_END;
    case STEP_COMPLETE:
        return HTTP1_END;
    case STEP_HEAD:
        http1_fail(p, 400, "the connection was closed inside a message's head");
        return HTTP1_ERROR;
    default:
        http1_fail(p, 400, "the connection was closed inside a message's body");
        return HTTP1_ERROR;
    }
}

const char *http1_field(const struct http1 *p, const char *name)
{
    for (size_t i = 0; i < p->nfields; i++)
        if (!strcasecmp(p->fields[i].name, name))
            return p->fields[i].value;
    return NULL;
}

bool http1_has_body(const struct http1 *p)
{
    return p->framing == HTTP1_CHUNKED || (p->framing == HTTP1_LENGTH && p->length);
}

bool http1_body_unexpected(const struct http1 *p)
{
    return http1_has_body(p) && strcmp(p->method, "POST") != 0 && strcmp(p->method, "PUT") != 0 &&
           strcmp(p->method, "PATCH") != 0;
}
