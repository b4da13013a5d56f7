// SPDX-License-Identifier: Apache-2.0
// Owned list of owned strings; the array is always NULL-terminated, so it serves as argv or envp.
#ifndef BAWN_BASE_STRLIST_H
#define BAWN_BASE_STRLIST_H

#include "base/err.h"

struct strlist {
    char **items; // NULL while empty and never grown
    size_t n, alloc;
};

void strlist_deinit(struct strlist *l);
void strlist_add(struct strlist *l, const char *s);
void strlist_addf(struct strlist *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strlist_take(struct strlist *l, char *owned); // takes over a malloc'd string
bool strlist_has(const struct strlist *l, const char *s);
void strlist_sort(struct strlist *l);         // by byte value
void strlist_uniq(struct strlist *l);         // drops equal neighbours
char *const *strlist_argv(struct strlist *l); // never NULL

static inline void cleanup_strlist_(struct strlist *l)
{
    strlist_deinit(l);
}
#define AUTO_STRLIST __attribute__((cleanup(cleanup_strlist_)))

#endif
