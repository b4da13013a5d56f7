// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The sandbox's tree is made of places, each at one path:
//   base places   the root (the host's tree read-only, or nothing), what read and write grant (clones of the
//                 host's), and the yard's own (/tmp, /run, /dev, /proc, /sys, a private home)
//   covers        masks and read-only binds and pins on top, only where a base place shows the host's files,
//                 or one is granted below
// Sorted by path a parent comes before its children, so applying them in order nests them rightly. A base
// place that an ancestor already gives with the same right is left out. Deny wins at any depth: nothing is
// shown below a mask.
#include "sandbox/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"

struct place {
    char *path;
    enum mount_kind kind;
    unsigned flags;
    char *src;           // bind source or link text; NULL: the path itself
    const char *content; // of a file: `size` bytes; borrowed
    uint64_t size;
    uint32_t mode;
    size_t order;
    bool base; // shows (bind) or replaces (yard's own) what lies below it
    bool dropped;
};

struct layout {
    struct layout_wants w;
    const struct layout_tops *tops;
    struct place *places;
    size_t n, alloc;
};

static struct place *add(struct layout *l, const char *path, enum mount_kind kind, unsigned flags)
{
    struct place *p;

    if (l->n == l->alloc) {
        l->alloc = l->alloc ? l->alloc * 2 : 64;
        l->places = xrealloc(l->places, l->alloc * sizeof *l->places);
    }
    p = &l->places[l->n++];
    *p = (struct place){.path = xstrdup(path), .kind = kind, .flags = flags, .order = l->n};
    return p;
}

// The base place that decides what is seen at path.
static const struct place *base_of(const struct layout *l, const char *path)
{
    const struct place *best = NULL;
    size_t best_len = 0;

    for (size_t i = 0; i < l->n; i++) {
        const struct place *p = &l->places[i];
        size_t n = strlen(p->path);

        if (p->base && n >= best_len && path_within(path, p->path)) {
            best = p;
            best_len = n;
        }
    }
    return best;
}

static bool shows_host(const struct place *p)
{
    return p && (p->kind == MOUNT_BIND || p->kind == MOUNT_TREE);
}

// Something of the host's is shown below dir, though not dir itself.
static bool shows_below(const struct layout *l, const char *dir)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->places[i].base && shows_host(&l->places[i]) && path_within(l->places[i].path, dir))
            return true;
    return false;
}

static bool is_denied(const struct layout *l, const char *path)
{
    for (size_t i = 0; i < l->tops->covers->n; i++) {
        const struct cover *c = &l->tops->covers->items[i];

        if (c->kind == COVER_MASK && path_within(path, c->path))
            return true;
    }
    return false;
}

static void add_bind(struct layout *l, const char *path, bool is_dir, bool writable)
{
    struct place *p =
        add(l, path, MOUNT_BIND, (is_dir ? MOUNT_IS_DIR : 0u) | (writable ? MOUNT_WRITABLE : 0u));

    p->base = true;
}

static void add_link(struct layout *l, const char *path, const char *text)
{
    struct place *p;

    for (size_t i = 0; i < l->n; i++)
        if (l->places[i].kind == MOUNT_LINK && !strcmp(l->places[i].path, path))
            return;
    p = add(l, path, MOUNT_LINK, 0);
    p->src = xstrdup(text);
}

static bool is_yards(const char *path)
{
    static const char *const own[] = {"/dev", "/proc", "/sys", "/run"};

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (path_within(path, own[i]))
            return true;
    return !strcmp(path, "/tmp") || !strcmp(path, "/");
}

// A granted path as it really is; a link on the way is shown as a link where its directory is the yard's own.
static void grant(struct layout *l, const char *path, bool writable)
{
    char real[PATH_MAX], text[PATH_MAX];
    const struct place *base;
    struct stat st;
    ssize_t n;

    if (!realpath(path, real) || stat(real, &st) < 0)
        return;
    if (is_yards(real) && !path_within(real, l->w.rules->workspace))
        return;
    n = strcmp(path, real) ? readlink(path, text, sizeof text - 1) : 0;
    if (n > 0 && !shows_host(base_of(l, path))) {
        text[n] = '\0';
        add_link(l, path, text);
    }
    base = base_of(l, real);
    if (shows_host(base) && (!writable || (base->flags & MOUNT_WRITABLE)))
        return;
    add_bind(l, real, S_ISDIR(st.st_mode), writable);
}

