// SPDX-License-Identifier: Apache-2.0
// Performing what makes, moves and removes names: mkdir, mknod, symlink, link, rename, unlink, rmdir,
// truncate.
//
// Each names entries of directories and never follows a link in the last place, so holding the directories
// open makes it sound: what is decided on (directory, name) is what is done. The text of a symbolic link is
// of no concern: opens are decided on what they arrive at. A name made here is the caller's in every respect
// (same user, its umask).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox/notify_may.h"
#include "sandbox/notify_move.h"

static bool is_dots(const char *base)
{
    size_t n = strcspn(base, "/");

    return base[0] == '.' && (n == 1 || (n == 2 && base[1] == '.'));
}

// Where an entry is to be made, moved or removed. `root_errno` is for the path "/", which has no directory.
static int walk_to_entry(const struct call *c, int dir, const char *path, int root_errno, struct found *ret)
{
    int e = walk(c, dir, path, WALK_PARENT, ret);

    return e ? e : ret->parent < 0 ? root_errno : 0;
}

static int make(const struct request *r, int parent, const char *base)
{
    int done = -1;

    if (r->kind == REQUEST_MKDIR)
        done = mkdirat(parent, base, r->mode & 07777);
    else if (r->kind == REQUEST_MKNOD)
        done = mknodat(parent, base, r->mode, 0);
    else
        done = symlinkat(r->path[0], parent, base);
    return done < 0 ? errno : 0;
}

// What is made under a denied name becomes the run's own, so it must be known which object that is: it is
// made beside the name, looked at, and moved there. By name, the host's own file could be taken for it a
// moment later.
static int make_own(const struct call *c, const struct request *r, int parent, const char *base)
{
    char beside[32];
    struct statx what;
    uint64_t random;
    int e;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return EAGAIN;
    snprintf(beside, sizeof beside, ".bawn-%016llx", (unsigned long long)random);
    e = make(r, parent, beside);
    if (e)
        return e;
    e = entry_look(parent, beside, &what);
    if (!e && renameat2(parent, beside, parent, base, RENAME_NOREPLACE) < 0)
        e = errno;
    if (e)
        unlinkat(parent, beside, r->kind == REQUEST_MKDIR ? AT_REMOVEDIR : 0);
    else
        names_own(&c->n->names, &what);
    return e;
}

static int perform_make(const struct call *c, const struct request *r)
{
    AUTO_FOUND struct found f = FOUND_NONE;
    int which = r->kind == REQUEST_SYMLINK;
    struct caller who = {0};
    struct statx what;
    bool own = false;
    mode_t old;
    int e;

    if (r->kind == REQUEST_SYMLINK && !r->path[0][0])
        return ENOENT;
    e = walk_to_entry(c, r->dir[which], r->path[which], EEXIST, &f);
    if (!e && (is_dots(f.base) || entry_look(f.parent, f.base, &what) == 0))
        e = EEXIST;
    // mknod(2): devices need a capability that no caller has.
    if (!e && r->kind == REQUEST_MKNOD && (S_ISCHR(r->mode) || S_ISBLK(r->mode)))
        e = EPERM;
    if (!e)
        e = may_make(c, f.parent, f.base, &own);
    if (!e)
        e = call_caller(c, &who);
    if (e)
        return e;
    old = umask(who.umask);
    e = own ? make_own(c, r, f.parent, f.base) : make(r, f.parent, f.base);
    umask(old);
    return e ? refused_by_mounts(c, e, f.parent, f.base) : 0;
}

