// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"

#include <sys/types.h>
#include <stdint.h>
#include <sha2.h>

void sha256_hex(const void *data, size_t n, char ret[SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[SHA256_DIGEST_LENGTH];
    SHA2_CTX ctx;

    SHA256Init(&ctx);
    SHA256Update(&ctx, data, n);
    SHA256Final(sum, &ctx);
    for (size_t i = 0; i < sizeof sum; i++) {
        ret[2 * i] = digits[sum[i] >> 4];
        ret[2 * i + 1] = digits[sum[i] & 15];
    }
    ret[2 * sizeof sum] = '\0';
}
