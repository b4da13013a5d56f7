// SPDX-License-Identifier: Apache-2.0
// Entries stand in one array, sorted by name and then by their place in the file, so that a lookup is a
// binary search and several addresses of a name keep their order (hosts(5)).
#include "guard/hosts.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "guard/hostname.h"

struct entry {
    char *name;
    struct address address;
    size_t place;
};

struct hosts {
    struct entry *entries;
    size_t n, alloc;
};

static void add(struct hosts *h, const struct host *name, const struct address *a)
{
    if (h->n == h->alloc) {
        h->alloc = h->alloc ? h->alloc * 2 : 32;
        h->entries = xrealloc(h->entries, h->alloc * sizeof *h->entries);
    }
    h->entries[h->n] = (struct entry){xstrdup(name->text), *a, h->n};
    h->n++;
}

static size_t word(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
        i++;
    return i;
}

static size_t blank(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r'))
        i++;
    return i;
}

static void parse_line(struct hosts *h, const char *p, size_t n)
{
    const char *comment = memchr(p, '#', n);
    struct address a;
    size_t used, len;

    if (comment)
        n = (size_t)(comment - p);
    used = blank(p, n);
    p += used;
    n -= used;
    len = word(p, n);
    if (!address_parse(p, len, &a))
        return;
    address_unmap(&a);
    while (len < n) {
        struct host name;

        p += len;
        n -= len;
        used = blank(p, n);
        p += used;
        n -= used;
        len = word(p, n);
        if (len && host_parse(p, len, &name, NULL) && name.kind == HOST_NAME)
            add(h, &name, &a);
    }
}

static int compare(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int c = strcmp(a->name, b->name);

    return c ? c : (a->place > b->place) - (a->place < b->place);
}

struct hosts *hosts_parse(const char *text, size_t n)
{
    struct hosts *h = xcalloc(1, sizeof *h);

    while (n) {
        const char *end = memchr(text, '\n', n);
        size_t line = end ? (size_t)(end - text) : n;

        parse_line(h, text, line);
        line += end != NULL;
        text += line;
        n -= line;
    }
    if (h->n)
        qsort(h->entries, h->n, sizeof *h->entries, compare);
    return h;
}

struct hosts *hosts_load(const char *path)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, HOSTS_FILE_MAX);
    if (!file_read(AT_FDCWD, path, &b, NULL))
        return hosts_parse("", 0);
    return hosts_parse(buf_cstr(&b), b.len);
}

void hosts_free(struct hosts *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        free(h->entries[i].name);
    free(h->entries);
    free(h);
}

size_t hosts_find(const struct hosts *h, const char *name, struct address *ret, size_t max)
{
    size_t low = 0, high = h->n, n = 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(h->entries[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < h->n && n < max && strcmp(h->entries[low].name, name) == 0; low++)
        ret[n++] = h->entries[low].address;
    return n;
}
