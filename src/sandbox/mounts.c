// SPDX-License-Identifier: Apache-2.0
// Theory of operation
//   1. All mounts become private, so nothing here reaches the host. What every tree needs is made now, while
//      the plan is still on its way: masks, devices, pts, proc.
//   2. The first operation gives the root: a read-only clone of the host's whole tree, or an empty tmpfs. It
//      is attached on a directory that always exists (/proc); that lies in this namespace only.
//   3. The others follow in the plan's order, parents before children, in two parts: see layout.h. Sources
//      are opened in the old tree, destinations in the new one, both from a descriptor of the root and
//      without following links.
//   4. pivot_root, and the old tree is let go.
// An empty root is one tmpfs, and the private places (/tmp, HOME, /dev/shm …) are directories of it, each
// bound onto itself with its own attributes: the root's mount is read-only, theirs is not, and no path leads
// from one to the other. A file system each would cost 50 µs each, and share no limit. Masks are clones of
// one empty file and one directory, both mode 000 on a read-only tmpfs: the owner can neither open nor chmod
// them. Their mount stays locked to whoever makes a further namespace.
//
// Speed: to let go of a mount that is attached nowhere, or of one taken off the tree, costs a wait for the
// kernel's grace period (50 µs to some 100), at a close as at an exit. So the masks themselves are attached
// below the new /proc, where no host program can detach them, and the host's tree is the only one that is
// taken off.
#include "sandbox/mounts_parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "base/path.h"
#include "sandbox/sys.h"

#define STAGING "/proc"

static void seal_later(struct stage *s, int fd)
{
    s->sealed = xrealloc(s->sealed, (s->nsealed + 1) * sizeof *s->sealed);
    s->sealed[s->nsealed++] = fd;
}

bool mnt_set_attr(int fd, uint64_t set, bool recursive, struct err *err)
{
    struct mount_attr attr = {.attr_set = set};

    if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr, sizeof attr) < 0)
        return err_sys(err, errno, "cannot set mount attributes");
    return true;
}

// Options come in pairs, ended by NULL.
int mnt_make_fs(const char *type, const char *const options[], unsigned attr, struct err *err)
{
    AUTO_CLOSE int fs = fsopen(type, FSOPEN_CLOEXEC);
    int fd = -1;

    if (fs < 0) {
        err_sys(err, errno, "cannot make a %s file system", type);
        return -1;
    }
    for (size_t i = 0; options && options[i]; i += 2)
        if (fsconfig(fs, FSCONFIG_SET_STRING, options[i], options[i + 1], 0) < 0) {
            err_sys(err, errno, "%s does not take %s=%s", type, options[i], options[i + 1]);
            return -1;
        }
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 || (fd = fsmount(fs, FSMOUNT_CLOEXEC, attr)) < 0)
        err_sys(err, errno, "cannot mount %s", type);
    return fd;
}

int mnt_make_tmpfs(uint64_t size, unsigned mode, unsigned attr, struct err *err)
{
    char size_text[32], mode_text[16];
    const char *options[] = {"mode", mode_text, size ? "size" : NULL, size_text, NULL};

    snprintf(size_text, sizeof size_text, "%llu", (unsigned long long)size);
    snprintf(mode_text, sizeof mode_text, "%o", mode);
    return mnt_make_fs("tmpfs", options, attr, err);
}

int mnt_clone(int dirfd, const char *path, bool recursive, struct err *err)
{
    int fd = open_tree(dirfd, path,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW |
                           (recursive ? AT_RECURSIVE : 0u));

    if (fd < 0)
        err_sys(err, errno, "cannot clone the mount of %s", *path ? path : "a path");
    return fd;
}

bool mnt_attach(int mount, int dirfd, const char *path, struct err *err)
{
    if (move_mount(mount, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0u : MOVE_MOUNT_T_EMPTY_PATH)) <
        0)
        return err_sys(err, errno, "cannot attach the mount");
    return true;
}

