// SPDX-License-Identifier: Apache-2.0
// The yard's own file systems (private /tmp, /dev, /proc …) are recognised by what they are: of a kind that
// lives in memory, and on a device that the supervisor's own namespace has no mount of. Everything else
// counts as the host's.
#include "sandbox/notify_mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"

#define TABLE_TEXT_MAX (64u << 20)
#define REFRESH_NS 5000000u

struct mount_line {
    uint64_t id, dev;
    char type[32];
    const char *at; // in the line, escaped
    size_t at_len;
};

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int by_id(const void *a, const void *b)
{
    return by_number(&((const struct mount_entry *)a)->id, &((const struct mount_entry *)b)->id);
}

// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" (proc(5)); fields have no
// spaces.
static bool parse_line(const char *line, struct mount_line *ret)
{
    const char *type = strstr(line, " - ");
    unsigned long long id;
    unsigned major, minor;
    int at = 0;

    if (!type || sscanf(line, "%llu %*u %u:%u %*s %n", &id, &major, &minor, &at) != 3 || !at ||
        sscanf(type, " - %31s", ret->type) != 1)
        return false;
    ret->at = line + at;
    ret->at_len = strcspn(ret->at, " ");
    ret->id = id;
    ret->dev = (uint64_t)major << 32 | minor;
    return true;
}

static bool read_text(const char *path, struct buf *ret, struct err *err)
{
    buf_init(ret, TABLE_TEXT_MAX);
    if (!file_read(AT_FDCWD, path, ret, err))
        return false;
    buf_cstr(ret);
    return true;
}

static size_t count_lines(const struct buf *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->len; i++)
        n += text->ptr[i] == '\n';
    return n;
}

static bool read_host(struct mount_table *t, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    char *line, *save = NULL;

    if (!read_text("/proc/self/mountinfo", &text, err))
        return false;
    t->host = xcalloc(count_lines(&text) + 1, sizeof *t->host);
    for (line = strtok_r(text.ptr, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct mount_line m;

        if (parse_line(line, &m))
            t->host[t->nhost++] = m.dev;
    }
    qsort(t->host, t->nhost, sizeof *t->host, by_number);
    return true;
}

static enum tree tree_of(const struct mount_table *t, const struct mount_line *m)
{
    static const char *const in_memory[] = {"tmpfs", "devpts", "mqueue", "sysfs"};

    if (!strcmp(m->type, "proc"))
        return TREE_PROC;
    if (bsearch(&m->dev, t->host, t->nhost, sizeof *t->host, by_number))
        return TREE_HOST;
    for (size_t i = 0; i < ARRAY_LEN(in_memory); i++)
        if (!strcmp(m->type, in_memory[i]))
            return TREE_YARD;
    return TREE_HOST;
}

// Spaces, tabs, newlines and backslashes are written as \ooo.
static char *unescaped(const char *text, size_t n)
{
    char *ret = xmalloc(n + 1);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' && i + 3 < n) {
            ret[len++] = (char)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
            i += 3;
        } else {
            ret[len++] = text[i];
        }
    }
    ret[len] = '\0';
    return ret;
}

static void forget(struct mount_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->items[i].at);
    free(t->items);
    t->items = NULL;
    t->n = 0;
}

bool mount_table_read(struct mount_table *t, pid_t init_pid, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    char path[64], *line, *save = NULL;

    if (!t->host && !read_host(t, err))
        return err_prefix(err, "reading the host's mounts");
    snprintf(path, sizeof path, "/proc/%d/mountinfo", init_pid);
    if (!read_text(path, &text, err))
        return err_prefix(err, "reading the sandbox's mounts");
    forget(t);
    t->items = xcalloc(count_lines(&text) + 1, sizeof *t->items);
    for (line = strtok_r(text.ptr, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct mount_line m;

        if (parse_line(line, &m))
            t->items[t->n++] = (struct mount_entry){m.id, tree_of(t, &m), unescaped(m.at, m.at_len)};
    }
    qsort(t->items, t->n, sizeof *t->items, by_id);
    t->read_at = clock_mono_ns();
    return true;
}

void mount_table_deinit(struct mount_table *t)
{
    forget(t);
    free(t->host);
    *t = (struct mount_table){0};
}

static const struct mount_entry *find(const struct mount_table *t, uint64_t mount_id)
{
    const struct mount_entry key = {.id = mount_id};

    return bsearch(&key, t->items, t->n, sizeof *t->items, by_id);
}

static bool refresh(struct mount_table *t, pid_t init_pid)
{
    return clock_mono_ns() - t->read_at > REFRESH_NS && mount_table_read(t, init_pid, NULL);
}

enum tree mount_table_tree(struct mount_table *t, pid_t init_pid, uint64_t mount_id)
{
    const struct mount_entry *m = find(t, mount_id);

    if (!m && refresh(t, init_pid))
        m = find(t, mount_id);
    return m ? m->tree : TREE_OUTSIDE;
}

bool mount_table_holds(struct mount_table *t, pid_t init_pid, uint64_t mount_id, const char *path)
{
    const struct mount_entry *m = find(t, mount_id);

    if (m && path_within(path, m->at))
        return true;
    // A directory above the mount point may have been renamed.
    m = refresh(t, init_pid) ? find(t, mount_id) : NULL;
    return m && path_within(path, m->at);
}
