// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launch.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/companion.h"
#include "base/fd.h"
#include "sandbox/proto.h"
#include "sandbox/sys.h"

static int open_init(struct err *err)
{
    AUTO_FREE char *path = companion_path("bawn-init", err);
    int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;

    if (path && fd < 0)
        err_sys(err, errno, "cannot open %s", path);
    return fd;
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

// What init needs in its own user namespace, and nothing more: mounts and namespaces, network set-up, the
// sysctls of user namespaces, signals to a mapped root's processes, dropping the bounding set. An exec by a
// user other than root would drop them; ambient ones stay.
static bool keep_capabilities(void)
{
    static const unsigned needed[] = {CAP_SYS_ADMIN,    CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE,
                                      CAP_SYS_RESOURCE, CAP_SETPCAP,   CAP_KILL,    CAP_DAC_OVERRIDE};
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2] = {0};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        caps[needed[i] / 32].inheritable |= 1u << (needed[i] % 32);
    for (int i = 0; i < 2; i++)
        caps[i].permitted = caps[i].effective = caps[i].inheritable;
    if (syscall(SYS_capset, &head, caps) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, needed[i], 0, 0) < 0)
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

struct birth {
    int sock, init;
    bool own_net;
    uid_t uid;
    gid_t gid;
};

// Runs in the parent's memory on a stack of its own while the parent waits for the exec, as after vfork(2):
// it changes nothing of the parent's but errno. A copied address space would cost a quarter of the whole
// start.
static int child(void *arg)
{
    const struct birth *b = arg;
    char *argv[] = {(char *)"bawn-init", b->own_net ? (char *)"own-net" : NULL, NULL};
    char *env[] = {NULL};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!map_ids(b->uid, b->gid))
        fail(b->sock,
             "cannot map the user into a user namespace (a security module or container may forbid it; "
             "see `bawn doctor`)");
    if (!keep_capabilities())
        fail(b->sock, "cannot keep capabilities in the user namespace (see `bawn doctor`)");
    if (b->sock != INIT_FD ? dup2(b->sock, INIT_FD) < 0 : fcntl(b->sock, F_SETFD, 0) < 0)
        fail(b->sock, "cannot pass the socket to bawn-init");
    execveat(b->init, "", argv, env, AT_EMPTY_PATH);
    fail(INIT_FD, "cannot execute bawn-init");
}

static long clone_child(struct birth *b, int *ret_pidfd)
{
    const int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
                      CLONE_VM | CLONE_VFORK | SIGCHLD;
    const size_t size = 65536;
    char *stack = xmalloc(size);
    sigset_t all, before;
    long pid;
    int sys;

    // A handler of the caller's must not run in the child, on shared memory.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = clone(child, stack + (size & ~(size_t)15), flags, b, ret_pidfd);
    sys = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(stack);
    errno = sys;
    return pid;
}

bool launch_init(bool own_net, struct launched *ret, struct err *err)
{
    AUTO_CLOSE int init = open_init(err);
    AUTO_CLOSE int ours = -1;
    AUTO_CLOSE int theirs = -1;
    struct birth birth = {.own_net = own_net, .uid = geteuid(), .gid = getegid()};
    int pair[2], pidfd = -1;
    long pid;

    if (init < 0)
        return false;
    // The program must not lie on INIT_FD, where the socket goes.
    if (init == INIT_FD) {
        init = fcntl(INIT_FD, F_DUPFD_CLOEXEC, INIT_FD + 1);
        close(INIT_FD);
    }
    if (init < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, errno, "cannot make the socket to bawn-init");
    ours = pair[0];
    birth.sock = theirs = pair[1];
    birth.init = init;
    pid = clone_child(&birth, &pidfd);
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
