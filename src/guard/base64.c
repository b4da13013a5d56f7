// SPDX-License-Identifier: Apache-2.0
#include "guard/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const char *p, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        unsigned v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < have ? (unsigned char)p[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            buf_addc(out, k <= have ? alphabet[v >> (18 - 6 * k) & 63] : '=');
    }
}

bool base64_decode(const char *p, size_t n, struct buf *out)
{
    size_t pad = n && p[n - 1] == '=' ? 1u + (n > 1 && p[n - 2] == '=') : 0u;
    unsigned v = 0;

    if (n % 4)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *at = i < n - pad ? memchr(alphabet, p[i], 64) : alphabet;

        if (!at)
            return false;
        v = v << 6 | (unsigned)(at - alphabet);
        if (i % 4 != 3)
            continue;
        for (size_t k = 0; k < (i + 1 == n ? 3 - pad : 3); k++)
            if (!buf_addc(out, (char)(v >> (16 - 8 * k) & 255)))
                return false;
        if (i + 1 == n && pad && (v & ((1u << 8 * pad) - 1)))
            return false;
        v = 0;
    }
    return true;
}