// Makes and opens dst in a tmpfs of ours (elsewhere the tree is read-only and dst exists). Nobody else is in
// there yet.
static int make_place(int root, const char *dst, bool is_dir, struct err *err)
{
    AUTO_FREE char *copy = xstrdup(dst + 1);
    AUTO_CLOSE int dir = -1;
    char *name = copy;

    for (;;) {
        char *slash = strchr(name, '/');
        int at = dir < 0 ? root : dir, next;

        if (slash)
            *slash = '\0';
        if ((slash || is_dir ? mkdirat(at, name, 0755) : mknodat(at, name, S_IFREG | 0444, 0)) < 0 &&
            errno != EEXIST && errno != EROFS) {
            err_sys(err, errno, "cannot make the mount point %s", dst);
            return -1;
        }
        next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (slash ? O_DIRECTORY : 0));
        if (next < 0)
            err_sys(err, errno, "cannot reach the mount point %s", dst);
        if (next < 0 || !slash)
            return next;
        if (dir >= 0)
            close(dir);
        dir = next;
        name = slash + 1;
    }
}

int stage_open_place(const struct stage *s, const char *dst, bool is_dir, struct err *err)
{
    int fd = open_nolink(s->m->root, dst, O_PATH | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT)
        return make_place(s->m->root, dst, is_dir, err);
    if (fd < 0)
        err_sys(err, errno, "cannot open %s in the sandbox", dst);
    return fd;
}

bool stage_attach(const struct stage *s, int mount, const char *dst, bool is_dir, struct err *err)
{
    AUTO_CLOSE int place = stage_open_place(s, dst, is_dir, err);

    return place >= 0 && mnt_attach(mount, place, "", err);
}

static bool make_masks(struct mounts *m, struct err *err)
{
    AUTO_CLOSE int fs = mnt_make_tmpfs(4096, 0, ATTR_SAFE | MOUNT_ATTR_NOEXEC, err);
    struct stat st;

    if (fs < 0)
        return false;
    if (mknodat(fs, "file", S_IFREG, 0) < 0 || fstat(fs, &st) < 0)
        return err_sys(err, errno, "cannot make the masks");
    if (!mnt_set_attr(fs, MOUNT_ATTR_RDONLY, false, err))
        return false;
    m->mask_dev = st.st_dev;
    m->mask_file = mnt_clone(fs, "file", false, err);
    m->mask_dir = TAKE_FD(fs);
    return m->mask_file >= 0;
}

bool stage_put_mask(const struct mounts *m, int place, const char *path, bool is_dir, struct err *err)
{
    AUTO_CLOSE int mask = mnt_clone(is_dir ? m->mask_dir : m->mask_file, "", false, err);

    return mask >= 0 && mnt_attach(mask, place, path, err);
}

static bool make_root(struct stage *s, const struct mount_op *op, struct err *err)
{
    struct stat st;

    if (op->kind == MOUNT_TREE) {
        uint64_t attr = ATTR_SAFE | (op->flags & MOUNT_WRITABLE ? 0u : MOUNT_ATTR_RDONLY);

        s->m->root = mnt_clone(s->m->old, "", true, err);
        if (s->m->root < 0 || !mnt_set_attr(s->m->root, attr, true, err))
            return false;
    } else {
        s->m->root = mnt_make_tmpfs(op->size, 0755, ATTR_SAFE, err);
        if (s->m->root < 0)
            return false;
        seal_later(s, dup(s->m->root));
        s->own_root = fstat(s->m->root, &st) == 0;
        s->root_dev = st.st_dev;
    }
    return mnt_attach(s->m->root, AT_FDCWD, STAGING, err);
}

static bool apply_bind(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *src = s->plan->strings + op->src, *dst = s->plan->strings + op->dst;
    AUTO_CLOSE int from = open_nolink(s->m->old, src, O_PATH | O_NOFOLLOW);
    AUTO_CLOSE int mount = -1;
    uint64_t attr = ATTR_SAFE;

    if (from < 0)
        return err_sys(err, errno, "cannot open %s", src);
    mount = mnt_clone(from, "", true, err);
    if (!(op->flags & MOUNT_WRITABLE))
        attr |= MOUNT_ATTR_RDONLY;
    if (op->flags & MOUNT_NOEXEC)
        attr |= MOUNT_ATTR_NOEXEC;
    return mount >= 0 && mnt_set_attr(mount, attr, true, err) &&
           stage_attach(s, mount, dst, op->flags & MOUNT_IS_DIR, err);
}

static bool is_on_root(const struct stage *s, int fd)
{
    struct stat st;

    return s->own_root && fstat(fd, &st) == 0 && st.st_dev == s->root_dev;
}

