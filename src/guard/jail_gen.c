// SPDX-License-Identifier: Apache-2.0
// Build-time program: prints the guard's system call list as BPF, made by libseccomp. What is not on it fails
// with EPERM; what only an intruder would try kills the process, and with it the run's network. Nothing on it
// reaches another process of the same user: no signal (also none by F_SETOWN, fcntl(2)), no limit. abort(3)
// without a signal of its own ends in an instruction that traps.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const allowed[] = {
    // the descriptors it has
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "close",
    "fstat",
    "lseek",
    "newfstatat",
    "shutdown",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "dup",
    "dup3",
    // waiting
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_ctl",
    "epoll_create1",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    // memory (mmap and mprotect: below)
    "brk",
    "munmap",
    "mremap",
    "madvise",
    // time, randomness, itself
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "getrandom",
    "getpid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "futex",
    "sched_yield",
    "sched_getaffinity",
    "sysinfo",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "clock_nanosleep",
    "nanosleep",
    "exit",
    "exit_group",
    "membarrier",
    "rseq",
    "getrusage",
    "uname",
};

// Nothing in the guard or its libraries calls these after the jail.
static const char *const fatal[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "clone",
    "clone3",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "bpf",
    "io_uring_setup",
    "userfaultfd",
    "perf_event_open",
    "unshare",
    "setns",
    "mount",
    "memfd_create",
    "listen",
    "bind",
    "pidfd_getfd",
    "keyctl",
    "add_key",
    "request_key",
};

static void check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "jail_gen: %s: %s\n", what, strerror(-rc));
        exit(1);
    }
}

static void add_names(scmp_filter_ctx c, uint32_t action, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int nr = seccomp_syscall_resolve_name(names[i]);

        if (nr == __NR_SCMP_ERROR) {
            // Newer than libseccomp; the number is the same on every architecture (Linux 5.11).
            if (strcmp(names[i], "epoll_pwait2") != 0)
                continue;
            nr = 441;
        }
        if (nr < 0)
            continue; // not on this architecture
        check(seccomp_rule_add(c, action, nr, 0), names[i]);
    }
}

static void allow_if(scmp_filter_ctx c, int nr, const struct scmp_arg_cmp *args, unsigned n)
{
    check(seccomp_rule_add_array(c, SCMP_ACT_ALLOW, nr, n, args), "rule with arguments");
}

static void add_arguments(scmp_filter_ctx c)
{
    static const int commands[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC};
    static const int families[] = {AF_INET, AF_INET6}, kinds[] = {SOCK_STREAM, SOCK_DGRAM};
    // Kind without SOCK_CLOEXEC and SOCK_NONBLOCK.
    const uint64_t kind_mask = 0xf;
    const struct scmp_arg_cmp no_exec = {
        .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
    // Of no process but itself.
    const struct scmp_arg_cmp own_limits = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0};

    for (size_t i = 0; i < 4; i++) {
        const struct scmp_arg_cmp args[] = {
            {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)families[i / 2], .datum_b = 0},
            {.arg = 1,
             .op = SCMP_CMP_MASKED_EQ,
             .datum_a = kind_mask,
             .datum_b = (scmp_datum_t)kinds[i % 2]}};

        allow_if(c, SCMP_SYS(socket), args, 2);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct scmp_arg_cmp command = {
            .arg = 1, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)commands[i], .datum_b = 0};

        allow_if(c, SCMP_SYS(fcntl), &command, 1);
    }
    allow_if(c, SCMP_SYS(mmap), &no_exec, 1);
    allow_if(c, SCMP_SYS(mprotect), &no_exec, 1);
    allow_if(c, SCMP_SYS(prlimit64), &own_limits, 1);
}

static void print_program(int fd)
{
    unsigned char op[8];
    size_t n = 0;

    printf("// Made by jail_gen.c; do not edit.\nstatic const struct sock_filter jail_program[] = {\n");
    while (read(fd, op, sizeof op) == sizeof op) {
        unsigned short code;
        unsigned k;

        memcpy(&code, op, 2);
        memcpy(&k, op + 4, 4);
        printf("    {0x%04x, %u, %u, 0x%08x},\n", code, op[2], op[3], k);
        n++;
    }
    printf("};\n// %zu instructions\n", n);
}

int main(void)
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int fd = memfd_create("bpf", 0);

    if (!c || fd < 0)
        return 1;
    check(seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "architecture");
    check(seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
    add_names(c, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
    add_names(c, SCMP_ACT_KILL_PROCESS, fatal, sizeof fatal / sizeof *fatal);
    add_arguments(c);
    check(seccomp_export_bpf(c, fd), "export");
    if (lseek(fd, 0, SEEK_SET) < 0)
        return 1;
    print_program(fd);
    seccomp_release(c);
    return 0;
}
