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
#include "sandbox/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "base/path.h"
#include "sandbox/sys.h"

#define STAGING "/proc"
#define ATTR_SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

struct stage {
    const struct plan_view *plan;
    struct netns *net;
    struct mounts *m;
    bool own_root; // the root is a tmpfs of ours, on this device
    dev_t root_dev;
    int *sealed; // tmpfs mounts to make read-only at the end
    size_t nsealed;
    int files; // a file system for the files of the yard's own, once there is one
    uint32_t nfiles;
};

static void seal_later(struct stage *s, int fd)
{
    s->sealed = xrealloc(s->sealed, (s->nsealed + 1) * sizeof *s->sealed);
    s->sealed[s->nsealed++] = fd;
}

static bool set_attr(int fd, uint64_t set, bool recursive, struct err *err)
{
    struct mount_attr attr = {.attr_set = set};

    if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr, sizeof attr) < 0)
        return err_sys(err, errno, "cannot set mount attributes");
    return true;
}

// Options come in pairs, ended by NULL.
static int make_fs(const char *type, const char *const options[], unsigned attr, struct err *err)
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

static int make_tmpfs(uint64_t size, unsigned mode, unsigned attr, struct err *err)
{
    char size_text[32], mode_text[16];
    const char *options[] = {"mode", mode_text, size ? "size" : NULL, size_text, NULL};

    snprintf(size_text, sizeof size_text, "%llu", (unsigned long long)size);
    snprintf(mode_text, sizeof mode_text, "%o", mode);
    return make_fs("tmpfs", options, attr, err);
}

static int clone_tree(int dirfd, const char *path, bool recursive, struct err *err)
{
    int fd = open_tree(dirfd, path,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW |
                           (recursive ? AT_RECURSIVE : 0u));

    if (fd < 0)
        err_sys(err, errno, "cannot clone the mount of %s", *path ? path : "a path");
    return fd;
}

static bool attach(int mount, int dirfd, const char *path, struct err *err)
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

static int open_place(const struct stage *s, const char *dst, bool is_dir, struct err *err)
{
    int fd = open_nolink(s->m->root, dst, O_PATH | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT)
        return make_place(s->m->root, dst, is_dir, err);
    if (fd < 0)
        err_sys(err, errno, "cannot open %s in the sandbox", dst);
    return fd;
}

static bool attach_at(const struct stage *s, int mount, const char *dst, bool is_dir, struct err *err)
{
    AUTO_CLOSE int place = open_place(s, dst, is_dir, err);

    return place >= 0 && attach(mount, place, "", err);
}

static bool make_masks(struct mounts *m, struct err *err)
{
    AUTO_CLOSE int fs = make_tmpfs(4096, 0, ATTR_SAFE | MOUNT_ATTR_NOEXEC, err);
    struct stat st;

    if (fs < 0)
        return false;
    if (mknodat(fs, "file", S_IFREG, 0) < 0 || fstat(fs, &st) < 0)
        return err_sys(err, errno, "cannot make the masks");
    if (!set_attr(fs, MOUNT_ATTR_RDONLY, false, err))
        return false;
    m->mask_dev = st.st_dev;
    m->mask_file = clone_tree(fs, "file", false, err);
    m->mask_dir = TAKE_FD(fs);
    return m->mask_file >= 0;
}

static bool put_mask(const struct mounts *m, int place, const char *path, bool is_dir, struct err *err)
{
    AUTO_CLOSE int mask = clone_tree(is_dir ? m->mask_dir : m->mask_file, "", false, err);

    return mask >= 0 && attach(mask, place, path, err);
}

