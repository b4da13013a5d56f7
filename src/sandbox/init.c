// SPDX-License-Identifier: Apache-2.0
// bawn-init: pid 1 inside the sandbox.
//
// Theory of operation. The supervisor clones it into new user, mount, pid, ipc, uts and cgroup namespaces and
// gives it one socket (INIT_FD). It
//   boot     ties its life to the supervisor's (parent-death signal, then a look at the socket, in that
//            order: the supervisor may have died between clone and prctl), makes itself unreadable, takes a
//            fresh session keyring, has a network namespace made on the side (netns.h), makes what every tree
//            needs. All of this runs while the supervisor still makes the plan.
//   set-up   receives the plan, builds the file system, becomes its root, prepares the Landlock ruleset.
//   serve    starts commands on request, many at once, owns their terminals, reaps every orphan, covers
//            paths.
// It keeps its capabilities in the sandbox's own user namespace (later covers need them) and stays outside
// the Landlock domain (a domain may not change mounts); what it starts has none of the former and is in the
// latter. When the socket closes it exits, and the kernel kills everything in the pid namespace.
#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "sandbox/command.h"
#include "sandbox/gate.h"
#include "sandbox/inward.h"
#include "sandbox/landlock.h"
#include "sandbox/mounts.h"
#include "sandbox/netns.h"
#include "sandbox/sys.h"

#define COMMANDS_MAX 4096     // at once
#define BLOCK_MAX (16u << 20) // bytes of argv and environment

struct running {
    uint32_t id;
    pid_t pid;
    bool last; // START_LAST
};

struct init {
    int sock, sigfd;
    struct netns net;
    struct plan_view plan, top; // top: its operations only
    struct mounts mounts;
    struct confinement confinement;
    struct running commands[COMMANDS_MAX];
    size_t ncommands;
};

static _Noreturn void give_up(int sock, const struct err *err)
{
    struct init_msg m = {.type = INIT_FAILED, .number = err->sys, .flags = STAGE_SETUP};

    init_msg_text(&m, err->msg);
    init_send(sock, &m, NULL, 0);
    _exit(125);
}

static bool supervisor_is_gone(int sock)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

// Dispositions outlive an exec when they are "ignore", and the bounding set bounds execs only: init makes
// none any more, so what it clears here is cleared for all that it starts.
static bool clear_inherited(struct err *err)
{
    static const uint64_t dfl[4]; // struct kernel_sigaction: handler, flags, restorer, mask
    int cap = 0;

    // The call itself: the C library keeps 32 and 33 to itself, also from those who would only reset them.
    for (int sig = 1; sig < 65; sig++)
        syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t));
    while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
        cap++;
    return errno == EINVAL || err_sys(err, errno, "cannot drop capability %d from the bounding set", cap);
}

static bool boot(struct init *in, struct err *err)
{
    sigset_t all;
    int null;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (supervisor_is_gone(in->sock))
        _exit(125);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NAME, "bawn-init");
    close_range(INIT_FD + 1, ~0u, 0);
    fcntl(INIT_FD, F_SETFD, FD_CLOEXEC);
    // Init must not hold the caller's pipes or terminal; commands get theirs with START.
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return err_sys(err, errno, "cannot open /dev/null");
    close(null);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    in->sigfd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (in->sigfd < 0)
        return err_sys(err, errno, "cannot make a signal descriptor");
    if (!clear_inherited(err))
        return false;
    // Without kernel keyrings there is nothing of the host's to hold.
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return err_sys(err, errno, "cannot take a session keyring of its own");
    return netns_begin(&in->net, err) && mounts_prepare(&in->mounts, err);
}

static bool map_block(int fd, size_t max, const char **ret, size_t *ret_n, struct err *err)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 || (size_t)st.st_size > max)
        return err_set(err, ERR_PROTOCOL, "a block from the supervisor has an impossible size");
    p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(err, errno, "cannot map a block from the supervisor");
    *ret = p;
    *ret_n = (size_t)st.st_size;
    return true;
}

