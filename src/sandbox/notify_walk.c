// SPDX-License-Identifier: Apache-2.0
// Two ways to walk a path, both from descriptors in the sandbox's tree, so that its mounts, read-only flags
// and masks hold, and neither ever through a jump of procfs (a "magic link") on its own:
//   quick   the kernel does it, in one openat2. An absolute path starts at the sandbox's root and cannot
//   leave it
//           (RESOLVE_IN_ROOT); a relative one starts at the caller's directory and may not leave that
//           (RESOLVE_BENEATH). When it would, the directory's path is put in front and the walk starts at the
//           root.
//   slow    one component after the other, here: for what the kernel would resolve for us instead of for the
//   caller
//           (/proc/self), for jumps in procfs, and whenever the quick way did not find an object and it is
//           not plain that there is none.
// A path through /proc/self that the quick way found did mean ourselves: whatever lies in procfs is walked
// slowly.
//
// Names can change under a walk (the host's programs, not the caller's: its renames go through this very
// thread). That is why nothing is decided on the words: the result is a descriptor, and callers look at that.
#include "sandbox/notify_walk.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "sandbox/notify_proc.h"
#include "sandbox/sys.h"

#define LINKS_MAX 40            // as the kernel: path_resolution(7)
#define REST_MAX (4 * PATH_MAX) // what is left to walk, links put in
#define AGAIN_MAX 4             // openat2(2): EAGAIN when something was renamed while it walked through ".."

struct walker {
    const struct call *c;
    int start; // the caller's directory for a relative path, else -1
    int cur;   // slow: where we stand
    int links;
    bool held;
    char rest[REST_MAX];
};

void found_close(struct found *f)
{
    if (f->obj >= 0)
        close(f->obj);
    if (f->parent >= 0)
        close(f->parent);
    f->obj = f->parent = -1;
}

int object_path(const struct notify *n, int fd, char *ret)
{
    char number[16];
    ssize_t len;

    snprintf(number, sizeof number, "%d", fd);
    len = readlinkat(n->fds, number, ret, PATH_MAX);
    if (len < 0)
        return errno;
    if (len >= PATH_MAX)
        return ENAMETOOLONG;
    ret[len] = '\0';
    return 0;
}

int entry_path(const struct notify *n, int parent, const char *base, char *ret)
{
    size_t at, len = strcspn(base, "/");
    int e = object_path(n, parent, ret);

    if (e)
        return e;
    at = strlen(ret);
    if (at == 1)
        at = 0;
    if (at + 1 + len >= PATH_MAX)
        return ENAMETOOLONG;
    ret[at] = '/';
    memcpy(ret + at + 1, base, len);
    ret[at + 1 + len] = '\0';
    return 0;
}

static int open_start(const struct call *c, int dir, int *ret)
{
    char path[64];

    if (dir == AT_FDCWD)
        snprintf(path, sizeof path, "/proc/%d/cwd", c->tid);
    else
        snprintf(path, sizeof path, "/proc/%d/fd/%d", c->tid, dir);
    *ret = open(path, O_PATH | O_CLOEXEC);
    if (*ret >= 0)
        return 0;
    return errno == ENOENT ? (dir == AT_FDCWD ? ENOENT : EBADF) : errno;
}

