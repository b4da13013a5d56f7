// SPDX-License-Identifier: Apache-2.0
// The plan: what the sandbox's file system and identity are to be, as an ordered list of simple operations.
// The supervisor makes it from the policy (layout.c) and hands it to bawn-init as blocks of memory (a memfd
// for each of its two parts, of which init maps a copy of its own); init applies it (mounts.c) without
// knowing any policy. Both sides include this header; there is no other format.
//
// Every path in a plan is normal with links resolved at the time of planning. Init opens each without
// following any link, so a link that appeared since makes the operation fail (or, when it is OPTIONAL, be
// skipped), never go astray.
#ifndef BAWN_SANDBOX_PLAN_H
#define BAWN_SANDBOX_PLAN_H

#include <stdint.h>

#include "base/buf.h"

#define PLAN_MAGIC 0x6261776eu
#define PLAN_MAX (64u << 20) // bytes

enum mount_kind {
    MOUNT_TREE = 1, // the host's whole tree as root, read-only (first operation)
    MOUNT_EMPTY,    // an empty tmpfs as root (first operation instead)
    MOUNT_BIND,     // clone of src, with what is mounted below it, at dst
    MOUNT_TMPFS,    // size bytes at dst
    MOUNT_MASK,     // dst cannot be read, listed or changed
    MOUNT_FILE,     // a read-only file of the yard's own at dst; src is its content, size its length
    MOUNT_CONTENT, // a plain file in a tmpfs of ours, as writable as that and its mode; src and size as above
    MOUNT_LINK,    // symbolic link dst → src, in a tmpfs of ours
    MOUNT_DEV,     // /dev: the harmless devices, pts, shm
    MOUNT_PROC,    // /proc of the new pid namespace, with its masks
    MOUNT_SYS,     // /sys of the new network namespace, or the host's read-only
};

enum mount_flag {
    MOUNT_WRITABLE = 1 << 0, // else read-only
    MOUNT_OPTIONAL = 1 << 1, // not there any more: skip
    MOUNT_IS_DIR = 1 << 2,   // of dst (and src)
    MOUNT_SEALED = 1 << 3,   // tmpfs: read-only once everything stands
    MOUNT_NOEXEC = 1 << 4,
};

struct mount_op {
    uint16_t kind, flags;
    uint32_t mode;     // of a tmpfs root, or of a file
    uint32_t src, dst; // offsets into the strings
    uint64_t size;     // tmpfs: bytes, 0 for the kernel's default
};

enum plan_flag {
    PLAN_GATE = 1 << 7,           // the network leads to the guard's gate
    PLAN_OWN_NET = 1 << 0,        // has a network namespace of its own
    PLAN_NESTED = 1 << 1,         // programs inside may make user namespaces
    PLAN_LANDLOCK = 1 << 2,       // the kernel has it and nothing forbids it
    PLAN_OBSERVE = 1 << 3,        // report crossings by user notification
    PLAN_STRICT = 1 << 4,         // mediate opens by user notification
    PLAN_PIN_CPUS = 1 << 5,       // affinity holds the processor limit: it must not be changed
    PLAN_SCOPE_ABSTRACT = 1 << 6, // the host's abstract sockets are in reach: Landlock must hold them off
};

struct plan_header {
    uint32_t magic, flags;
    uint32_t nops, nstrings;                   // strings in bytes
    uint32_t hostname;                         // offset
    uint32_t cwd;                              // offset; where commands start unless they say
    uint64_t processes, open_files, file_size; // rlimits; 0: as inherited
    uint32_t gate_ports; // offset: "80,443", ports with a listener of the guard's; for PLAN_GATE
    uint32_t proxy_port; // of the guard's explicit endpoint
    uint32_t cpus;       // first n allowed processors by affinity; 0: all
    uint32_t pad;
};

// A plan in the making; plan_encode gives header, operations and strings as one block.
struct plan {
    struct plan_header head;
    struct buf ops, strings;
};

void plan_init(struct plan *p);
void plan_deinit(struct plan *p);
uint32_t plan_string(struct plan *p, const char *s);
void plan_add_file(struct plan *p, enum mount_kind kind, const char *dst, const char *content, size_t size,
                   uint32_t mode);
void plan_add(struct plan *p, enum mount_kind kind, unsigned flags, const char *src, const char *dst,
              uint64_t size, uint32_t mode);
MUST_USE bool plan_encode(struct plan *p, struct buf *ret, struct err *err);

// A view of an encoded plan; every offset has been checked.
struct plan_view {
    const struct plan_header *head;
    const struct mount_op *ops;
    const char *strings;
};
MUST_USE bool plan_decode(const void *data, size_t n, struct plan_view *ret, struct err *err);

#endif
