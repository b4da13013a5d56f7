// SPDX-License-Identifier: Apache-2.0
// The filters against the real kernel. Every call is made in a forked child, once without and once with the
// filter, with arguments that do no harm: a bad pointer, a name that is not there. Without the filter the
// kernel's own code then answers something else (EFAULT, ENOENT, EBADF …), which is the positive control: it
// shows that the answer with the filter is the filter's. Run by root the control holds for privileged calls
// too; for an ordinary user those answer EPERM anyway and count as not controlled. test_seccomp_code.c holds
// the programs against every number.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/seccomp.h"

#define NOBODY 65534
#define HIGH_BIT (1UL << 32)

#define WITHOUT (-1) // no filter
enum user { SELF, ORDINARY };

struct answer {
    long result;
    int sys;    // errno when result is -1
    int signal; // that killed the child, or 0
};

struct call {
    const char *name;
    long nr;
    unsigned long args[6];
    int want;              // errno
    bool kernel_may_agree; // the kernel, as it was built, may give the same answer
};

static void become_ordinary(void)
{
    if (geteuid() == 0 &&
        (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
        _exit(99);
}

static void load_or_exit(int program)
{
    struct err err = {0};

    if (program == WITHOUT)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !seccomp_load((enum seccomp_program)program, NULL, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(98);
    }
}

// In a session of its own: vhangup has no terminal to hang up, a tty opened there becomes nobody's.
static struct answer try_call(int program, enum user user, const struct call *c)
{
    struct answer *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct answer a;
    int status;
    pid_t pid;

    assert_ptr_not_equal(shared, MAP_FAILED);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setsid();
        if (user == ORDINARY)
            become_ordinary();
        load_or_exit(program);
        errno = 0;
        shared->result =
            syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4], c->args[5]);
        shared->sys = errno;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    a = *shared;
    a.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    munmap(shared, sizeof *shared);
    return a;
}

static void must_be_refused(int program, const struct call *c)
{
    struct answer with = try_call(program, SELF, c), ordinary = try_call(program, ORDINARY, c);

    if (with.result != -1 || with.sys != c->want || ordinary.result != -1 || ordinary.sys != c->want)
        fail_msg("%s: %ld %s, as ordinary user %ld %s, wanted %s", c->name, with.result, strerror(with.sys),
                 ordinary.result, strerror(ordinary.sys), strerror(c->want));
    if (geteuid() == 0 && !c->kernel_may_agree) {
        struct answer bare = try_call(WITHOUT, SELF, c);

        if (bare.result == -1 && bare.sys == c->want)
            fail_msg("%s: no control, the kernel answers %s too", c->name, strerror(bare.sys));
    }
}

static void must_be_allowed(int program, const struct call *c)
{
    struct answer with = try_call(program, ORDINARY, c), bare = try_call(WITHOUT, ORDINARY, c);
    bool ran = with.result != -1, runs = bare.result != -1;

    if (with.signal || ran != runs || (!ran && with.sys != bare.sys))
        fail_msg("%s: %ld %s (signal %d), without the filter %ld %s", c->name, with.result,
                 strerror(with.sys), with.signal, bare.result, strerror(bare.sys));
}

#define NONE ((unsigned long)(uintptr_t) "/nonexistent-bawn")
#define C(call, error, ...)                                                                                  \
    {                                                                                                        \
#call, SYS_##call, {__VA_ARGS__ }, error, false                                                      \
    }
#define C_AGREES(call, error, ...)                                                                           \
    {                                                                                                        \
#call, SYS_##call, {__VA_ARGS__ }, error, true                                                       \
    }
#define BAD_FD ((unsigned long)-1)