static bool make_root(struct stage *s, const struct mount_op *op, struct err *err)
{
    struct stat st;

    if (op->kind == MOUNT_TREE) {
        uint64_t attr = ATTR_SAFE | (op->flags & MOUNT_WRITABLE ? 0u : MOUNT_ATTR_RDONLY);

        s->m->root = clone_tree(s->m->old, "", true, err);
        if (s->m->root < 0 || !set_attr(s->m->root, attr, true, err))
            return false;
    } else {
        s->m->root = make_tmpfs(op->size, 0755, ATTR_SAFE, err);
        if (s->m->root < 0)
            return false;
        seal_later(s, dup(s->m->root));
        s->own_root = fstat(s->m->root, &st) == 0;
        s->root_dev = st.st_dev;
    }
    return attach(s->m->root, AT_FDCWD, STAGING, err);
}

static bool apply_bind(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *src = s->plan->strings + op->src, *dst = s->plan->strings + op->dst;
    AUTO_CLOSE int from = open_nolink(s->m->old, src, O_PATH | O_NOFOLLOW);
    AUTO_CLOSE int mount = -1;
    uint64_t attr = ATTR_SAFE;

    if (from < 0)
        return err_sys(err, errno, "cannot open %s", src);
    mount = clone_tree(from, "", true, err);
    if (!(op->flags & MOUNT_WRITABLE))
        attr |= MOUNT_ATTR_RDONLY;
    if (op->flags & MOUNT_NOEXEC)
        attr |= MOUNT_ATTR_NOEXEC;
    return mount >= 0 && set_attr(mount, attr, true, err) &&
           attach_at(s, mount, dst, op->flags & MOUNT_IS_DIR, err);
}

static bool is_on_root(const struct stage *s, int fd)
{
    struct stat st;

    return s->own_root && fstat(fd, &st) == 0 && st.st_dev == s->root_dev;
}

// A place of the yard's own: part of the root's tmpfs where it lies on that, else a file system by itself.
// Returns the mount, which is attached, or -1.
static int put_tmpfs(const struct stage *s, const char *dst, uint64_t size, unsigned mode, unsigned attr,
                     struct err *err)
{
    AUTO_CLOSE int place = open_place(s, dst, true, err);
    AUTO_CLOSE int fs = -1;

    if (place < 0)
        return -1;
    if (!is_on_root(s, place))
        fs = make_tmpfs(size, mode, attr, err);
    else if (fchmodat(s->m->root, dst + 1, mode, 0) < 0)
        err_sys(err, errno, "cannot set the mode");
    else
        fs = clone_tree(place, "", false, err);
    return fs >= 0 && set_attr(fs, attr, false, err) && attach(fs, place, "", err) ? TAKE_FD(fs) : -1;
}

static bool apply_tmpfs(struct stage *s, const struct mount_op *op, struct err *err)
{
    unsigned attr = ATTR_SAFE | (op->flags & MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0u);
    AUTO_CLOSE int fs = put_tmpfs(s, s->plan->strings + op->dst, op->size, op->mode, attr, err);

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
    return put_mask(s->m, place, "", op->flags & MOUNT_IS_DIR, err);
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
        s->files = make_tmpfs(PLAN_MAX, 0755, ATTR_SAFE | MOUNT_ATTR_NOEXEC, err);
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
    mount = clone_tree(s->files, name, false, err);
    return mount >= 0 && set_attr(mount, MOUNT_ATTR_RDONLY, false, err) &&
           attach_at(s, mount, s->plan->strings + op->dst, false, err);
}

// Nobody has been in that file system yet: what lies at the path is what the plan put there.
static bool apply_content(struct stage *s, const struct mount_op *op, struct err *err)
{
    const char *dst = s->plan->strings + op->dst;
    AUTO_FREE char *parent = path_parent(dst);
    AUTO_CLOSE int dir = open_place(s, parent, true, err);
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
    AUTO_CLOSE int dir = open_place(s, parent, true, err);

    if (dir < 0)
        return false;
    if (symlinkat(s->plan->strings + op->src, dir, path_base(dst)) < 0)
        return err_sys(err, errno, "cannot make the link %s", dst);
    return true;
}

static const char *const devices[MOUNTS_DEVICES] = {"null", "zero", "full", "random", "urandom", "tty"};

