// SPDX-License-Identifier: Apache-2.0
#include "sandbox/probe_tries.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/seccomp.h>

#include "base/attr.h"
#include "sandbox/landlock.h"
#include "sandbox/landlock_abi.h"
#include "sandbox/seccomp.h"
#include "sandbox/sys.h"

#define WATCHES_WANTED 65536 // directories of a large workspace

bool try_step(struct outcome *o, bool ok, const char *step)
{
    if (!ok && !o->step) {
        o->step = step;
        o->sys = errno;
    }
    return ok;
}

void try_nothing(struct outcome *o)
{
    (void)o;
}

// A detached file system with one option, or -1.
static int detached(struct outcome *o, const char *type, const char *key, const char *value, unsigned attr)
{
    AUTO_CLOSE int fs = fsopen(type, FSOPEN_CLOEXEC);
    int fd = -1;

    if (!try_step(o, fs >= 0, "fsopen") ||
        !try_step(o, !key || fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) == 0, "fsconfig") ||
        !try_step(o, fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0, "fsconfig create"))
        return -1;
    fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);
    try_step(o, fd >= 0, "fsmount");
    return fd;
}

// The way to the sandbox's root, as mounts.c goes it.
void try_mount_api(struct outcome *o)
{
    struct mount_attr private = {.propagation = MS_PRIVATE},
                      sealed = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    AUTO_CLOSE int root = -1;

    if (!try_step(o, mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) == 0,
                  "mount_setattr private"))
        return;
    root = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (!try_step(o, root >= 0, "open_tree") ||
        !try_step(o, mount_setattr(root, "", AT_EMPTY_PATH | AT_RECURSIVE, &sealed, sizeof sealed) == 0,
                  "mount_setattr read-only") ||
        !try_step(o, move_mount(root, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) == 0, "move_mount"))
        return;
    if (try_step(o, fchdir(root) == 0, "fchdir") && try_step(o, sys_pivot_root(".", ".") == 0, "pivot_root"))
        try_step(o, umount2(".", MNT_DETACH) == 0, "umount2");
}

void try_proc(struct outcome *o)
{
    AUTO_CLOSE int proc =
        detached(o, "proc", "hidepid", "4", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

    if (proc >= 0)
        try_step(o, faccessat(proc, "self/status", R_OK, 0) == 0, "reading the new /proc");
}

void try_nesting_off(struct outcome *o)
{
    AUTO_CLOSE int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);

    if (!try_step(o, fd >= 0, "opening user.max_user_namespaces") ||
        !try_step(o, write(fd, "0", 1) == 1, "writing user.max_user_namespaces"))
        return;
    if (unshare(CLONE_NEWUSER) == 0) {
        errno = 0;
        try_step(o, false, "a further user namespace was still made");
    }
}

