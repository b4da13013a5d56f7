// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "guard/http1.h"

#define HOST "Host: a.test\r\n"

struct seen {
    struct http1 p;
    enum http1_event last; // ERROR, MORE, or END of the first message
    bool head;
    size_t used; // up to the end of the first message
    struct buf body;
};

static void seen_free(struct seen *s)
{
    http1_deinit(&s->p);
    buf_deinit(&s->body);
}

// Feeds text in pieces of `piece` bytes until the first message ends, fails, or the text does.
static void feed(struct seen *s, enum http1_kind kind, const char *expect, const char *text, size_t n,
                 size_t piece)
{
    const char *data;
    size_t used, len;

    memset(s, 0, sizeof *s);
    s->last = HTTP1_MORE;
    buf_init(&s->body, 1000);
    http1_init(&s->p, kind);
    if (expect)
        http1_expect(&s->p, expect, false);
    while (s->used < n || s->last == HTTP1_HEAD || s->last == HTTP1_BODY) {
        size_t some = n - s->used < piece ? n - s->used : piece;

        s->last = http1_feed(&s->p, text + s->used, some, &used, &data, &len);
        s->used += used;
        s->head |= s->last == HTTP1_HEAD;
        if (s->last == HTTP1_BODY)
            assert_true(buf_add(&s->body, data, len));
        if (s->last == HTTP1_ERROR || s->last == HTTP1_END)
            return;
    }
}

static void assert_refused(const char *text, int status)
{
    struct seen s;

    for (size_t piece = 1; piece < 2000; piece += 1999 - 1) {
        feed(&s, HTTP1_REQUESTS, NULL, text, strlen(text), piece);
        if (s.last != HTTP1_ERROR)
            fail_msg("taken: %s", text);
        if (s.p.status != status)
            fail_msg("status %d (%s): %s", s.p.status, s.p.why, text);
        assert_true(s.p.why[0] != '\0');
        seen_free(&s);
    }
}

static void assert_taken(struct seen *s, const char *text)
{
    feed(s, HTTP1_REQUESTS, NULL, text, strlen(text), 1);
    if (s->last != HTTP1_END)
        fail_msg("%s: %s", s->p.why, text);
}

// What goes upstream for a request; owned.
static char *rewritten(const char *text, const struct http1_rewrite *how)
{
    struct http1_rewrite with = how ? *how : (struct http1_rewrite){0};
    enum http1_framing framing;
    struct err err = {0};
    struct buf out;
    struct seen s;

    assert_taken(&s, text);
    if (!with.host)
        with.host = "a.test";
    buf_init(&out, HTTP1_HEAD_MAX);
    if (!http1_write_request(&s.p, &with, &out, &framing, &err))
        fail_msg("%s", err.msg);
    seen_free(&s);
    return buf_take(&out);
}

static void assert_rewritten(const char *text, const struct http1_rewrite *how, const char *expected)
{
    char *got = rewritten(text, how);

    assert_string_equal(got, expected);
    free(got);
}

