// SPDX-License-Identifier: Apache-2.0
// Writes the sandbox's system call filters as C data. Runs at build time only: `seccomp_gen ARCH
// [PREFIX] >FILE`; PREFIX names the C symbols (the tests have two architectures in one program).
//
// The table `rules` below says what each program answers. A rule names a call, the programs it belongs to, up
// to three tests on the call's arguments and the answer. For one call and one program the rules are tried
// from first to last and the first whose tests all hold answers; a call that no rule answers is allowed.
// libseccomp turns names into the target's numbers. The code itself is put together here and not by
// libseccomp, for three things that it cannot do: a bound on numbers (calls newer than this table are ENOSYS
// instead of allowed, so that a new kernel brings no new surface), newer calls in a cross build, and ordered
// rules.
//
// Shape of a program: other architecture → kill; number above the bound (x32 numbers too) → ENOSYS; then a
// binary search over the numbers. Short matters: the kernel compiles it at every start, for 0.2 µs an
// instruction, and walks it for every number, 4 ns a step (6.18: deny 110 µs, 25 of them for any program).
// Calls without argument tests depend on number and architecture alone, which the kernel finds out when it
// loads the filter and then answers "allow" from a bitmap without running it (seccomp(2) since 5.11). So
// read, write, mmap and the like cost nothing; socket, ioctl, clone and, when observed, opens do.
//
// Arguments are compared in their low 32 bits: the kernel itself cuts int arguments there, so a test of all
// 64 bits could be passed by setting one above (CVE-2019-10063). Only a pointer is tested in both halves.
//
// EPERM or ENOSYS: EPERM where an unprivileged user is used to it (mount, reboot), ENOSYS where the call is
// an option that programs can do without and ask for by trying (io_uring, keyrings, process_vm_readv in
// strace and MPI). What stays allowed on purpose: ptrace (the pid namespace bounds it; gdb, strace), clone3
// (user namespaces are off by sysctl), memfd_create, seccomp and landlock (nested sandboxes only get
// narrower), mbind and *_mempolicy (own memory; OpenBLAS and JVM ask for them), AIO, userland's own SysV and
// POSIX queues (own ipc namespace).
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

// file_setattr, Linux 6.17. When a newer call is known to be harmless: raise this.
#define LAST_KNOWN_CALL 469
#define X32_CALL 0x40000000u

// The order of enum seccomp_program in seccomp.h.
enum {
    DENY = 1 << 0,
    NEST = 1 << 1,
    C3 = 1 << 2,
    ROOT = 1 << 3,
    PIN = 1 << 4,
    OBSERVE = 1 << 5,
    STRICT = 1 << 6
};
#define BOTH (DENY | NEST)
// One that notifies and one that denies are one program where both are wanted, as each load costs time at
// every start. They have no call in common.
static const struct {
    const char *name;
    unsigned rules;
} programs[] = {{"deny", DENY},
                {"deny_nested", NEST},
                {"no_clone3", C3},
                {"as_root", ROOT},
                {"pin_cpus", PIN},
                {"observe", OBSERVE},
                {"strict", STRICT},
                {"deny_observe", DENY | OBSERVE},
                {"deny_strict", DENY | STRICT}};
#define NPROGRAMS (sizeof programs / sizeof programs[0])

#define ALLOW SECCOMP_RET_ALLOW
#define FAIL(e) (SECCOMP_RET_ERRNO | (e))
#define NOTIFY SECCOMP_RET_USER_NOTIF

enum op { NONE = 0, EQ, NE };
struct test {
    enum op op;
    unsigned word; // 32-bit word of the argument list: 2 × index, plus 1 for the upper half
    unsigned mask, value;
};
// clang-format off
#define IS(arg, v) {EQ, 2 * (arg), 0xffffffffu, (v)}
#define MASKED(arg, m, v) {EQ, 2 * (arg), (m), (v)}
#define ANY_OF(arg, m) {NE, 2 * (arg), (m), 0}
#define NONE_OF(arg, m) {EQ, 2 * (arg), (m), 0}
#define HIGH_SET(arg) {NE, 2 * (arg) + 1, 0xffffffffu, 0}
// clang-format on