// v1 groups are entered by ourselves, while we have one thread: being moved by another waits for a grace
// period.
static bool enter_groups(const int *fds, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (write(fds[i], "0", 1) != 1)
            return err_sys(err, errno, "cannot enter the run's control group");
    return true;
}

static bool receive_part(struct init *in, enum init_type type, struct plan_view *ret, struct err *err)
{
    int fds[FD_PASS_MAX];
    struct init_msg m;
    const char *block;
    size_t n, nfds = FD_PASS_MAX;
    bool ok;

    if (init_recv(in->sock, &m, fds, &nfds, 0) <= 0)
        _exit(125);
    if (m.type != type || !nfds)
        return err_set(err, ERR_PROTOCOL, "expected a part of the plan, got message %u", m.type);
    ok = map_block(fds[0], PLAN_MAX, &block, &n, err) && plan_decode(block, n, ret, err) &&
         enter_groups(fds + 1, nfds - 1, err);
    while (nfds)
        close(fds[--nfds]);
    return ok;
}

static bool receive_top(void *ctx, struct plan_view *ret, struct err *err)
{
    struct init *in = ctx;

    if (!receive_part(in, INIT_TOP, &in->top, err))
        return false;
    *ret = in->top;
    return true;
}

// The network namespace made at boot becomes the gate; we go on in a new one, whose only way out leads there.
static bool make_gate(struct init *in, struct err *err)
{
    static struct gate gate;
    uint16_t ports[GATE_PORTS_MAX];
    struct gate_wants wants = {.ports = ports, .proxy_port = (uint16_t)in->plan.head->proxy_port};
    const char *p = in->plan.strings + in->plan.head->gate_ports;
    bool ok = true;

    while (*p && wants.nports < GATE_PORTS_MAX) {
        char *end;

        ports[wants.nports++] = (uint16_t)strtoul(p, &end, 10);
        p = end + (*end == ',');
    }
    if (!gate_make(&wants, &gate, err))
        return err_prefix(err, "making the network gate");
    for (size_t i = 0; ok && i < gate.n;) {
        struct init_msg m = {.type = INIT_GATE};
        int fds[FD_PASS_MAX];
        size_t n = 0;

        for (; n < FD_PASS_MAX && i < gate.n; n++, i++) {
            memcpy(m.text + m.len, &(struct gate_listener){gate.fds[i].kind, gate.fds[i].port},
                   sizeof(struct gate_listener));
            m.len += (uint32_t)sizeof(struct gate_listener);
            fds[n] = gate.fds[i].fd;
        }
        ok = init_send(in->sock, &m, fds, n);
    }
    gate_close(&gate);
    return ok || err_set(err, ERR_PROTOCOL, "the supervisor is gone");
}

// Who has a connection is the supervisor's to find out; a kernel that does not tell is no reason not to
// start.
static bool offer_diagnosis(const struct init *in, struct err *err)
{
    struct init_msg m = {.type = INIT_DIAGNOSE};
    AUTO_CLOSE int fd = -1;

    return inward_diagnose(&fd) != 0 || init_send(in->sock, &m, &fd, 1) ||
           err_set(err, ERR_PROTOCOL, "the supervisor is gone");
}

// What binds the whole namespace; limits of single processes are set where commands start (command.c), as
// init itself must be able to work below them.
static bool set_limits(const struct plan_header *head, struct err *err)
{
    // Init counts as a process of the namespace too.
    const struct rlimit processes = {head->processes + 1, head->processes + 1};
    cpu_set_t have, want;
    uint32_t taken = 0;

    if (head->processes && setrlimit(RLIMIT_NPROC, &processes) < 0)
        return err_sys(err, errno, "cannot set the limit processes to %llu",
                       (unsigned long long)head->processes);
    if (!head->cpus)
        return true;
    CPU_ZERO(&want);
    if (sched_getaffinity(0, sizeof have, &have) < 0)
        return err_sys(err, errno, "cannot read the processor affinity");
    for (size_t i = 0; i < CPU_SETSIZE && taken < head->cpus; i++)
        if (CPU_ISSET(i, &have)) {
            CPU_SET(i, &want);
            taken++;
        }
    if (sched_setaffinity(0, sizeof want, &want) < 0)
        return err_sys(err, errno, "cannot set the processor affinity");
    return true;
}

