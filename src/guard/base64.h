// SPDX-License-Identifier: Apache-2.0
#ifndef BAWN_GUARD_BASE64_H
#define BAWN_GUARD_BASE64_H

#include "base/buf.h"

// RFC 4648, standard alphabet, with padding. Both append.
void base64_encode(const char *p, size_t n, struct buf *out);
// Strict: no other characters, padding only at the end and as long as needed, unused bits zero.
bool base64_decode(const char *p, size_t n, struct buf *out);

#endif
