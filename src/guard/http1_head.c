// SPDX-License-Identifier: Apache-2.0
// The head of a message: start line, fields, and what they say about framing (RFC 9112). The head is cut into
// strings in place. Each check names what it saw, because the text goes to the program and into the record.
#include "guard/http1_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define LENGTH_DIGITS_MAX 18u // below 2^60

struct facts { // what the fields said, before it is weighed
    const char *length, *coding, *host, *upgrade, *expect;
    size_t lengths, codings, hosts, upgrades;
    bool close, connection_upgrade;
};

static bool is_token(const char *s, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (!alnum && !memchr(others, c, sizeof others - 1))
            return false;
    }
    return n > 0;
}

void http1_each_token(const char *list, void (*fn)(void *ctx, const char *token, size_t n), void *ctx)
{
    while (*list) {
        size_t n;

        list += strspn(list, " \t,");
        n = strcspn(list, ",");
        if (n) {
            size_t trimmed = n;

            while (trimmed && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t'))
                trimmed--;
            if (trimmed)
                fn(ctx, list, trimmed);
        }
        list += n;
    }
}

bool http1_token_is(const char *token, size_t n, const char *word)
{
    return strlen(word) == n && !strncasecmp(token, word, n);
}

static bool bad(struct http1 *p, const char *what, const char *s, size_t n)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 256);
    utf8_printable(&b, s, n < 40 ? n : 40);
    return http1_fail(p, 400, "%s: \"%s\"", what, buf_cstr(&b));
}

// Start line of a request.

static bool parse_version(struct http1 *p, const char *s, size_t n)
{
    if (n == 8 && !memcmp(s, "HTTP/1.", 7) && (s[7] == '0' || s[7] == '1')) {
        p->minor = s[7] - '0';
        return true;
    }
    if (n == 8 && !memcmp(s, "HTTP/", 5))
        return http1_fail(p, 505, "version \"%.8s\" is not served here; use HTTP/1.1", s);
    return bad(p, "no HTTP version", s, n);
}

// Copies path and query into state->text. `s` starts with "/" or "?" or is empty.
static bool split_path(struct http1 *p, const char *s, size_t n)
{
    const char *mark = memchr(s, '?', n);
    size_t path = mark ? (size_t)(mark - s) : n;
    struct buf *text = &p->state->text;
    size_t query_at;

    if (!buf_add(text, path ? s : "/", path ? path : 1) || !buf_addc(text, '\0'))
        return http1_fail(p, 414, "the request target is longer than %u bytes", HTTP1_TARGET_MAX);
    query_at = text->len;
    if (mark && !buf_add(text, mark + 1, n - path - 1))
        return http1_fail(p, 414, "the request target is longer than %u bytes", HTTP1_TARGET_MAX);
    buf_cstr(text); // terminates
    p->path = text->ptr;
    p->query = mark ? text->ptr + query_at : NULL;
    return true;
}

static bool parse_authority(struct http1 *p, const char *s, size_t n)
{
    struct err err = {0};

    if (host_parse_authority(s, n, &p->host, &p->port, &err))
        return true;
    return http1_fail(p, 400, "%s", err.msg);
}

static bool parse_absolute(struct http1 *p, const char *s, size_t n)
{
    size_t authority, skip;

    if (n > 7 && !strncasecmp(s, "http://", 7)) {
        p->scheme = "http";
        skip = 7;
    } else if (n > 8 && !strncasecmp(s, "https://", 8)) {
        p->scheme = "https";
        skip = 8;
    } else {
        return bad(p, "the request target is neither a path nor an http URL", s, n);
    }
    p->form = HTTP1_ABSOLUTE;
    authority = strcspn(s + skip, "/?");
    if (authority > n - skip)
        authority = n - skip;
    return parse_authority(p, s + skip, authority) &&
           split_path(p, s + skip + authority, n - skip - authority);
}