#define TESTS 3
struct rule {
    unsigned programs;
    const char *call;
    unsigned answer;
    struct test tests[TESTS];
};

// Numbers that libseccomp 2.5.4 does not know; the same on every architecture (since 424).
static const struct {
    const char *call;
    int number;
} newer[] = {{"fchmodat2", 452}, {"statmount", 457}, {"listmount", 458}, {"open_tree_attr", 467}};

// unshare(2) with nothing but these makes no namespace. A list of what is harmless, as new namespace flags
// come.
#define UNSHARE_HARMLESS (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
// clone(2): the lowest byte is the exit signal, so CLONE_NEWTIME (0x80) cannot be asked for there.
#define CLONE_NAMESPACES                                                                                     \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |            \
     CLONE_NEWNET)
// The two families differ in one bit: either of them.
#define INET MASKED(0, ~(unsigned)(AF_INET ^ AF_INET6), AF_INET &AF_INET6)
#define SOCK_TYPE 0xfu // without SOCK_CLOEXEC and SOCK_NONBLOCK; linux/net.h SOCK_TYPE_MASK
// Flags with which an open changes something; the same on x86_64 and aarch64 (O_TMPFILE needs one of the
// first two).
#define OPEN_WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
// Flags with which an open takes a mode. O_TMPFILE has a second bit, which means something else by itself.
#define OPEN_MAKES (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))

// TIOCSTI and TIOCLINUX type into the terminal, TIOCSETD loads line disciplines (n_gsm and others, often
// broken).
#define TERMINAL_STI 0x5412
#define TERMINAL_LINUX 0x541c
#define TERMINAL_SETD 0x5423

