// SPDX-License-Identifier: Apache-2.0
// Writes a parsed message anew. Only fields of the end-to-end kind are carried over; everything that says
// where the message ends or what becomes of the connection is ours (RFC 9110 7.6.1).
#include <stdio.h>
#include <string.h>

#include "guard/http1_parts.h"

// Dropped always. Host, framing and Upgrade are written by us; Alt-Svc would send the client to another host,
// port or protocol that policy never saw.
static const char *const hop_by_hop[] = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "content-length",
    "expect",
    "alt-svc",
    "proxy-authentication-info",
};

// Dropped from every request: fields by which proxies and frameworks let it be for another host than it says.
static const char *const other_hosts[] = {
    "x-forwarded-host", "x-forwarded-server", "x-original-host", "x-http-host-override",
    "x-host",           "x-host-override",    "forwarded",
};

// Dropped where methods or paths are limited: fields by which frameworks and proxies let a request be
// something else than its first line says. A name that ends in "-" stands for all that begin so.
static const char *const overrides[] = {
    "x-http-method", "x-http-method-", "x-method-",     "x-original-",   "x-rewrite-",
    "x-override-",   "x-forwarded-",   "x-request-uri", "x-request-url", "x-envoy-original-",
    "destination", // of WebDAV's COPY and MOVE: a second path (RFC 4918 10.3)
};

// CGI and its descendants read "_" as "-" in field names.
static bool name_like(const char *name, const char *known)
{
    const char *start = known;

    for (; *name && *known; name++, known++) {
        char c = *name == '_' ? '-' : *name;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        if (c != *known)
            return false;
    }
    return !*known && (!*name || (known > start && known[-1] == '-'));
}

static bool in_list(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (name_like(name, list[i]))
            return true;
    return false;
}

struct nominee {
    const char *name;
    bool found;
};

static void match_nominee(void *ctx, const char *token, size_t n)
{
    struct nominee *m = ctx;

    m->found |= http1_token_is(token, n, m->name);
}

// Connection names further fields that are for the next hop only.
static bool nominated(const struct http1 *p, const char *name)
{
    struct nominee m = {.name = name};

    for (size_t i = 0; i < p->nfields && !m.found; i++)
        if (!strcasecmp(p->fields[i].name, "connection"))
            http1_each_token(p->fields[i].value, match_nominee, &m);
    return m.found;
}

