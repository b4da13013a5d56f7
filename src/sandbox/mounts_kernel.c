// SPDX-License-Identifier: Apache-2.0
// /dev, /proc and /sys of the sandbox: made anew where the kernel lets us, and of the host's devices those
// that are harmless. What tells of the machine, or what only root may touch, is masked or read-only.
#include "sandbox/mounts_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "sandbox/sys.h"

static const char *const devices[MOUNTS_DEVICES] = {"null", "zero", "full", "random", "urandom", "tty"};

static bool clone_devices(struct mounts *m, struct err *err)
{
    for (size_t i = 0; i < MOUNTS_DEVICES; i++) {
        char path[64];

        snprintf(path, sizeof path, "dev/%s", devices[i]);
        m->devices[i] = mnt_clone(m->old, path, false, err);
        // A device takes data on a read-only mount too; its modes and times, which are the host's, it keeps.
        if (m->devices[i] < 0 ||
            !mnt_set_attr(m->devices[i], MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false,
                          err))
            return false;
    }
    return true;
}

bool kernel_prepare(struct mounts *m, struct err *err)
{
    static const char *const pts[] = {"ptmxmode", "0666", "mode", "0620", NULL};
    // 4 ("ptraceable", Linux 5.8) and not 2, from which the group 0 is exempt: a run that root started would
    // see init.
    static const char *const proc[] = {"hidepid", "4", NULL};

    return clone_devices(m, err) &&
           (m->pts = mnt_make_fs("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err)) >= 0 &&
           (m->proc = mnt_make_fs("proc", proc, ATTR_SAFE | MOUNT_ATTR_NOEXEC, err)) >= 0;
}

static bool add_device(int node, int dev, const char *name, struct err *err)
{
    AUTO_CLOSE int mount = node;

    if (mknodat(dev, name, S_IFREG | 0444, 0) < 0)
        return err_sys(err, errno, "cannot make /dev/%s", name);
    return mnt_attach(mount, dev, name, err);
}

static bool add_sub(int dev, const char *name, int fs, struct err *err)
{
    AUTO_CLOSE int mount = fs;

    if (mount < 0)
        return false;
    if (mkdirat(dev, name, 0755) < 0)
        return err_sys(err, errno, "cannot make /dev/%s", name);
    return mnt_attach(mount, dev, name, err);
}

bool kernel_dev(struct stage *s, const struct mount_op *op, struct err *err)
{
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}};
    AUTO_CLOSE int dev = s->own_root ? -1 : mnt_make_tmpfs(1 << 20, 0755, MOUNT_ATTR_NOSUID, err);
    AUTO_CLOSE int shm = -1;

    // A directory of the root where that is ours: it is sealed with it, and the nodes are mounts of their
    // own.
    if (s->own_root)
        dev = stage_open_place(s, "/dev", true, err);
    else if (dev >= 0 && !stage_attach(s, dev, "/dev", true, err))
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
    shm = stage_put_tmpfs(s, "/dev/shm", op->size, 01777, ATTR_SAFE, err);
    return shm >= 0 && (s->own_root || mnt_set_attr(dev, MOUNT_ATTR_RDONLY, false, err));
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
           (mnt_set_attr(sub, ATTR_SAFE | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, false, err) &&
            mnt_attach(sub, proc, name, err)) ||
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
    ok = attached[dir] ? stage_put_mask(s->m, top, name, dir, err)
                       : mnt_attach(dir ? s->m->mask_dir : s->m->mask_file, top, name, err);
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

bool kernel_proc(struct stage *s, struct err *err)
{
    static const char *const masked[] = {"keys", "kcore", "sysrq-trigger", "acpi", "scsi"};
    bool attached[2] = {false, false}, ok;
    AUTO_CLOSE int proc = TAKE_FD(s->m->proc);

    if (!stage_attach(s, proc, "/proc", true, err))
        return false;
    if (!(s->plan->head->flags & PLAN_NESTED) && !forbid_user_namespaces(proc, err))
        return false;
    ok = protect_proc(proc, "sys", err);
    for (size_t i = 0; ok && i < ARRAY_LEN(masked); i++)
        ok = mask_below(s, proc, masked[i], attached, err);
    return ok && (geteuid() != 0 || close_to_root(s, proc, attached, err));
}

bool kernel_sys(struct stage *s, struct err *err)
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
        sys = mnt_make_fs("sysfs", NULL, ATTR_SAFE | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, err);
    else {
        sys = mnt_clone(s->m->old, "sys", true, err);
        if (sys >= 0 && !mnt_set_attr(sys, ATTR_SAFE | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, true, err))
            return false;
    }
    ok = sys >= 0 && stage_attach(s, sys, "/sys", true, err);
    for (size_t i = 0; ok && geteuid() == 0 && i < ARRAY_LEN(roots); i++)
        ok = mask_below(s, sys, roots[i], attached, err);
    return ok;
}
