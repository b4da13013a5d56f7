// SPDX-License-Identifier: Apache-2.0
#include "base/strlist.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void strlist_deinit(struct strlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct strlist){0};
}

void strlist_take(struct strlist *l, char *owned)
{
    if (l->n + 2 > l->alloc) {
        l->alloc = l->alloc ? l->alloc * 2 : 8;
        l->items = xrealloc(l->items, l->alloc * sizeof *l->items);
    }
    l->items[l->n++] = owned;
    l->items[l->n] = NULL;
}

void strlist_add(struct strlist *l, const char *s)
{
    strlist_take(l, xstrdup(s));
}

void strlist_addf(struct strlist *l, const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        die_oom();
    va_end(ap);
    strlist_take(l, s);
}

bool strlist_has(const struct strlist *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i], s))
            return true;
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *l)
{
    if (l->n > 1)
        qsort(l->items, l->n, sizeof *l->items, by_bytes);
}

void strlist_uniq(struct strlist *l)
{
    size_t out = 0;

    for (size_t i = 0; i < l->n; i++) {
        if (out && !strcmp(l->items[out - 1], l->items[i]))
            free(l->items[i]);
        else
            l->items[out++] = l->items[i];
    }
    l->n = out;
    if (l->items)
        l->items[out] = NULL;
}

char *const *strlist_argv(struct strlist *l)
{
    static char *empty[1];

    return l->items ? l->items : empty;
}
