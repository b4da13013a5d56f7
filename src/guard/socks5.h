// SPDX-License-Identifier: Apache-2.0
// The client side of SOCKS as a server reads it: SOCKS5 (RFC 1928) with no authentication or
// username/password (RFC 1929, any credentials: the sandbox's clients are all alike), SOCKS4 and 4a. Only
// CONNECT; BIND and UDP ASSOCIATE are refused with the protocol's own code. The destination passes
// host_parse, so names with NUL, spaces or numeric spellings never reach a rule. No I/O; a client gets
// SOCKS_INPUT_MAX bytes to say its wish.
#ifndef BAWN_GUARD_SOCKS5_H
#define BAWN_GUARD_SOCKS5_H

#include "guard/hostname.h"

#define SOCKS_INPUT_MAX 1100u // greeting 257, credentials 513, request 262: more is refused
#define SOCKS_REPLY_MAX 32u

enum socks_event {
    SOCKS_ERROR = 0, // send `out` (may be empty), then close; `why` says the reason
    SOCKS_MORE,      // everything was consumed; feed more
    SOCKS_SEND,      // send `out`, then feed on
    SOCKS_CONNECT,   // host and port are set; decide, dial, then answer with socks_reply
};

enum socks_result {
    SOCKS_GENERAL_FAILURE = 0,
    SOCKS_GRANTED,
    SOCKS_NOT_ALLOWED,
    SOCKS_HOST_UNREACHABLE,
    SOCKS_REFUSED,
    SOCKS_TIMED_OUT,
};

struct socks {
    int version;      // 4 or 5, 0 before the first byte
    struct host host; // SOCKS_CONNECT
    uint16_t port;
    uint8_t out[SOCKS_REPLY_MAX];
    size_t nout;
    char why[160];
    int state;
    size_t total; // bytes seen
    size_t nin;
    uint8_t in[600];
};

// True when the first byte of a connection is a SOCKS version.
bool socks_sniff(uint8_t first);
void socks_init(struct socks *s);
// Consumes *ret_used of n bytes and reports one event. Bytes after the request are never consumed.
enum socks_event socks_feed(struct socks *s, const uint8_t *data, size_t n, size_t *ret_used);
// The answer to SOCKS_CONNECT into out/nout.
void socks_reply(struct socks *s, enum socks_result result);

#endif
