// SPDX-License-Identifier: Apache-2.0
#include "sandbox/appearances.h"

#include <string.h>

void appearances_deinit(struct appearances *a)
{
    for (uint32_t i = 0; i < a->n; i++)
        free(a->items[i].path);
    free(a->items);
    *a = (struct appearances){0};
}

static uint32_t *bucket_of(struct appearances *a, const char *path)
{
    uint32_t h = 2166136261u; // FNV-1a

    for (; *path; path++)
        h = (h ^ (unsigned char)*path) * 16777619u;
    return &a->buckets[h % ARRAY_LEN(a->buckets)];
}

bool appearances_note(struct appearances *a, const char *path, const struct file_rule *rule, bool only_new)
{
    uint32_t *b = bucket_of(a, path);

    for (uint32_t i = *b; i; i = a->items[i - 1].chain)
        if (!strcmp(a->items[i - 1].path, path)) {
            a->items[i - 1].rule = rule;
            a->items[i - 1].due = a->items[i - 1].due || !only_new;
            return true;
        }
    if (a->n == APPEARANCES_MAX) {
        a->overflowed = true;
        return false;
    }
    if (!a->items)
        a->items = xcalloc(APPEARANCES_MAX, sizeof *a->items);
    a->items[a->n] = (struct appearance){.path = xstrdup(path), .rule = rule, .due = true, .chain = *b};
    *b = ++a->n;
    return true;
}
