// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_SIZE 8192u

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(max_align_t) char data[];
};

void arena_deinit(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
    a->used = a->size = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t align = _Alignof(max_align_t), want;
    struct arena_chunk *c;
    void *p;

    if (n > SIZE_MAX / 2)
        die_oom();
    want = (n + align - 1) & ~(align - 1);
    if (want > a->size - a->used) {
        a->size = want > CHUNK_SIZE ? want : CHUNK_SIZE;
        a->used = 0;
        c = xmalloc(sizeof *c + a->size);
        c->next = a->chunks;
        a->chunks = c;
    }
    p = a->chunks->data + a->used;
    a->used += want;
    return memset(p, 0, want);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = arena_alloc(a, len + 1);

    memcpy(p, s, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    int n;
    char *p;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        die_oom();
    p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}
