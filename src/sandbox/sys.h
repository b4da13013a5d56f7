// SPDX-License-Identifier: Apache-2.0
// System calls that glibc 2.36 or musl 1.2.3 have no wrapper for, and constants that their headers lag behind
// on. Source: clone3(2), openat2(2), pivot_root(2), mount_setattr(2), the kernel's
// include/uapi/linux/mount.h.
#ifndef BAWN_SANDBOX_SYS_H
#define BAWN_SANDBOX_SYS_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <sys/mount.h>
#else // bawn-init on musl: the same names on the kernel's header, which glibc's would contradict
#include <linux/mount.h>

#define MNT_DETACH 2

static inline int umount2(const char *path, int flags)
{
    return (int)syscall(SYS_umount2, path, flags);
}

static inline int open_tree(int dirfd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dirfd, path, flags);
}

static inline int move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return (int)syscall(SYS_move_mount, from_fd, from, to_fd, to, flags);
}

static inline int mount_setattr(int dirfd, const char *path, unsigned flags, struct mount_attr *attr,
                                size_t size)
{
    return (int)syscall(SYS_mount_setattr, dirfd, path, flags, attr, size);
}

static inline int fsopen(const char *type, unsigned flags)
{
    return (int)syscall(SYS_fsopen, type, flags);
}

static inline int fsconfig(int fd, unsigned command, const char *key, const void *value, int aux)
{
    return (int)syscall(SYS_fsconfig, fd, command, key, value, aux);
}

static inline int fsmount(int fd, unsigned flags, unsigned attributes)
{
    return (int)syscall(SYS_fsmount, fd, flags, attributes);
}

static inline int close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}
#endif

static inline long sys_clone3(struct clone_args *args)
{
    return syscall(SYS_clone3, args, sizeof *args);
}

static inline int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int sys_pidfd_send_signal(int pidfd, int sig)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

// Opens a normal absolute path below dirfd's root without following any link.
static inline int open_nolink(int rootfd, const char *path, uint64_t flags)
{
    return sys_openat2(rootfd, path[0] == '/' && path[1] ? path + 1 : ".", flags,
                       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

#endif