// clang-format off
static const struct rule rules[] = {
    // Time, boot, modules, swap, quotas, accounting: the machine's own; none has a use without privilege.
    {BOTH, "acct", FAIL(EPERM), {{0}}}, {BOTH, "adjtimex", FAIL(EPERM), {{0}}},
    {BOTH, "clock_adjtime", FAIL(EPERM), {{0}}}, {BOTH, "clock_settime", FAIL(EPERM), {{0}}},
    {BOTH, "settimeofday", FAIL(EPERM), {{0}}}, {BOTH, "reboot", FAIL(EPERM), {{0}}},
    {BOTH, "kexec_load", FAIL(EPERM), {{0}}}, {BOTH, "kexec_file_load", FAIL(EPERM), {{0}}},
    {BOTH, "init_module", FAIL(EPERM), {{0}}}, {BOTH, "finit_module", FAIL(EPERM), {{0}}},
    {BOTH, "delete_module", FAIL(EPERM), {{0}}}, {BOTH, "swapon", FAIL(EPERM), {{0}}},
    {BOTH, "swapoff", FAIL(EPERM), {{0}}}, {BOTH, "quotactl", FAIL(EPERM), {{0}}},
    {BOTH, "quotactl_fd", FAIL(EPERM), {{0}}}, {BOTH, "syslog", FAIL(EPERM), {{0}}},
    {BOTH, "vhangup", FAIL(EPERM), {{0}}}, {BOTH, "iopl", FAIL(EPERM), {{0}}}, {BOTH, "ioperm", FAIL(EPERM), {{0}}},
    {BOTH, "lookup_dcookie", FAIL(EPERM), {{0}}},

    // Kernel surface that sandboxes have been left through, or that goes round a filter (io_uring).
    {BOTH, "bpf", FAIL(EPERM), {{0}}}, {BOTH, "perf_event_open", FAIL(EPERM), {{0}}},
    {BOTH, "userfaultfd", FAIL(EPERM), {{0}}}, {BOTH, "fanotify_init", FAIL(EPERM), {{0}}},
    {BOTH, "fanotify_mark", FAIL(EPERM), {{0}}}, {BOTH, "move_pages", FAIL(EPERM), {{0}}},
    {BOTH, "migrate_pages", FAIL(EPERM), {{0}}},
    {BOTH, "io_uring_setup", FAIL(ENOSYS), {{0}}}, {BOTH, "io_uring_enter", FAIL(ENOSYS), {{0}}},
    {BOTH, "io_uring_register", FAIL(ENOSYS), {{0}}},
    {BOTH, "add_key", FAIL(ENOSYS), {{0}}}, {BOTH, "request_key", FAIL(ENOSYS), {{0}}},
    {BOTH, "keyctl", FAIL(ENOSYS), {{0}}},

    // Its pages leave the kernel's own map of memory, which every process of the machine pays for.
    {BOTH, "memfd_secret", FAIL(ENOSYS), {{0}}},

    // A set-user-ID file in the workspace would run as us for every other user of the machine: the mount that is
    // nosuid is the sandbox's. Nothing inside gains by one. openat2 keeps the mode in memory; its users fall back.
    {BOTH, "chmod", FAIL(EPERM), {ANY_OF(1, S_ISUID)}}, {BOTH, "fchmod", FAIL(EPERM), {ANY_OF(1, S_ISUID)}},
    {BOTH, "fchmodat", FAIL(EPERM), {ANY_OF(2, S_ISUID)}}, {BOTH, "fchmodat2", FAIL(EPERM), {ANY_OF(2, S_ISUID)}},
    {BOTH, "creat", FAIL(EPERM), {ANY_OF(1, S_ISUID)}},
    {BOTH, "mknod", FAIL(EPERM), {ANY_OF(1, S_ISUID)}}, {BOTH, "mknodat", FAIL(EPERM), {ANY_OF(2, S_ISUID)}},
    {BOTH, "open", FAIL(EPERM), {ANY_OF(1, OPEN_MAKES), ANY_OF(2, S_ISUID)}},
    {BOTH, "openat", FAIL(EPERM), {ANY_OF(2, OPEN_MAKES), ANY_OF(3, S_ISUID)}},
    {DENY, "openat2", FAIL(ENOSYS), {{0}}},

    // A core_pattern that is a pipe starts its program on the host for whoever crashes, at any limit but 1 (the
    // kernel's fs/coredump.c), which is set before. Changing it is said to succeed: programs that want none have none.
    {BOTH, "setrlimit", FAIL(0), {IS(0, RLIMIT_CORE)}},
    {BOTH, "prlimit64", FAIL(0), {IS(1, RLIMIT_CORE), ANY_OF(2, 0xffffffffu)}},
    {BOTH, "prlimit64", FAIL(0), {IS(1, RLIMIT_CORE), HIGH_SET(2)}},

    // Other processes' memory and descriptors. A debugger has ptrace and /proc/PID/mem for its own.
    {BOTH, "process_vm_readv", FAIL(ENOSYS), {{0}}}, {BOTH, "process_vm_writev", FAIL(ENOSYS), {{0}}},
    {BOTH, "process_madvise", FAIL(ENOSYS), {{0}}}, {BOTH, "process_mrelease", FAIL(ENOSYS), {{0}}},
    {BOTH, "pidfd_getfd", FAIL(ENOSYS), {{0}}}, {BOTH, "kcmp", FAIL(ENOSYS), {{0}}},

    // Files by handle pass every mount and mask.
    {BOTH, "name_to_handle_at", FAIL(EPERM), {{0}}}, {BOTH, "open_by_handle_at", FAIL(EPERM), {{0}}},

    // Old calls that nothing made in this century needs. modify_ldt is for 16- and 32-bit code.
    {BOTH, "modify_ldt", FAIL(ENOSYS), {{0}}}, {BOTH, "uselib", FAIL(ENOSYS), {{0}}},
    {BOTH, "ustat", FAIL(ENOSYS), {{0}}}, {BOTH, "sysfs", FAIL(ENOSYS), {{0}}}, {BOTH, "_sysctl", FAIL(ENOSYS), {{0}}},
    {BOTH, "nfsservctl", FAIL(ENOSYS), {{0}}}, {BOTH, "create_module", FAIL(ENOSYS), {{0}}},
    {BOTH, "get_kernel_syms", FAIL(ENOSYS), {{0}}}, {BOTH, "query_module", FAIL(ENOSYS), {{0}}},
    {BOTH, "vserver", FAIL(ENOSYS), {{0}}}, {BOTH, "afs_syscall", FAIL(ENOSYS), {{0}}},
    {BOTH, "tuxcall", FAIL(ENOSYS), {{0}}}, {BOTH, "security", FAIL(ENOSYS), {{0}}},
    {BOTH, "getpmsg", FAIL(ENOSYS), {{0}}}, {BOTH, "putpmsg", FAIL(ENOSYS), {{0}}},

    // Execution domains switch off address randomisation's friends and let page 0 be mapped. Asking, the plain Linux
    // domain, and gdb's and setarch's ADDR_NO_RANDOMIZE stay.
    {BOTH, "personality", ALLOW, {IS(0, 0xffffffffu)}},
    {BOTH, "personality", FAIL(EPERM), {ANY_OF(0, ~(unsigned)ADDR_NO_RANDOMIZE)}},

    {BOTH, "ioctl", FAIL(EPERM), {IS(1, TERMINAL_STI)}}, {BOTH, "ioctl", FAIL(EPERM), {IS(1, TERMINAL_LINUX)}},
    {BOTH, "ioctl", FAIL(EPERM), {IS(1, TERMINAL_SETD)}},

    // Socket families. INET carries TCP and UDP only: no raw, ping (ICMP over datagrams), UDP-Lite, SCTP, DCCP, MPTCP
    // or SMC sockets, and no AF_INET/SOCK_PACKET, an old spelling of AF_PACKET. NETLINK is for getifaddrs; the other
    // protocols (nf_tables, xfrm …) are surface. Their errno is the one that a kernel without them gives: useradd
    // gives up when audit's netlink answers anything else. AF_UNIX may be of any type: syslog(3), sd_notify and
    // loggers speak datagrams, and what can be reached is bounded by mounts (paths) and the network namespace or
    // Landlock's scope (abstract names).
    {BOTH, "socket", ALLOW, {IS(0, AF_UNIX)}},
    {BOTH, "socket", ALLOW, {IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)}},
    {BOTH, "socket", FAIL(EPROTONOSUPPORT), {IS(0, AF_NETLINK)}},
    {BOTH, "socket", ALLOW, {INET, MASKED(1, SOCK_TYPE, SOCK_STREAM), IS(2, 0)}},
    {BOTH, "socket", ALLOW, {INET, MASKED(1, SOCK_TYPE, SOCK_STREAM), IS(2, IPPROTO_TCP)}},
    {BOTH, "socket", ALLOW, {INET, MASKED(1, SOCK_TYPE, SOCK_DGRAM), IS(2, 0)}},
    {BOTH, "socket", ALLOW, {INET, MASKED(1, SOCK_TYPE, SOCK_DGRAM), IS(2, IPPROTO_UDP)}},
    {BOTH, "socket", FAIL(EPERM), {INET, MASKED(1, SOCK_TYPE, SOCK_RAW)}},
    {BOTH, "socket", FAIL(EPROTONOSUPPORT), {INET}},
    {BOTH, "socket", FAIL(EAFNOSUPPORT), {{0}}},
    // One end of a datagram pair can sendto() any path without ever calling connect, so it goes past whoever looks at
    // socket and connect; nothing common uses such pairs. SOCK_RAW is another spelling of SOCK_DGRAM here.
    {BOTH, "socketpair", FAIL(EPERM), {MASKED(1, SOCK_TYPE, SOCK_DGRAM)}},
    {BOTH, "socketpair", FAIL(EPERM), {MASKED(1, SOCK_TYPE, SOCK_RAW)}},
    {BOTH, "socketpair", ALLOW, {IS(0, AF_UNIX)}},
    {BOTH, "socketpair", FAIL(EAFNOSUPPORT), {{0}}},

    // Namespaces and mounts; `nested: true` needs them.
    {DENY, "unshare", FAIL(EPERM), {ANY_OF(0, ~(unsigned)UNSHARE_HARMLESS)}},
    {DENY, "clone", FAIL(EPERM), {ANY_OF(0, CLONE_NAMESPACES)}},
    {DENY, "setns", FAIL(EPERM), {{0}}}, {DENY, "mount", FAIL(EPERM), {{0}}}, {DENY, "umount2", FAIL(EPERM), {{0}}},
    {DENY, "umount", FAIL(EPERM), {{0}}}, {DENY, "pivot_root", FAIL(EPERM), {{0}}}, {DENY, "chroot", FAIL(EPERM), {{0}}},
    {DENY, "open_tree", FAIL(EPERM), {{0}}}, {DENY, "open_tree_attr", FAIL(EPERM), {{0}}},
    {DENY, "move_mount", FAIL(EPERM), {{0}}}, {DENY, "fsopen", FAIL(EPERM), {{0}}}, {DENY, "fspick", FAIL(EPERM), {{0}}},
    {DENY, "fsconfig", FAIL(EPERM), {{0}}}, {DENY, "fsmount", FAIL(EPERM), {{0}}},
    {DENY, "mount_setattr", FAIL(EPERM), {{0}}},
    // Who asks falls back to /proc/self/mountinfo.
    {DENY, "statmount", FAIL(ENOSYS), {{0}}}, {DENY, "listmount", FAIL(ENOSYS), {{0}}},

    {C3, "clone3", FAIL(ENOSYS), {{0}}},

    // errno 0: the call returns success. fchownat's AT_EMPTY_PATH form is the same call.
    {ROOT, "chown", FAIL(0), {{0}}}, {ROOT, "fchown", FAIL(0), {{0}}}, {ROOT, "lchown", FAIL(0), {{0}}},
    {ROOT, "fchownat", FAIL(0), {{0}}}, {ROOT, "setgroups", FAIL(0), {{0}}},
    {ROOT, "mknod", FAIL(0), {MASKED(1, S_IFMT, S_IFCHR)}}, {ROOT, "mknod", FAIL(0), {MASKED(1, S_IFMT, S_IFBLK)}},
    {ROOT, "mknodat", FAIL(0), {MASKED(2, S_IFMT, S_IFCHR)}}, {ROOT, "mknodat", FAIL(0), {MASKED(2, S_IFMT, S_IFBLK)}},

    {PIN, "sched_setaffinity", FAIL(EPERM), {{0}}},

    // Opens. With O_PATH the kernel drops the flags that write. openat2 keeps its flags in memory.
    {OBSERVE, "open", ALLOW, {NONE_OF(1, OPEN_WRITES)}}, {OBSERVE | STRICT, "open", ALLOW, {ANY_OF(1, O_PATH)}},
    {OBSERVE, "openat", ALLOW, {NONE_OF(2, OPEN_WRITES)}}, {OBSERVE | STRICT, "openat", ALLOW, {ANY_OF(2, O_PATH)}},
