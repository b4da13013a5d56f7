// SPDX-License-Identifier: Apache-2.0
// Performing an open for the caller.
//
//   1. walk to the object, or to the directory in which it would be made
//   2. look at it: which tree it lies in, what it is, what the rules say about its path
//   3. open that very object again through our /proc/self/fd, with the caller's flags, or make the name,
//   always
//      exclusively (when somebody else was faster, start over with what is there now)
//   4. put the descriptor into the caller
// Between 2 and 3 the object cannot be exchanged, as it is held. Its name can change, by hands of the host
// only: what the caller could not have opened by name a moment ago was not denied a moment ago.
//
// Nothing here may wait: objects are opened with O_NONBLOCK, which is taken off afterwards. What would have
// waited (a FIFO without a peer, a file under somebody's lease) is left to a short-lived process
// (notify_wait.c). Terminals are opened with O_NOCTTY, or ours could become the caller's choice; so a session
// leader inside gets its terminal by TIOCSCTTY, as login_tty(3) does, not by opening one. /dev/tty is opened
// as the terminal that it stands for.
//
// O_PATH is the one open that goes on by itself: it is in the flags, which no memory holds, and such a
// descriptor gives nothing that the name does not give to stat, chdir and exec, which are not mediated
// either. To read through it, link it, or open something below it are calls of their own, decided on the
// object. (The kernel could not hand one over, either: ADDFD takes none.)
//
// Device numbers are those that the yard's /dev has: every other mount of the sandbox is nodev.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/major.h>
#include <unistd.h>

#include "sandbox/notify_may.h"
#include "sandbox/notify_proc.h"

#define RACES_MAX 8
#define RACED (-1)                                               // no errno: start over
#define STATUS_FLAGS (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME) // what F_SETFL keeps or sets
#define OPEN_TMPFILE (O_TMPFILE & ~O_DIRECTORY)

// A copy of the object that can be used: new flags, old object.
static int reopen(const struct call *c, int fd, int flags, mode_t mode)
{
    char number[16];

    snprintf(number, sizeof number, "%d", fd);
    return openat(c->n->fds, number, flags | O_CLOEXEC | O_NOCTTY, mode);
}

static bool is_dev_tty(const struct statx *what)
{
    return S_ISCHR(what->stx_mode) && what->stx_rdev_major == TTYAUX_MAJOR && what->stx_rdev_minor == 0;
}

// What open(2) says about the kind of the object, in its order.
static int fits(const struct statx *what, int flags)
{
    if ((flags & O_DIRECTORY) && !S_ISDIR(what->stx_mode))
        return ENOTDIR;
    if (S_ISLNK(what->stx_mode))
        return ELOOP;
    if (S_ISDIR(what->stx_mode) && (open_writes(flags) || (flags & O_CREAT)) && !(flags & OPEN_TMPFILE))
        return EISDIR;
    return 0;
}

static bool would_wait(const struct statx *what, int flags)
{
    return S_ISFIFO(what->stx_mode) && !(flags & O_NONBLOCK) && (flags & O_ACCMODE) != O_RDWR;
}

static int give_and_close(const struct call *c, int fd, int flags)
{
    int e;

    if (!(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags & STATUS_FLAGS);
    e = call_give(c, fd, flags & O_CLOEXEC);
    close(fd);
    return e;
}

static int open_fifo_or_leased(const struct call *c, int obj, int flags)
{
    return wait_open(c, obj, flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECTORY));
}

static int open_tmpfile(const struct call *c, int dir, const struct request *r, int flags)
{
    struct caller who;
    mode_t old;
    int fd, sys, e = call_caller(c, &who);

    if (e)
        return e;
    old = umask(who.umask);
    fd = reopen(c, dir, flags & ~O_NOFOLLOW, r->mode & 07777);
    sys = errno;
    umask(old);
    return fd < 0 ? sys : give_and_close(c, fd, flags);
}

