// SPDX-License-Identifier: Apache-2.0
// How a rule's text becomes a pattern:
//   /w/**/.env         prefix /w            tail **/.env
//   /w/secrets/**      prefix /w/secrets    no tail: covering the directory covers what is below it
// The workspace, the home directory and the writable roots are literal even when their names have glob
// characters: a directory called "[old]" must not turn the rules below it into something else.
#include "sandbox/rulematch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/path.h"

#ifndef FS_CASEFOLD_FL
#define FS_CASEFOLD_FL 0x40000000
#endif

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void lower_all(char *s)
{
    for (; *s; s++)
        *s = lower(*s);
}

bool name_is(const char *name, const char *want)
{
    for (; *name && lower(*name) == *want; name++, want++)
        ;
    return !*name && !*want;
}

static uint32_t name_hash(const char *s)
{
    uint32_t h = 2166136261u; // FNV-1a

    for (; *s; s++)
        h = (h ^ (unsigned char)lower(*s)) * 16777619u;
    return h;
}

char *path_resolved(const char *path)
{
    AUTO_FREE char *head = xstrdup(path);

    for (;;) {
        AUTO_FREE char *real = realpath(head, NULL);
        char *slash = strrchr(head, '/');

        if (real)
            return path_normal(real, path_below(path, head));
        if (!slash || !slash[1])
            return xstrdup(path);
        slash[slash == head] = '\0'; // "/x" becomes "/"
    }
}

char *path_resolved_parent(const char *path)
{
    AUTO_FREE char *parent = path_parent(path), *real = path_resolved(parent);

    return strcmp(path, "/") ? path_normal(real, path_base(path)) : xstrdup("/");
}

// File systems on which `.GIT` opens `.git`. FUSE is among them as there is no telling what stands behind it;
// folding too much only covers more.
static bool folds_case(const char *dir)
{
    static const long types[] = {0x4d44,     0x2011bab0, 0x5346544e, 0x7366746e, 0x482b,
                                 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546};
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    struct statfs fs;
    int flags = 0;

    if (fd < 0 || fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if ((long)(uint32_t)fs.f_type == types[i])
            return true;
    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_CASEFOLD_FL);
}

const char *rulematch_root(const struct rulematch *m, const char *path)
{
    for (size_t i = 0; i < m->roots.n; i++)
        if (path_within(path, m->roots.items[i]))
            return m->roots.items[i];
    return NULL;
}

static void find_roots(struct rulematch *m)
{
    AUTO_STRLIST struct strlist all = {0};

    for (size_t i = 0; i < m->rules->n; i++) {
        const struct file_rule *r = &m->rules->rules[i];

        if (r->grant == GRANT_WRITE) {
            char *real = realpath(r->path, NULL);

            // The whole machine is not walked: there the workspace stands for it, as in policy/files.c.
            if (real && !strcmp(real, "/")) {
                free(real);
                real = xstrdup(m->rules->workspace);
            }
            if (real)
                strlist_take(&all, real);
        }
    }
    strlist_sort(&all); // an ancestor stands before what it holds
    for (size_t i = 0; i < all.n; i++)
        if (!rulematch_root(m, all.items[i]))
            strlist_add(&m->roots, all.items[i]);
}

// How much of the pattern is literal: the longest of the workspace, home and writable roots that it starts
// with, and then the components without a glob character.
static size_t literal_length(const struct rulematch *m, const char *pattern)
{
    const struct file_rules *rules = m->rules;
    const char *starts[2] = {rules->workspace, rules->home};
    size_t best = 0;

    for (size_t i = 0; i < rules->n + 2; i++) {
        const char *s = i < 2 ? starts[i] : rules->rules[i - 2].path;

        if (i >= 2 && rules->rules[i - 2].grant != GRANT_WRITE)
            continue;
        if (s && strcmp(s, "/") && path_within(pattern, s) && strlen(s) > best)
            best = strlen(s);
    }
    for (;;) {
        size_t n = pattern[best] == '/' ? 1 + strcspn(pattern + best + 1, "/") : 0;

        if (!n || memchr(pattern + best, '*', n) || memchr(pattern + best, '?', n) ||
            memchr(pattern + best, '[', n))
            return best;
        best += n;
    }
}

