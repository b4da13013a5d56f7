// SPDX-License-Identifier: Apache-2.0
// Stages, each only takes away:
//  1. jail_prepare: parent death signal, then a look whether the parent is gone already; not dumpable (no
//  ptrace
//     by siblings of the same user, no core with secrets in it); no_new_privs; stray descriptors closed;
//  2. the guard loads its files;
//  3. jail_enter: capabilities, Landlock with all rights handled and none granted, the system call list.
#include "guard/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail_program.h"

// Own copy of what is needed: system headers lag behind (landlock(7), ABI 1 to 6).
struct ruleset {
    uint64_t fs, net, scoped;
};
#define LL_CREATE_RULESET_VERSION 1u
#define LL_FS_ABI1 ((UINT64_C(1) << 13) - 1)
#define LL_FS_REFER (UINT64_C(1) << 13)      // ABI 2
#define LL_FS_TRUNCATE (UINT64_C(1) << 14)   // ABI 3
#define LL_FS_IOCTL_DEV (UINT64_C(1) << 15)  // ABI 5
#define LL_NET_BIND_TCP (UINT64_C(1) << 0)   // ABI 4
#define LL_SCOPE_ABSTRACT (UINT64_C(1) << 0) // ABI 6
#define LL_SCOPE_SIGNAL (UINT64_C(1) << 1)

bool jail_prepare(int keep_fd, struct err *err)
{
    struct rlimit none = {0, 0};
    pid_t parent = getppid();
    int null;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return err_sys(err, errno, "cannot prepare the guard's jail");
    if (getppid() != parent)
        return err_set(err, ERR_PROTOCOL, "the supervisor is gone");
    if (close_range((unsigned)keep_fd + 1, ~0u, 0) < 0)
        return err_sys(err, errno, "cannot close stray descriptors");
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return err_sys(err, errno, "cannot open /dev/null");
    if (null > 2)
        close(null);
    return true;
}

static bool drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &head, data) < 0)
        return err_sys(err, errno, "cannot drop capabilities");
    return true;
}

// Without Landlock the system call list stands alone: it has no call that opens a file.
static bool enter_landlock(struct err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_CREATE_RULESET_VERSION);
    struct ruleset r = {.fs = LL_FS_ABI1};
    size_t size = sizeof r.fs;
    AUTO_CLOSE int fd = -1;

    if (abi < 1)
        return true;
    if (abi >= 2)
        r.fs |= LL_FS_REFER;
    if (abi >= 3)
        r.fs |= LL_FS_TRUNCATE;
    if (abi >= 4) {
        r.net = LL_NET_BIND_TCP;
        size = offsetof(struct ruleset, scoped);
    }
    if (abi >= 5)
        r.fs |= LL_FS_IOCTL_DEV;
    if (abi >= 6) {
        r.scoped = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL;
        size = sizeof r;
    }
    fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        return err_sys(err, errno, "cannot enter the guard's Landlock domain");
    return true;
}

bool jail_enter(struct err *err)
{
    struct sock_fprog prog = {.len = sizeof jail_program / sizeof *jail_program,
                              .filter = (struct sock_filter *)(uintptr_t)jail_program};

    if (!drop_capabilities(err) || !enter_landlock(err))
        return false;
    // A change of credentials would clear it (prctl(2)); none follows.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_sys(err, errno, "cannot set the parent death signal");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
        return err_sys(err, errno, "cannot load the guard's system call list");
    return true;
}
