// SPDX-License-Identifier: Apache-2.0
// The first byte says how the rest is cut into pieces.
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "guard/socks5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t piece = n ? (size_t)data[0] % 40 + 1 : 1, at = 1, used;
    struct host again;
    struct socks s;

    socks_init(&s);
    while (at < n) {
        size_t some = n - at < piece ? n - at : piece;
        enum socks_event event = socks_feed(&s, data + at, some, &used);

        if (used > some || s.nout > SOCKS_REPLY_MAX)
            abort();
        at += used;
        if (event == SOCKS_ERROR) {
            if (!s.why[0])
                abort();
            break;
        }
        if (event == SOCKS_CONNECT) {
            // What was admitted is canonical: it reads back as itself.
            if (!s.port || !host_parse(s.host.text, strlen(s.host.text), &again, NULL) ||
                !host_equal(&s.host, &again))
                abort();
            socks_reply(&s, SOCKS_GRANTED);
            break;
        }
    }
    return 0;
}