static void pattern_index(struct rulematch *m, struct rule_pattern p)
{
    const char *base = p.tail[0] ? p.tail : p.prefix;
    const char *slash = strrchr(base, '/');
    uint32_t at;

    p.last = xstrdup(slash ? slash + 1 : base);
    if (p.fold) {
        lower_all(p.tail);
        lower_all(p.last);
    }
    p.last_glob = p.tail[0] && glob_is(p.last);
    p.hash = name_hash(p.last);
    if (m->n == m->alloc) {
        m->alloc = m->alloc ? m->alloc * 2 : 64;
        m->items = xrealloc(m->items, m->alloc * sizeof *m->items);
    }
    at = (uint32_t)m->n++;
    if (p.last_glob) {
        m->globs = xrealloc(m->globs, (m->nglobs + 1) * sizeof *m->globs);
        m->globs[m->nglobs++] = at;
    } else {
        p.next = m->buckets[p.hash % RULEMATCH_BUCKETS];
        m->buckets[p.hash % RULEMATCH_BUCKETS] = at + 1;
    }
    m->items[at] = p;
}

void rulematch_add_path(struct rulematch *m, const char *path, const struct file_rule *rule)
{
    const char *name = path_base(path);
    uint32_t h = name_hash(name);

    for (uint32_t i = m->buckets[h % RULEMATCH_BUCKETS]; i; i = m->items[i - 1].next)
        if (!m->items[i - 1].tail[0] && !strcmp(m->items[i - 1].prefix, path) && m->items[i - 1].rule == rule)
            return;
    pattern_index(m, (struct rule_pattern){.rule = rule, .prefix = xstrdup(path), .tail = xstrdup("")});
}

struct resolved_dir {
    struct resolved_dir *next;
    char *asked, *answer;
    bool exists;
};

// Hundreds of rules name few directories, and most of those do not exist: each directory is looked at once,
// from its parent's answer.
static const struct resolved_dir *resolve_dir(struct rulematch *m, const char *dir)
{
    struct resolved_dir **slot = &m->resolved[name_hash(dir) % RULEMATCH_BUCKETS], *d;
    const struct resolved_dir *up;
    AUTO_FREE char *parent = NULL;
    char target[PATH_MAX];
    ssize_t n;

    for (d = *slot; d; d = d->next)
        if (!strcmp(d->asked, dir))
            return d;
    d = xcalloc(1, sizeof *d);
    d->asked = xstrdup(dir);
    d->exists = true;
    if (!strcmp(dir, "/")) {
        d->answer = xstrdup("/");
    } else {
        parent = path_parent(dir);
        up = resolve_dir(m, parent);
        d->answer = path_normal(up->answer, path_base(dir));
        // EINVAL: there, and no link.
        n = up->exists ? readlink(d->answer, target, sizeof target) : -1;
        if (n < 0) {
            d->exists = up->exists && errno == EINVAL;
        } else {
            free(d->answer);
            d->answer = path_resolved(dir);
            d->exists = access(d->answer, F_OK) == 0;
        }
    }
    d->next = *slot; // the recursion may have filled it meanwhile
    *slot = d;
    return d;
}

static void forget_resolved(struct rulematch *m)
{
    for (size_t i = 0; i < RULEMATCH_BUCKETS; i++)
        while (m->resolved[i]) {
            struct resolved_dir *d = m->resolved[i];

            m->resolved[i] = d->next;
            free(d->asked);
            free(d->answer);
            free(d);
        }
}

