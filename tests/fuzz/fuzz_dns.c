// SPDX-License-Identifier: Apache-2.0
// A query in, an answer out: the answer must be a response to that query, within its size, with the question
// as sent. The first byte chooses UDP or TCP framing and the verdict.
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "guard/dnsnames.h"

static void one(struct dns_names *names, const uint8_t *msg, size_t n, enum verdict verdict, bool tcp)
{
    uint8_t out[DNS_ANSWER_MAX];
    struct dns_query q;
    size_t cap, len;

    if (dns_parse(msg, n, &q) == DNS_DROP)
        return;
    cap = tcp ? DNS_ANSWER_MAX : q.udp_size;
    len = dns_names_respond(names, &q, verdict, cap, out);
    if (len < 12 || len > cap || memcmp(out, msg, 2) != 0 || !(out[2] & 0x80))
        abort();
    if (q.has_question && memcmp(out + 12, msg + 12, q.question_len) != 0)
        abort();
    if (q.reverse)
        dns_names_of(names, &q.reverse_of);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dns_names *names = dns_names_new(4);
    static struct dns_tcp tcp;
    size_t at = 1, used, len;
    enum verdict verdict;
    const uint8_t *msg;

    if (n) {
        verdict = data[0] & 1 ? VERDICT_ALLOW : VERDICT_DENY;
        if (!(data[0] & 2))
            one(names, data + 1, n - 1, verdict, false);
        dns_tcp_init(&tcp);
        while ((data[0] & 2) && at < n) {
            size_t some = n - at < (data[0] >> 2) + 1u ? n - at : (data[0] >> 2) + 1u;
            enum dns_tcp_event event = dns_tcp_feed(&tcp, data + at, some, &used, &msg, &len);

            if (event == DNS_TCP_ERROR)
                break;
            if (event == DNS_TCP_MESSAGE)
                one(names, msg, len, verdict, true);
            at += used;
        }
    }
    dns_names_free(names);
    return 0;
}
