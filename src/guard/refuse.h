// SPDX-License-Identifier: Apache-2.0
// How a refusal is told to a client, in each protocol's own form, and what goes on record.
#ifndef BAWN_GUARD_REFUSE_H
#define BAWN_GUARD_REFUSE_H

#include "guard/flow.h"

struct refusal {
    int status; // HTTP
    const char *host, *method, *path;
    uint16_t port;
    const char *reason, *rule, *allow_with;
};

// A whole HTTP answer with a JSON body {host, port, method, path, reason, rule, allow_with}.
void refuse_http(struct buf *out, const struct refusal *r, bool close, bool head_only);
// A fatal TLS alert before any TLS is there (RFC 8446 6.2).
enum {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_ACCESS_DENIED = 49,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_NO_ALPN = 120
};
void refuse_tls(struct flow *f, int alert);
// Refused as to host and port, before or without HTTP: records it. `why` replaces the answer's reason.
void refuse_flow(struct flow *f, const char *why, const char *allow_with);

#endif
