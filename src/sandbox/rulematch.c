// SPDX-License-Identifier: Apache-2.0
// How a rule's text becomes a pattern:
//   /w/**/.env         prefix /w            tail **/.env
//   /w/secrets/**      prefix /w/secrets    no tail: covering the directory covers what is below it
// The workspace, the home directory and the writable roots are literal even when their names have glob
// characters: a directory called "[old]" must not turn the rules below it into something else.
#include "sandbox/rulematch.h"

#include <dirent.h>
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

static uint32_t bytes_hash(const char *s, size_t n)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
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
static bool folds_case(int dir)
{
    static const long types[] = {0x4d44,     0x2011bab0, 0x5346544e, 0x7366746e, 0x482b,
                                 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546};
    struct statfs fs;
    int flags = 0;

    if (fstatfs(dir, &fs) < 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if ((long)(uint32_t)fs.f_type == types[i])
            return true;
    return ioctl(dir, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_CASEFOLD_FL);
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
                m->whole = true;
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

// --- reading the rules ---
//
// Hundreds of rules name few directories, most of which do not exist, and few of the names in the others do.
// This runs at every start, so each directory is resolved once, from its parent's answer, and one that many
// rules are about is listed, which tells for most of them that there is nothing.

#define LIST_AFTER 8     // questions about one directory
#define LIST_ENTRY 96    // bytes of a directory's size that cost as much as one question
#define NAMES_BITS 8192u // of a listing's filter
#define NAMES_LISTED_MAX 4096

struct resolved_dir {
    struct resolved_dir *next;
    const char *asked, *answer;
    size_t len; // of asked
    bool exists;
    size_t questions, list_at;
    uint8_t *names; // a bit for the hash of each name in it; NULL when it was not listed
};

struct asked { // a plain path before its directory was listed
    size_t item;
    struct resolved_dir *dir;
};

struct reader {
    struct rulematch *m;
    struct asked *asked;
    size_t nasked;
    const char **starts; // literal whatever characters they have: workspace, home, writable roots
    size_t nstarts;
    bool root_folds;
    struct resolved_dir *dirs[RULEMATCH_BUCKETS], *last;
};

// False when it is not worth it or not certain to tell the truth.
static bool list_names(struct resolved_dir *d, struct arena *arena)
{
    AUTO_CLOSEDIR DIR *dir = opendir(d->answer);
    const struct dirent *e;
    struct stat st;

    if (!dir || fstat(dirfd(dir), &st) < 0 || folds_case(dirfd(dir)))
        return false;
    if (st.st_size / LIST_ENTRY > (off_t)d->questions) {
        d->list_at = (size_t)(st.st_size / LIST_ENTRY);
        return false;
    }
    d->names = arena_alloc(arena, NAMES_BITS / 8);
    errno = 0;
    for (size_t n = 0; (e = readdir(dir)) && n < NAMES_LISTED_MAX; n++) {
        uint32_t h = name_hash(e->d_name) % NAMES_BITS;

        d->names[h / 8] |= (uint8_t)(1u << h % 8);
    }
    if (e || errno)
        d->names = NULL;
    return d->names;
}

// False when the directory certainly has no such name.
static bool may_hold(struct reader *r, struct resolved_dir *d, const char *name)
{
    uint32_t h;

    if (!d->exists)
        return false;
    if (++d->questions == d->list_at && !list_names(d, &r->m->arena))
        d->names = NULL;
    h = name_hash(name) % NAMES_BITS;
    return !d->names || d->names[h / 8] >> h % 8 & 1;
}

static const char *join(struct arena *a, const char *dir, const char *name)
{
    return arena_printf(a, "%s/%s", dir[1] ? dir : "", name);
}

static struct resolved_dir *resolve_dir(struct reader *r, const char *path, size_t len);

// What the directory's name leads to, from what its parent leads to.
static void resolve_new(struct reader *r, struct resolved_dir *d)
{
    const char *name = path_base(d->asked);
    struct resolved_dir *up = resolve_dir(r, d->asked, (size_t)(name - d->asked) - 1);
    AUTO_FREE char *real = NULL;
    char target[1];

    d->answer = up->answer == up->asked ? d->asked : join(&r->m->arena, up->answer, name);
    if (!may_hold(r, up, name))
        return;
    if (readlink(d->answer, target, sizeof target) < 0) {
        d->exists = errno == EINVAL; // there, and no link
        return;
    }
    real = path_resolved(d->asked);
    d->answer = arena_strdup(&r->m->arena, real);
    d->exists = access(real, F_OK) == 0;
}

// The first len bytes of path name a directory; none is the root.
static struct resolved_dir *resolve_dir(struct reader *r, const char *path, size_t len)
{
    struct resolved_dir **slot, *d = r->last;

    if (d && d->len == len && !memcmp(d->asked, path, len)) // the rules are sorted
        return d;
    slot = &r->dirs[bytes_hash(path, len) % RULEMATCH_BUCKETS];
    for (d = *slot; d; d = d->next)
        if (d->len == len && !memcmp(d->asked, path, len))
            return r->last = d;
    d = arena_alloc(&r->m->arena, sizeof *d);
    d->asked = len ? arena_strndup(&r->m->arena, path, len) : "/";
    d->len = len;
    d->list_at = LIST_AFTER;
    d->answer = d->asked;
    d->exists = !len;
    if (len)
        resolve_new(r, d);
    d->next = *slot; // the recursion may have filled it meanwhile
    *slot = d;
    return r->last = d;
}

// How much of the pattern is literal: the longest of the starts, and then the components without a glob
// character.
static size_t literal_length(const struct reader *r, const char *pattern)
{
    size_t best = 0;

    for (size_t i = 0; i < r->nstarts; i++) {
        const char *s = r->starts[i];

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

static const char *lower_copy(struct arena *a, const char *s)
{
    char *copy = arena_strdup(a, s);

    lower_all(copy);
    return copy;
}

static void pattern_index(struct rulematch *m, struct rule_pattern p)
{
    uint32_t at;

    if (p.fold && p.tail[0])
        p.tail = lower_copy(&m->arena, p.tail);
    p.last = path_base(p.tail[0] ? p.tail : p.prefix);
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
    pattern_index(m,
                  (struct rule_pattern){.rule = rule, .prefix = arena_strdup(&m->arena, path), .tail = ""});
}

// A plain path: what its directory leads to, and its name.
static void add_plain(struct reader *r, struct rule_pattern p, const char *path)
{
    const char *name = path_base(path);
    size_t len = (size_t)(name - path) - 1;
    struct resolved_dir *dir;

    p.tail = "";
    if (!path[1]) {
        p.prefix = "/";
    } else {
        dir = resolve_dir(r, path, len);
        p.absent = !may_hold(r, dir, name);
        if (!p.absent && !dir->names)
            r->asked[r->nasked++] = (struct asked){r->m->n, dir};
        p.prefix = dir->answer == dir->asked ? path : join(&r->m->arena, dir->answer, name);
    }
    pattern_index(r->m, p);
}

static void add_rule(struct reader *r, const struct file_rule *rule)
{
    struct rule_pattern p = {.rule = rule, .fold = rule->hook || r->root_folds};
    const char *text = rule->path;
    size_t len = strlen(text), n = len;

    while (rule->glob && len > 3 && !memcmp(text + len - 3, "/**", 3))
        len -= 3;
    if (text[len])
        text = arena_strndup(&r->m->arena, text, len);
    if (rule->glob)
        n = literal_length(r, text);
    if (n >= len || n + 1 >= len) {
        add_plain(r, p, n && n < len ? arena_strndup(&r->m->arena, text, n) : text);
        return;
    }
    p.tail = text + n + 1;
    p.prefix = resolve_dir(r, text, n)->answer;
    pattern_index(r->m, p);
}

static size_t path_length(const char *path)
{
    return path[1] ? strlen(path) : 0; // none is the root
}

static void read_rules(struct reader *r, const struct file_rules *rules)
{
    r->starts = xcalloc(rules->n + 2, sizeof *r->starts);
    r->asked = xcalloc(rules->n + 1, sizeof *r->asked);
    r->starts[r->nstarts++] = rules->workspace;
    r->starts[r->nstarts++] = rules->home;
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].grant == GRANT_WRITE)
            r->starts[r->nstarts++] = rules->rules[i].path;
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].grant >= GRANT_PROTECT)
            add_rule(r, &rules->rules[i]);
    for (size_t i = 0; i < r->nasked; i++) {
        struct rule_pattern *p = &r->m->items[r->asked[i].item];

        p->absent = !may_hold(r, r->asked[i].dir, path_base(p->prefix));
    }
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].grant == GRANT_READ)
            strlist_add(&r->m->trees,
                        resolve_dir(r, rules->rules[i].path, path_length(rules->rules[i].path))->answer);
    free(r->asked);
    free(r->starts);
}

static bool root_folds_case(const char *root)
{
    AUTO_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

    return fd >= 0 && folds_case(fd);
}

void rulematch_init(struct rulematch *m, const struct file_rules *rules)
{
    struct reader r = {.m = m};

    *m = (struct rulematch){.rules = rules, .alloc = rules->n + 64};
    m->items = xcalloc(m->alloc, sizeof *m->items);
    find_roots(m);
    for (size_t i = 0; i < m->roots.n; i++)
        r.root_folds = r.root_folds || root_folds_case(m->roots.items[i]);
    read_rules(&r, rules);
}

void rulematch_deinit(struct rulematch *m)
{
    free(m->items);
    free(m->globs);
    strlist_deinit(&m->roots);
    strlist_deinit(&m->trees);
    arena_deinit(&m->arena);
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
