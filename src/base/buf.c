// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

void buf_init(struct buf *b, size_t cap)
{
    *b = (struct buf){.cap = cap};
}

void buf_deinit(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){.cap = b->cap};
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t want, alloc;

    if (n > b->cap || b->len > b->cap - n) {
        b->full = true;
        return NULL;
    }
    want = b->len + n + 1; // one more for a terminator
    if (want > b->alloc) {
        alloc = b->alloc ? b->alloc : 64;
        while (alloc < want)
            alloc *= 2;
        b->ptr = xrealloc(b->ptr, alloc);
        b->alloc = alloc;
    }
    return b->ptr + b->len;
}

bool buf_add(struct buf *b, const void *data, size_t n)
{
    char *p = buf_reserve(b, n);

    if (!p)
        return false;
    if (n)
        memcpy(p, data, n);
    b->len += n;
    return true;
}

bool buf_adds(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

bool buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_addf(struct buf *b, const char *fmt, ...)
{
    AUTO_FREE char *s = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        die_oom();
    return buf_add(b, s, (size_t)n);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n > b->len)
        n = b->len;
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
    if (!b->ptr)
        return "";
    b->ptr[b->len] = '\0';
    return b->ptr;
}

char *buf_take(struct buf *b)
{
    char *p = b->ptr ? b->ptr : xstrdup("");

    p[b->len] = '\0';
    b->ptr = NULL;
    b->len = b->alloc = 0;
    return p;
}