static bool parse_target(struct http1 *p, const char *s, size_t n)
{
    bool connect = !strcmp(p->method, "CONNECT");

    if (n > HTTP1_TARGET_MAX)
        return http1_fail(p, 414, "the request target is longer than %u bytes", HTTP1_TARGET_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= 0x20 || (unsigned char)s[i] >= 0x7f || s[i] == '#')
            return bad(p, "the request target has a byte that must be percent-encoded", s, n);
    if (connect) {
        p->form = HTTP1_AUTHORITY;
        p->path = "";
        if (!parse_authority(p, s, n))
            return false;
        return p->port ? true : bad(p, "CONNECT names no port", s, n);
    }
    if (n && s[0] == '/') {
        p->form = HTTP1_ORIGIN;
        return split_path(p, s, n);
    }
    if (n == 1 && s[0] == '*') {
        p->form = HTTP1_ASTERISK;
        p->path = "*";
        return !strcmp(p->method, "OPTIONS") ||
               bad(p, "only OPTIONS takes \"*\"", p->method, strlen(p->method));
    }
    return parse_absolute(p, s, n);
}

static bool parse_request_line(struct http1 *p, char *line, size_t n)
{
    char *sp1 = memchr(line, ' ', n), *sp2 = sp1 ? memrchr(line, ' ', n) : NULL;
    size_t method = sp1 ? (size_t)(sp1 - line) : 0;

    if (!sp1 || sp1 == sp2)
        return bad(p, "a request line is METHOD TARGET VERSION", line, n);
    if (method > HTTP1_METHOD_MAX || !is_token(line, method))
        return bad(p, "the method is no token", line, method);
    *sp1 = *sp2 = '\0';
    p->method = line;
    p->target = sp1 + 1;
    if (!strcmp(p->method, "PRI") && !strcmp(p->target, "*") && !strncmp(sp2 + 1, "HTTP/2.0", 8)) {
        p->h2_preface = true;
        return http1_fail(p, 505, "plaintext HTTP/2 is not served here; use HTTP/1.1, or HTTP/2 over TLS");
    }
    return parse_version(p, sp2 + 1, n - (size_t)(sp2 + 1 - line)) &&
           parse_target(p, sp1 + 1, (size_t)(sp2 - sp1 - 1));
}

// Start line of a response: VERSION SP CODE [SP REASON].
static bool parse_status_line(struct http1 *p, char *line, size_t n)
{
    if (n < 12 || line[8] != ' ' || (n > 12 && line[12] != ' '))
        return bad(p, "the server's status line is malformed", line, n);
    if (!parse_version(p, line, 8))
        return false;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return bad(p, "the server's status line is malformed", line, n);
        p->status_code = p->status_code * 10 + (line[i] - '0');
    }
    if (p->status_code < 100 || p->status_code > 599)
        return bad(p, "the server's status is out of range", line, n);
    p->reason = n > 12 ? line + 13 : "";
    return true;
}

// Fields.

static bool parse_field(struct http1 *p, char *line, size_t n)
{
    char *colon = memchr(line, ':', n), *value, *end = line + n;

    if (n && (line[0] == ' ' || line[0] == '\t'))
        return http1_fail(p, 400, "a field is folded over two lines");
    if (!colon)
        return bad(p, "a field has no colon", line, n);
    if (!is_token(line, (size_t)(colon - line)))
        return bad(p, "a field's name is no token", line, (size_t)(colon - line));
    if (p->nfields == HTTP1_FIELDS_MAX)
        return http1_fail(p, 431, "there are more than %u fields", HTTP1_FIELDS_MAX);
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
        ;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *colon = *end = '\0';
    p->fields[p->nfields++] = (struct http1_field){.name = line, .value = value};
    return true;
}

static void connection_token(void *ctx, const char *token, size_t n)
{
    struct facts *f = ctx;

    f->close |= http1_token_is(token, n, "close");
    f->connection_upgrade |= http1_token_is(token, n, "upgrade");
}