#define MEDIATED (OBSERVE | STRICT)
    {MEDIATED, "open", NOTIFY, {{0}}}, {MEDIATED, "openat", NOTIFY, {{0}}}, {MEDIATED, "openat2", NOTIFY, {{0}}},
    {MEDIATED, "creat", NOTIFY, {{0}}}, {MEDIATED, "truncate", NOTIFY, {{0}}},
    {MEDIATED, "mkdir", NOTIFY, {{0}}}, {MEDIATED, "mkdirat", NOTIFY, {{0}}},
    {MEDIATED, "mknod", NOTIFY, {{0}}}, {MEDIATED, "mknodat", NOTIFY, {{0}}},
    {MEDIATED, "rename", NOTIFY, {{0}}}, {MEDIATED, "renameat", NOTIFY, {{0}}}, {MEDIATED, "renameat2", NOTIFY, {{0}}},
    {MEDIATED, "link", NOTIFY, {{0}}}, {MEDIATED, "linkat", NOTIFY, {{0}}},
    {MEDIATED, "symlink", NOTIFY, {{0}}}, {MEDIATED, "symlinkat", NOTIFY, {{0}}},
    {STRICT, "bind", NOTIFY, {{0}}}, // of an AF_UNIX socket makes a name

    // A removal outside the roots is a crossing too; strict is about what appears. sendmsg and sendmmsg keep the
    // address in memory and are busy calls: left alone, observing is no wall. kill: the pid namespace holds it.
    {MEDIATED, "unlink", NOTIFY, {{0}}}, {MEDIATED, "unlinkat", NOTIFY, {{0}}}, {MEDIATED, "rmdir", NOTIFY, {{0}}},
    {MEDIATED, "connect", NOTIFY, {{0}}},
    {MEDIATED, "sendto", NOTIFY, {ANY_OF(4, 0xffffffffu)}}, {MEDIATED, "sendto", NOTIFY, {HIGH_SET(4)}},
};
// clang-format on
#define NRULES (sizeof rules / sizeof rules[0])

