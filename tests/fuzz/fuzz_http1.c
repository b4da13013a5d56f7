// SPDX-License-Identifier: Apache-2.0
// HTTP/1, fed in pieces, and then the property that the guard stands on: what http1_write_request wrote is
// read back as exactly one message of the same meaning, and nothing is left over. The first byte chooses kind
// and cuts, the length of the input what is changed on the way.
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guard/http1.h"

// A secret that is put in, and a field that goes.
static const char *value(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    return !strcasecmp(name, "authorization") ? "Bearer real-value"
           : !strcasecmp(name, "cookie")      ? NULL
                                              : value;
}

// Writes the head that p has read and reads it back.
static void round_trip(const struct http1 *p, bool response, const char *asked, size_t choice)
{
    char authority[HOST_TEXT_SIZE + 10];
    AUTO_BUF struct buf out = {0};
    enum http1_framing framing;
    struct http1 again;
    const char *view;
    size_t used, len, heads = 0;
    struct http1_rewrite how = {.restricted = true,
                                .peer_minor = !(choice & 1),
                                .close = choice & 2,
                                .body_changes = choice & 4,
                                .upgrade = choice & 8,
                                .value = choice & 16 ? value : NULL,
                                .path = choice & 32 && !response && p->path[0] == '/' ? "/normal" : NULL,
                                .query = choice & 32 && !response && p->path[0] == '/' ? "k=v" : NULL};

    buf_init(&out, 2 * HTTP1_HEAD_MAX);
    host_authority_text(&p->host, p->port, authority);
    how.host = p->host.kind == HOST_NONE ? "example.org" : authority;
    if (response ? !http1_write_response(p, &how, &out, &framing, NULL)
                 : !http1_write_request(p, &how, &out, &framing, NULL))
        return;
    http1_init(&again, response ? HTTP1_RESPONSES : HTTP1_REQUESTS);
    if (response)
        http1_expect(&again, asked, true);
    for (size_t at = 0; at <= out.len; at += used) {
        enum http1_event event = http1_feed(&again, out.ptr + at, out.len - at, &used, &view, &len);

        must(event != HTTP1_ERROR, "what is written can be read");
        heads += event == HTTP1_HEAD;
        must(event != HTTP1_BODY, "a head alone has no body bytes");
        if (event == HTTP1_END || event == HTTP1_MORE) {
            must(at + used == out.len, "nothing is left over");
            break;
        }
    }
    must(heads == 1, "one head is written");
    must(again.framing == framing || !again.length, "the framing is the one that was said");
    if (!response) {
        must(!strcmp(again.method, p->method) && !strcmp(again.path, how.path ? how.path : p->path),
             "method and path stay");
        must(!how.value || !http1_field(&again, "cookie"), "a field that goes is gone");
        must(!http1_field(&again, "x-http-method-override") && !http1_field(&again, "te"),
             "fields are dropped");
    }
    http1_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    bool response = n && (data[0] & 1);
    size_t piece = n ? (size_t)(data[0] >> 2) + 1 : 1, at = 1, used, len, messages = 0;
    const char *view, *asked = n && data[0] & 2 ? "HEAD" : "GET";
    struct http1 p;

    if (n < 2)
        return 0;
    http1_init(&p, response ? HTTP1_RESPONSES : HTTP1_REQUESTS);
    if (response)
        http1_expect(&p, asked, false);
    while (at < n && messages < 50) {
        size_t some = n - at < piece ? n - at : piece;
        enum http1_event event = http1_feed(&p, (const char *)data + at, some, &used, &view, &len);

        must(used <= some, "no more is consumed than was given");
        at += used;
        if (event == HTTP1_ERROR) {
            must(p.why[0] != '\0' && p.status >= 400, "a failure says why");
            break;
        }
        if (event == HTTP1_HEAD && p.form != HTTP1_AUTHORITY)
            round_trip(&p, response, asked, n);
        if (event == HTTP1_BODY)
            must(len > 0 && view >= (const char *)data && view + len <= (const char *)data + n,
                 "body is a view");
        if (event == HTTP1_MORE)
            must(used == some, "all is consumed");
        if (event == HTTP1_END) {
            http1_next(&p);
            messages++;
        }
    }
    http1_eof(&p);
    http1_deinit(&p);
    return 0;
}
