// SPDX-License-Identifier: Apache-2.0
// TLS on both sides of the guard: toward the sandbox with leaves of the run's authority, toward servers with
// verification against the system's roots and the policy's `ca`. TLS 1.2 and up; ALPN http/1.1 only.
#ifndef BAWN_GUARD_TLS_H
#define BAWN_GUARD_TLS_H

#include "base/strlist.h"
#include "guard/ca.h"
#include "guard/stream.h"

struct tls;

// Reads the system's roots (the file only: parsing 140 certificates takes milliseconds and waits for the
// first connection that needs them). `extra`: PEM texts. Touches files, so it belongs before the jail.
MUST_USE bool tls_new(const struct strlist *extra, struct tls **ret, struct err *err);
void tls_free(struct tls *t); // takes NULL
// Makes the authority, unless there is one. Touches no file: may come after the jail, by a policy update.
MUST_USE bool tls_need_authority(struct tls *t, struct err *err);
const struct ca *tls_authority(const struct tls *t); // NULL before

// Begins the handshake on an open stream (stream.h); drive it with stream_handshake.
MUST_USE bool tls_accept(struct tls *t, struct stream *s, const struct host *host, struct err *err);
MUST_USE bool tls_connect(struct tls *t, struct stream *s, const struct host *host, uint16_t port,
                          struct err *err);
// Why the handshake on s failed: a sentence for people.
void tls_explain(const struct stream *s, const struct host *host, char *ret, size_t n);

#endif