static void add_rule(struct rulematch *m, const struct file_rule *r, bool root_folds)
{
    AUTO_FREE char *text = xstrdup(r->path);
    AUTO_FREE char *parent = NULL;
    struct rule_pattern p = {.rule = r, .fold = r->hook || root_folds};
    const struct resolved_dir *dir;
    size_t n;

    for (n = strlen(text); r->glob && n > 3 && !strcmp(text + n - 3, "/**"); n -= 3)
        text[n - 3] = '\0';
    n = r->glob ? literal_length(m, text) : strlen(text);
    if (!text[n] || !text[n + 1]) {
        text[n] = '\0';
        parent = path_parent(*text ? text : "/");
        dir = resolve_dir(m, parent);
        p.prefix = *text ? path_normal(dir->answer, path_base(text)) : xstrdup("/");
        p.no_parent = !dir->exists;
        p.tail = xstrdup("");
    } else {
        p.tail = xstrdup(text + n + 1);
        text[n] = '\0';
        p.prefix = xstrdup(resolve_dir(m, *text ? text : "/")->answer);
    }
    pattern_index(m, p);
}

void rulematch_init(struct rulematch *m, const struct file_rules *rules)
{
    bool folds = false;

    *m = (struct rulematch){.rules = rules};
    find_roots(m);
    for (size_t i = 0; i < m->roots.n; i++)
        folds = folds || folds_case(m->roots.items[i]);
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].grant >= GRANT_PROTECT)
            add_rule(m, &rules->rules[i], folds);
    forget_resolved(m);
}

void rulematch_deinit(struct rulematch *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->items[i].prefix);
        free(m->items[i].tail);
        free(m->items[i].last);
    }
    free(m->items);
    free(m->globs);
    strlist_deinit(&m->roots);
    *m = (struct rulematch){0};
}

static bool tail_match(const struct rule_pattern *p, const char *below,
                       bool (*match)(const char *, const char *))
{
    AUTO_FREE char *folded = NULL;

    if (!p->fold)
        return match(p->tail, below);
    folded = xstrdup(below);
    lower_all(folded);
    return match(p->tail, folded);
}

static bool pattern_match(const struct rule_pattern *p, const char *path)
{
    const char *below = path_below(path, p->prefix);

    if (!below)
        return false;
    return p->tail[0] ? tail_match(p, below, glob_match) : !*below;
}

static bool last_match(const struct rule_pattern *p, const char *name)
{
    const char *lit;
    size_t n, len;

    if (p->last[0] == '*' && !glob_is(p->last + 1) && !p->fold) { // "*.pem", the common form
        lit = p->last + 1;
        len = strlen(lit);
        n = strlen(name);
        return n >= len && !memcmp(name + n - len, lit, len);
    }
    if (!glob_is((const char[]){p->last[0], '\0'}))
        return (p->fold ? lower(name[0]) : name[0]) == p->last[0];
    return true;
}

const struct file_rule *rulematch_find(const struct rulematch *m, const char *path, const char *name)
{
    uint32_t h = name_hash(name);
    const struct file_rule *best = NULL;

    for (uint32_t i = m->buckets[h % RULEMATCH_BUCKETS]; i; i = m->items[i - 1].next) {
        const struct rule_pattern *p = &m->items[i - 1];

        if (p->hash == h && (!best || p->rule->grant > best->grant) && pattern_match(p, path))
            best = p->rule;
    }
    for (size_t i = 0; i < m->nglobs; i++) {
        const struct rule_pattern *p = &m->items[m->globs[i]];

        if ((!best || p->rule->grant > best->grant) && last_match(p, name) && pattern_match(p, path))
            best = p->rule;
    }
    return best;
}

bool rulematch_below(const struct rulematch *m, const char *dir, enum file_grant least)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct rule_pattern *p = &m->items[i];
        const char *below = path_below(dir, p->prefix);

        if (p->rule->grant < least)
            continue;
        if (!below ? path_within(p->prefix, dir) : p->tail[0] && tail_match(p, below, glob_may_match_below))
            return true;
    }
    return false;
}
