// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <stdint.h>

// Length of the well-formed sequence at s, or 0; the code point is stored.
static size_t sequence(const unsigned char *s, size_t n, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80                   ? 1
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                               : 0;
    uint32_t c = len == 1 ? s[0] : len == 2 ? s[0] & 0x1fu : len == 3 ? s[0] & 0x0fu : s[0] & 0x07u;

    if (!len || len > n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if ((len > 1 && c < least[len]) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return len;
}

size_t utf8_valid_prefix(const char *s, size_t n)
{
    size_t used = 0;
    uint32_t c;

    while (used < n) {
        size_t len = sequence((const unsigned char *)s + used, n - used, &c);

        if (!len)
            break;
        used += len;
    }
    return used;
}

void utf8_printable(struct buf *out, const char *s, size_t n)
{
    while (n) {
        uint32_t c = 0;
        size_t len = sequence((const unsigned char *)s, n, &c);
        // C1 controls, bidirectional overrides and the line separators are as dangerous as ESC.
        bool hide = !len || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
                    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;

        if (!len)
            len = 1;
        if (hide)
            for (size_t i = 0; i < len; i++)
                buf_addf(out, "\\x%02x", (unsigned char)s[i]);
        else
            buf_add(out, s, len);
        s += len;
        n -= len;
    }
}
