// SPDX-License-Identifier: Apache-2.0
// A stack of frames, one a level. A frame is first listed, buffer by buffer; the names of directories to
// enter are kept in it, and when the listing is over they are entered one after the other. See treewalk.h for
// what holds.
#include "sandbox/treewalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/path.h"

#define NAMES_SIZE 65536                  // one getdents64
#define HOP_MAX (PATH_MAX - NAME_MAX - 2) // longest relative path given to one system call
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

struct dirent_raw { // getdents64(2)
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[];
};

struct walk_frame {
    struct walk_dir dir; // dir.path is set anew for each call
    size_t len;          // of its path
    bool listing;
    char *subdirs; // names, each terminated, still to be entered from `at` on
    size_t at, used, alloc;
};

static int open_hop(int fd, const char *below, int flags)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int r;

    do {
        r = (int)syscall(SYS_openat2, fd, below, &how, sizeof how);
    } while (r < 0 && (errno == EAGAIN || errno == EINTR)); // EAGAIN: a rename went on meanwhile
    return r;
}

int tree_open(int root_fd, const char *below, int flags)
{
    AUTO_CLOSE int at = -1;

    if (!*below)
        return open_hop(root_fd, ".", flags);
    while (strlen(below) > HOP_MAX) {
        AUTO_FREE char *hop = xstrndup(below, HOP_MAX);
        char *cut = strrchr(hop, '/');
        int fd;

        if (!cut) {
            errno = ENAMETOOLONG;
            return -1;
        }
        *cut = '\0';
        fd = open_hop(at < 0 ? root_fd : at, hop, O_PATH | O_DIRECTORY);
        if (fd < 0)
            return -1;
        if (at >= 0)
            close(at);
        at = fd;
        below += cut - hop + 1;
    }
    return open_hop(at < 0 ? root_fd : at, below, flags);
}

void treewalk_init(struct treewalk *w, const struct walk_visitor *visitor, void *ctx)
{
    *w = (struct treewalk){.visitor = visitor, .ctx = ctx, .root_fd = -1};
}

static void frames_clear(struct treewalk *w)
{
    while (w->nframes) {
        struct walk_frame *f = &w->frames[--w->nframes];

        if (f->dir.fd >= 0)
            close(f->dir.fd);
        free(f->subdirs);
    }
    if (w->root_fd >= 0)
        close(w->root_fd);
    w->root_fd = -1;
}

void treewalk_deinit(struct treewalk *w)
{
    frames_clear(w);
    free(w->frames);
    free(w->path);
    free(w->names);
    *w = (struct treewalk){.root_fd = -1};
}

static void path_set(struct treewalk *w, size_t len, const char *name)
{
    size_t n = strlen(name);

    if (len == 1 && w->path[0] == '/')
        len = 0;
    if (len + n + 2 > w->path_alloc) {
        w->path_alloc = (len + n + 2) * 2;
        w->path = xrealloc(w->path, w->path_alloc);
    }
    w->path[len] = '/';
    memcpy(w->path + len + 1, name, n + 1);
    w->len = len + n + 1;
}

// The yard has its own of these; what the host has there is never shown.
static bool is_pseudo(int fd)
{
    static const uint32_t types[] = {0x9fa0,     0x62656572, 0x27e0eb,   0x63677270, 0x1cd1,
                                     0x64626720, 0x74726163, 0x73636673, 0xcafe4a11, 0x19800202,
                                     0x6165676c, 0xde5e81e4, 0x958458f6};
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if ((uint32_t)fs.f_type == types[i])
            return true;
    return false;
}

// Takes fd over. The path is w->path.
static void frame_push(struct treewalk *w, int fd, uint32_t parent_tag)
{
    dev_t parent_dev = w->nframes ? w->frames[w->nframes - 1].dir.dev : 0;
    struct walk_frame f = {.len = w->len, .listing = true};
    struct stat st;

    f.dir = (struct walk_dir){.path = w->path, .fd = fd, .parent_tag = parent_tag};
    if (fstat(fd, &st) < 0) {
        close(fd);
        return;
    }
    f.dir.dev = st.st_dev;
    f.dir.ino = st.st_ino;
    if ((st.st_dev != parent_dev && is_pseudo(fd)) || !w->visitor->enter(w->ctx, &f.dir)) {
        close(fd);
        return;
    }
    if (w->nframes == w->frames_alloc) {
        w->frames_alloc = w->frames_alloc ? w->frames_alloc * 2 : 32;
        w->frames = xrealloc(w->frames, w->frames_alloc * sizeof *w->frames);
    }
    w->frames[w->nframes++] = f;
    if (w->nframes > TREEWALK_OPEN) {
        struct walk_frame *old = &w->frames[w->nframes - 1 - TREEWALK_OPEN];

        if (old->dir.fd >= 0)
            close(old->dir.fd);
        old->dir.fd = -1;
    }
}

// Nothing there any more, or no directory: trees change while they are walked.
static bool is_gone(int sys)
{
    return sys == ENOENT || sys == ENOTDIR || sys == ELOOP || sys == EXDEV || sys == ESTALE || sys == ENXIO;
}

static bool frame_open(struct treewalk *w, int parent_fd, const char *name, uint32_t parent_tag,
                       struct err *err)
{
    int fd, sys;