static void gather(const struct http1 *p, struct facts *f)
{
    for (size_t i = 0; i < p->nfields; i++) {
        const char *name = p->fields[i].name, *value = p->fields[i].value;

        if (!strcasecmp(name, "content-length")) {
            f->length = value;
            f->lengths++;
        } else if (!strcasecmp(name, "transfer-encoding")) {
            f->coding = value;
            f->codings++;
        } else if (!strcasecmp(name, "host")) {
            f->host = value;
            f->hosts++;
        } else if (!strcasecmp(name, "upgrade")) {
            f->upgrade = value;
            f->upgrades++;
        } else if (!strcasecmp(name, "expect")) {
            f->expect = value;
        } else if (!strcasecmp(name, "connection")) {
            http1_each_token(value, connection_token, f);
        }
    }
}

static bool parse_length(struct http1 *p, const char *s)
{
    uint64_t value = 0;
    size_t n = strlen(s);

    if (!n || n > LENGTH_DIGITS_MAX || (s[0] == '0' && n > 1))
        return bad(p, "Content-Length is no plain number", s, n);
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return bad(p, "Content-Length is no plain number", s, n);
        value = value * 10 + (uint64_t)(s[i] - '0');
    }
    p->length = value;
    p->state->has_length = true;
    return true;
}

