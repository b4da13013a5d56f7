// SPDX-License-Identifier: Apache-2.0
// The run's own certificate authority: one P-256 key that exists only in this process's memory, and leaf
// certificates made on demand for the hosts that the guard terminates. All leaves share a second key: making
// a leaf is one signature, about 30 µs.
#ifndef BAWN_GUARD_CA_H
#define BAWN_GUARD_CA_H

#include <openssl/x509.h>

#include "base/buf.h"
#include "guard/hostname.h"

#define CA_LEAVES_MAX 512u // certificates kept; the table starts anew when it is full
#define CA_DAYS 90         // validity: longer than any run, and the key is gone with the run

struct ca;

MUST_USE bool ca_new(struct ca **ret, struct err *err);
void ca_free(struct ca *ca); // takes NULL
// The authority's certificate, for the sandbox's trust store. Appends to ret.
MUST_USE bool ca_pem(const struct ca *ca, struct buf *ret, struct err *err);
// The leaf for a host (borrowed until the next call) and the key of all leaves.
MUST_USE bool ca_leaf(struct ca *ca, const struct host *host, X509 **ret_cert, EVP_PKEY **ret_key,
                      struct err *err);
X509 *ca_certificate(const struct ca *ca); // borrowed

#endif
