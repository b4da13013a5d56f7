// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The child runs in the parent's memory on a stack of its own, as copied page tables
// would cost a quarter of the whole start; unlike after vfork(2) the parent goes on meanwhile. So it writes
// to nothing of the parent's, not even errno, and calls nothing that could: the parent may be in the middle
// of starting its C library (headstart.h). A signal handler of the parent's must not run in it either, so all
// signals are blocked when it starts; bawn-init sets its own mask.
#include "sandbox/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>

#include "sandbox/proto.h"
#include "sandbox/rawsys.h"

#define SOCK_SEQPACKET_CLOEXEC (5 | O_CLOEXEC) // socket(2): SOCK_CLOEXEC is O_CLOEXEC
#define UNIX_FAMILY 1
#define BITS (8 * sizeof(unsigned long))

static size_t copy_text(char *to, const char *from, size_t max)
{
    size_t n = 0;

    for (; from[n] && n + 1 < max; n++)
        to[n] = from[n];
    to[n] = '\0';
    return n;
}

static _Noreturn void fail(int sock, long error, const char *what)
{
    struct init_msg m;

    m.type = INIT_FAILED;
    m.id = 0;
    m.number = (int32_t)-error;
    m.flags = STAGE_BIRTH;
    m.rows = m.cols = 0;
    m.len = (uint32_t)copy_text(m.text, what, sizeof m.text);
    RAW(SYS_write, sock, &m, INIT_MSG_HEAD + m.len);
    for (;;)
        RAW(SYS_exit_group, 125);
}

static long write_file(const char *path, const char *text)
{
    long fd = RAW(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC), n = 0, done;

    if (fd < 0)
        return fd;
    while (text[n])
        n++;
    done = RAW(SYS_write, fd, text, n);
    RAW(SYS_close, fd);
    return done == n ? 0 : done < 0 ? done : -EIO;
}

static long map_ids(const struct birth *b)
{
    long error = write_file("/proc/self/setgroups", "deny");

    if (!error)
        error = write_file("/proc/self/uid_map", b->uid_map);
    return error ? error : write_file("/proc/self/gid_map", b->gid_map);
}

// What init needs in its own user namespace, and nothing more: mounts and namespaces, network set-up, the
// sysctls of user namespaces, signals to a mapped root's processes, dropping the bounding set. An exec by a
// user other than root would drop them; ambient ones stay.
static long keep_capabilities(void)
{
    static const unsigned needed[] = {CAP_SYS_ADMIN,    CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE,
                                      CAP_SYS_RESOURCE, CAP_SETPCAP,   CAP_KILL,    CAP_DAC_OVERRIDE};
    struct __user_cap_header_struct head;
    struct __user_cap_data_struct caps[2];
    unsigned set[2] = {0, 0};
    long error;

    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        set[needed[i] / 32] |= 1u << (needed[i] % 32);
    for (int i = 0; i < 2; i++)
        caps[i].permitted = caps[i].effective = caps[i].inheritable = set[i];
    head.version = _LINUX_CAPABILITY_VERSION_3;
    head.pid = 0;
    error = RAW(SYS_capset, &head, caps);
    for (size_t i = 0; !error && i < sizeof needed / sizeof *needed; i++)
        error = RAW(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, needed[i]);
    return error;
}

// Called from the assembly below only.
static _Noreturn __attribute__((used)) void birth_child(const struct birth *b)
{
    char *argv[] = {(char *)(uintptr_t) "bawn-init", NULL};
    char *env[] = {NULL};
    long error;

    RAW(SYS_prctl, PR_SET_PDEATHSIG, 9);
    if ((error = map_ids(b)) < 0)
        fail(b->theirs, error,
             "cannot map the user into a user namespace (a security module or container may forbid it; "
             "see `bawn doctor`)");
    if ((error = keep_capabilities()) < 0)
        fail(b->theirs, error, "cannot keep capabilities in the user namespace (see `bawn doctor`)");
    error = b->theirs == INIT_FD ? RAW(SYS_fcntl, INIT_FD, F_SETFD, 0) : RAW(SYS_dup3, b->theirs, INIT_FD, 0);
    if (error < 0)
        fail(b->theirs, error, "cannot pass the socket to bawn-init");
    error = RAW(SYS_execveat, b->init, "", argv, env, AT_EMPTY_PATH);
    fail(INIT_FD, error, "cannot execute bawn-init");
}

static long clone_child(struct birth *b, unsigned long flags)
{
    void **top = (void **)(void *)(b->stack + BIRTH_STACK);

#if defined __x86_64__
    register long tid __asm__("r10") = 0;
    long ret;

    // The argument waits on the child's stack; without it the stack is aligned as a call wants it.
    *--top = b;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "pop %%rdi\n\t"
                     "call birth_child\n"
                     "1:"
                     : "=a"(ret)
                     : "a"((long)SYS_clone), "D"(flags), "S"(top), "d"(&b->pidfd), "r"(tid)
                     : "rcx", "r11", "memory");
    return ret;
#else
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register void *x1 __asm__("x1") = top;
    register int *x2 __asm__("x2") = &b->pidfd;
    register struct birth *x20 __asm__("x20") = b;

    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x20\n\t"
                     "bl birth_child\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x20)
                     : "x30", "memory");
    return x0;
#endif
}

// "ID ID 1"
static void own_map(char *to, unsigned long id)
{
    char digits[12];
    size_t n = 0, out = 0;

    do {
        digits[n++] = (char)('0' + id % 10);
        id /= 10;
    } while (id);
    for (int times = 0; times < 2; times++) {
        for (size_t i = n; i > 0; i--)
            to[out++] = digits[i - 1];
        to[out++] = ' ';
    }
    to[out++] = '1';
    to[out] = '\0';
}

// Schedulers like to put a child behind its parent, which is not going to wait for it: off to another
// processor. To where it may run afterwards the child is as free as we are.
static void place_apart(long pid)
{
    unsigned long all[1024 / BITS], others[1024 / BITS], any = 0;
    unsigned cpu = 0;
    long size = RAW(SYS_sched_getaffinity, 0, sizeof all, all);

    if (size <= 0 || RAW(SYS_getcpu, &cpu, 0, 0) != 0 || cpu >= (unsigned)size * 8)
        return;
    for (size_t i = 0; i < (size_t)size / sizeof *all; i++) {
        others[i] = i == cpu / BITS ? all[i] & ~(1ul << cpu % BITS) : all[i];
        any |= others[i];
    }
    if (any && RAW(SYS_sched_setaffinity, pid, size, others) == 0)
        RAW(SYS_sched_setaffinity, pid, size, all);
}

long birth_begin(struct birth *b)
{
    const unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                                CLONE_PIDFD | CLONE_VM | SIGCHLD;
    unsigned long all = ~0ul, before = 0; // the kernel's sigset_t
    int pair[2] = {-1, -1};
    long pid;

    own_map(b->uid_map, (unsigned long)RAW(SYS_geteuid, 0));
    own_map(b->gid_map, (unsigned long)RAW(SYS_getegid, 0));
    pid = RAW(SYS_socketpair, UNIX_FAMILY, SOCK_SEQPACKET_CLOEXEC, 0, pair);
    b->ours = pair[0];
    b->theirs = pair[1];
    if (pid == 0) {
        RAW(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
        pid = clone_child(b, flags);
        RAW(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
        RAW(SYS_close, b->theirs);
        if (pid > 0)
            place_apart(pid);
        else
            RAW(SYS_close, b->ours);
    }
    RAW(SYS_close, b->init);
    return pid;
}