// A place of the yard's own: part of the root's tmpfs where it lies on that, else a file system by itself.
// Returns the mount, which is attached, or -1.
int stage_put_tmpfs(const struct stage *s, const char *dst, uint64_t size, unsigned mode, unsigned attr,
                    struct err *err)
{
    AUTO_CLOSE int place = stage_open_place(s, dst, true, err);
    AUTO_CLOSE int fs = -1;

    if (place < 0)
        return -1;
    if (!is_on_root(s, place))
        fs = mnt_make_tmpfs(size, mode, attr, err);
    else if (fchmodat(s->m->root, dst + 1, mode, 0) < 0)
        err_sys(err, errno, "cannot set the mode");
    else
        fs = mnt_clone(place, "", false, err);
    return fs >= 0 && mnt_set_attr(fs, attr, false, err) && mnt_attach(fs, place, "", err) ? TAKE_FD(fs) : -1;
}

static bool apply_tmpfs(struct stage *s, const struct mount_op *op, struct err *err)
{
    unsigned attr = ATTR_SAFE | (op->flags & MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0u);
    AUTO_CLOSE int fs = stage_put_tmpfs(s, s->plan->strings + op->dst, op->size, op->mode, attr, err);

    if (fs < 0)
        return false;
    if (op->flags & MOUNT_SEALED)
        seal_later(s, TAKE_FD(fs));
    return true;
}

static bool apply_mask(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *dst = s->plan->strings + op->dst;
    AUTO_CLOSE int place = open_nolink(s->m->root, dst, O_PATH | O_NOFOLLOW);

    if (place < 0)
        return err_sys(err, errno, "cannot open %s", dst);
    return stage_put_mask(s->m, place, "", op->flags & MOUNT_IS_DIR, err);
}

// The content lies on a tmpfs of its own, which nothing but this one file shows.
static bool apply_file(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *content = s->plan->strings + op->src;
    AUTO_CLOSE int mount = -1;
    char name[16];
    int file;
    bool ok;

    // All in one: none of it is seen but by the clones.
    if (s->files < 0)
        s->files = mnt_make_tmpfs(PLAN_MAX, 0755, ATTR_SAFE | MOUNT_ATTR_NOEXEC, err);
    if (s->files < 0)
        return false;
    snprintf(name, sizeof name, "%u", s->nfiles++);
    file = openat(s->files, name, O_CREAT | O_WRONLY | O_CLOEXEC, op->mode);
    if (file < 0)
        return err_sys(err, errno, "cannot make a file");
    ok = fd_write_all(file, content, op->size, err);
    close(file);
    if (!ok)
        return false;
    mount = mnt_clone(s->files, name, false, err);
    return mount >= 0 && mnt_set_attr(mount, MOUNT_ATTR_RDONLY, false, err) &&
           stage_attach(s, mount, s->plan->strings + op->dst, false, err);
}

// Nobody has been in that file system yet: what lies at the path is what the plan put there.
static bool apply_content(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *dst = s->plan->strings + op->dst;
    AUTO_FREE char *parent = path_parent(dst);
    AUTO_CLOSE int dir = stage_open_place(s, parent, true, err);
    AUTO_CLOSE int file = -1;

    if (dir < 0)
        return false;
    file = openat(dir, path_base(dst), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, op->mode);
    return file >= 0 ? fd_write_all(file, s->plan->strings + op->src, op->size, err)
                     : err_sys(err, errno, "cannot make a file");
}

static bool apply_link(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *dst = s->plan->strings + op->dst;
    AUTO_FREE char *parent = path_parent(dst);
    AUTO_CLOSE int dir = stage_open_place(s, parent, true, err);

    if (dir < 0)
        return false;
    if (symlinkat(s->plan->strings + op->src, dir, path_base(dst)) < 0)
        return err_sys(err, errno, "cannot make the link %s", dst);
    return true;
}

static bool apply_one(struct stage *s, const struct mount_op *op, struct err *err)
{
    switch (op->kind) {
    case MOUNT_BIND:
        return apply_bind(s, op, err);
    case MOUNT_TMPFS:
        return apply_tmpfs(s, op, err);
    case MOUNT_MASK:
        return apply_mask(s, op, err);
    case MOUNT_FILE:
        return apply_file(s, op, err);
    case MOUNT_CONTENT:
        return apply_content(s, op, err);
    case MOUNT_LINK:
        return apply_link(s, op, err);
    case MOUNT_DEV:
        return kernel_dev(s, op, err);
    case MOUNT_PROC:
        return kernel_proc(s, err);
    case MOUNT_SYS:
        return kernel_sys(s, err);
    default:
        return err_set(err, ERR_PROTOCOL, "unknown mount operation %u", op->kind);
    }
}

