// SPDX-License-Identifier: Apache-2.0
// What the supervisor and bawn-guard say to each other: one SEQPACKET socket, one message a packet, a header
// and a payload. Documents (configuration, update) come in a sealed memfd, as they may be larger than a
// packet.
//
//      supervisor                            guard
//      CONFIG  (memfd: config.h)       ->    loads roots, resolver, /etc/hosts; makes the run's CA; jails
//                                            itself
//                                      <-    READY (PEM of the CA, empty when nothing will be terminated)
//      LISTENERS (≤ 8 descriptors)*    ->    serves each from then on
//      UPDATE  (memfd)                 ->    new rules; connections they no longer permit are cut
//                                      <-    UPDATED ("" or what is wrong: the old rules stay)
//                                      <-    RECORD (one JSON object a line; with an id: a refusal is among
//                                      them)
//      SEEN    (id)                    ->    on record; the program inside may hear of the refusal now
//                                      <-    DECIDE (id, JSON object): something is held
//      ANSWER  (id, verdict)           ->    goes on or refuses
//                                      <-    FAILED (text), then end of file
// End of file in either direction ends the guard; a guard that died leaves the run without network. A message
// that is not permitted in the guard's state, or malformed, ends the guard too: the supervisor is trusted but
// a mix-up must not pass unseen.
#ifndef BAWN_GUARD_PROTO_H
#define BAWN_GUARD_PROTO_H

#include <stdint.h>

#define GUARD_CONTROL_FD 3
#define GUARD_PACKET_MAX 65536 // longest message with its header
#define GUARD_CONFIG_MAX (16u << 20)

enum guard_message {
    GUARD_CONFIG = 1,
    GUARD_LISTENERS,
    GUARD_UPDATE,
    GUARD_ANSWER,
    GUARD_SEEN,
    GUARD_READY = 64,
    GUARD_UPDATED,
    GUARD_RECORD,
    GUARD_DECIDE,
    GUARD_FAILED,
};

struct guard_header {
    uint32_t type; // enum guard_message
    uint32_t id;   // DECIDE and ANSWER, RECORD and SEEN; else 0
};

// The same numbers as enum gate_kind of sandbox/gate.h, which the guard does not include.
enum guard_listener_kind {
    GUARD_TCP4 = 1,
    GUARD_TCP6,
    GUARD_DNS_UDP4,
    GUARD_DNS_UDP6,
    GUARD_DNS_TCP4,
    GUARD_DNS_TCP6,
    GUARD_PROXY,
    GUARD_REFUSED_TCP4,
    GUARD_REFUSED_TCP6,
    GUARD_REFUSED_UDP4,
    GUARD_REFUSED_UDP6,
};

struct guard_listener {
    uint16_t kind;
    uint16_t port;
};

struct guard_answer {
    uint32_t verdict; // enum verdict; anything but VERDICT_ALLOW refuses
};

#endif