static void machine_wide_calls_are_refused(void **state)
{
    const struct call calls[] = {
        C(acct, EPERM, NONE),
        C(adjtimex, EPERM, 0),
        C(clock_adjtime, EPERM, 0, 0),
        C(clock_settime, EPERM, 0, 0),
        C(settimeofday, EPERM, 1, 0),
        C(reboot, EPERM, 0, 0, 0, 0),
        C(kexec_load, EPERM, 0, 0, 0, 0xffff),
#ifdef SYS_kexec_file_load
        C(kexec_file_load, EPERM, BAD_FD, BAD_FD, 0, 0, 0xffff),
#endif
        C(init_module, EPERM, 0, 0, 0),
        C(finit_module, EPERM, BAD_FD, 0, 0),
        C(delete_module, EPERM, NONE, 0),
        C(swapon, EPERM, NONE, 0),
        C(swapoff, EPERM, NONE),
        C(quotactl, EPERM, 0xffffffff, NONE, 0, 0),
        {"quotactl_fd", 443, {BAD_FD, 0, 0, 0}, EPERM, false},
        C(syslog, EPERM, 10, 0, 0),
        C(vhangup, EPERM),
        C_AGREES(lookup_dcookie, EPERM, 0, 0, 0),
#ifdef SYS_iopl
        C(iopl, EPERM, 0),
        C(ioperm, EPERM, 0, 1, 0),
#endif
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        must_be_refused(SECCOMP_DENY, &calls[i]);
        must_be_refused(SECCOMP_DENY_NESTED, &calls[i]);
    }
}