static const struct {
    const char *name;
    unsigned audit, scmp;
} targets[] = {
    {"x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64},
    {"aarch64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64},
};

// A program, built from its end: jumps only go forward, so whatever an instruction jumps to exists before it,
// and the many numbers with the same answer share one return. A label is an index into ins.
struct code {
    struct sock_filter ins[BPF_MAXINSNS];
    size_t n;
};

_Noreturn static void fail(const char *what, const char *on)
{
    fprintf(stderr, "seccomp_gen: %s: %s\n", what, on);
    exit(1);
}

static size_t emit(struct code *c, unsigned code, unsigned k, size_t jt, size_t jf)
{
    if (c->n == BPF_MAXINSNS)
        fail("a program is too long", "4096 instructions");
    c->ins[c->n] = (struct sock_filter){(unsigned short)code, (unsigned char)jt, (unsigned char)jf, k};
    return c->n++;
}

// A load or a calculation: goes on with what was emitted before it.
static size_t emit_step(struct code *c, unsigned code, unsigned k)
{
    return emit(c, code, k, 0, 0);
}

static size_t emit_return(struct code *c, unsigned answer)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->ins[i].code == (BPF_RET | BPF_K) && c->ins[i].k == answer)
            return i;
    return emit_step(c, BPF_RET | BPF_K, answer);
}