static int perform_link(const struct call *c, const struct request *r)
{
    AUTO_FOUND struct found from = FOUND_NONE;
    AUTO_FOUND struct found to = FOUND_NONE;
    struct statx what;
    char source[16];
    bool own;
    int e;

    if (r->flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return EINVAL;
    // linkat(2): an empty path needs a capability that no caller has; /proc/self/fd/N is the other way.
    e = walk(c, r->dir[0], r->path[0], r->flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : WALK_NOFOLLOW, &from);
    if (!e && from.obj < 0)
        e = ENOENT;
    if (!e)
        e = walk_to_entry(c, r->dir[1], r->path[1], EEXIST, &to);
    if (!e && (is_dots(to.base) || entry_look(to.parent, to.base, &what) == 0))
        e = EEXIST;
    if (!e)
        e = object_look(from.obj, &what);
    // A second name would be a way around the rules of the first: both reading and writing must be granted.
    if (!e)
        e = may_open(c, &from, &what, O_WRONLY);
    if (!e)
        e = may_make(c, to.parent, to.base, &own);
    if (e)
        return e;
    snprintf(source, sizeof source, "%d", from.obj);
    if (linkat(c->n->fds, source, to.parent, to.base, AT_SYMLINK_FOLLOW) < 0)
        return refused_by_mounts(c, errno, to.parent, to.base);
    if (own)
        names_own(&c->n->names, &what);
    return 0;
}

// Below a directory that moves, names move along that nobody asked about. With EXDEV the caller copies, as
// between file systems, and each name is decided for itself.
static int may_move_tree(const struct call *c, const struct found *from, const struct found *to)
{
    char old[PATH_MAX], new[PATH_MAX];
    struct statx what;
    int e;

    if (entry_look(from->parent, from->base, &what) != 0 || !S_ISDIR(what.stx_mode))
        return 0;
    e = entry_path(c->n, from->parent, from->base, old);
    if (!e)
        e = entry_path(c->n, to->parent, to->base, new);
    return e ? e : move_changes_cover(&c->n->names.match, old, new) ? EXDEV : 0;
}

struct move {
    struct found from, to;
    struct statx what;          // the object that moves, as it was looked at
    bool leaves_own, makes_own; // under a deny glob
    bool over;                  // something is at the new name
};

static int may_rename(const struct call *c, unsigned flags, struct move *m)
{
    bool replaced_own;
    struct statx what;
    int e = may_remove(c, m->from.parent, m->from.base, &m->leaves_own);

    if (!e)
        e = entry_look(m->from.parent, m->from.base, &m->what);
    if (e)
        return e;
    m->over = entry_look(m->to.parent, m->to.base, &what) == 0;
    e = m->over ? may_remove(c, m->to.parent, m->to.base, &replaced_own)
                : may_make(c, m->to.parent, m->to.base, &m->makes_own);
    if (m->over)
        m->makes_own = replaced_own;
    if (!e)
        e = may_move_tree(c, &m->from, &m->to);
    if (!e && (flags & RENAME_EXCHANGE))
        e = may_move_tree(c, &m->to, &m->from);
    return e;
}

// What left a denied name must be what we looked at. If the host was faster and its own file was moved, that
// goes back, or, when the host has put a newer one there, away. Nobody inside has seen it: their calls wait
// for us.
static int undo_if_the_hosts(const struct call *c, const struct move *m)
{
    struct statx moved;

    if (entry_look(m->to.parent, m->to.base, &moved) != 0 || names_is_own(&c->n->names, &moved))
        return 0;
    if (renameat2(m->to.parent, m->to.base, m->from.parent, m->from.base, RENAME_NOREPLACE) < 0)
        unlinkat(m->to.parent, m->to.base, 0);
    return EACCES;
}

static int do_rename(const struct call *c, unsigned flags, struct move *m)
{
    int e = may_rename(c, flags, m);

    if (e)
        return e;
    // The host's own file may come to a denied name at any moment: it is not to be replaced.
    if (m->makes_own && !m->over)
        flags |= RENAME_NOREPLACE;
    if (renameat2(m->from.parent, m->from.base, m->to.parent, m->to.base, flags) < 0)
        return refused_by_mounts(c, errno, m->to.parent, m->to.base);
    e = m->leaves_own ? undo_if_the_hosts(c, m) : 0;
    if (!e && m->makes_own)
        names_own(&c->n->names, &m->what);
    return e;
}

static int perform_rename(const struct call *c, const struct request *r)
{
    struct move m = {.from = FOUND_NONE, .to = FOUND_NONE};
    int e;

    if (r->flags & RENAME_WHITEOUT)
        return EPERM;
    e = walk_to_entry(c, r->dir[0], r->path[0], EBUSY, &m.from);
    if (!e)
        e = walk_to_entry(c, r->dir[1], r->path[1], EBUSY, &m.to);
    // With dots in the end, or flags that it does not know, the kernel refuses in any case, and says how.
    if (!e && (is_dots(m.from.base) || is_dots(m.to.base) ||
               (r->flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))))
        e = renameat2(m.from.parent, m.from.base, m.to.parent, m.to.base, r->flags) < 0 ? errno : 0;
    else if (!e)
        e = do_rename(c, r->flags, &m);
    found_close(&m.from);
    found_close(&m.to);
    return e;
}

static int perform_unlink(const struct call *c, const struct request *r)
{
    AUTO_FOUND struct found f = FOUND_NONE;
    bool own;
    int e;

    if (r->flags & ~(unsigned)AT_REMOVEDIR)
        return EINVAL;
    e = walk_to_entry(c, r->dir[0], r->path[0], r->flags & AT_REMOVEDIR ? EBUSY : EISDIR, &f);
    if (!e && !is_dots(f.base))
        e = may_remove(c, f.parent, f.base, &own);
    if (e)
        return e;
    return unlinkat(f.parent, f.base, (int)r->flags) < 0 ? refused_by_mounts(c, errno, f.parent, f.base) : 0;
}

static int perform_truncate(const struct call *c, const struct request *r)
{
    AUTO_FOUND struct found f = FOUND_NONE;
    AUTO_CLOSE int fd = -1;
    struct rlimit limit;
    struct statx what;
    char number[16];
    int e;

    if ((int64_t)r->value < 0)
        return EINVAL;
    e = walk(c, r->dir[0], r->path[0], WALK_FOLLOW, &f);
    if (!e && f.obj < 0)
        e = ENOENT;
    if (!e)
        e = object_look(f.obj, &what);
    if (!e && !S_ISREG(what.stx_mode))
        e = S_ISDIR(what.stx_mode) ? EISDIR : EINVAL;
    if (!e)
        e = may_open(c, &f, &what, O_WRONLY);
    if (!e && (prlimit(c->tid, RLIMIT_FSIZE, NULL, &limit) < 0 || r->value > limit.rlim_cur))
        e = EFBIG;
    if (e)
        return e;
    // Not truncate(2) itself: it would wait for whoever holds a lease on the file.
    snprintf(number, sizeof number, "%d", f.obj);
    fd = openat(c->n->fds, number, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return refused_by_mounts(c, errno, f.obj, NULL);
    return ftruncate(fd, (off_t)r->value) < 0 ? errno : 0;
}

void perform_name(const struct call *c, const struct request *r)
{
    int e = ENOSYS;

    switch (r->kind) {
    case REQUEST_MKDIR:
    case REQUEST_MKNOD:
    case REQUEST_SYMLINK:
        e = perform_make(c, r);
        break;
    case REQUEST_LINK:
        e = perform_link(c, r);
        break;
    case REQUEST_RENAME:
        e = perform_rename(c, r);
        break;
    case REQUEST_UNLINK:
        e = perform_unlink(c, r);
        break;
    case REQUEST_TRUNCATE:
        e = perform_truncate(c, r);
        break;
    default:
        break;
    }
    if (e)
        call_fail(c, e);
    else
        call_done(c);
}
