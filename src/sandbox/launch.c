// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launch.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/path.h"
#include "sandbox/proto.h"
#include "sandbox/sys.h"

static int open_init(struct err *err)
{
    static const char *const places[] = {"bawn-init", "../libexec/bawn/bawn-init"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0) {
        err_sys(err, errno, "cannot read /proc/self/exe");
        return -1;
    }
    self[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        AUTO_FREE char *dir = path_parent(self);
        AUTO_FREE char *path = path_normal(dir, places[i]);
        int fd = open(path, O_PATH | O_CLOEXEC);

        if (fd >= 0)
            return fd;
    }
    err_set(err, ERR_MISSING,
            "cannot find bawn-init beside %s or in ../libexec/bawn: the installation is incomplete; run make "
            "install",
            self);
    return -1;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t n = strlen(text);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
    int sys = errno;

    if (fd >= 0)
        close(fd);
    errno = sys;
    return ok;
}

static bool map_ids(uid_t uid, gid_t gid)
{
    char map[64];

    if (!write_file("/proc/self/setgroups", "deny"))
        return false;
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (!write_file("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    return write_file("/proc/self/gid_map", map);
}

// An exec by a user other than root would drop the capabilities that init needs in its own user namespace.
static bool keep_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    if (syscall(SYS_capget, &head, caps) < 0)
        return false;
    caps[0].inheritable = caps[0].permitted;
    caps[1].inheritable = caps[1].permitted;
    if (syscall(SYS_capset, &head, caps) < 0)
        return false;
    for (unsigned cap = 0; cap < 64; cap++)
        if (caps[cap / 32].permitted & (1u << (cap % 32)) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return false;
    return true;
}

static _Noreturn void fail(int sock, const char *what)
{
    struct init_msg m = {.type = INIT_FAILED, .number = errno, .flags = STAGE_SETUP};
    struct err err = {0};

    err_sys(&err, errno, "%s", what);
    init_msg_text(&m, err.msg);
    init_send(sock, &m, NULL, 0);
    _exit(125);
}

static _Noreturn void child(int sock, int init, bool own_net, uid_t uid, gid_t gid)
{
    char *argv[] = {(char *)"bawn-init", own_net ? (char *)"own-net" : NULL, NULL};
    char *env[] = {NULL};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!map_ids(uid, gid))
        fail(sock, "cannot map the user into a user namespace (a security module or container may forbid it; "
                   "see `bawn doctor`)");
    if (!keep_capabilities())
        fail(sock, "cannot keep capabilities in the user namespace (see `bawn doctor`)");
    // The program must not land on INIT_FD: init closes everything above it.
    if (sock != INIT_FD && dup2(sock, INIT_FD) < 0)
        fail(sock, "cannot pass the socket to bawn-init");
    if (sock == INIT_FD)
        fcntl(sock, F_SETFD, 0);
    execveat(init, "", argv, env, AT_EMPTY_PATH);
    fail(INIT_FD, "cannot execute bawn-init");
}

bool launch_init(bool own_net, struct launched *ret, struct err *err)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    AUTO_CLOSE int init = open_init(err);
    AUTO_CLOSE int ours = -1;
    AUTO_CLOSE int theirs = -1;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int pair[2];
    long pid;

    if (init < 0)
        return false;
    if (init == INIT_FD) {
        int moved = fcntl(init, F_DUPFD_CLOEXEC, INIT_FD + 1);

        close(init);
        init = moved;
    }
    if (init < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, errno, "cannot make the socket to bawn-init");
    ours = pair[0];
    theirs = pair[1];
    pid = sys_clone3(&args);
    if (pid == 0)
        child(theirs, init, own_net, uid, gid);
    if (pid < 0) {
        int sys = errno;

        err_set(err, ERR_UNSUPPORTED,
                "cannot make user namespaces (%s); `bawn doctor` says why and how to get them",
                strerror(sys));
        if (err)
            err->sys = sys;
        return false;
    }
    *ret = (struct launched){(pid_t)pid, pidfd, TAKE_FD(ours)};
    return true;
}
