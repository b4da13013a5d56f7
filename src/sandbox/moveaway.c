// SPDX-License-Identifier: Apache-2.0 rename first: atomic, and it takes anything along. Where it crosses
// file systems, the entry is renamed beside its place first, under a name that means nothing to anybody:
// from then on the danger is over. What follows, a bounded copy and the removal of the original, is
// housekeeping; where it cannot be done in full, the renamed original stays.
#include "sandbox/moveaway.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "sandbox/treewalk.h"

#define ASIDE_TRIES 1000
#define COPY_CHUNK 131072

struct copy {
    uint64_t bytes;
    unsigned entries, depth;
};

static int path_only(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

// chmod of what an O_PATH descriptor stands for: the very thing, never a link's target.
static bool chmod_fd(int fd, mode_t mode)
{
    char self[32];

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return chmod(self, mode) == 0;
}

static bool unlock_fd(int fd, mode_t *ret_mode)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return false;
    *ret_mode = st.st_mode & 07777;
    return (st.st_mode & S_IRWXU) == S_IRWXU || chmod_fd(fd, *ret_mode | S_IRWXU);
}

bool moveaway_unlock(int parent_fd, const char *name, mode_t *ret_mode)
{
    AUTO_CLOSE int fd = path_only(parent_fd, name);

    return unlock_fd(fd, ret_mode);
}

int moveaway_open(int root_fd, const char *below)
{
    AUTO_CLOSE int at = tree_open(root_fd, below, O_PATH | O_DIRECTORY);
    mode_t mode;

    if (at >= 0 || errno != EACCES)
        return TAKE_FD(at);
    at = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
    while (at >= 0 && *below) {
        size_t n = strcspn(below, "/");
        AUTO_FREE char *name = xstrndup(below, n);
        int next = tree_open(at, name, O_PATH | O_DIRECTORY);

        if (next < 0 && errno == EACCES && unlock_fd(at, &mode))
            next = tree_open(at, name, O_PATH | O_DIRECTORY);
        close(at);
        at = next;
        below += n + (below[n] == '/');
    }
    return TAKE_FD(at);
}

// --- renaming ---

static bool rename_once(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0;
}

// With the rights that it takes: to write the parent, and to write a directory that gets another parent.
static bool rename_unlocked(int from_fd, const char *from, int to_fd, const char *to)
{
    AUTO_CLOSE int self = -1;
    mode_t parent_mode = 0, mode = 0;
    bool parent, own, ok;
    int sys;

    if (rename_once(from_fd, from, to_fd, to))
        return true;
    if (errno != EACCES)
        return false;
    self = path_only(from_fd, from);
    parent = unlock_fd(from_fd, &parent_mode);
    if (self < 0)
        self = path_only(from_fd, from);
    own = unlock_fd(self, &mode);
    ok = rename_once(from_fd, from, to_fd, to);
    sys = errno;
    if (own)
        chmod_fd(self, mode);
    if (parent)
        chmod_fd(from_fd, parent_mode);
    errno = sys;
    return ok;
}