// A conditional jump reaches 255 instructions; what is farther gets an unconditional one in between.
static size_t within_reach(struct code *c, size_t label)
{
    if (c->n - label <= 254)
        return label;
    return emit_step(c, BPF_JMP | BPF_JA, (unsigned)(c->n - label - 1));
}

static size_t emit_branch(struct code *c, unsigned how, unsigned k, size_t yes, size_t no)
{
    yes = within_reach(c, yes);
    no = within_reach(c, no);
    return emit(c, BPF_JMP | BPF_K | how, k, c->n - yes - 1, c->n - no - 1);
}

// The call's number on the target, or -1 where that architecture has no such call.
static int number_of(unsigned arch, const char *call)
{
    int nr;

    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        if (!strcmp(newer[i].call, call))
            return newer[i].number;
    nr = seccomp_syscall_resolve_name_arch(arch, call);
    if (nr == __NR_SCMP_ERROR)
        fail("libseccomp does not know the call", call);
    return nr < 0 ? -1 : nr;
}

// One rule: its answer when all its tests hold, else on to `otherwise`.
static size_t emit_rule(struct code *c, const struct rule *r, size_t otherwise)
{
    size_t next = emit_return(c, r->answer);

    for (size_t i = TESTS; i-- > 0;) {
        const struct test *t = &r->tests[i];

        if (!t->op)
            continue;
        next =
            emit_branch(c, BPF_JEQ, t->value, t->op == EQ ? next : otherwise, t->op == EQ ? otherwise : next);
        if (t->mask != 0xffffffffu)
            next = emit_step(c, BPF_ALU | BPF_AND | BPF_K, t->mask);
        next = emit_step(c, BPF_LD | BPF_W | BPF_ABS,
                         (unsigned)offsetof(struct seccomp_data, args) + 4 * t->word);
    }
    return next;
}

// Everything a program says about one call; returns where that begins. "allow" when it says nothing.
static size_t emit_call(struct code *c, unsigned program, const char *call)
{
    size_t next = emit_return(c, ALLOW);

    for (size_t i = NRULES; i-- > 0;)
        if (rules[i].programs & program && !strcmp(rules[i].call, call))
            next = emit_rule(c, &rules[i], next);
    return next;
}

// Numbers from `first` up to the next span's are answered at `label`.
struct span {
    unsigned first;
    size_t label;
};

// Binary search; the number is in the accumulator. A lone number among others of one answer takes one
// comparison.
static size_t emit_search(struct code *c, const struct span *s, size_t n)
{
    size_t low, high;

    if (n == 1)
        return s->label;
    if (n == 3 && s[0].label == s[2].label && s[2].first == s[1].first + 1)
        return emit_branch(c, BPF_JEQ, s[1].first, s[1].label, s[0].label);
    high = emit_search(c, s + n / 2, n - n / 2);
    low = emit_search(c, s, n / 2);
    return emit_branch(c, BPF_JGE, s[n / 2].first, high, low);
}