static void add_tmpfs(struct layout *l, const char *path, uint32_t mode, bool writable)
{
    struct place *p =
        add(l, path, MOUNT_TMPFS, MOUNT_IS_DIR | (writable ? MOUNT_WRITABLE : (unsigned)MOUNT_SEALED));

    p->mode = mode;
    p->size = writable ? l->w.tmpfs_size : 1 << 20;
    p->base = true;
}

static void add_yard(struct layout *l)
{
    const struct file_rules *r = l->w.rules;
    char runtime[64];

    add(l, "/proc", MOUNT_PROC, MOUNT_IS_DIR)->base = true;
    add(l, "/sys", MOUNT_SYS, MOUNT_IS_DIR)->base = true;
    add(l, "/dev", MOUNT_DEV, MOUNT_IS_DIR)->base = true;
    l->places[l->n - 1].size = l->w.tmpfs_size;
    if (r->root_readable)
        add_tmpfs(l, "/run", 0755, false);
    else // a directory of the root, made for what lies below
        add(l, "/run", MOUNT_EMPTY, MOUNT_IS_DIR)->base = true;
    snprintf(runtime, sizeof runtime, "/run/user/%u", l->w.uid);
    add_tmpfs(l, runtime, 0700, true);
    add_tmpfs(l, "/tmp", 01777, r->private_tmp);
    if (r->private_tmp)
        add_tmpfs(l, "/var/tmp", 01777, true);
    if (r->home && !r->home_readable && strcmp(r->home, "/") != 0)
        add_tmpfs(l, r->home, 0700, r->private_home);
}

// Write grants first and by path, so that a read grant below a writable place adds nothing.
static void add_grants(struct layout *l)
{
    const struct file_rules *r = l->w.rules;

    for (int writable = 1; writable >= 0; writable--)
        for (size_t i = 0; i < r->n; i++)
            if (r->rules[i].grant == (writable ? GRANT_WRITE : GRANT_READ) && !r->rules[i].glob)
                grant(l, r->rules[i].path, writable);
    for (size_t i = 0; l->w.more_read && i < l->w.more_read->n; i++) {
        const char *path = l->w.more_read->items[i];
        struct stat st;

        if (!shows_host(base_of(l, path)) && stat(path, &st) == 0)
            add_bind(l, path, S_ISDIR(st.st_mode), false);
    }
}

// Where the policy does not show the workspace, an empty directory stands in its place: the program starts in
// it, and names relative to it mean what they mean outside.
static void add_workspace(struct layout *l)
{
    const char *path = l->w.rules->workspace;
    const struct place *base = base_of(l, path);

    if (!shows_host(base) && strcmp(base->path, path) != 0 && !is_yards(path))
        add_tmpfs(l, path, 0755, false);
}

// Binds that a later one further up gives as well, with the same right: /usr/bin, granted as /bin, when there
// is /usr.
static void drop_repeated(struct layout *l)
{
    size_t out = 0;

    for (size_t i = 0; i < l->n; i++) {
        struct place *p = &l->places[i];
        AUTO_FREE char *parent = path_parent(p->path);
        const struct place *up = p->base && p->kind == MOUNT_BIND ? base_of(l, parent) : NULL;

        if (up && up != p && shows_host(up) && !((up->flags ^ p->flags) & MOUNT_WRITABLE))
            p->dropped = true;
    }
    for (size_t i = 0; i < l->n; i++)
        if (l->places[i].dropped)
            free(l->places[i].path);
        else
            l->places[out++] = l->places[i];
    l->n = out;
}