static void ambiguous_framing_is_refused(void **state)
{
    (void)state;
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 005\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\nhello", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501);
    assert_refused("POST / HTTP/1.1\r\n" HOST
                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   400);
    assert_refused("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
}

static void broken_lines_are_refused(void **state)
{
    static const char nul_value[] = "GET / HTTP/1.1\r\n" HOST "X: \0\r\n\r\n";
    struct seen s;

    (void)state;
    assert_refused("GET / HTTP/1.1\n" HOST "\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "X y: x\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", 400);
    assert_refused("GET /\r\n\r\n", 400);
    assert_refused("GET  / HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET / x HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET /\t HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("G@T / HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET / HTTP/1.2\r\n" HOST "\r\n", 505);
    assert_refused("GET / HTTP/2.0\r\n" HOST "\r\n", 505);
    assert_refused("GET / http/1.1\r\n" HOST "\r\n", 400);
    assert_refused("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("\x16\x03\x01", 400);
    assert_refused("SSH-2.0-OpenSSH\r\n", 400);
    feed(&s, HTTP1_REQUESTS, NULL, nul_value, sizeof nul_value - 1, 100);
    assert_int_equal(s.last, HTTP1_ERROR);
    seen_free(&s);
    assert_taken(&s, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    seen_free(&s);
}

static void chunks_are_read_strictly(void **state)
{
    static const char *const bad[] = {
        "G\r\n",
        "0x5\r\nhello\r\n",
        "-5\r\n",
        "\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n",
        "5;\x01\r\n",
        "5;a\nb\r\n",
        "5\rhello",
        "10000000000000000\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n\rX",
        "5;a\r\rhello",
        "0\r\nA\x01: b\r\n\r\n",
    };
    char text[400];
    struct seen s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s",
                 bad[i]);
        assert_refused(text, 400);
    }
    assert_taken(&s, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n00b "
                     "\r\n, world\r\n12\r\n0\r\nT: v\r\n\r\nGET");
    assert_string_equal(buf_cstr(&s.body), "hello, world\r\n12");
    seen_free(&s);
}

static void a_body_ends_where_it_was_said_to(void **state)
{
    static const char text[] =
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\n" HOST "\r\n";
    struct seen s;
    const char *data;
    size_t used, len;

    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        feed(&s, HTTP1_REQUESTS, NULL, text, sizeof text - 1, piece);
        assert_int_equal(s.last, HTTP1_END);
        assert_string_equal(buf_cstr(&s.body), "hello");
        assert_string_equal(text + s.used, "GET /2 HTTP/1.1\r\n" HOST "\r\n");
        // One at a time: nothing is taken before it is asked for.
        assert_int_equal(http1_feed(&s.p, text + s.used, 5, &used, &data, &len), HTTP1_END);
        assert_int_equal(used, 0);
        http1_next(&s.p);
        assert_true(http1_idle(&s.p));
        assert_int_equal(http1_feed(&s.p, text + s.used, strlen(text + s.used), &used, &data, &len),
                         HTTP1_HEAD);
        assert_string_equal(s.p.path, "/2");
        seen_free(&s);
    }
}

static void a_get_carries_no_body(void **state)
{
    struct seen s;

    (void)state;
    assert_refused("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 400);
    assert_refused("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 400);
    assert_taken(&s, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    seen_free(&s);
    assert_taken(&s, "DELETE / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    assert_true(http1_body_unexpected(&s.p));
    seen_free(&s);
}

static void the_host_is_one_and_agrees(void **state)
{
    struct seen s;

    (void)state;
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", 400);
    assert_refused("GET http://a.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n", 400);
    assert_refused("GET http://a.test/ HTTP/1.0\r\nHost: evil.test\r\n\r\n", 400);
    assert_refused("GET http://a.test:81/ HTTP/1.1\r\nHost: a.test:80\r\n\r\n", 400);
    assert_refused("GET http://u:p@a.test/ HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET ftp://a.test/ HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET a.test HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("GET * HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_taken(&s, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(s.p.host.kind, HOST_NONE);
    assert_false(s.p.keep_alive);
    seen_free(&s);
    assert_taken(&s, "GET HTTP://A.test:8080?q HTTP/1.1\r\nHost: a.TEST.:8080\r\n\r\n");
    assert_int_equal(s.p.form, HTTP1_ABSOLUTE);
    assert_string_equal(s.p.host.text, "a.test");
    assert_int_equal(s.p.port, 8080);
    assert_string_equal(s.p.path, "/");
    assert_string_equal(s.p.query, "q");
    seen_free(&s);
}

static void connect_is_decided_by_its_target(void **state)
{
    static const char nul_host[] = "CONNECT evil.test\0.allowed.test:8080 HTTP/1.1\r\nHost: x\r\n\r\n";
    struct seen s;

    (void)state;
    assert_refused("CONNECT a.test HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("CONNECT http://a.test:80/ HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("CONNECT a.test:80/x HTTP/1.1\r\n" HOST "\r\n", 400);
    assert_refused("CONNECT 127.1:80 HTTP/1.1\r\n" HOST "\r\n", 400);
    feed(&s, HTTP1_REQUESTS, NULL, nul_host, sizeof nul_host - 1, 100);
    assert_int_equal(s.last, HTTP1_ERROR);
    seen_free(&s);
    assert_taken(&s, "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: x\r\n\r\nTLS");
    assert_int_equal(s.p.form, HTTP1_AUTHORITY);
    assert_string_equal(s.p.host.text, "2001:db8::1");
    assert_int_equal(s.p.port, 443);
    seen_free(&s);
}

static void limits_hold(void **state)
{
    static char text[200000];
    struct seen s;
    int n;

    (void)state;
    n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 200; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "X%d: y\r\n", i);
    snprintf(text + n, sizeof text - (size_t)n, "\r\n");
    assert_refused(text, 431);
    memset(text, 'a', sizeof text);
    feed(&s, HTTP1_REQUESTS, NULL, text, sizeof text, 1000);
    assert_int_equal(s.last, HTTP1_ERROR);
    assert_int_equal(s.p.status, 431);
    assert_true(s.used < HTTP1_HEAD_MAX + 1000);
    seen_free(&s);
    memcpy(text, "GET /", 5);
    memcpy(text + 17000, " HTTP/1.1\r\n" HOST "\r\n", 28);
    text[17028] = '\0';
    assert_refused(text, 414);
    n = snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;");
    memset(text + n, 'a', 100000);
    feed(&s, HTTP1_REQUESTS, NULL, text, (size_t)n + 100000, 5000);
    assert_int_equal(s.last, HTTP1_ERROR);
    seen_free(&s);
}

static void http2_without_tls_is_told_apart(void **state)
{
    struct seen s;

    (void)state;
    feed(&s, HTTP1_REQUESTS, NULL, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 100);
    assert_int_equal(s.last, HTTP1_ERROR);
    assert_true(s.p.h2_preface);
    assert_int_equal(s.p.status, 505);
    seen_free(&s);
}

static void what_goes_upstream_is_written_anew(void **state)
{
    const struct http1_rewrite restricted = {.restricted = true};

    (void)state;
    assert_rewritten(
        "GET http://a.test/x?y HTTP/1.0\r\nHost: a.test\r\nAccept:  */* \r\nProxy-Authorization: z\r\n"
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nHTTP2-Settings: AA\r\n"
        "Upgrade: h2c\r\nProxy-Connection: keep-alive\r\n\r\n",
        NULL, "GET /x?y HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n");
    assert_rewritten("GET / HTTP/1.1\r\n" HOST "X-HTTP-Method-Override: DELETE\r\nX_HTTP_Method: PUT\r\n"
                     "X-Original-URL: /admin\r\nX-A: b\r\n\r\n",
                     &restricted, "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: b\r\n\r\n");
    assert_rewritten("MOVE /a HTTP/1.1\r\n" HOST
                     "Destination: /b\r\nx-rewrite-uri: /c\r\nX_Forwarded_Path: /d\r\n"
                     "X-Original: e\r\n\r\n",
                     &restricted, "MOVE /a HTTP/1.1\r\nHost: a.test\r\nX-Original: e\r\n\r\n");
    assert_rewritten(
        "MOVE /a HTTP/1.1\r\n" HOST "Destination: /b\r\nX-Forwarded-Host: evil.test\r\n"
        "Forwarded: host=evil.test\r\nX_Host: evil.test\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n",
        NULL, "MOVE /a HTTP/1.1\r\nHost: a.test\r\nDestination: /b\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
    assert_rewritten("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer_Encoding: x\r\n"
                     "Content_Length: 3\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
                     NULL, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_rewritten("DELETE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", NULL,
                     "DELETE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
    assert_rewritten("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", NULL,
                     "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n");
    assert_rewritten("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", &restricted,
                     "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
    assert_rewritten("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", NULL,
                     "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

static void an_upgrade_passes_only_when_let(void **state)
{
    static const char text[] =
        "GET /s HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: x\r\n\r\n";
    const struct http1_rewrite let = {.upgrade = true};
    struct seen s;

    (void)state;
    assert_rewritten(text, NULL, "GET /s HTTP/1.1\r\nHost: a.test\r\nSec-WebSocket-Key: x\r\n\r\n");
    assert_rewritten(text, &let,
                     "GET /s HTTP/1.1\r\nHost: a.test\r\nSec-WebSocket-Key: x\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\n\r\n");
    assert_taken(&s, text);
    assert_int_equal(s.p.upgrade, HTTP1_UPGRADE_WEBSOCKET);
    seen_free(&s);
    assert_taken(&s, "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
    assert_int_equal(s.p.upgrade, HTTP1_UPGRADE_NONE);
    seen_free(&s);
    assert_refused("POST / HTTP/1.1\r\n" HOST
                   "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
                   400);
}

static const char *forge(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    return !strcmp(name, "X") ? "a\r\nEvil: 1" : value;
}

static void nothing_put_in_can_start_a_line(void **state)
{
    const struct http1_rewrite how[] = {{.host = "a.test", .value = forge},
                                        {.host = "a.test\r\nEvil: 1"},
                                        {.host = "a.test", .path = "/ HTTP/1.1\r\nEvil: 1"},
                                        {.host = "a.test", .query = "x y"},
                                        {0}};
    enum http1_framing framing;
    struct buf out;
    struct seen s;

    (void)state;
    assert_taken(&s, "GET / HTTP/1.1\r\n" HOST "X: y\r\n\r\n");
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        buf_init(&out, 1000);
        assert_false(http1_write_request(&s.p, &how[i], &out, &framing, NULL));
        buf_deinit(&out);
    }
    seen_free(&s);
}

static void expectations_are_known(void **state)
{
    struct seen s;

    (void)state;
    assert_taken(&s, "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx");
    assert_true(s.p.expect_continue);
    seen_free(&s);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Expect: more\r\nContent-Length: 1\r\n\r\nx", 417);
}

static void assert_response(const char *expect, const char *text, enum http1_event last, const char *body,
                            const char *rest)
{
    struct seen s;

    for (size_t piece = 1; piece < 300; piece += 7) {
        feed(&s, HTTP1_RESPONSES, expect, text, strlen(text), piece);
        if (s.last == HTTP1_MORE && s.head)
            s.last = http1_eof(&s.p);
        if (s.last != last)
            fail_msg("event %d (%s): %s", s.last, s.p.why, text);
        if (last == HTTP1_ERROR) {
            assert_int_equal(s.p.status, 502);
        } else {
            assert_string_equal(buf_cstr(&s.body), body);
            assert_string_equal(text + s.used, rest);
        }
        seen_free(&s);
    }
}

static void responses_end_where_their_request_says(void **state)
{
    (void)state;
    assert_response("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX", HTTP1_END, "ok", "X");
    assert_response("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nX", HTTP1_END, "", "X");
    assert_response("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nX", HTTP1_END, "", "X");
    assert_response("GET", "HTTP/1.1 204\r\n\r\nX", HTTP1_END, "", "X");
    assert_response("GET", "HTTP/1.1 100 Continue\r\n\r\nX", HTTP1_END, "", "X");
    assert_response("GET", "HTTP/1.0 200 OK\r\n\r\ndata: x\n\n", HTTP1_END, "data: x\n\n", "");
    assert_response("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX",
                    HTTP1_END, "ok", "X");
    assert_response("GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", HTTP1_ERROR,
                    NULL, NULL);
    assert_response("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
                    HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", HTTP1_ERROR,
                    NULL, NULL);
    assert_response("GET", "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                    HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "HTTP/2 200 OK\r\n\r\n", HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "HTTP/1.1 99 OK\r\n\r\n", HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", HTTP1_ERROR, NULL, NULL);
    assert_response("GET", "SSH-2.0-x\r\n", HTTP1_ERROR, NULL, NULL);
}

static char *answer(const char *expect, const char *text, struct http1_rewrite how, enum http1_framing *ret)
{
    struct buf out;
    struct seen s;

    feed(&s, HTTP1_RESPONSES, expect, text, strlen(text), 1000);
    assert_true(s.head);
    buf_init(&out, 10000);
    assert_true(http1_write_response(&s.p, &how, &out, ret, NULL));
    seen_free(&s);
    return buf_take(&out);
}

static void answers_are_framed_for_their_client(void **state)
{
    struct http1_rewrite how = {.peer_minor = 1};
    enum http1_framing framing;
    char *text;

    (void)state;
    text = answer("GET", "HTTP/1.0 200 OK\r\nAlt-Svc: h3=\":443\"\r\nKeep-Alive: x\r\n\r\n", how, &framing);
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(framing, HTTP1_CHUNKED);
    free(text);
    text = answer("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", how, &framing);
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    assert_int_equal(framing, HTTP1_NO_BODY);
    free(text);
    text = answer("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", how, &framing);
    assert_string_equal(text, "HTTP/1.1 204 No Content\r\n\r\n");
    free(text);
    how.peer_minor = 0;
    text = answer("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", how, &framing);
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_int_equal(framing, HTTP1_UNTIL_CLOSE);
    free(text);
    how = (struct http1_rewrite){.peer_minor = 1, .body_changes = true};
    text = answer("GET", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", how, &framing);
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_framing_is_refused),
        cmocka_unit_test(broken_lines_are_refused),
        cmocka_unit_test(chunks_are_read_strictly),
        cmocka_unit_test(a_body_ends_where_it_was_said_to),
        cmocka_unit_test(a_get_carries_no_body),
        cmocka_unit_test(the_host_is_one_and_agrees),
        cmocka_unit_test(connect_is_decided_by_its_target),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(http2_without_tls_is_told_apart),
        cmocka_unit_test(what_goes_upstream_is_written_anew),
        cmocka_unit_test(an_upgrade_passes_only_when_let),
        cmocka_unit_test(nothing_put_in_can_start_a_line),
        cmocka_unit_test(expectations_are_known),
        cmocka_unit_test(responses_end_where_their_request_says),
        cmocka_unit_test(answers_are_framed_for_their_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