void try_sysfs(struct outcome *o)
{
    AUTO_CLOSE int sys = detached(
        o, "sysfs", NULL, NULL, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

    (void)sys;
}

void try_pty(struct outcome *o)
{
    AUTO_CLOSE int pts = detached(o, "devpts", "ptmxmode", "0666", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    AUTO_CLOSE int master = -1;
    AUTO_CLOSE int peer = -1;
    int unlocked = 0;

    if (pts < 0)
        return;
    master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (!try_step(o, master >= 0, "opening ptmx") ||
        !try_step(o, ioctl(master, TIOCSPTLCK, &unlocked) == 0, "unlocking the terminal"))
        return;
    peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    try_step(o, peer >= 0, "opening the terminal");
}

// One overlay with the options that bawn uses, upper and work on the scratch directory's file system; a file
// is copied up through it.
void try_overlay(struct outcome *o)
{
    static const char *const dirs[][2] = {{"lowerdir", "lower"}, {"upperdir", "upper"}, {"workdir", "work"}};
    AUTO_CLOSE int fs = -1;
    AUTO_CLOSE int merged = -1;
    AUTO_CLOSE int file = -1;

    if (!try_step(o, o->scratch[0] && chdir(o->scratch) == 0, "making directories to try it in"))
        return;
    fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (!try_step(o, fs >= 0, "fsopen"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (!try_step(o, fsconfig(fs, FSCONFIG_SET_STRING, dirs[i][0], dirs[i][1], 0) == 0,
                      "naming the directories"))
            return;
    if (!try_step(o, fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) == 0, "userxattr") ||
        !try_step(o, fsconfig(fs, FSCONFIG_SET_STRING, "index", "off", 0) == 0, "index=off") ||
        !try_step(o, fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0, "mounting it"))
        return;
    merged = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    if (!try_step(o, merged >= 0, "fsmount"))
        return;
    file = openat(merged, "file", O_WRONLY | O_APPEND | O_CLOEXEC);
    try_step(o, file >= 0 && write(file, "x", 1) == 1, "copying a file up");
}

static bool no_new_privileges(struct outcome *o)
{
    return try_step(o, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
}

// True when loaded; errno as the loader left it in err.
static bool load(struct outcome *o, enum seccomp_program which, int *ret_listener)
{
    struct err err = {0};
    bool ok = seccomp_load(which, ret_listener, &err);

    errno = err.sys;
    return try_step(o, ok, "loading a filter");
}

void try_seccomp(struct outcome *o)
{
    if (!no_new_privileges(o) || !load(o, SECCOMP_DENY, NULL))
        return;
    if (syscall(SYS_bpf, -1, NULL, 0) < 0 && (errno == EPERM || errno == ENOSYS))
        return;
    try_step(o, false, "the filter does not refuse what it names");
}

// The file gate's exchange: a child opens for writing and is held; the open is answered with a descriptor of
// ours.
static bool answer_one(struct outcome *o, int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    struct seccomp_notif_sizes sizes;
    struct seccomp_notif_addfd add = {.flags = SECCOMP_ADDFD_FLAG_SEND, .newfd_flags = O_CLOEXEC};
    AUTO_FREE struct seccomp_notif *request = NULL;
    AUTO_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (!try_step(o, syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0, "notification sizes"))
        return false;
    // The kernel's struct may be longer than ours.
    request = calloc(1, sizeof *request > sizes.seccomp_notif ? sizeof *request : sizes.seccomp_notif);
    if (!try_step(o, request && poll(&p, 1, 2000) == 1, "waiting for a notification") ||
        !try_step(o, ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, request) == 0, "receiving a notification"))
        return false;
    add.id = request->id;
    add.srcfd = (uint32_t)null;
    return try_step(o, ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0, "answering with a descriptor");
}

void try_notify(struct outcome *o)
{
    AUTO_CLOSE int listener = -1;
    pid_t pid;
    int status;

    if (!no_new_privileges(o) || !load(o, SECCOMP_OBSERVE, &listener))
        return;
    pid = fork();
    if (pid == 0) {
        // What comes back was opened for reading: that shows it is the one handed in.
        int fd = open("/dev/null", O_WRONLY);

        _exit(fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? 0 : 1);
    }
    if (!try_step(o, pid > 0, "fork"))
        return;
    if (!answer_one(o, listener))
        kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) == pid && status != 0) {
        errno = 0;
        try_step(o, false, "the descriptor did not arrive");
    }
}

static void name_missing_rights(struct outcome *o)
{
    static const struct {
        int abi;
        const char *what;
    } parts[] = {{LL_ABI_REFER, "moving files between directories"},
                 {LL_ABI_TRUNCATE, "truncate"},
                 {LL_ABI_IOCTL_DEV, "device ioctls"},
                 {LL_ABI_SCOPE, "signals and abstract sockets"}};
    size_t used = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (o->number < parts[i].abi && used < sizeof o->text)
            used += (size_t)snprintf(o->text + used, sizeof o->text - used, "%s%s", used ? ", " : "",
                                     parts[i].what);
    o->partly = used > 0;
}

void try_landlock(struct outcome *o)
{
    AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct landlock_path path = {.fd = root, .access = LANDLOCK_READ};
    struct landlock_wants wants = {
        .paths = &path, .npaths = 1, .holds = LANDLOCK_HOLD_READS | LANDLOCK_HOLD_WRITES};
    struct err err = {0};
    AUTO_CLOSE int rules = -1;
    long abi = syscall(LL_SYS_CREATE_RULESET, NULL, 0, LL_CREATE_RULESET_VERSION);

    if (!try_step(o, abi > 0, "asking for the ABI"))
        return;
    o->number = abi;
    if (!no_new_privileges(o))
        return;
    if (!landlock_make(&wants, &rules, &err) || !landlock_enter(rules, &err)) {
        errno = err.sys;
        try_step(o, false, "entering a domain");
        return;
    }
    if (open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0) {
        errno = 0;
        try_step(o, false, "the domain does not refuse what it should");
        return;
    }
    name_missing_rights(o);
}

void try_pidfd(struct outcome *o)
{
    struct pollfd p = {.events = POLLIN};
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    if (!try_step(o, pid > 0, "fork"))
        return;
    p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (try_step(o, p.fd >= 0, "pidfd_open") &&
        try_step(o, syscall(SYS_pidfd_send_signal, p.fd, SIGKILL, NULL, 0) == 0, "pidfd_send_signal"))
        try_step(o, poll(&p, 1, 2000) == 1, "waiting on the pidfd");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void try_clone3(struct outcome *o)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    long pid = sys_clone3(&args);

    if (pid == 0)
        _exit(0);
    if (try_step(o, pid > 0, "clone3"))
        waitpid((pid_t)pid, NULL, 0);
}

void try_openat2(struct outcome *o)
{
    AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int inside = sys_openat2(root, "proc", O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    AUTO_CLOSE int outside = -1;

    if (!try_step(o, inside >= 0, "openat2"))
        return;
    outside = sys_openat2(inside, "..", O_PATH, RESOLVE_BENEATH);
    errno = 0;
    try_step(o, outside < 0, "RESOLVE_BENEATH does not hold");
}

void try_close_range(struct outcome *o)
{
    int fd = dup(0);

    fd = fd < 0 ? open("/", O_PATH) : fd;
    if (!try_step(o, syscall(SYS_close_range, (unsigned)fd, ~0u, 0) == 0, "close_range"))
        return;
    errno = 0;
    try_step(o, fcntl(fd, F_GETFD) < 0, "a descriptor stayed open");
}

void try_keyring(struct outcome *o)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
        return;
    // Without keyrings there is none of the host's to keep away from.
    if (errno == ENOSYS)
        snprintf(o->text, sizeof o->text, "this kernel has no keyrings, so there is nothing to keep apart");
    else
        try_step(o, false, "a session keyring of its own");
}

static long read_number(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32] = "";

    return fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? strtol(text, NULL, 10) : -1;
}

void try_inotify(struct outcome *o)
{
    AUTO_CLOSE int fd = inotify_init1(IN_CLOEXEC);

    if (!try_step(o, fd >= 0, "an inotify instance") ||
        !try_step(o, inotify_add_watch(fd, "/", IN_CREATE | IN_ONLYDIR) >= 0, "a watch"))
        return;
    o->number = read_number("/proc/sys/fs/inotify/max_user_watches");
    if (o->number >= 0 && o->number < WATCHES_WANTED) {
        o->partly = true;
        snprintf(o->text, sizeof o->text, "few watches; workspaces with more directories are polled instead");
    }
}
