// SPDX-License-Identifier: Apache-2.0
// Reads a TLS ClientHello that arrives in any fragmentation, without answering it: server name, ALPN,
// versions, Encrypted ClientHello. The caller keeps the raw bytes. Malformed input is refused, not guessed
// at. See hello.c for how Encrypted ClientHello is treated. Sources: RFC 8446, 5246, 6066, 7301, 9849.
#ifndef BAWN_GUARD_HELLO_H
#define BAWN_GUARD_HELLO_H

#include "base/buf.h"
#include "guard/hostname.h"

#define HELLO_MAX (32u << 10)     // longest ClientHello taken
#define HELLO_RAW_MAX (64u << 10) // with its record headers

enum hello_event {
    HELLO_ERROR = 0, // see why
    HELLO_MORE,
    HELLO_DONE,
    HELLO_NOT_TLS, // the first bytes are no TLS record
};

struct hello {
    struct host sni;   // HOST_NONE without server_name; an address literal there is kept as HOST_ADDRESS
    bool alpn, http11; // protocols are offered; that one is among them
    bool tls12, tls13;
    bool ech;   // an encrypted_client_hello extension is there, real or GREASE
    size_t raw; // bytes fed so far that belong to the hello's records
    char why[160];
    int state;
    size_t record_left;
    uint8_t head[5];
    size_t nhead;
    struct buf body; // handshake bytes
};

// The beginning of a server's answer to a ClientHello (RFC 8446 4.1.3, 4.1.4).
enum hello_answer {
    HELLO_ANSWER_MORE = 0, // not enough bytes to tell
    HELLO_ANSWER_RETRY,    // HelloRetryRequest: another ClientHello in the clear follows
    HELLO_ANSWER_OTHER, // ServerHello, an alert, or no TLS: what follows is not in the clear, or nothing does
    HELLO_ANSWER_CUT,   // cut into records too small to tell, which no server does
};
enum hello_answer hello_answer(const uint8_t *p, size_t n);

bool hello_sniff(uint8_t first); // 22: a handshake record
void hello_init(struct hello *h);
void hello_deinit(struct hello *h); // takes a zeroed struct too
enum hello_event hello_feed(struct hello *h, const uint8_t *data, size_t n, size_t *ret_used);

#endif
