// SPDX-License-Identifier: Apache-2.0
// A ClientHello in pieces and at once must be read as the same. The first byte is the size of the pieces.
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "guard/hello.h"

static enum hello_event feed(struct hello *h, const uint8_t *data, size_t n, size_t piece)
{
    enum hello_event event = HELLO_MORE;
    size_t used;

    hello_init(h);
    for (size_t at = 0; at < n && event == HELLO_MORE; at += used) {
        size_t some = n - at < piece ? n - at : piece;

        event = hello_feed(h, data + at, some, &used);
        if (used > some || (event == HELLO_MORE && used != some))
            abort();
    }
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct hello whole, pieces;
    enum hello_event a, b;

    if (n < 2)
        return 0;
    a = feed(&whole, data + 1, n - 1, n);
    b = feed(&pieces, data + 1, n - 1, (size_t)data[0] + 1);
    // Pieces may meet the fault of the first of two records before that of the whole; but both read, or
    // neither.
    if ((a == HELLO_DONE) != (b == HELLO_DONE))
        abort();
    if (a == HELLO_DONE &&
        (strcmp(whole.sni.text, pieces.sni.text) != 0 || whole.ech != pieces.ech || whole.raw != pieces.raw))
        abort();
    if (n > 43 && hello_answer(data, n) == HELLO_ANSWER_MORE)
        abort(); // by then it is known
    hello_deinit(&whole);
    hello_deinit(&pieces);
    return 0;
}