static bool clone_devices(struct mounts *m, struct err *err)
{
    for (size_t i = 0; i < MOUNTS_DEVICES; i++) {
        char path[64];

        snprintf(path, sizeof path, "dev/%s", devices[i]);
        m->devices[i] = clone_tree(m->old, path, false, err);
        // A device takes data on a read-only mount too; its modes and times, which are the host's, it keeps.
        if (m->devices[i] < 0 ||
            !set_attr(m->devices[i], MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, err))
            return false;
    }
    return true;
}

static bool add_device(int node, int dev, const char *name, struct err *err)
{
    AUTO_CLOSE int mount = node;

    if (mknodat(dev, name, S_IFREG | 0444, 0) < 0)
        return err_sys(err, errno, "cannot make /dev/%s", name);
    return attach(mount, dev, name, err);
}

static bool add_sub(int dev, const char *name, int fs, struct err *err)
{
    AUTO_CLOSE int mount = fs;

    if (mount < 0)
        return false;
    if (mkdirat(dev, name, 0755) < 0)
        return err_sys(err, errno, "cannot make /dev/%s", name);
    return attach(mount, dev, name, err);
}

static bool apply_dev(struct stage *s, const struct mount_op *op, struct err *err)
{
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}};
    AUTO_CLOSE int dev = s->own_root ? -1 : make_tmpfs(1 << 20, 0755, MOUNT_ATTR_NOSUID, err);
    AUTO_CLOSE int shm = -1;

    // A directory of the root where that is ours: it is sealed with it, and the nodes are mounts of their
    // own.
    if (s->own_root)
        dev = open_place(s, "/dev", true, err);
    else if (dev >= 0 && !attach_at(s, dev, "/dev", true, err))
        return false;
    if (dev < 0)
        return false;
    for (size_t i = 0; i < MOUNTS_DEVICES; i++)
        if (!add_device(TAKE_FD(s->m->devices[i]), dev, devices[i], err))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i][0], dev, links[i][1]) < 0)
            return err_sys(err, errno, "cannot make /dev/%s", links[i][1]);
    if (!add_sub(dev, "pts", TAKE_FD(s->m->pts), err))
        return false;
    shm = put_tmpfs(s, "/dev/shm", op->size, 01777, ATTR_SAFE, err);
    return shm >= 0 && (s->own_root || set_attr(dev, MOUNT_ATTR_RDONLY, false, err));
}