static void note_missing(const struct layout *l, struct buf *notes)
{
    const struct file_rules *r = l->w.rules;

    for (size_t i = 0; i < r->n; i++)
        if (r->rules[i].grant == GRANT_READ && !r->rules[i].glob && r->rules[i].text[0] != '@' &&
            r->rules[i].from.layer != LAYER_BUILTIN && access(r->rules[i].path, F_OK) < 0 && errno == ENOENT)
            buf_addf(notes, "files.read: %s does not exist and is left out\n", r->rules[i].text);
}

// Root's, and closed to us by its modes: the sandbox, which runs as us without capabilities, cannot open it
// either, nor change that. A mask would add nothing.
static bool is_closed(const struct cover *c)
{
    static const int ways[] = {R_OK, W_OK, X_OK};
    // Who else than the owner has a way; of access control lists the group's bits are the mask.
    static const mode_t others[] = {S_IRGRP | S_IROTH, S_IWGRP | S_IWOTH, S_IXGRP | S_IXOTH};
    struct stat st;

    if (geteuid() == 0 || lstat(c->path, &st) < 0 || st.st_uid != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        if ((st.st_mode & others[i]) &&
            (faccessat(AT_FDCWD, c->path, ways[i], AT_EACCESS) == 0 || errno != EACCES))
            return false;
    return true;
}

static void add_covers(struct layout *l)
{
    const struct cover_list *c = l->tops->covers;
    const char *below_mask = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const struct cover *cover = &c->items[i];
        const struct place *base;
        unsigned dir = cover->is_dir ? MOUNT_IS_DIR : 0u;

        if (below_mask && path_within(cover->path, below_mask))
            continue;
        base = base_of(l, cover->path);
        if (!shows_host(base) ? cover->kind != COVER_MASK || !shows_below(l, cover->path)
                              : cover->kind != COVER_MASK && !(base->flags & MOUNT_WRITABLE))
            continue;
        if (cover->kind == COVER_MASK && is_closed(cover))
            continue;
        if (cover->kind == COVER_MASK) {
            add(l, cover->path, MOUNT_MASK, dir | MOUNT_OPTIONAL);
            below_mask = cover->path;
        } else if (!(cover->kind == COVER_PIN && !strcmp(base->path, cover->path)))
            add(l, cover->path, MOUNT_BIND,
                dir | MOUNT_OPTIONAL | (cover->kind == COVER_PIN ? MOUNT_WRITABLE : 0u));
    }
    for (size_t i = 0; l->tops->sockets && i < l->tops->sockets->n; i++) {
        const char *path = l->tops->sockets->items[i];

        if (shows_host(base_of(l, path)) && !is_denied(l, path) &&
            !(l->tops->let_in && strlist_has(l->tops->let_in, path)))
            add(l, path, MOUNT_MASK, MOUNT_OPTIONAL);
    }
}

static void add_let_in(struct layout *l)
{
    for (size_t i = 0; l->tops->let_in && i < l->tops->let_in->n; i++)
        if (!shows_host(base_of(l, l->tops->let_in->items[i])))
            add_bind(l, l->tops->let_in->items[i], false, true);
}

static bool is_ours(const struct place *p)
{
    return p && (p->kind == MOUNT_TMPFS || (p->kind == MOUNT_EMPTY && p->path[1]));
}

// In a file system of ours it is a plain file, which costs no mount. Over a file of the host's it is mounted;
// one of the policy's that the host does not have has no place there.
static void add_file(struct layout *l, const struct layout_file *f)
{
    bool ours = is_ours(base_of(l, f->path));
    AUTO_FREE char *real = ours || !f->own ? NULL : realpath(f->path, NULL);
    struct place *p;

    if (!ours && f->own && (!real || !shows_host(base_of(l, real))))
        return;
    p = add(l, real ? real : f->path, ours ? MOUNT_CONTENT : MOUNT_FILE, 0);
    p->content = f->content;
    p->size = f->size;
    p->mode = f->own && ours ? 0600 : 0444;
}