// A rule for each place of a plan that can be written.
static size_t landlock_places(const struct init *in, const struct plan_view *plan, struct landlock_path *ret)
{
    size_t n = 0;

    for (uint32_t i = 0; i < plan->head->nops; i++) {
        const struct mount_op *op = &plan->ops[i];
        bool writable = (op->kind == MOUNT_BIND && (op->flags & MOUNT_WRITABLE)) ||
                        (op->kind == MOUNT_TMPFS && !(op->flags & MOUNT_SEALED)) || op->kind == MOUNT_DEV ||
                        op->kind == MOUNT_PROC;
        const char *dst = op->kind == MOUNT_DEV    ? "/dev"
                          : op->kind == MOUNT_PROC ? "/proc"
                                                   : plan->strings + op->dst;
        int fd = writable ? open_nolink(in->mounts.root, dst, O_PATH | O_NOFOLLOW) : -1;

        if (fd >= 0)
            ret[n++] = (struct landlock_path){fd, LANDLOCK_WRITE};
    }
    return n;
}

// What can be read in the tree is what the mounts put there; a second look at each open would cost more than
// it finds. command.c holds reading where a command has files from outside the tree.
static bool prepare_landlock(struct init *in, struct err *err)
{
    const struct plan_header *head = in->plan.head;
    size_t n = 0, max = head->nops + in->top.head->nops + 3u;
    struct landlock_path *paths = xcalloc(max, sizeof *paths);
    struct landlock_wants wants = {.paths = paths,
                                   .holds = head->flags & PLAN_NESTED ? 0 : LANDLOCK_HOLD_WRITES,
                                   .scope_abstract = head->flags & PLAN_SCOPE_ABSTRACT};
    bool ok;

    // What may mount (nested) can have no file rules.
    if (wants.holds) {
        paths[n++] = (struct landlock_path){
            in->mounts.root, in->plan.ops[0].flags & MOUNT_WRITABLE ? LANDLOCK_WRITE : LANDLOCK_READ};
        n += landlock_places(in, &in->plan, paths + n);
        n += landlock_places(in, &in->top, paths + n);
    }
    wants.npaths = n;
    ok = landlock_make(&wants, &in->confinement.landlock, err);
    if (ok && wants.holds) {
        wants.holds = LANDLOCK_HOLD_READS;
        wants.scope_abstract = false;
        ok = landlock_make(&wants, &in->confinement.landlock_reads, err);
    }
    while (n > 1)
        close(paths[--n].fd);
    free(paths);
    return ok;
}

static bool set_up(struct init *in, struct err *err)
{
    const struct mounts_top top = {receive_top, in};
    struct init_msg m = {.type = INIT_READY};
    const char *hostname;

    if (!receive_part(in, INIT_PLAN, &in->plan, err))
        return false;
    if (!(in->plan.head->flags & PLAN_OWN_NET))
        netns_drop(&in->net);
    hostname = in->plan.strings + in->plan.head->hostname;
    if (*hostname && sethostname(hostname, strlen(hostname)) < 0)
        return err_sys(err, errno, "cannot set the host name");
    if ((in->plan.head->flags & PLAN_GATE) &&
        (!netns_enter(&in->net, err) || !make_gate(in, err) || !offer_diagnosis(in, err)))
        return false;
    // Now, not at clone time: the supervisor has put us into the run's control group by this time.
    if (unshare(CLONE_NEWCGROUP) < 0)
        return err_sys(err, errno, "cannot make a control group namespace");
    if (!mounts_apply(&in->mounts, &in->plan, &top, &in->net, err))
        return err_prefix(err, "building the sandbox's file system");
    in->confinement =
        (struct confinement){.head = in->plan.head, .landlock = -1, .landlock_reads = -1, .sock = in->sock};
    if ((in->plan.head->flags & PLAN_LANDLOCK) && !prepare_landlock(in, err))
        return false;
    if (!set_limits(in->plan.head, err))
        return false;
    m.number = in->confinement.landlock >= 0 ? landlock_abi() : 0;
    return init_send(in->sock, &m, &in->mounts.root, 1) ||
           err_set(err, ERR_PROTOCOL, "the supervisor is gone");
}