// RFC 9112 6.3, with every case that may be read in two ways refused.
static bool weigh_framing(struct http1 *p, const struct facts *f)
{
    if (f->lengths && f->codings)
        return http1_fail(p, 400, "both Content-Length and Transfer-Encoding");
    if (f->lengths > 1 || f->codings > 1)
        return http1_fail(p, 400, "%s is there more than once",
                          f->lengths > 1 ? "Content-Length" : "Transfer-Encoding");
    if (f->codings && p->minor == 0)
        return http1_fail(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (f->codings && strcasecmp(f->coding, "chunked") != 0)
        return http1_fail(p, 501, "a transfer coding other than chunked");
    if (f->lengths && !parse_length(p, f->length))
        return false;
    p->framing = f->codings ? HTTP1_CHUNKED : f->lengths ? HTTP1_LENGTH : HTTP1_NO_BODY;
    return true;
}

static bool weigh_host(struct http1 *p, const struct facts *f)
{
    struct host host;
    struct err err = {0};
    uint16_t port;

    if (f->hosts > 1)
        return http1_fail(p, 400, "Host is there more than once");
    if (p->form == HTTP1_AUTHORITY)
        return true; // CONNECT is decided by its target; clients send all sorts of things as Host
    if (!f->hosts)
        return p->minor == 0 || http1_fail(p, 400, "no Host field");
    if (!host_parse_authority(f->host, strlen(f->host), &host, &port, &err))
        return http1_fail(p, 400, "Host: %s", err.msg);
    if (p->form != HTTP1_ABSOLUTE) {
        p->host = host;
        p->port = port;
        return true;
    }
    uint16_t standard = !strcmp(p->scheme, "https") ? 443 : 80;
    uint16_t meant = p->port ? p->port : standard;

    if (!host_equal(&host, &p->host) || (port && port != meant))
        return http1_fail(p, 400, "Host is %.60s but the request is for %.60s", f->host, p->host.text);
    return true;
}

struct offers {
    bool websocket, http2, other;
};

static void upgrade_token(void *ctx, const char *token, size_t n)
{
    struct offers *o = ctx;

    if (http1_token_is(token, n, "websocket"))
        o->websocket = true;
    else if (http1_token_is(token, n, "h2c") || http1_token_is(token, n, "h2") ||
             (n > 5 && !strncasecmp(token, "HTTP/", 5)))
        o->http2 = true;
    else
        o->other = true;
}

// An offer of HTTP/2 is left out rather than refused: a server that knows nothing of it answers in HTTP/1.1,
// and so does the guard.
static enum http1_upgrade upgrade_of(const struct facts *f)
{
    struct offers o = {0};

    if (!f->upgrades || !f->connection_upgrade)
        return HTTP1_UPGRADE_NONE;
    http1_each_token(f->upgrade, upgrade_token, &o);
    if (o.websocket)
        return HTTP1_UPGRADE_WEBSOCKET;
    return o.other && !o.http2 ? HTTP1_UPGRADE_OTHER : HTTP1_UPGRADE_NONE;
}

static bool weigh_request(struct http1 *p, const struct facts *f)
{
    bool body = http1_has_body(p);
    bool bodiless = !strcmp(p->method, "GET") || !strcmp(p->method, "HEAD") || !strcmp(p->method, "TRACE") ||
                    !strcmp(p->method, "CONNECT");

    // A server that does not expect a body there takes it for the next request; and what may only read must
    // not carry an upload.
    if (bodiless && body)
        return http1_fail(p, 400, "%s with a body", p->method);
    if (bodiless)
        p->framing = HTTP1_NO_BODY;
    if (f->upgrades > 1)
        return http1_fail(p, 400, "Upgrade is there more than once");
    p->upgrade = p->minor == 1 && strcmp(p->method, "CONNECT") != 0 ? upgrade_of(f) : HTTP1_UPGRADE_NONE;
    if (p->upgrade != HTTP1_UPGRADE_NONE && body)
        return http1_fail(p, 400, "Upgrade in a request with a body");
    if (p->upgrade == HTTP1_UPGRADE_WEBSOCKET && strcmp(p->method, "GET") != 0)
        return http1_fail(p, 400, "a WebSocket is opened with GET, not %s", p->method);
    if (f->expect && strcasecmp(f->expect, "100-continue") != 0)
        return http1_fail(p, 417, "an expectation other than 100-continue");
    p->expect_continue = f->expect && body && p->minor == 1;
    return weigh_host(p, f);
}

static bool weigh_response(struct http1 *p, const struct facts *f)
{
    struct http1_state *s = p->state;
    int code = p->status_code;

    if (code == 101) {
        if (!s->upgrade_sent)
            return http1_fail(p, 502, "the server switched protocols unasked");
        p->upgrade = upgrade_of(f);
        if (p->upgrade == HTTP1_UPGRADE_NONE)
            return http1_fail(p, 502, "the server switched protocols without saying to which");
    } else if (code < 200) {
        p->interim = true;
        if (++s->interims > HTTP1_INTERIM_MAX)
            return http1_fail(p, 502, "the server sent more than %u interim answers", HTTP1_INTERIM_MAX);
    }
    if (code < 200 || code == 204 || code == 304 || !strcmp(s->expected, "HEAD"))
        p->framing = HTTP1_NO_BODY;
    else if (p->framing == HTTP1_NO_BODY)
        p->framing = HTTP1_UNTIL_CLOSE;
    if (p->framing == HTTP1_UNTIL_CLOSE)
        p->keep_alive = false;
    return true;
}

static bool parse_line(struct http1 *p, char *line, size_t n, bool first)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)line[i];

        if (c != '\t' && (c < 0x20 || c == 0x7f))
            return http1_fail(p, 400, "a control byte (0x%02x) in the head", c);
    }
    if (!first)
        return parse_field(p, line, n);
    return p->state->kind == HTTP1_REQUESTS ? parse_request_line(p, line, n) : parse_status_line(p, line, n);
}

bool http1_parse_head(struct http1 *p)
{
    struct buf *head = &p->state->head;
    char *at = head->ptr, *end = head->ptr + head->len - 2; // before the empty line
    struct facts f = {0};

    for (bool first = true; at < end; first = false) {
        char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)(lf - at) - 1; // take_head saw CR before each LF

        at[n] = '\0';
        if (!parse_line(p, at, n, first))
            return false;
        at = lf + 1;
    }
    gather(p, &f);
    p->keep_alive = p->minor == 1 && !f.close;
    if (!weigh_framing(p, &f))
        return false;
    return p->state->kind == HTTP1_REQUESTS ? weigh_request(p, &f) : weigh_response(p, &f);
}
