// SPDX-License-Identifier: Apache-2.0
// DNS as the sandbox's only resolver answers it: a strict reader of queries and a writer of small answers, no
// I/O, no recursion, no upstream. Names go to dnsnames.h for their synthetic addresses. See dns.c.
// Sources: RFC 1035, 2308, 3596, 6891, 7766, 8482, 9460.
#ifndef BAWN_GUARD_DNS_H
#define BAWN_GUARD_DNS_H

#include "guard/hostname.h"

#define DNS_QUERY_MAX 4096u  // longer messages are not read
#define DNS_ANSWER_MAX 1232u // longest answer made here (the EDNS size that does not fragment)
#define DNS_UDP_MIN 512u     // answer size of a client without EDNS

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_OPT = 41,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_ANY = 255,
};

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_BADVERS = 16,
};

enum dns_parsed {
    DNS_DROP = 0, // not a query, or too short to answer: stay silent
    DNS_FAIL,     // answer with dns_answer and the query's `rcode`
    DNS_QUERY,
};

struct dns_query {
    uint16_t id;
    uint16_t flags; // as sent
    uint16_t type, class;
    bool has_question;
    bool edns;
    uint16_t udp_size;    // what the client can take, 512 without EDNS
    enum dns_rcode rcode; // DNS_FAIL
    // The question's name: a host (HOST_NAME) when it is spelled like one, else HOST_NONE ("_sip._tcp.x", "a
    // b").
    struct host host;
    bool reverse; // under in-addr.arpa or ip6.arpa with a whole address, which is in reverse_of
    struct address reverse_of;
    uint8_t question[260]; // as sent, letter case kept (clients compare it)
    size_t question_len;   // name, type and class
};

enum dns_parsed dns_parse(const uint8_t *msg, size_t n, struct dns_query *ret);

struct dns_reply {
    enum dns_rcode rcode;
    // Records for the question's name; with none of them and DNS_NOERROR the answer is NODATA.
    const struct address *addresses;
    size_t naddresses;
    const char *ptr; // a name, for PTR
    uint32_t ttl;
};

// Writes the whole answer, at most `cap` bytes (the client's udp_size, or DNS_ANSWER_MAX over TCP); what does
// not fit is cut to a truncated answer. Returns its length.
size_t dns_answer(const struct dns_query *q, const struct dns_reply *r, size_t cap,
                  uint8_t ret[DNS_ANSWER_MAX]);

// DNS over TCP: two bytes of length before each message. Yields one message at a time.
enum dns_tcp_event { DNS_TCP_ERROR = 0, DNS_TCP_MORE, DNS_TCP_MESSAGE };

struct dns_tcp {
    size_t have, want; // want: 0 until the length is known
    uint8_t in[2 + DNS_QUERY_MAX];
};

void dns_tcp_init(struct dns_tcp *t);
// Consumes *ret_used; on DNS_TCP_MESSAGE *ret_msg (valid until the next call) holds the message.
enum dns_tcp_event dns_tcp_feed(struct dns_tcp *t, const uint8_t *data, size_t n, size_t *ret_used,
                                const uint8_t **ret_msg, size_t *ret_len);

#endif
