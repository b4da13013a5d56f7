// SPDX-License-Identifier: Apache-2.0
// SHA-512 in hex (libmd).
#ifndef BAWN_BASE_SHA512_H
#define BAWN_BASE_SHA512_H

#include <stddef.h>

#define SHA512_HEX_SIZE 129 // 128 digits and the terminator

void sha512_hex(const void *data, size_t n, char ret[SHA512_HEX_SIZE]);

#endif