// Text from outside the message (a path from a rule, a secret's value) must not start a new line.
static bool one_line(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

static bool no_space(const char *s)
{
    return one_line(s) && !strpbrk(s, " \t");
}

static bool carried(const struct http1 *p, const struct http1_rewrite *how, const char *name,
                    bool has_connection)
{
    if (in_list(name, hop_by_hop, ARRAY_LEN(hop_by_hop)))
        return false;
    if (p->state->kind == HTTP1_REQUESTS && in_list(name, other_hosts, ARRAY_LEN(other_hosts)))
        return false;
    if (how->restricted && in_list(name, overrides, ARRAY_LEN(overrides)))
        return false;
    return !has_connection || !nominated(p, name);
}

static bool write_fields(const struct http1 *p, const struct http1_rewrite *how, struct buf *out,
                         struct err *err)
{
    bool has_connection = http1_field(p, "connection") != NULL;

    for (size_t i = 0; i < p->nfields; i++) {
        const char *name = p->fields[i].name, *value = p->fields[i].value;

        if (!carried(p, how, name, has_connection))
            continue;
        if (how->value)
            value = how->value(how->ctx, name, value);
        if (!value)
            continue;
        if (!one_line(value))
            return err_set(err, ERR_INPUT, "field %.60s cannot be written: its new value has a control byte",
                           name);
        buf_adds(out, name);
        buf_adds(out, ": ");
        buf_adds(out, value);
        buf_adds(out, "\r\n");
    }
    return true;
}

static void write_connection(const struct http1 *p, const struct http1_rewrite *how, bool close,
                             struct buf *out)
{
    if (how->upgrade && p->upgrade == HTTP1_UPGRADE_WEBSOCKET)
        buf_adds(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    else if (how->upgrade && p->upgrade == HTTP1_UPGRADE_OTHER)
        buf_addf(out, "Connection: Upgrade\r\nUpgrade: %s\r\n", http1_field(p, "upgrade"));
    else if (close)
        buf_adds(out, "Connection: close\r\n");
}

static void write_framing(enum http1_framing framing, uint64_t length, struct buf *out)
{
    if (framing == HTTP1_LENGTH)
        buf_addf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
    else if (framing == HTTP1_CHUNKED)
        buf_adds(out, "Transfer-Encoding: chunked\r\n");
}

static bool finish(struct buf *out, const char *what, struct err *err)
{
    buf_adds(out, "\r\n");
    if (!out->full)
        return true;
    return err_set(err, ERR_LIMIT, "the %s's head does not fit into %zu bytes", what, out->cap);
}

bool http1_write_request(const struct http1 *p, const struct http1_rewrite *how, struct buf *out,
                         enum http1_framing *ret_framing, struct err *err)
{
    const char *path = how->path ? how->path : p->path;
    const char *query = how->query ? how->query : p->query;
    enum http1_framing framing = p->framing;

    if (!how->host || !no_space(how->host) || !no_space(path) || (query && !no_space(query)))
        return err_set(err, ERR_INPUT,
                       "the request cannot be written: host, path or query has a space or control byte");
    if (framing == HTTP1_LENGTH && p->length && how->body_changes)
        framing = HTTP1_CHUNKED;
    buf_addf(out, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n", p->method, path, query ? "?" : "", query ? query : "",
             how->host);
    if (!write_fields(p, how, out, err))
        return false;
    write_framing(framing, p->length, out);
    // Where requests are restricted, a body that the server leaves unread must not become a request of its
    // own.
    write_connection(p, how, how->close || http1_body_unexpected(p) || (how->restricted && http1_has_body(p)),
                     out);
    if (!finish(out, "request", err))
        return false;
    *ret_framing = framing;
    return true;
}

bool http1_write_response(const struct http1 *p, const struct http1_rewrite *how, struct buf *out,
                          enum http1_framing *ret_framing, struct err *err)
{
    enum http1_framing framing = p->framing;
    bool close = how->close, bodiless = framing == HTTP1_NO_BODY;
    const char *reason = how->value ? how->value(how->ctx, "", p->reason) : p->reason;

    if (framing == HTTP1_LENGTH && p->length && how->body_changes)
        framing = HTTP1_CHUNKED;
    if (framing == HTTP1_UNTIL_CLOSE)
        framing = HTTP1_CHUNKED; // so that the client's connection can go on, and a cut body shows
    if (framing == HTTP1_CHUNKED && how->peer_minor == 0) {
        framing = HTTP1_UNTIL_CLOSE;
        close = true;
    }
    if (reason && !one_line(reason))
        return err_set(err, ERR_INPUT, "the answer's reason cannot be written: it has a control byte");
    buf_addf(out, "HTTP/1.1 %03d %s\r\n", p->status_code, reason ? reason : "");
    if (!write_fields(p, how, out, err))
        return false;
    // HEAD and 304 say how long the body would have been; 1xx and 204 must not (RFC 9110 8.6).
    if (bodiless && p->state->has_length && p->status_code >= 200 && p->status_code != 204 &&
        !how->body_changes)
        framing = HTTP1_LENGTH;
    write_framing(framing, p->length, out);
    write_connection(p, how, close && p->status_code >= 200, out);
    if (!finish(out, "answer", err))
        return false;
    *ret_framing = bodiless ? HTTP1_NO_BODY : framing;
    return true;
}

size_t http1_chunk_head(uint64_t n, char ret[24])
{
    int len = snprintf(ret, 24, "%llx\r\n", (unsigned long long)n);

    return (size_t)len;
}
