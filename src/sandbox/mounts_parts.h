// SPDX-License-Identifier: Apache-2.0
// What mounts.c and mounts_kernel.c share (internal). Functions that return a descriptor return -1 with *err
// set.
#ifndef BAWN_SANDBOX_MOUNTS_PARTS_H
#define BAWN_SANDBOX_MOUNTS_PARTS_H

#include <sys/types.h>

#include "sandbox/mounts.h"

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

// A mount that is attached nowhere yet.
MUST_USE bool mnt_set_attr(int fd, uint64_t set, bool recursive, struct err *err);
MUST_USE int mnt_make_fs(const char *type, const char *const options[], unsigned attr, struct err *err);
MUST_USE int mnt_make_tmpfs(uint64_t size, unsigned mode, unsigned attr, struct err *err);
MUST_USE int mnt_clone(int dirfd, const char *path, bool recursive, struct err *err);
MUST_USE bool mnt_attach(int mount, int dirfd, const char *path, struct err *err);

// A place of the tree, made where it is missing and the root is ours.
MUST_USE int stage_open_place(const struct stage *s, const char *dst, bool is_dir, struct err *err);
MUST_USE bool stage_attach(const struct stage *s, int mount, const char *dst, bool is_dir, struct err *err);
MUST_USE bool stage_put_mask(const struct mounts *m, int place, const char *path, bool is_dir,
                             struct err *err);
// A place of the yard's own; returns the mount, which is attached.
MUST_USE int stage_put_tmpfs(const struct stage *s, const char *dst, uint64_t size, unsigned mode,
                             unsigned attr, struct err *err);

// mounts_kernel.c: the kernel's own file systems. What every tree has of them, and the three operations.
MUST_USE bool kernel_prepare(struct mounts *m, struct err *err);
MUST_USE bool kernel_dev(struct stage *s, const struct mount_op *op, struct err *err);
MUST_USE bool kernel_proc(struct stage *s, struct err *err);
MUST_USE bool kernel_sys(struct stage *s, struct err *err);

#endif
