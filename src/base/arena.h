// SPDX-License-Identifier: Apache-2.0
// Memory that lives and dies together: one arena per parsed document. What comes from it is zeroed, aligned
// for any object and never freed by itself. No descriptors and no processes in arenas.
#ifndef BAWN_BASE_ARENA_H
#define BAWN_BASE_ARENA_H

#include "base/err.h"

struct arena {
    struct arena_chunk *chunks; // newest first
    size_t used, size;          // of the newest chunk
};

void arena_deinit(struct arena *a); // takes a zeroed struct too
void *arena_alloc(struct arena *a, size_t n);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline void cleanup_arena_(struct arena *a)
{
    arena_deinit(a);
}
#define AUTO_ARENA __attribute__((cleanup(cleanup_arena_)))

#endif
