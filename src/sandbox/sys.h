// SPDX-License-Identifier: Apache-2.0
// System calls that glibc 2.36 has no wrapper for, and constants that its headers lag behind on.
// Source: clone3(2), openat2(2), pivot_root(2), mount_setattr(2), the kernel's include/uapi/linux/mount.h.
#ifndef BAWN_SANDBOX_SYS_H
#define BAWN_SANDBOX_SYS_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

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
