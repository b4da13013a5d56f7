// SPDX-License-Identifier: Apache-2.0
#include "guard/refuse.h"

#include <stdio.h>
#include <string.h>

#include "guard/guard.h"

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } table[] = {{400, "Bad Request"},         {403, "Forbidden"},           {405, "Method Not Allowed"},
                 {408, "Request Timeout"},     {413, "Content Too Large"},   {414, "URI Too Long"},
                 {417, "Expectation Failed"},  {421, "Misdirected Request"}, {426, "Upgrade Required"},
                 {431, "Headers Too Large"},   {501, "Not Implemented"},     {502, "Bad Gateway"},
                 {503, "Service Unavailable"}, {504, "Gateway Timeout"},     {505, "Version Not Supported"}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].phrase;
    return "Refused";
}

void refuse_http(struct buf *out, const struct refusal *r, bool close, bool head_only)
{
    AUTO_JSON json_t *o = json_object();
    AUTO_FREE char *body = NULL;
    const char *const texts[][2] = {{"host", r->host}, {"method", r->method},
                                    {"path", r->path}, {"reason", r->reason},
                                    {"rule", r->rule}, {"allow_with", r->allow_with}};

    // All are there, so that a reader need not ask; those that nothing is known of are empty.
    record_number(o, "port", r->port);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        json_object_set_new_nocheck(o, texts[i][0], json_text(""));
        record_text(o, texts[i][0], texts[i][1]);
    }
    body = json_line(o);
    buf_addf(out,
             "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
             "Cache-Control: no-store\r\nX-Bawn: refused\r\nConnection: %s\r\n\r\n",
             r->status, phrase(r->status), strlen(body) + 1, close ? "close" : "keep-alive");
    if (!head_only)
        buf_addf(out, "%s\n", body);
}

void refuse_tls(struct flow *f, int alert)
{
    const unsigned char bytes[] = {21, 3, 3, 0, 2, 2, (unsigned char)alert};

    buf_deinit(&f->client.in);
    if (stream_send(&f->client, bytes, sizeof bytes))
        flow_linger(f);
    else
        flow_end(f);
}

void refuse_flow(struct flow *f, const char *why, const char *allow_with)
{
    struct net_answer a = f->answer;

    a.verdict = VERDICT_DENY;
    if (why)
        snprintf(a.reason, sizeof a.reason, "%s", why);
    if (allow_with)
        snprintf(a.allow_with, sizeof a.allow_with, "%s", allow_with);
    flow_record_outcome(f, "denied", &f->host, f->port, &a);
}