// See struct start_head.
static bool parse_block(const char *block, size_t n, struct start_head *ret_head, char ***ret_argv,
                        char ***ret_env, struct err *err)
{
    struct start_head head;
    const char *p = block + sizeof head, *end = block + n;
    char **list;
    size_t total;

    if (n < sizeof head || (memcpy(&head, block, sizeof head), head.argc == 0) || end[-1] != '\0' ||
        head.argc > n || head.envc > n)
        return err_set(err, ERR_PROTOCOL, "broken argument block");
    total = (size_t)head.argc + head.envc + 2;
    list = xcalloc(total, sizeof *list);
    for (size_t i = 0; i < total; i++) {
        if (i == head.argc || i == total - 1)
            continue;
        if (p >= end) {
            free(list);
            return err_set(err, ERR_PROTOCOL, "argument block is too short");
        }
        list[i] = (char *)(uintptr_t)p;
        p += strlen(p) + 1;
    }
    *ret_head = head;
    *ret_argv = list;
    *ret_env = list + head.argc + 1;
    return true;
}

static void report_failure(struct init *in, uint32_t id, const struct command_failure *f)
{
    struct init_msg m = {.type = INIT_FAILED, .id = id, .number = f->err.sys, .flags = f->stage};

    init_msg_text(&m, f->err.msg);
    init_send(in->sock, &m, NULL, 0);
}

static bool start_command(struct init *in, struct init_msg *m, const int *fds, size_t nfds,
                          struct command_failure *failed)
{
    static const unsigned serves[] = {START_PTY_STDIN, START_PTY_STDOUT, START_PTY_STDERR};
    struct command_spec spec = {
        .id = m->id, .flags = m->flags, .rows = m->rows, .cols = m->cols, .std = {-1, -1, -1}};
    struct err *err = &failed->err;
    struct init_msg reply = {.type = INIT_STARTED, .id = m->id};
    struct start_head head;
    const char *block;
    size_t n, used = 1;
    char **argv = NULL, **env = NULL;
    int master = -1;
    pid_t pid;
    bool ok;

    if (in->ncommands == COMMANDS_MAX)
        return err_set(err, ERR_LIMIT, "%d commands run already", COMMANDS_MAX);
    for (int i = 0; i < 3; i++)
        if (!(m->flags & serves[i])) {
            if (used >= nfds)
                return err_set(err, ERR_PROTOCOL, "a standard descriptor is missing");
            spec.std[i] = fds[used++];
        }
    spec.cwd = m->len ? m->text : in->plan.strings + in->plan.head->cwd;
    if (!nfds || !map_block(fds[0], BLOCK_MAX, &block, &n, err))
        return false;
    ok = parse_block(block, n, &head, &argv, &env, err);
    if (ok) {
        spec.modes = head.modes;
        spec.argv = argv;
        spec.env = env;
        ok = command_start(&in->confinement, &spec, &pid, &master, failed);
        free(argv);
    }
    munmap((void *)(uintptr_t)block, n);
    if (!ok)
        return false;
    in->commands[in->ncommands++] = (struct running){m->id, pid, m->flags & START_LAST};
    reply.number = pid;
    init_send(in->sock, &reply, &master, master >= 0 ? 1 : 0);
    if (master >= 0)
        close(master);
    return true;
}