static void emit_head(struct code *c, unsigned audit_arch, size_t body)
{
    size_t next;

    // -1 is no call but what a tracer writes to have one skipped (strace --inject): its answer must stand.
    next = emit_branch(c, BPF_JEQ, 0xffffffffu, emit_return(c, ALLOW), emit_return(c, FAIL(ENOSYS)));
    emit_branch(c, BPF_JGT, LAST_KNOWN_CALL, next, body);
    next = emit_step(c, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    emit_branch(c, BPF_JEQ, audit_arch, next, emit_return(c, SECCOMP_RET_KILL_PROCESS));
    emit_step(c, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
}

// The call with this number that the program has rules for, or NULL.
static const char *call_of(unsigned program, unsigned arch, unsigned nr)
{
    for (size_t i = 0; i < NRULES; i++)
        if (rules[i].programs & program && number_of(arch, rules[i].call) == (int)nr)
            return rules[i].call;
    return NULL;
}

static void make_program(struct code *c, unsigned program, unsigned audit, unsigned scmp)
{
    struct span spans[2 * LAST_KNOWN_CALL];
    size_t n = 0;

    for (size_t i = 0; i < NRULES; i++)
        if (number_of(scmp, rules[i].call) > LAST_KNOWN_CALL)
            fail("LAST_KNOWN_CALL is below the number of", rules[i].call);
    // The farthest first: returns stand near the search that uses them most.
    emit_return(c, SECCOMP_RET_KILL_PROCESS);
    for (unsigned nr = 0; nr <= LAST_KNOWN_CALL; nr++) {
        const char *call = call_of(program, scmp, nr);
        size_t label = call ? emit_call(c, program, call) : emit_return(c, ALLOW);

        if (!n || spans[n - 1].label != label)
            spans[n++] = (struct span){nr, label};
    }
    emit_head(c, audit, emit_search(c, spans, n));
}

static bool notifies(unsigned program)
{
    for (size_t i = 0; i < NRULES; i++)
        if (rules[i].programs & program && rules[i].answer == NOTIFY)
            return true;
    return false;
}

static void write_program(unsigned program, const char *prefix, const char *name, unsigned audit,
                          unsigned scmp)
{
    struct code *c = calloc(1, sizeof *c);

    if (!c)
        fail("out of memory", name);
    make_program(c, program, audit, scmp);
    printf("static const struct sock_filter %s_%s[] = {\n", prefix, name);
    for (size_t i = c->n; i-- > 0;)
        printf("    {0x%02x, %u, %u, 0x%08xu},\n", c->ins[i].code, c->ins[i].jt, c->ins[i].jf, c->ins[i].k);
    printf("};\n\n");
    free(c);
}

static void write_table(const char *prefix)
{
    printf("static const struct %s_code {\n    const struct sock_filter *code;\n    unsigned short n;\n"
           "    _Bool notifies;\n} %s_codes[] = {\n",
           prefix, prefix);
    for (size_t i = 0; i < NPROGRAMS; i++)
        printf("    {%s_%s, sizeof %s_%s / sizeof(struct sock_filter), %d},\n", prefix, programs[i].name,
               prefix, programs[i].name, notifies(programs[i].rules));
    printf("};\n");
}

int main(int argc, char **argv)
{
    const char *prefix = argc == 3 ? argv[2] : "seccomp";
    size_t t = 0;

    if (argc != 2 && argc != 3)
        fail("usage", "seccomp_gen x86_64|aarch64 [PREFIX]");
    while (t < sizeof targets / sizeof targets[0] && strcmp(targets[t].name, argv[1]))
        t++;
    if (t == sizeof targets / sizeof targets[0])
        fail("no filters for this architecture (x86_64 and aarch64 have them)", argv[1]);
    printf("// Made by seccomp_gen for %s; change that.\n#include <linux/filter.h>\n\n", argv[1]);
    for (size_t i = 0; i < NPROGRAMS; i++)
        write_program(programs[i].rules, prefix, programs[i].name, targets[t].audit, targets[t].scmp);
    write_table(prefix);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
