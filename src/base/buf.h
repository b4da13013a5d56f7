// SPDX-License-Identifier: Apache-2.0
// Growable byte buffer with a hard cap that is named at birth. Appending past the cap fails and sets the
// buffer's `full` mark; nothing is written partly. Data is not terminated unless buf_cstr is called.
#ifndef BAWN_BASE_BUF_H
#define BAWN_BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
    char *ptr;
    size_t len;   // bytes in use
    size_t alloc; // bytes allocated
    size_t cap;   // most bytes it may ever hold
    bool full;    // an append was refused
};

void buf_init(struct buf *b, size_t cap);
void buf_deinit(struct buf *b); // takes a zeroed struct too
bool buf_add(struct buf *b, const void *data, size_t n);
bool buf_adds(struct buf *b, const char *s);
bool buf_addc(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Room for n more bytes at ptr+len, or NULL past the cap; the caller adds to len what it wrote.
char *buf_reserve(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); // drops n bytes from the front
const char *buf_cstr(struct buf *b);       // terminated view, valid until the next change; "" when empty
char *buf_take(struct buf *b);             // hands over the terminated contents; the buffer is empty after

static inline void cleanup_buf_(struct buf *b)
{
    buf_deinit(b);
}
#define AUTO_BUF __attribute__((cleanup(cleanup_buf_)))

#endif