static bool apply_from(struct stage *s, uint32_t first, struct err *err)
{
    const struct plan_view *plan = s->plan;

    for (uint32_t i = first; i < plan->head->nops; i++) {
        const struct mount_op *op = &plan->ops[i];
        struct err one = {0};

        if (apply_one(s, op, &one))
            continue;
        // What vanished between planning and now needs no cover and can be no source. What cannot be reached
        // with all capabilities over the user's own files (EACCES) lies behind somebody else's directory.
        if ((op->flags & MOUNT_OPTIONAL) &&
            (one.sys == ENOENT || one.sys == ENOTDIR || one.sys == ELOOP || one.sys == EACCES))
            continue;
        *err = one;
        return err_prefix(err, "%s", plan->strings + op->dst);
    }
    return true;
}

static bool apply_base(struct stage *s, struct err *err)
{
    const struct plan_view *plan = s->plan;

    if (!plan->head->nops || (plan->ops[0].kind != MOUNT_TREE && plan->ops[0].kind != MOUNT_EMPTY))
        return err_set(err, ERR_PROTOCOL, "the plan does not begin with a root");
    if (!make_root(s, &plan->ops[0], err))
        return err_prefix(err, "making the root");
    return apply_from(s, 1, err);
}

static bool apply_top(struct stage *s, const struct mounts_top *top, struct err *err)
{
    struct plan_view plan;

    if (!top->receive(top->ctx, &plan, err))
        return false;
    s->plan = &plan;
    return apply_from(s, 0, err);
}

static bool seal(const struct stage *s, struct err *err)
{
    for (size_t i = 0; i < s->nsealed; i++)
        if (!mnt_set_attr(s->sealed[i], MOUNT_ATTR_RDONLY, false, err))
            return err_prefix(err, "sealing a file system");
    return true;
}

static bool make_it_root(struct stage *s, struct err *err)
{
    if (fchdir(s->m->root) < 0 || sys_pivot_root(".", ".") < 0)
        return err_sys(err, errno, "cannot change the root");
    // The old root now lies on top of the new one at ".".
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_sys(err, errno, "cannot let go of the host's root");
    return true;
}

bool mounts_prepare(struct mounts *ret, struct err *err)
{
    struct mount_attr private = {.propagation = MS_PRIVATE};

    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) < 0)
        return err_sys(err, errno, "cannot make the mounts private");
    ret->old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (ret->old < 0)
        return err_sys(err, errno, "cannot open /");
    return make_masks(ret, err) && kernel_prepare(ret, err);
}

bool mounts_apply(struct mounts *m, const struct plan_view *base, const struct mounts_top *top,
                  struct netns *net, struct err *err)
{
    struct stage s = {.plan = base, .net = net, .m = m, .files = -1};
    mode_t before = umask(0); // modes are meant as they stand
    bool ok = apply_base(&s, err) && netns_enter(net, err) && apply_top(&s, top, err) && seal(&s, err) &&
              make_it_root(&s, err);

    umask(before);
    for (size_t i = 0; i < s.nsealed; i++)
        close(s.sealed[i]);
    free(s.sealed);
    if (s.files >= 0)
        close(s.files);
    close(m->old);
    return ok;
}

bool mounts_cover(const struct mounts *m, const char *path, bool mask, bool is_dir, struct err *err)
{
    AUTO_CLOSE int place = open_nolink(m->root, path, O_PATH | O_NOFOLLOW);
    AUTO_CLOSE int mount = -1;
    struct statvfs fs;
    struct stat st;

    if (place < 0 || fstat(place, &st) < 0 || fstatvfs(place, &fs) < 0)
        return err_sys(err, errno, "cannot open %s", path);
    if (mask) {
        if (st.st_dev == m->mask_dev)
            return true;
        return stage_put_mask(m, place, "", is_dir, err);
    }
    if (fs.f_flag & ST_RDONLY)
        return true;
    mount = mnt_clone(place, "", true, err);
    return mount >= 0 && mnt_set_attr(mount, MOUNT_ATTR_RDONLY | ATTR_SAFE, true, err) &&
           mnt_attach(mount, place, "", err);
}