static void kernel_surface_is_closed(void **state)
{
    const struct call calls[] = {
        C(bpf, EPERM, 0xffff, 0, 0),
        C(perf_event_open, EPERM, 0, 0, BAD_FD, BAD_FD, 0),
        C(userfaultfd, EPERM, 1),
        C(fanotify_init, EPERM, 0x100000, 0),
        C(fanotify_mark, EPERM, BAD_FD, 0, 0, 0, 0),
        C(move_pages, EPERM, 0, 0, 0, 0, 0, 0),
        C(migrate_pages, EPERM, 0, 0, 0, 0),
        C(name_to_handle_at, EPERM, BAD_FD, NONE, 0, 0, 0),
        C(open_by_handle_at, EPERM, BAD_FD, 0, 0),
        {"memfd_secret", 447, {0}, ENOSYS, true}, // the kernel's, unless it was started with secretmem.enable
        C(io_uring_setup, ENOSYS, 4, 0),
        C(io_uring_enter, ENOSYS, BAD_FD, 0, 0, 0, 0, 0),
        C(io_uring_register, ENOSYS, BAD_FD, 0, 0, 0),
        C(add_key, ENOSYS, 0, 0, 0, 0, 0),
        C(request_key, ENOSYS, 0, 0, 0, 0),
        C(keyctl, ENOSYS, 0, BAD_FD, 0, 0, 0),
        C(process_vm_readv, ENOSYS, 0, 0, 0, 0, 0, 0),
        C(process_vm_writev, ENOSYS, 0, 0, 0, 0, 0, 0),
        C(process_madvise, ENOSYS, BAD_FD, 0, 0, 0, 0),
        {"process_mrelease", 448, {BAD_FD, 0}, ENOSYS, false},
        C(pidfd_getfd, ENOSYS, BAD_FD, 0, 0),
        C(kcmp, ENOSYS, 0, 0, 0, 0, 0),
#ifdef __x86_64__
        C(modify_ldt, ENOSYS, 0, 0, 0),
        C(ustat, ENOSYS, 0xffff, 0),
        C(sysfs, ENOSYS, 3),
        C_AGREES(uselib, ENOSYS, NONE),
        C_AGREES(_sysctl, ENOSYS, 0),
        C_AGREES(create_module, ENOSYS, 0),
#endif
        {"a number after the last that the filter knows", 470, {0}, ENOSYS, true},
        {"a number that no kernel has", 100000, {0}, ENOSYS, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        must_be_refused(SECCOMP_DENY, &calls[i]);
        must_be_refused(SECCOMP_DENY_NESTED, &calls[i]);
    }
}

static void namespaces_and_mounts_are_refused_unless_nested(void **state)
{
    const struct call calls[] = {
        {"unshare user", SYS_unshare, {CLONE_NEWUSER}, EPERM, false},
        {"unshare time", SYS_unshare, {0x80}, EPERM, false},
        {"unshare mount", SYS_unshare, {CLONE_NEWNS}, EPERM, false},
        {"unshare, unknown flag", SYS_unshare, {1}, EPERM, false},
        {"unshare, high bit", SYS_unshare, {CLONE_NEWUSER | HIGH_BIT}, EPERM, false},
        C(setns, EPERM, 0, 0xffff),
        C(mount, EPERM, 0, NONE, 0, 0, 0),
        C(umount2, EPERM, NONE, 0),
        C(pivot_root, EPERM, NONE, NONE),
        C(chroot, EPERM, NONE),
        C(open_tree, EPERM, BAD_FD, NONE, 0),
        C(move_mount, EPERM, BAD_FD, NONE, BAD_FD, NONE, 0),
        C(fsopen, EPERM, NONE, 0),
        C(fspick, EPERM, BAD_FD, NONE, 0),
        C(fsconfig, EPERM, BAD_FD, 0, 0, 0, 0),
        C(fsmount, EPERM, BAD_FD, 0, 0),
        {"mount_setattr", 442, {BAD_FD, NONE, 0, 0, 0}, EPERM, false},
        {"open_tree_attr", 467, {BAD_FD, NONE, 0, 0, 0}, EPERM, false},
        {"statmount", 457, {0, 0, 0, 0}, ENOSYS, false},
        {"listmount", 458, {0, 0, 0, 0}, ENOSYS, false},
    };
    const struct call nested[] = {
        {"unshare user", SYS_unshare, {CLONE_NEWUSER}, 0, false},
        {"unshare user and mount", SYS_unshare, {CLONE_NEWUSER | CLONE_NEWNS}, 0, false},
        C(mount, 0, 0, NONE, 0, 0, 0),
        C(setns, 0, BAD_FD, 0),
        C(fsopen, 0, NONE, 0),
        {"statmount", 457, {0, 0, 0, 0}, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        must_be_refused(SECCOMP_DENY, &calls[i]);
    for (size_t i = 0; i < ARRAY_LEN(nested); i++)
        must_be_allowed(SECCOMP_DENY_NESTED, &nested[i]);
}

// A clone that succeeds returns twice; the child must not go on in this test.
static bool clone_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

// Runs a scene in a child as an ordinary user.
static bool happens(int program, bool (*run)(void), int *ret_signal)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        setsid();
        become_ordinary();
        load_or_exit(program);
        _exit(run() ? 42 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (ret_signal)
        *ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) >= 98)
        fail_msg("the scene could not be set: exit %d", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static bool clones_user_namespace(void)
{
    return clone_with(CLONE_NEWUSER);
}

static bool clones_mount_namespace_with_high_bits(void)
{
    return clone_with(CLONE_NEWUSER | CLONE_NEWNS | HIGH_BIT);
}

static bool clones_plainly(void)
{
    return clone_with(0);
}

static bool clones_by_clone3(void)
{
    unsigned long args[8] = {0, 0, 0, 0, SIGCHLD, 0, 0, 0};
    long pid = syscall(SYS_clone3, args, sizeof args);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

static void clone_makes_processes_but_no_namespaces(void **state)
{
    (void)state;
    assert_true(happens(WITHOUT, clones_user_namespace, NULL));
    assert_false(happens(SECCOMP_DENY, clones_user_namespace, NULL));
    assert_true(happens(SECCOMP_DENY_NESTED, clones_user_namespace, NULL));
    assert_false(happens(SECCOMP_DENY, clones_mount_namespace_with_high_bits, NULL));
    assert_true(happens(SECCOMP_DENY, clones_plainly, NULL));
    assert_true(happens(SECCOMP_DENY, clones_by_clone3, NULL));
    assert_false(happens(SECCOMP_NO_CLONE3, clones_by_clone3, NULL));
    assert_true(happens(SECCOMP_NO_CLONE3, clones_plainly, NULL));
}

#ifdef __x86_64__
// getpid by the 32-bit gate. The child's first argument registers stay 64-bit clean.
static bool int80_answers(void)
{
    long r;

    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    return (int)r == getpid();
}

static void other_abis_of_the_machine_are_closed(void **state)
{
    const struct call x32 = {"x32 getpid", 0x40000000 + SYS_getpid, {0}, ENOSYS, true};
    int killed;

    (void)state;
    for (int p = 0; p < SECCOMP_PROGRAMS; p++)
        if (!seccomp_program_notifies((enum seccomp_program)p))
            must_be_refused(p, &x32);
    if (!happens(WITHOUT, int80_answers, NULL)) {
        print_message("[  SKIPPED ] int 0x80: this kernel has no 32-bit ABI\n");
        skip();
    }
    assert_false(happens(SECCOMP_DENY, int80_answers, &killed));
    assert_int_equal(killed, SIGSYS);
    assert_false(happens(SECCOMP_DENY_NESTED, int80_answers, &killed));
    assert_int_equal(killed, SIGSYS);
}
#endif

static void only_harmless_execution_domains_pass(void **state)
{
    const struct call refused[] = {
        {"READ_IMPLIES_EXEC", SYS_personality, {READ_IMPLIES_EXEC}, EPERM, false},
        {"PER_LINUX32", SYS_personality, {PER_LINUX32}, EPERM, false},
        {"MMAP_PAGE_ZERO", SYS_personality, {MMAP_PAGE_ZERO | ADDR_NO_RANDOMIZE}, EPERM, false},
        {"high bits", SYS_personality, {READ_IMPLIES_EXEC | HIGH_BIT}, EPERM, false},
    };
    const struct call allowed[] = {
        {"query", SYS_personality, {0xffffffff}, 0, false},
        {"query, sign extended", SYS_personality, {(unsigned long)-1}, 0, false},
        {"plain", SYS_personality, {0}, 0, false},
        {"gdb", SYS_personality, {ADDR_NO_RANDOMIZE}, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        must_be_refused(SECCOMP_DENY, &refused[i]);
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        must_be_allowed(SECCOMP_DENY, &allowed[i]);
}

static void nothing_is_typed_into_a_terminal(void **state)
{
    int tty = posix_openpt(O_RDWR | O_NOCTTY);
    unsigned long fd = (unsigned long)tty;
    const struct call refused[] = {
        {"TIOCSTI", SYS_ioctl, {fd, 0x5412, 0}, EPERM, false},
        {"TIOCSTI, bit 32 set", SYS_ioctl, {fd, 0x5412 | HIGH_BIT, 0}, EPERM, false},
        {"TIOCSTI, all high bits set", SYS_ioctl, {fd, 0xffffffff00005412, 0}, EPERM, false},
        {"TIOCLINUX", SYS_ioctl, {fd, 0x541c, 0}, EPERM, false},
        {"TIOCLINUX, bit 63 set", SYS_ioctl, {fd, 0x541c | 1UL << 63, 0}, EPERM, false},
        {"TIOCSETD", SYS_ioctl, {fd, 0x5423, 0}, EPERM, false},
    };
    const struct call allowed[] = {
        {"TIOCGWINSZ", SYS_ioctl, {fd, 0x5413, (unsigned long)(uintptr_t)(char[64]){0}}, 0, false},
        {"FIONREAD", SYS_ioctl, {fd, 0x541b, (unsigned long)(uintptr_t)(char[64]){0}}, 0, false},
    };

    (void)state;
    assert_true(tty >= 0);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        must_be_refused(SECCOMP_DENY, &refused[i]);
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        must_be_allowed(SECCOMP_DENY, &allowed[i]);
    close(tty);
}

static void only_plain_sockets_are_made(void **state)
{
    const struct {
        int family, type, protocol, want; // 0: as without the filter
    } sockets[] = {
        {AF_UNIX, SOCK_STREAM, 0, 0},
        {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0}, // syslog(3)
        {AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, 0},
        {AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0},
        {AF_INET6, SOCK_STREAM, 6, 0},
        {AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 17, 0},
        {AF_INET6, SOCK_DGRAM, 0, 0},
        {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0, 0}, // getifaddrs
        {AF_NETLINK, SOCK_RAW, 12, EPROTONOSUPPORT}, // nf_tables
        {AF_NETLINK, SOCK_RAW, 4, EPROTONOSUPPORT},
        {AF_NETLINK, SOCK_RAW, 15, EPROTONOSUPPORT},
        {AF_INET, SOCK_RAW, 1, EPERM},
        {AF_INET6, SOCK_RAW, 255, EPERM},
        {AF_INET, SOCK_DGRAM, 1, EPROTONOSUPPORT}, // ping
        {AF_INET6, SOCK_DGRAM, 58, EPROTONOSUPPORT},
        {AF_INET, SOCK_DGRAM, 136, EPROTONOSUPPORT},  // UDP-Lite
        {AF_INET, SOCK_STREAM, 262, EPROTONOSUPPORT}, // MPTCP
        {AF_INET, SOCK_STREAM, 132, EPROTONOSUPPORT},
        {AF_INET, SOCK_SEQPACKET, 0, EPROTONOSUPPORT},
        {AF_INET, 10, 3, EPROTONOSUPPORT}, // SOCK_PACKET
        {0, SOCK_STREAM, 0, EAFNOSUPPORT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        char name[64];
        struct call c = {name,
                         SYS_socket,
                         {(unsigned long)sockets[i].family, (unsigned long)sockets[i].type,
                          (unsigned long)sockets[i].protocol},
                         sockets[i].want,
                         true};

        snprintf(name, sizeof name, "socket(%d, %d, %d)", sockets[i].family, sockets[i].type,
                 sockets[i].protocol);
        if (!sockets[i].want) {
            must_be_allowed(SECCOMP_DENY, &c);
            continue;
        }
        must_be_refused(SECCOMP_DENY, &c);
        c.args[0] |= HIGH_BIT; // the kernel cuts an int there
        must_be_refused(SECCOMP_DENY, &c);
    }
    for (unsigned long family = 3; family < 64; family++) {
        struct call c = {"exotic family", SYS_socket, {family, SOCK_DGRAM, 0}, EAFNOSUPPORT, true};

        if (family != AF_INET6 && family != AF_NETLINK)
            must_be_refused(SECCOMP_DENY, &c);
    }
}

static void no_pair_of_datagram_sockets(void **state)
{
    int *fds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned long p = (unsigned long)(uintptr_t)fds;
    const struct call refused[] = {
        {"datagram", SYS_socketpair, {AF_UNIX, SOCK_DGRAM, 0, p}, EPERM, false},
        {"datagram, close-on-exec", SYS_socketpair, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, p}, EPERM, false},
        {"raw is datagram", SYS_socketpair, {AF_UNIX, SOCK_RAW, 0, p}, EPERM, false},
        {"high bit", SYS_socketpair, {AF_UNIX, SOCK_DGRAM | HIGH_BIT, 0, p}, EPERM, false},
        {"TIPC", SYS_socketpair, {30, SOCK_STREAM, 0, p}, EAFNOSUPPORT, true},
    };
    const struct call allowed[] = {
        {"stream", SYS_socketpair, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p}, 0, false},
        {"packets in order", SYS_socketpair, {AF_UNIX, SOCK_SEQPACKET, 0, p}, 0, false},
    };

    (void)state;
    assert_ptr_not_equal(fds, MAP_FAILED);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        must_be_refused(SECCOMP_DENY, &refused[i]);
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        must_be_allowed(SECCOMP_DENY, &allowed[i]);
    munmap(fds, 4096);
}

static void what_programs_need_stays(void **state)
{
    const struct call allowed[] = {
        C(unshare, 0, CLONE_FS | CLONE_FILES),
        C(ptrace, 0, 0, 0, 0, 0), // PTRACE_TRACEME
        C(memfd_create, 0, (unsigned long)(uintptr_t) "m", 0),
        C(sched_getaffinity, 0, 0, 128, (unsigned long)(uintptr_t)(char[128]){0}),
        C(get_mempolicy, 0, 0, 0, 0, 0, 0),
        C(mbind, 0, 0, 0, 0, 0, 0, 0),
        C(inotify_init1, 0, 0),
        C(timerfd_create, 0, 1, 0),
        C(eventfd2, 0, 0, 0),
        C(pidfd_open, 0, 1, 0),
        C(io_setup, 0, 0, 0),
        C(prctl, 0, PR_SET_NAME, (unsigned long)(uintptr_t) "x", 0, 0, 0),
        {"landlock_create_ruleset, version", 444, {0, 0, 1}, 0, false},
        {"fchmodat2", 452, {BAD_FD, NONE, 0, 0}, 0, false},
        {"futex_wait", 455, {0, 0, 0, 0, 0, 0}, 0, false},
        {"mseal", 462, {1, 0, 0}, 0, false},
        {"file_setattr", 469, {BAD_FD, NONE, 0, 0, 0}, 0, false},
        {"no number at all", -1, {0}, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        must_be_allowed(SECCOMP_DENY, &allowed[i]);
        must_be_allowed(SECCOMP_DENY_NESTED, &allowed[i]);
    }
}

static void pinned_processors_stay_pinned(void **state)
{
    unsigned long mask = 1;
    const struct call set = C(sched_setaffinity, EPERM, 0, sizeof mask, (unsigned long)(uintptr_t)&mask);
    const struct call get = C(sched_getaffinity, 0, 0, sizeof mask, (unsigned long)(uintptr_t)&mask);

    (void)state;
    must_be_refused(SECCOMP_PIN_CPUS, &set);
    must_be_allowed(SECCOMP_PIN_CPUS, &get);
    must_be_allowed(SECCOMP_DENY, &set);
}

static bool gives_a_file_away(void)
{
    int fd = memfd_create("owned", 0);
    struct stat st;

    return fd >= 0 && fchown(fd, 0, 0) == 0 && fchownat(fd, "", 1, 1, AT_EMPTY_PATH) == 0 &&
           chown("/nonexistent-bawn", 0, 0) == 0 && lchown("/nonexistent-bawn", 0, 0) == 0 &&
           setgroups(0, NULL) == 0 && mknod("/nonexistent-bawn", S_IFCHR | 0600, 0) == 0 &&
           fstat(fd, &st) == 0 && st.st_uid == geteuid();
}

static bool makes_a_fifo_where_there_is_none(void)
{
    return mknod("/nonexistent-bawn/fifo", S_IFIFO | 0600, 0) == 0 || errno != ENOENT;
}

static void as_root_changes_of_owner_succeed_and_do_nothing(void **state)
{
    (void)state;
    assert_false(happens(WITHOUT, gives_a_file_away, NULL));
    assert_true(happens(SECCOMP_AS_ROOT, gives_a_file_away, NULL));
    assert_false(happens(SECCOMP_AS_ROOT, makes_a_fifo_where_there_is_none, NULL));
}

static void a_filter_without_no_new_privs_is_refused_with_the_reason(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        struct err err = {0};
        int listener = 7;

        become_ordinary();
        if (seccomp_load(SECCOMP_DENY, &listener, &err) || err.sys != EACCES || listener != 7)
            _exit(1);
        _exit(strstr(err.msg, "no_new_privs") ? 0 : 2);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_wide_calls_are_refused),
        cmocka_unit_test(kernel_surface_is_closed),
        cmocka_unit_test(namespaces_and_mounts_are_refused_unless_nested),
        cmocka_unit_test(clone_makes_processes_but_no_namespaces),
#ifdef __x86_64__
        cmocka_unit_test(other_abis_of_the_machine_are_closed),
#endif
        cmocka_unit_test(only_harmless_execution_domains_pass),
        cmocka_unit_test(nothing_is_typed_into_a_terminal),
        cmocka_unit_test(only_plain_sockets_are_made),
        cmocka_unit_test(no_pair_of_datagram_sockets),
        cmocka_unit_test(what_programs_need_stays),
        cmocka_unit_test(pinned_processors_stay_pinned),
        cmocka_unit_test(as_root_changes_of_owner_succeed_and_do_nothing),
        cmocka_unit_test(a_filter_without_no_new_privs_is_refused_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