    if (w->nframes >= TREEWALK_DEPTH) {
        if (w->visitor->unreadable)
            w->visitor->unreadable(w->ctx, parent_fd, w->path, name, ENAMETOOLONG);
        return true;
    }
    fd = openat(parent_fd, name, OPEN_DIR);
    sys = fd < 0 ? errno : 0;
    if (fd < 0 && (sys == EACCES || sys == EPERM)) {
        if (!w->visitor->unreadable || !w->visitor->unreadable(w->ctx, parent_fd, w->path, name, sys))
            return true;
        fd = openat(parent_fd, name, OPEN_DIR);
        sys = fd < 0 ? errno : 0;
        if (sys == EACCES || sys == EPERM)
            return true;
    }
    if (fd >= 0)
        frame_push(w, fd, parent_tag);
    else if (!is_gone(sys))
        return err_sys(err, sys, "cannot open the directory %s", w->path);
    return true;
}

bool treewalk_start(struct treewalk *w, const char *root, const char *below, uint32_t parent_tag,
                    struct err *err)
{
    AUTO_CLOSE int parent = -1;
    AUTO_FREE char *up = NULL;
    const char *slash = strrchr(below, '/');

    frames_clear(w);
    if (!w->names)
        w->names = xmalloc(NAMES_SIZE);
    w->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (w->root_fd < 0)
        return is_gone(errno) ? true : err_sys(err, errno, "cannot open the directory %s", root);
    path_set(w, 0, root + 1);
    w->root_len = strcmp(root, "/") ? w->len : 0;
    if (!*below)
        return frame_open(w, w->root_fd, ".", parent_tag, err);
    path_set(w, w->len, below);
    up = xstrndup(below, slash ? (size_t)(slash - below) : 0);
    parent = tree_open(w->root_fd, up, O_PATH | O_DIRECTORY);
    if (parent < 0 && errno == EACCES && w->visitor->unreadable)
        w->visitor->unreadable(w->ctx, -1, w->path, slash ? slash + 1 : below, EACCES);
    if (parent < 0)
        return true; // gone, or a link by now: that one's event tells
    return frame_open(w, parent, slash ? slash + 1 : below, parent_tag, err);
}

static void subdir_keep(struct walk_frame *f, const char *name)
{
    size_t n = strlen(name) + 1;

    if (f->used + n > f->alloc) {
        f->alloc = (f->used + n) * 2 + 64;
        f->subdirs = xrealloc(f->subdirs, f->alloc);
    }
    memcpy(f->subdirs + f->used, name, n);
    f->used += n;
}

static unsigned char type_of(int fd, const char *name)
{
    struct stat st;

    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? DT_REG : (unsigned char)IFTODT(st.st_mode);
}

// One buffer of names. The frame stays put: no frame is pushed while another lists.
static bool frame_list(struct treewalk *w, struct walk_frame *f, struct err *err)
{
    long n = syscall(SYS_getdents64, f->dir.fd, w->names, NAMES_SIZE);

    if (n < 0 && !is_gone(errno) && errno != EACCES)
        return err_sys(err, errno, "cannot list the directory %s", w->path);
    if (n <= 0) {
        f->listing = false;
        f->dir.path = w->path;
        if (w->visitor->listed)
            w->visitor->listed(w->ctx, &f->dir);
        return true;
    }
    f->dir.path = NULL; // the path buffer holds the entries' paths meanwhile
    for (long at = 0; at < n;) {
        const struct dirent_raw *d = (const void *)(w->names + at);
        const char *name = d->d_name;
        struct walk_entry e = {.ino = d->d_ino, .type = d->d_type};

        at += d->d_reclen;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
            continue;
        w->entries++;
        path_set(w, f->len, name);
        e.path = w->path;
        e.name = w->path + w->len - strlen(name);
        if (e.type == DT_UNKNOWN)
            e.type = type_of(f->dir.fd, name);
        if (w->visitor->entry(w->ctx, &f->dir, &e) && e.type == DT_DIR)
            subdir_keep(f, name);
    }
    w->len = f->len;
    w->path[w->len] = '\0';
    if (w->entries_max && w->entries > w->entries_max)
        return err_set(err, ERR_LIMIT, "%s holds more than %llu names", w->path,
                       (unsigned long long)w->entries_max);
    return true;
}

// The walk is back at a level whose descriptor was given up.
static bool frame_reopen(struct treewalk *w, struct walk_frame *f)
{
    const char *below = w->len > w->root_len ? w->path + w->root_len + 1 : "";
    struct stat st;

    f->dir.fd = tree_open(w->root_fd, below, OPEN_DIR);
    if (f->dir.fd < 0)
        return false;
    if (fstat(f->dir.fd, &st) == 0 && st.st_ino == f->dir.ino && st.st_dev == f->dir.dev)
        return true;
    close(f->dir.fd);
    f->dir.fd = -1;
    return false;
}

static void frame_pop(struct treewalk *w)
{
    struct walk_frame *f = &w->frames[w->nframes - 1];

    f->dir.path = w->path;
    if (w->visitor->left)
        w->visitor->left(w->ctx, &f->dir);
    if (f->dir.fd >= 0)
        close(f->dir.fd);
    free(f->subdirs);
    w->nframes--;
}

bool treewalk_step(struct treewalk *w, uint64_t until, bool *ret_done, struct err *err)
{
    while (w->nframes) {
        struct walk_frame *f = &w->frames[w->nframes - 1];

        w->len = f->len;
        w->path[w->len] = '\0';
        if (f->listing) {
            f->dir.path = w->path;
            if (!frame_list(w, f, err))
                return false;
        } else if (f->at < f->used && (f->dir.fd >= 0 || frame_reopen(w, f))) {
            const char *name = f->subdirs + f->at;

            f->at += strlen(name) + 1;
            path_set(w, f->len, name);
            if (!frame_open(w, f->dir.fd, name, f->dir.tag, err))
                return false;
        } else {
            if (f->dir.fd < 0 && w->visitor->left)
                frame_reopen(w, f);
            frame_pop(w);
        }
        if (until && clock_mono_ns() >= until)
            break;
    }
    *ret_done = !w->nframes;
    return true;
}
