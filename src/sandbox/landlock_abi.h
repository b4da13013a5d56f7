// SPDX-License-Identifier: Apache-2.0
// The kernel's Landlock interface up to ABI 7 (Linux 6.15): system headers lag (Debian 12 stops at ABI 2).
// Values from the kernel's include/uapi/linux/landlock.h; each line names the ABI that brought it.
#ifndef BAWN_SANDBOX_LANDLOCK_ABI_H
#define BAWN_SANDBOX_LANDLOCK_ABI_H

#include <stdint.h>

#define LL_ABI_REFER 2
#define LL_ABI_TRUNCATE 3
#define LL_ABI_NET 4
#define LL_ABI_IOCTL_DEV 5
#define LL_ABI_SCOPE 6
#define LL_ABI_LOG 7
#define LL_ABI_BEST 7

// The same on every architecture.
#define LL_SYS_CREATE_RULESET 444
#define LL_SYS_ADD_RULE 445
#define LL_SYS_RESTRICT_SELF 446

#define LL_CREATE_RULESET_VERSION (1u << 0)
#define LL_RULE_PATH_BENEATH 1

#define LL_FS_EXECUTE (1ull << 0)
#define LL_FS_WRITE_FILE (1ull << 1)
#define LL_FS_READ_FILE (1ull << 2)
#define LL_FS_READ_DIR (1ull << 3)
#define LL_FS_REMOVE_DIR (1ull << 4)
#define LL_FS_REMOVE_FILE (1ull << 5)
#define LL_FS_MAKE_CHAR (1ull << 6)
#define LL_FS_MAKE_DIR (1ull << 7)
#define LL_FS_MAKE_REG (1ull << 8)
#define LL_FS_MAKE_SOCK (1ull << 9)
#define LL_FS_MAKE_FIFO (1ull << 10)
#define LL_FS_MAKE_BLOCK (1ull << 11)
#define LL_FS_MAKE_SYM (1ull << 12)
#define LL_FS_REFER (1ull << 13)     // ABI 2
#define LL_FS_TRUNCATE (1ull << 14)  // ABI 3
#define LL_FS_IOCTL_DEV (1ull << 15) // ABI 5

#define LL_SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0) // ABI 6
#define LL_SCOPE_SIGNAL (1ull << 1)               // ABI 6

struct ll_ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; // ABI 4
    uint64_t scoped;             // ABI 6
};

// Packed in the kernel's header too, so sizeof is 12.
struct ll_path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

#endif
