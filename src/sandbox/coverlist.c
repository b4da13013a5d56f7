// SPDX-License-Identifier: Apache-2.0
// The list itself: adding, order, and what one cover makes of another. The searches are in covers.c.
#include "sandbox/coverlist.h"

#include <string.h>

#include "base/path.h"

void cover_list_deinit(struct cover_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].path);
    for (size_t i = 0; i < l->nlinks; i++) {
        free(l->links[i].path);
        free(l->links[i].target);
    }
    free(l->items);
    free(l->links);
    strlist_deinit(&l->notes);
    *l = (struct cover_list){0};
}

void cover_list_add(struct cover_list *l, enum cover_kind kind, bool is_dir, const char *path,
                    const struct file_rule *rule)
{
    if (l->n == l->alloc) {
        l->alloc = l->alloc ? l->alloc * 2 : 32;
        l->items = xrealloc(l->items, l->alloc * sizeof *l->items);
    }
    l->unsorted = l->unsorted || (l->n && strcmp(l->items[l->n - 1].path, path) >= 0);
    l->items[l->n++] = (struct cover){.kind = kind, .is_dir = is_dir, .path = xstrdup(path), .rule = rule};
}

void cover_list_add_link(struct cover_list *l, const char *path, const char *target,
                         const struct file_rule *rule)
{
    if (l->nlinks == l->links_alloc) {
        l->links_alloc = l->links_alloc ? l->links_alloc * 2 : 8;
        l->links = xrealloc(l->links, l->links_alloc * sizeof *l->links);
    }
    l->links[l->nlinks++] =
        (struct cover_link){.path = xstrdup(path), .target = xstrdup(target), .rule = rule};
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct cover *)a)->path, ((const struct cover *)b)->path);
}

// The stronger of two entries with one path first: mask, then read-only, then pin.
static int by_path_and_kind(const void *a, const void *b)
{
    int c = by_path(a, b);

    return c ? c : (int)((const struct cover *)a)->kind - (int)((const struct cover *)b)->kind;
}

static int link_by_path(const void *a, const void *b)
{
    return strcmp(((const struct cover_link *)a)->path, ((const struct cover_link *)b)->path);
}

const struct cover *cover_list_find(const struct cover_list *l, const char *path)
{
    const struct cover key = {.path = (char *)(uintptr_t)path};

    if (l->n && !l->unsorted)
        return bsearch(&key, l->items, l->n, sizeof *l->items, by_path);
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].path, path))
            return &l->items[i];
    return NULL;
}

const struct cover_link *cover_list_link(const struct cover_list *l, const char *path)
{
    for (size_t i = 0; i < l->nlinks; i++)
        if (!strcmp(l->links[i].path, path))
            return &l->links[i];
    return NULL;
}

static void links_sort(struct cover_list *l)
{
    size_t out = 0;

    if (l->nlinks > 1)
        qsort(l->links, l->nlinks, sizeof *l->links, link_by_path);
    for (size_t i = 0; i < l->nlinks; i++) {
        if (out && !strcmp(l->links[out - 1].path, l->links[i].path)) {
            free(l->links[i].path);
            free(l->links[i].target);
        } else {
            l->links[out++] = l->links[i];
        }
    }
    l->nlinks = out;
}

static void pin_ancestors(struct cover_list *l, const struct strlist *roots)
{
    size_t n = l->n;

    for (size_t i = 0; i < n; i++) {
        const char *root = NULL;
        AUTO_FREE char *up = path_parent(l->items[i].path);

        for (size_t k = 0; k < roots->n && !root; k++)
            root = path_within(up, roots->items[k]) ? roots->items[k] : NULL;
        // Covers of one directory come one after the other: do not pin the same ancestors for each.
        while (root && strcmp(up, root) != 0 && strcmp(up, l->items[l->n - 1].path) != 0) {
            char *next = path_parent(up);

            cover_list_add(l, COVER_PIN, true, up, NULL);
            free(up);
            up = next;
        }
    }
}

// Below a mask nothing can be reached, so nothing is covered there; below a read-only directory only masks
// add anything.
static void drop_redundant(struct cover_list *l)
{
    const char *mask = NULL, *readonly = NULL;
    size_t out = 0;

    for (size_t i = 0; i < l->n; i++) {
        struct cover *c = &l->items[i];
        bool same = out && !strcmp(l->items[out - 1].path, c->path);
        bool hidden = mask && path_within(c->path, mask);
        bool held = readonly && path_within(c->path, readonly) && c->kind != COVER_MASK;

        if (same || hidden || held) {
            free(c->path);
            continue;
        }
        l->items[out] = *c;
        c = &l->items[out++];
        if (c->kind == COVER_MASK && c->is_dir)
            mask = c->path;
        if (c->kind == COVER_READONLY && c->is_dir)
            readonly = c->path;
    }
    l->n = out;
}

void cover_list_finish(struct cover_list *l, const struct strlist *roots)
{
    if (l->n) {
        pin_ancestors(l, roots);
        qsort(l->items, l->n, sizeof *l->items, by_path_and_kind);
        drop_redundant(l);
    }
    l->unsorted = false;
    links_sort(l);
    strlist_sort(&l->notes);
    strlist_uniq(&l->notes);
}