static void send_signal(struct init *in, const struct init_msg *m)
{
    if (!m->id) {
        kill(-1, m->number);
        return;
    }
    for (size_t i = 0; i < in->ncommands; i++)
        if (in->commands[i].id == m->id)
            // Its process group; before its setsid the group does not exist yet.
            if (kill(-in->commands[i].pid, m->number) < 0)
                kill(in->commands[i].pid, m->number);
}

static void cover(struct init *in, const struct init_msg *m)
{
    struct init_msg reply = {.type = INIT_COVERED, .id = m->id};
    struct err err = {0};

    if (!mounts_cover(&in->mounts, m->text, m->flags & INIT_COVER_MASK, m->flags & INIT_COVER_IS_DIR, &err))
        reply.number = err.sys ? err.sys : EIO;
    init_msg_text(&reply, m->text);
    init_send(in->sock, &reply, NULL, 0);
}

static void connect_inward(struct init *in, const struct init_msg *m)
{
    struct init_msg reply = {.type = INIT_CONNECTED, .id = m->id};
    AUTO_CLOSE int fd = -1;

    reply.number = inward_connect((uint16_t)m->number, &fd);
    init_send(in->sock, &reply, &fd, fd >= 0 ? 1 : 0);
}

static void handle_message(struct init *in)
{
    struct init_msg m;
    int fds[FD_PASS_MAX];
    size_t nfds = FD_PASS_MAX;
    struct command_failure failed = {.stage = STAGE_TERMINAL};

    if (init_recv(in->sock, &m, fds, &nfds, 0) <= 0)
        _exit(0);
    switch (m.type) {
    case INIT_START:
        if (!start_command(in, &m, fds, nfds, &failed))
            report_failure(in, m.id, &failed);
        break;
    case INIT_SIGNAL:
        send_signal(in, &m);
        break;
    case INIT_COVER:
        cover(in, &m);
        break;
    case INIT_CONNECT:
        connect_inward(in, &m);
        break;
    default:
        _exit(125);
    }
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
}

static void forget(struct init *in, pid_t pid, int status, bool last)
{
    for (size_t i = 0; i < in->ncommands; i++)
        if (in->commands[i].pid == pid) {
            struct init_msg m = {.type = INIT_EXITED,
                                 .id = in->commands[i].id,
                                 .number = status,
                                 .flags = last ? EXITED_LAST : 0u};

            bool ends_all = in->commands[i].last;

            in->commands[i] = in->commands[--in->ncommands];
            init_send(in->sock, &m, NULL, 0);
            // While the supervisor reads this, the kernel kills what is left and takes the namespaces down.
            if (ends_all)
                _exit(0);
            return;
        }
}

static void reap(struct init *in)
{
    struct signalfd_siginfo info[16];
    int status, next_status;
    pid_t pid, next;

    while (read(in->sigfd, info, sizeof info) > 0)
        ;
    // One ahead, to know whether a command's end left anybody behind.
    pid = waitpid(-1, &status, WNOHANG);
    while (pid > 0) {
        next = waitpid(-1, &next_status, WNOHANG);
        forget(in, pid, status, next < 0 && errno == ECHILD);
        pid = next;
        status = next_status;
    }
}

int main(void)
{
    static struct init in = {.sock = INIT_FD};
    struct err err = {0};

    if (!boot(&in, &err) || !set_up(&in, &err))
        give_up(in.sock, &err);
    for (;;) {
        struct pollfd p[2] = {{.fd = in.sock, .events = POLLIN}, {.fd = in.sigfd, .events = POLLIN}};

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            _exit(125);
        if (p[1].revents)
            reap(&in);
        if (p[0].revents)
            handle_message(&in);
    }
}