static int openat2_again(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
    int fd = -1;

    for (int i = 0; i < AGAIN_MAX; i++) {
        fd = sys_openat2(dir, path, flags, resolve | RESOLVE_NO_MAGICLINKS);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    return fd;
}

// A descriptor, or -1 with errno; EXDEV, ELOOP and EAGAIN do not say that the caller would get them.
static int quick(const struct walker *w, const char *path, uint64_t flags)
{
    char whole[2 * PATH_MAX];
    int fd, n;

    if (path[0] == '/')
        return openat2_again(w->c->n->root, path, flags, RESOLVE_IN_ROOT);
    fd = openat2_again(w->start, path, flags, RESOLVE_BENEATH);
    if (fd >= 0 || errno != EXDEV)
        return fd;
    if (object_path(w->c->n, w->start, whole) != 0) {
        errno = EXDEV;
        return -1;
    }
    n = (int)strlen(whole);
    snprintf(whole + n, sizeof whole - (size_t)n, "/%s", path);
    fd = openat2_again(w->c->n->root, whole, flags, RESOLVE_IN_ROOT);
    if (fd < 0 && errno == ENOENT) // the directory may be deleted or covered
        errno = EXDEV;
    return fd;
}

// Observing, it does not matter whose /proc/self was looked at.
static bool in_proc(const struct walker *w, int fd)
{
    struct statfs fs;

    if (!w->c->n->strict)
        return false;
    return fstatfs(fd, &fs) != 0 || fs.f_type == PROC_SUPER_MAGIC;
}

// Splits "a/b/c//" into "a/b" and "c/"; false when the last component is no plain name.
static bool split(const char *path, char parent[PATH_MAX], char base[NAME_MAX + 2])
{
    const char *end = path + strlen(path), *start;
    size_t n;

    while (end > path && end[-1] == '/')
        end--;
    start = end;
    while (start > path && start[-1] != '/')
        start--;
    n = (size_t)(end - start);
    if (!n || n > NAME_MAX || (n == 1 && *start == '.') || (n == 2 && start[0] == '.' && start[1] == '.'))
        return false;
    memcpy(base, start, n);
    base[n] = '\0';
    if (*end)
        strcat(base, "/");
    n = (size_t)(start - path);
    memcpy(parent, n ? path : ".", n ? n : 1);
    parent[n ? n : 1] = '\0';
    return true;
}

// Finds the directory, and that the name is not in it. False: walk slowly.
static bool quick_parent(const struct walker *w, const char *path, enum walk_last last, struct found *ret)
{
    char parent[PATH_MAX], name[NAME_MAX + 2];
    AUTO_CLOSE int dir = -1;
    struct stat st;

    if (!split(path, parent, ret->base))
        return false;
    dir = quick(w, parent, O_PATH | O_DIRECTORY);
    if (dir < 0 || in_proc(w, dir))
        return false;
    if (last != WALK_PARENT) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(ret->base, "/"), ret->base);
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
            return false;
    }
    ret->parent = TAKE_FD(dir);
    return true;
}

static int put_in_front(struct walker *w, const char *text)
{
    size_t n = strlen(text), rest = strlen(w->rest);

    if (++w->links > LINKS_MAX)
        return ELOOP;
    if (!n)
        return ENOENT;
    if (n + 1 + rest >= sizeof w->rest)
        return ENAMETOOLONG;
    memmove(w->rest + n + 1, w->rest, rest + 1);
    memcpy(w->rest, text, n);
    w->rest[n] = '/';
    // A link at the end has nothing behind it: the slash would demand a directory.
    if (!rest)
        w->rest[n] = '\0';
    return 0;
}

static int stand_on(struct walker *w, int fd)
{
    if (fd < 0)
        return errno;
    close(w->cur);
    w->cur = fd;
    return 0;
}

static bool same_place(int a, int b)
{
    struct statx x, y;
    unsigned mask = STATX_INO | STATX_MNT_ID;

    return statx(a, "", AT_EMPTY_PATH, mask, &x) == 0 && statx(b, "", AT_EMPTY_PATH, mask, &y) == 0 &&
           x.stx_ino == y.stx_ino && x.stx_mnt_id == y.stx_mnt_id;
}

