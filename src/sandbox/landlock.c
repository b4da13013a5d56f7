// SPDX-License-Identifier: Apache-2.0
// A domain handles (so denies, unless a rule grants it) every right of its kind that the kernel knows.
// Descriptors that were open before the domain keep their rights: Landlock looks when a file is opened.
#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/landlock_abi.h"

#define RIGHTS_READ (LL_FS_EXECUTE | LL_FS_READ_FILE | LL_FS_READ_DIR)
// What the kernel accepts in a rule on something that is no directory (its ACCESS_FILE); more is EINVAL.
#define RIGHTS_OF_FILES                                                                                      \
    (LL_FS_EXECUTE | LL_FS_WRITE_FILE | LL_FS_READ_FILE | LL_FS_TRUNCATE | LL_FS_IOCTL_DEV)

static uint64_t handled_rights(int abi, unsigned holds)
{
    const uint64_t reads = RIGHTS_READ | LL_FS_TRUNCATE;
    uint64_t rights = (LL_FS_MAKE_SYM << 1) - 1; // ABI 1: execute to make symlink, bits 0–12

    if (abi >= LL_ABI_REFER)
        rights |= LL_FS_REFER;
    if (abi >= LL_ABI_TRUNCATE)
        rights |= LL_FS_TRUNCATE;
    if (abi >= LL_ABI_IOCTL_DEV)
        rights |= LL_FS_IOCTL_DEV;
    return rights & ((holds & LANDLOCK_HOLD_READS ? reads : 0) | (holds & LANDLOCK_HOLD_WRITES ? ~reads : 0));
}

// An older kernel takes the longer struct when what it does not know is zero (copy_struct_from_user), so
// sizeof is right for all of them.
static int ruleset_create(const struct ll_ruleset_attr *attr, size_t size, unsigned flags)
{
    return (int)syscall(LL_SYS_CREATE_RULESET, attr, size, flags);
}

int landlock_abi(void)
{
    int abi = ruleset_create(NULL, 0, LL_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : abi > LL_ABI_BEST ? LL_ABI_BEST : abi;
}

static const uint64_t rights_of[] = {
    [LANDLOCK_READ] = RIGHTS_READ,
    [LANDLOCK_WRITE] = UINT64_MAX,
    [LANDLOCK_WRITE_ONLY] = LL_FS_WRITE_FILE | LL_FS_TRUNCATE,
};

static bool add_path(int ruleset, const struct landlock_path *p, uint64_t handled, struct err *err)
{
    struct ll_path_beneath_attr rule = {.parent_fd = p->fd};
    struct stat st;

    if (fstat(p->fd, &st) < 0)
        return err_sys(err, errno, "cannot look at descriptor %d for a Landlock rule", p->fd);
    rule.allowed_access = rights_of[p->access] & handled;
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= RIGHTS_OF_FILES;
    if (!rule.allowed_access)
        return true; // nothing of what is held, which the kernel takes for a mistake
    if (syscall(LL_SYS_ADD_RULE, ruleset, LL_RULE_PATH_BENEATH, &rule, 0) < 0) {
        // Sockets, pipes and kernel-internal files have no place in a file hierarchy.
        if (errno == EBADFD)
            return err_set(err, ERR_INPUT, "descriptor %d is no file that Landlock can grant (mode %o)",
                           p->fd, st.st_mode);
        return err_sys(err, errno, "cannot add descriptor %d to the Landlock rules", p->fd);
    }
    return true;
}

static bool check_wants(const struct landlock_wants *w, int abi, struct err *err)
{
    if (!w->holds != !w->npaths)
        return err_set(err, ERR_INPUT,
                       w->npaths ? "Landlock paths are given for a domain that holds no files"
                                 : "no Landlock paths are given for a domain that holds files");
    if (!w->holds && !w->scope_abstract && !w->scope_signal)
        return err_set(err, ERR_INPUT, "a Landlock domain that restricts nothing is asked for");
    if (abi == 0)
        return err_set(
            err, ERR_UNSUPPORTED,
            "the kernel has no Landlock; boot Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK and "
            "\"landlock\" in the lsm= boot parameter");
    if (abi < LL_ABI_SCOPE && (w->scope_abstract || w->scope_signal))
        return err_set(err, ERR_UNSUPPORTED,
                       "the kernel's Landlock (ABI %d) cannot hold %s, that came with ABI 6 in Linux 6.12",
                       abi, w->scope_abstract ? "abstract UNIX sockets" : "signals");
    return true;
}

bool landlock_make(const struct landlock_wants *wants, int *ret_fd, struct err *err)
{
    int abi = landlock_abi();
    struct ll_ruleset_attr attr = {0};
    AUTO_CLOSE int fd = -1;

    if (!check_wants(wants, abi, err))
        return false;
    attr.handled_access_fs = handled_rights(abi, wants->holds);
    if (wants->scope_abstract)
        attr.scoped |= LL_SCOPE_ABSTRACT_UNIX_SOCKET;
    if (wants->scope_signal)
        attr.scoped |= LL_SCOPE_SIGNAL;
    fd = ruleset_create(&attr, sizeof attr, 0);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a Landlock ruleset (ABI %d)", abi);
    for (size_t i = 0; i < wants->npaths; i++)
        if (!add_path(fd, &wants->paths[i], attr.handled_access_fs, err))
            return false;
    *ret_fd = TAKE_FD(fd);
    return true;
}

bool landlock_add(int ruleset_fd, unsigned holds, const struct landlock_path *path, struct err *err)
{
    return add_path(ruleset_fd, path, handled_rights(landlock_abi(), holds), err);
}

bool landlock_enter(int ruleset_fd, struct err *err)
{
    if (syscall(LL_SYS_RESTRICT_SELF, ruleset_fd, 0) == 0)
        return true;
    if (errno == EPERM)
        return err_sys(err, EPERM, "cannot enter the Landlock domain: no_new_privs is not set");
    if (errno == E2BIG)
        return err_set(
            err, ERR_LIMIT,
            "cannot enter the Landlock domain: 16 are nested already, the kernel's limit; run fewer "
            "sandboxes inside each other");
    return err_sys(err, errno, "cannot enter the Landlock domain");
}
