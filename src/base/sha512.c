// SPDX-License-Identifier: Apache-2.0
#include "base/sha512.h"

#include <sys/types.h>
#include <stdint.h>
#include <sha2.h>

void sha512_hex(const void *data, size_t n, char ret[SHA512_HEX_SIZE])
{
    _Static_assert(SHA512_HEX_SIZE == SHA512_DIGEST_STRING_LENGTH, "two digits a byte, and the terminator");

    SHA512Data(data, n, ret);
}