// Without further user namespaces nobody inside can gain a capability, whatever the kernel's bugs behind
// them.
static bool forbid_user_namespaces(int proc, struct err *err)
{
    AUTO_CLOSE int fd = openat(proc, "sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "0", 1) != 1)
        return err_sys(err, errno, "cannot switch off user namespaces inside (user.max_user_namespaces)");
    return true;
}

// Parts that nobody inside should write, and parts that tell of the machine.
static bool protect_proc(int proc, const char *name, struct err *err)
{
    AUTO_CLOSE int sub = open_tree(proc, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    return sub < 0 ||
           (set_attr(sub, ATTR_SAFE | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, false, err) &&
            attach(sub, proc, name, err)) ||
           err_prefix(err, "/proc/%s", name);
}

// The first mask of each kind is the one that the others are cloned from.
static bool mask_below(const struct stage *s, int top, const char *name, bool attached[2], struct err *err)
{
    struct stat st;
    bool dir, ok;

    if (fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return true;
    dir = S_ISDIR(st.st_mode);
    ok = attached[dir] ? put_mask(s->m, top, name, dir, err)
                       : attach(dir ? s->m->mask_dir : s->m->mask_file, top, name, err);
    attached[dir] = true;
    return ok || err_prefix(err, "%s", name);
}

// What only root may read or write on the host is root's inside too when root started the run, as it goes by
// the owner. For others the kernel's own modes hold. Kernels differ in what they have here, so the modes
// tell: what is not for everybody to read is masked, and nothing is written.
static bool close_to_root(const struct stage *s, int proc, bool attached[2], struct err *err)
{
    int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct stat st, top;
    struct dirent *e;
    bool ok = true;

    if (!d || fstat(proc, &top) < 0)
        return err_sys(err, errno, "cannot list /proc");
    while (ok && (e = readdir(d))) {
        const char *name = e->d_name;

        // Processes and links, and what is covered already.
        if (strchr(".0123456789", name[0]) || fstatat(proc, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            S_ISLNK(st.st_mode) || st.st_dev != top.st_dev || !strcmp(name, "sys"))
            continue;
        if (!(st.st_mode & S_IROTH))
            ok = mask_below(s, proc, name, attached, err);
        else if (S_ISDIR(st.st_mode) || (st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)))
            ok = protect_proc(proc, name, err);
    }
    return ok;
}

static bool apply_proc(struct stage *s, struct err *err)
{
    static const char *const masked[] = {"keys", "kcore", "sysrq-trigger", "acpi", "scsi"};
    bool attached[2] = {false, false}, ok;
    AUTO_CLOSE int proc = TAKE_FD(s->m->proc);

    if (!attach_at(s, proc, "/proc", true, err))
        return false;
    if (!(s->plan->head->flags & PLAN_NESTED) && !forbid_user_namespaces(proc, err))
        return false;
    ok = protect_proc(proc, "sys", err);
    for (size_t i = 0; ok && i < ARRAY_LEN(masked); i++)
        ok = mask_below(s, proc, masked[i], attached, err);
    return ok && (geteuid() != 0 || close_to_root(s, proc, attached, err));
}

static bool apply_sys(struct stage *s, struct err *err)
{
    // As in /proc: what root's own modes keep from others. Debugging, tracing and the like are there only
    // with the host's /sys.
    static const char *const roots[] = {
        "firmware",      "kernel/slab", "kernel/debug", "kernel/tracing",
        "kernel/config", "fs/bpf",      "fs/pstore",    "devices/virtual/powercap"};
    bool attached[2] = {true, true}, ok; // below /proc
    AUTO_CLOSE int sys = -1;

    if (!netns_enter(s->net, err))
        return false;
    if (s->plan->head->flags & PLAN_OWN_NET)
        sys = make_fs("sysfs", NULL, ATTR_SAFE | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, err);
    else {
        sys = clone_tree(s->m->old, "sys", true, err);
        if (sys >= 0 && !set_attr(sys, ATTR_SAFE | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, true, err))
            return false;
    }
    ok = sys >= 0 && attach_at(s, sys, "/sys", true, err);
    for (size_t i = 0; ok && geteuid() == 0 && i < ARRAY_LEN(roots); i++)
        ok = mask_below(s, sys, roots[i], attached, err);
    return ok;
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
        return apply_dev(s, op, err);
    case MOUNT_PROC:
        return apply_proc(s, err);
    case MOUNT_SYS:
        return apply_sys(s, err);
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
        if (!set_attr(s->sealed[i], MOUNT_ATTR_RDONLY, false, err))
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
    static const char *const pts[] = {"ptmxmode", "0666", "mode", "0620", NULL};
    // 4 ("ptraceable", Linux 5.8) and not 2, from which the group 0 is exempt: a run that root started would
    // see init.
    static const char *const proc[] = {"hidepid", "4", NULL};
    struct mount_attr private = {.propagation = MS_PRIVATE};

    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) < 0)
        return err_sys(err, errno, "cannot make the mounts private");
    ret->old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (ret->old < 0)
        return err_sys(err, errno, "cannot open /");
    return make_masks(ret, err) && clone_devices(ret, err) &&
           (ret->pts = make_fs("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err)) >= 0 &&
           (ret->proc = make_fs("proc", proc, ATTR_SAFE | MOUNT_ATTR_NOEXEC, err)) >= 0;
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
        return put_mask(m, place, "", is_dir, err);
    }
    if (fs.f_flag & ST_RDONLY)
        return true;
    mount = clone_tree(place, "", true, err);
    return mount >= 0 && set_attr(mount, MOUNT_ATTR_RDONLY | ATTR_SAFE, true, err) &&
           attach(mount, place, "", err);
}