static int go_up(struct walker *w)
{
    if (same_place(w->cur, w->c->n->root))
        return 0;
    return stand_on(w, openat(w->cur, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

// `link` was found in w->cur. Text goes in front of what is left; a jump is made, and then *ret_jump is its
// end.
static int follow(struct walker *w, int link, const char *name, int *ret_jump)
{
    char text[PATH_MAX];
    ssize_t n;
    int e;

    *ret_jump = -1;
    if ((!strcmp(name, "self") || !strcmp(name, "thread-self")) && proc_is_root(w->cur)) {
        e = proc_self_text(w->c, name, text);
        return e ? e : put_in_front(w, text);
    }
    if (proc_is_jump(w->c->n, link))
        return ++w->links > LINKS_MAX ? ELOOP : proc_jump(w->c, link, ret_jump, &w->held);
    n = readlinkat(link, "", text, sizeof text);
    if (n < 0)
        return errno;
    if ((size_t)n >= sizeof text)
        return ENAMETOOLONG;
    text[n] = '\0';
    e = put_in_front(w, text);
    if (!e && text[0] == '/')
        e = stand_on(w, fcntl(w->c->n->root, F_DUPFD_CLOEXEC, 0));
    return e;
}

struct component {
    char name[NAME_MAX + 1];
    bool last, slash;
};

static int next_component(struct walker *w, struct component *ret)
{
    char *p = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(p, "/"), slashes = strspn(p + n, "/");

    if (n > NAME_MAX)
        return ENAMETOOLONG;
    memcpy(ret->name, p, n);
    ret->name[n] = '\0';
    ret->slash = slashes > 0;
    ret->last = p[n + slashes] == '\0';
    memmove(w->rest, p + n + slashes, strlen(p + n + slashes) + 1);
    return 0;
}

static int leave_parent(struct walker *w, const struct component *k, struct found *ret)
{
    snprintf(ret->base, sizeof ret->base, "%s%s", k->name, k->slash ? "/" : "");
    ret->parent = TAKE_FD(w->cur);
    return 0;
}

static int leave_object(struct walker *w, int fd, const struct component *k, struct found *ret)
{
    struct stat st;

    if (k->slash && (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))) {
        close(fd);
        return ENOTDIR;
    }
    ret->obj = fd;
    ret->held = w->held;
    return 0;
}

// One step; *ret_done when ret holds the end.
static int step(struct walker *w, enum walk_last last, struct found *ret, bool *ret_done)
{
    struct component k;
    AUTO_CLOSE int next = -1;
    struct stat st;
    int jump, e = next_component(w, &k);

    if (e)
        return e;
    *ret_done = k.last;
    if (k.last && last == WALK_PARENT && k.name[0])
        return leave_parent(w, &k, ret);
    if (!k.name[0] || !strcmp(k.name, ".")) {
        k.slash = true; // it must be a directory
        return k.last ? leave_object(w, TAKE_FD(w->cur), &k, ret) : 0;
    }
    if (!strcmp(k.name, "..")) {
        e = go_up(w);
        return e || !k.last ? e : leave_object(w, TAKE_FD(w->cur), &k, ret);
    }
    next = openat(w->cur, k.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return errno == ENOENT && k.last ? leave_parent(w, &k, ret) : errno;
    if (fstat(next, &st) != 0)
        return errno;
    if (!S_ISLNK(st.st_mode) || (k.last && last == WALK_NOFOLLOW && !k.slash)) {
        w->held = false;
        return k.last ? leave_object(w, TAKE_FD(next), &k, ret) : stand_on(w, TAKE_FD(next));
    }
    // What follows a link with a slash behind it must be a directory: the slash stays for the link's own end.
    if (k.last && k.slash)
        strcpy(w->rest, ".");
    *ret_done = false;
    e = follow(w, next, k.name, &jump);
    if (e || jump < 0)
        return e;
    if (k.last && !k.slash) {
        *ret_done = true;
        return leave_object(w, jump, &k, ret);
    }
    return stand_on(w, jump);
}

static int slow(struct walker *w, const char *path, enum walk_last last, struct found *ret)
{
    bool done = false;
    int e = 0;

    w->cur = fcntl(path[0] == '/' ? w->c->n->root : w->start, F_DUPFD_CLOEXEC, 0);
    if (w->cur < 0)
        return errno;
    w->links = 0;
    w->held = false;
    strcpy(w->rest, path);
    while (!e && !done)
        e = step(w, last, ret, &done);
    if (w->cur >= 0)
        close(w->cur);
    return e;
}

static int walk_from(struct walker *w, const char *path, enum walk_last last, struct found *ret)
{
    uint64_t flags = O_PATH | (last == WALK_NOFOLLOW ? O_NOFOLLOW : 0u);
    int fd = -1;

    if (last != WALK_PARENT) {
        fd = quick(w, path, flags);
        if (fd >= 0 && !in_proc(w, fd)) {
            ret->obj = fd;
            return 0;
        }
        if (fd >= 0)
            close(fd);
        else if (errno != ENOENT && errno != ELOOP && errno != EXDEV && errno != EAGAIN)
            return errno;
    }
    if (fd < 0 && quick_parent(w, path, last, ret))
        return 0;
    return slow(w, path, last, ret);
}

int walk(const struct call *c, int dir, const char *path, enum walk_last last, struct found *ret)
{
    AUTO_CLOSE int start = -1;
    struct walker w; // large: not cleared
    int e;

    w.c = c;
    w.start = -1;
    *ret = FOUND_NONE;
    if (!path[0])
        return ENOENT;
    if (path[0] != '/') {
        e = open_start(c, dir, &start);
        if (e)
            return e;
        w.start = start;
    }
    // From here on nothing is taken from /proc/TID that was not the caller's; a report looks itself.
    if (c->n->strict && !call_valid(c))
        return ESRCH;
    e = walk_from(&w, path, last, ret);
    if (e)
        found_close(ret);
    return e;
}