static int open_object(const struct call *c, const struct request *r, struct found *f, int flags)
{
    int again = (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_NONBLOCK, fd, e;
    struct statx what;

    e = object_look(f->obj, &what);
    if (!e)
        e = fits(&what, flags);
    if (!e)
        e = may_open(c, f, &what, flags);
    if (e)
        return e;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return open_tmpfile(c, f->obj, r, flags);
    if (would_wait(&what, flags))
        return open_fifo_or_leased(c, f->obj, flags);
    fd = reopen(c, f->obj, again, 0);
    if (fd >= 0)
        return give_and_close(c, fd, flags);
    if (errno == EAGAIN && !(flags & O_NONBLOCK) && S_ISREG(what.stx_mode))
        return open_fifo_or_leased(c, f->obj, flags);
    return open_writes(flags) ? refused_by_mounts(c, errno, f->obj, NULL) : errno;
}

static int open_terminal(const struct call *c, const struct request *r, int flags)
{
    char path[PROC_TEXT_MAX];
    AUTO_FOUND struct found f = FOUND_NONE;
    struct statx what;
    int e = terminal_path(c, path);

    if (!e)
        e = walk(c, AT_FDCWD, path, WALK_NOFOLLOW, &f);
    if (e || f.obj < 0)
        return ENXIO;
    e = object_look(f.obj, &what);
    if (e || !S_ISCHR(what.stx_mode) || is_dev_tty(&what))
        return ENXIO;
    return open_object(c, r, &f, flags);
}

static int open_new(const struct call *c, const struct request *r, struct found *f, int flags)
{
    struct caller who;
    struct statx what;
    mode_t old;
    bool own;
    int fd, sys, e;

    if (strchr(f->base, '/'))
        return EISDIR;
    e = may_make(c, f->parent, f->base, &own);
    if (!e)
        e = call_caller(c, &who);
    if (e)
        return e;
    old = umask(who.umask);
    fd =
        openat(f->parent, f->base,
               (flags & ~O_TRUNC) | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, r->mode & 07777);
    sys = errno;
    umask(old);
    if (fd < 0)
        return sys == EEXIST && !(flags & O_EXCL) ? RACED : refused_by_mounts(c, sys, f->parent, f->base);
    if (own && object_look(fd, &what) == 0)
        names_own(&c->n->names, &what);
    return give_and_close(c, fd, flags);
}

// The flags as open(2) takes them: what it does not know or does not heed is dropped.
static int take_flags(unsigned given, int *ret)
{
    unsigned known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |
                     O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC |
                     O_TMPFILE;

    given &= known;
    if ((given & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return EINVAL; // since Linux 6.4; open(2) BUGS
    if ((given & OPEN_TMPFILE) &&
        ((given & O_TMPFILE) != O_TMPFILE || (given & O_ACCMODE) == O_RDONLY || (given & O_CREAT)))
        return EINVAL;
    *ret = (int)given;
    return 0;
}

static int try_open(const struct call *c, const struct request *r, int flags)
{
    bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    AUTO_FOUND struct found f = FOUND_NONE;
    struct statx what;
    int e =
        walk(c, r->dir[0], r->path[0], (flags & O_NOFOLLOW) || exclusive ? WALK_NOFOLLOW : WALK_FOLLOW, &f);

    if (e)
        return e;
    if (f.obj < 0)
        return flags & O_CREAT ? open_new(c, r, &f, flags) : ENOENT;
    if (exclusive)
        return EEXIST;
    e = object_look(f.obj, &what);
    if (!e && is_dev_tty(&what))
        return open_terminal(c, r, flags);
    return e ? e : open_object(c, r, &f, flags);
}

void perform_open(const struct call *c, const struct request *r)
{
    int flags, e = take_flags(r->flags, &flags);

    if (r->flags & O_PATH) {
        call_continue(c);
        return;
    }
    for (int i = 0; !e && i < RACES_MAX; i++) {
        e = try_open(c, r, flags);
        if (e != RACED)
            break;
        e = i + 1 < RACES_MAX ? 0 : EAGAIN;
    }
    if (e)
        call_fail(c, e);
}
