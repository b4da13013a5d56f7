// SPDX-License-Identifier: Apache-2.0
// SHA-256 in hex (libmd).
#ifndef BAWN_BASE_SHA256_H
#define BAWN_BASE_SHA256_H

#include <stddef.h>

#define SHA256_HEX_SIZE 65 // 64 digits and the terminator

void sha256_hex(const void *data, size_t n, char ret[SHA256_HEX_SIZE]);

#endif