// A name beside it that no rule of anybody's means.
static char *rename_aside(int fd, const char *name)
{
    for (int i = 1; i < ASIDE_TRIES; i++) {
        AUTO_FREE char *aside =
            xasprintf("bawn-quarantined-%d-%.*s", i, NAME_MAX - 32, name + (name[0] == '.'));

        if (rename_unlocked(fd, name, fd, aside))
            return TAKE_PTR(aside);
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

// --- copying ---

static bool copy_entry(struct copy *c, int from_fd, const char *from, int to_fd, const char *to);

static bool copy_bytes(struct copy *c, int from, int to)
{
    AUTO_FREE char *chunk = xmalloc(COPY_CHUNK);

    for (;;) {
        ssize_t n = read(from, chunk, COPY_CHUNK);

        if (n <= 0)
            return n == 0;
        c->bytes += (uint64_t)n;
        if (c->bytes > MOVEAWAY_BYTES_MAX)
            return false;
        for (ssize_t at = 0; at < n;) {
            ssize_t put = write(to, chunk + at, (size_t)(n - at));

            if (put < 0)
                return false;
            at += put;
        }
    }
}

static bool copy_file(struct copy *c, int from_fd, const char *from, int to_fd, const char *to, mode_t mode)
{
    AUTO_CLOSE int self = path_only(from_fd, from);
    AUTO_CLOSE int in = -1, out = -1;
    char name[32];
    struct stat st;

    if (self < 0 || fstat(self, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MOVEAWAY_BYTES_MAX)
        return false;
    if (!(st.st_mode & S_IRUSR))
        chmod_fd(self, (st.st_mode & 07777) | S_IRUSR);
    snprintf(name, sizeof name, "/proc/self/fd/%d", self);
    in = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    out = openat(to_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return in >= 0 && out >= 0 && copy_bytes(c, in, out) && fchmod(out, mode & 0777) == 0;
}

static bool copy_link(int from_fd, const char *from, int to_fd, const char *to)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from_fd, from, target, sizeof target - 1);

    if (n < 0)
        return false;
    target[n] = '\0';
    return symlinkat(target, to_fd, to) == 0;
}

static DIR *dir_open_unlocked(int fd, const char *name)
{
    mode_t mode;
    int at = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (at < 0 && errno == EACCES && moveaway_unlock(fd, name, &mode))
        at = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at >= 0)
        unlock_fd(at, &mode); // its entries will be removed
    return at < 0 ? NULL : fdopendir(at);
}

static bool copy_dir(struct copy *c, int from_fd, const char *from, int to_fd, const char *to)
{
    AUTO_CLOSEDIR DIR *d = dir_open_unlocked(from_fd, from);
    AUTO_CLOSE int into = -1;
    struct dirent *e;
    bool ok;

    if (!d || c->depth == MOVEAWAY_DEPTH_MAX || mkdirat(to_fd, to, 0700) < 0)
        return false;
    into = openat(to_fd, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ok = into >= 0;
    c->depth++;
    while (ok && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            ok = copy_entry(c, dirfd(d), e->d_name, into, e->d_name);
    c->depth--;
    return ok;
}

// Sockets hold nothing; device nodes cannot be made by the sandbox. A FIFO is made anew.
static bool copy_entry(struct copy *c, int from_fd, const char *from, int to_fd, const char *to)
{
    struct stat st;

    if (++c->entries > MOVEAWAY_ENTRIES_MAX || fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return copy_file(c, from_fd, from, to_fd, to, st.st_mode);
    case S_IFDIR:
        return copy_dir(c, from_fd, from, to_fd, to);
    case S_IFLNK:
        return copy_link(from_fd, from, to_fd, to);
    case S_IFIFO:
        return mkfifoat(to_fd, to, 0600) == 0;
    case S_IFSOCK:
        return true;
    default:
        return false;
    }
}

// Best effort, for what was copied or for a copy that failed: both are within the bounds, or nearly.
static void remove_tree(int fd, const char *name, int depth)
{
    DIR *d;
    struct dirent *e;

    if (unlinkat(fd, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth > MOVEAWAY_DEPTH_MAX + 1)
        return;
    d = dir_open_unlocked(fd, name);
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_tree(dirfd(d), e->d_name, depth + 1);
    if (d)
        closedir(d);
    unlinkat(fd, name, AT_REMOVEDIR);
}

static enum moveaway_result copy_away(int parent_fd, char **aside, const char *name, int to_fd)
{
    struct copy c = {0};

    if (!copy_entry(&c, parent_fd, *aside, to_fd, name)) {
        remove_tree(to_fd, name, 0);
        return MOVEAWAY_ASIDE;
    }
    remove_tree(parent_fd, *aside, 0);
    free(*aside);
    *aside = NULL;
    return MOVEAWAY_MOVED;
}

bool moveaway(int parent_fd, const char *name, int to_fd, enum moveaway_result *ret, char **ret_aside,
              struct stat *ret_st, struct err *err)
{
    AUTO_FREE char *aside = NULL;
    mode_t mode;
    int sys;

    if (fstatat(parent_fd, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0 &&
        (errno != EACCES || !unlock_fd(parent_fd, &mode) ||
         fstatat(parent_fd, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)) {
        if (errno != ENOENT && errno != ENOTDIR)
            return err_sys(err, errno, "cannot look at it");
        *ret = MOVEAWAY_GONE;
        return true;
    }
    if (rename_unlocked(parent_fd, name, to_fd, name)) {
        *ret = MOVEAWAY_MOVED;
        return true;
    }
    sys = errno;
    if (sys == ENOENT) {
        *ret = MOVEAWAY_GONE;
        return true;
    }
    // Also when the state's disk is full, or refuses the name: beside itself it still can go.
    aside = sys == EPERM || sys == EBUSY ? NULL : rename_aside(parent_fd, name);
    if (!aside)
        return err_sys(err, sys == EXDEV ? errno : sys, "cannot rename it");
    *ret = sys == EXDEV ? copy_away(parent_fd, &aside, name, to_fd) : MOVEAWAY_ASIDE;
    if (aside)
        *ret_aside = TAKE_PTR(aside);
    return true;
}