static void add_files(struct layout *l)
{
    for (size_t i = 0; i < l->tops->nkept; i++) {
        const struct layout_kept *kept = &l->tops->kept[i];
        struct place *p;

        if (!is_ours(base_of(l, kept->path)))
            continue;
        p = add(l, kept->path, MOUNT_BIND, MOUNT_IS_DIR | MOUNT_WRITABLE);
        p->src = xstrdup(kept->source);
        p->base = true;
    }
    for (size_t i = 0; i < l->tops->nfiles; i++)
        add_file(l, &l->tops->files[i]);
}

// Parents before children, equal paths in the order of making (a base before its cover).
static int by_path(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    const unsigned char *p = (const unsigned char *)x->path, *q = (const unsigned char *)y->path;

    while (*p && *p == *q) {
        p++;
        q++;
    }
    if (*p == *q)
        return x->order < y->order ? -1 : 1;
    return (*p == '/' ? 1 : *p) - (*q == '/' ? 1 : *q);
}

static bool writes_all(const struct file_rules *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->rules[i].grant == GRANT_WRITE && !strcmp(r->rules[i].path, "/"))
            return true;
    return false;
}

// The places from the given one on.
static bool emit(struct layout *l, size_t from, struct plan *plan, struct err *err)
{
    qsort(l->places + from, l->n - from, sizeof *l->places, by_path);
    for (size_t i = from; i < l->n; i++) {
        const struct place *p = &l->places[i];

        if (p->kind == MOUNT_FILE || p->kind == MOUNT_CONTENT)
            plan_add_file(plan, p->kind, p->path, p->content, p->size, p->mode);
        else if (p->kind != MOUNT_TREE && p->kind != MOUNT_EMPTY)
            plan_add(plan, p->kind, p->flags, p->src ? p->src : p->path, p->path, p->size, p->mode);
    }
    return (!plan->ops.full && !plan->strings.full) ||
           err_set(err, ERR_LIMIT,
                   "the policy covers too many paths: narrow the globs in files.deny and files.protect");
}

struct layout *layout_new(const struct layout_wants *w)
{
    struct layout *l = xcalloc(1, sizeof *l);

    l->w = *w;
    return l;
}

void layout_free(struct layout *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++) {
        free(l->places[i].path);
        free(l->places[i].src);
    }
    free(l->places);
    free(l);
}

bool layout_base(struct layout *l, struct plan *plan, struct buf *notes, struct err *err)
{
    const struct file_rules *r = l->w.rules;
    enum mount_kind kind = r->root_readable ? MOUNT_TREE : MOUNT_EMPTY;
    unsigned flags = MOUNT_IS_DIR | (writes_all(r) ? (unsigned)MOUNT_WRITABLE : 0u);

    add(l, "/", kind, flags)->base = true;
    add_yard(l);
    add_grants(l);
    add_workspace(l);
    drop_repeated(l);
    note_missing(l, notes);
    plan_add(plan, kind, flags, "", "/", l->w.tmpfs_size, 0755);
    return emit(l, 0, plan, err);
}

bool layout_top(struct layout *l, const struct layout_tops *tops, struct plan *plan, struct err *err)
{
    size_t from = l->n;

    l->tops = tops;
    add_covers(l);
    add_let_in(l);
    add_files(l);
    l->tops = NULL;
    return emit(l, from, plan, err);
}

void layout_host_sockets(struct strlist *ret)
{
    struct buf text;
    char *line, *save = NULL;

    buf_init(&text, 16u << 20);
    if (!file_read(AT_FDCWD, "/proc/net/unix", &text, NULL)) {
        buf_deinit(&text);
        return;
    }
    buf_cstr(&text);
    for (line = strtok_r(text.ptr, "\n", &save); line && ret->n < 65536; line = strtok_r(NULL, "\n", &save)) {
        char *path = strchr(line, '/');

        if (path)
            strlist_add(ret, path);
    }
    buf_deinit(&text);
    strlist_sort(ret);
    strlist_uniq(ret);
}
