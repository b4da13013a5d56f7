// SPDX-License-Identifier: Apache-2.0
// The filters as programs, run by a small interpreter: for every call number, so that nothing is answered
// that no test names, and for the other architecture too, which no test machine can load. Numbers are the
// kernel's, written here once more and not taken from libseccomp, so a wrong resolution shows.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "sandbox/seccomp.h"

#include "seccomp_x86.h"
#include "seccomp_arm.h"

#define LAST 469
#define CALL_ALLOW SECCOMP_RET_ALLOW
#define CALL_NOTIFY SECCOMP_RET_USER_NOTIF
#define CALL_FAIL(e) (SECCOMP_RET_ERRNO | (unsigned)(e))

struct machine {
    unsigned audit;
    const struct sock_filter *code;
    unsigned n;
};

static struct machine x86(enum seccomp_program p)
{
    return (struct machine){AUDIT_ARCH_X86_64, x86_codes[p].code, x86_codes[p].n};
}

static struct machine arm(enum seccomp_program p)
{
    return (struct machine){AUDIT_ARCH_AARCH64, arm_codes[p].code, arm_codes[p].n};
}

// The kernel's classic BPF, as far as the filters use it; anything else fails the test.
static unsigned answer(struct machine m, struct seccomp_data d)
{
    unsigned a = 0;

    for (unsigned pc = 0; pc < m.n; pc++) {
        const struct sock_filter *i = &m.code[pc];

        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(i->k % 4 == 0 && i->k + 4 <= sizeof d);
            memcpy(&a, (const char *)&d + i->k, 4);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i->k;
            break;
        case BPF_JMP | BPF_JA:
            pc += i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            fail_msg("instruction 0x%x at %u", i->code, pc);
        }
    }
    fail_msg("ran off the end");
    return 0;
}

static unsigned of_call(struct machine m, int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    return answer(m, (struct seccomp_data){.nr = nr, .arch = m.audit, .args = {a0, a1, a2}});
}

struct refusal {
    int x86, arm; // -1: no such call there
    int sys;      // errno
    bool nested;  // refused with nested too
};

// Those that are refused whatever their arguments are.
static const struct refusal refusals[] = {
    // acct, adjtimex, clock_adjtime, clock_settime, settimeofday, reboot, kexec_load, kexec_file_load
    {163, 89, EPERM, true},
    {159, 171, EPERM, true},
    {305, 266, EPERM, true},
    {227, 112, EPERM, true},
    {164, 170, EPERM, true},
    {169, 142, EPERM, true},
    {246, 104, EPERM, true},
    {320, 294, EPERM, true},
    // init_module, finit_module, delete_module, swapon, swapoff, quotactl, quotactl_fd, syslog
    {175, 105, EPERM, true},
    {313, 273, EPERM, true},
    {176, 106, EPERM, true},
    {167, 224, EPERM, true},
    {168, 225, EPERM, true},
    {179, 60, EPERM, true},
    {443, 443, EPERM, true},
    {103, 116, EPERM, true},
    // vhangup, iopl, ioperm, lookup_dcookie
    {153, 58, EPERM, true},
    {172, -1, EPERM, true},
    {173, -1, EPERM, true},
    {212, 18, EPERM, true},
    // bpf, perf_event_open, userfaultfd, fanotify_init, fanotify_mark, move_pages, migrate_pages
    {321, 280, EPERM, true},
    {298, 241, EPERM, true},
    {323, 282, EPERM, true},
    {300, 262, EPERM, true},
    {301, 263, EPERM, true},
    {279, 239, EPERM, true},
    {256, 238, EPERM, true},
    // io_uring_setup, _enter, _register, add_key, request_key, keyctl
    {425, 425, ENOSYS, true},
    {426, 426, ENOSYS, true},
    {427, 427, ENOSYS, true},
    {248, 217, ENOSYS, true},
    {249, 218, ENOSYS, true},
    {250, 219, ENOSYS, true},
    // process_vm_readv, _writev, process_madvise, process_mrelease, pidfd_getfd, kcmp
    {310, 270, ENOSYS, true},
    {311, 271, ENOSYS, true},
    {440, 440, ENOSYS, true},
    {448, 448, ENOSYS, true},
    {438, 438, ENOSYS, true},
    {312, 272, ENOSYS, true},
    // memfd_secret, openat2
    {447, 447, ENOSYS, true},
    {437, 437, ENOSYS, false},
    // name_to_handle_at, open_by_handle_at
    {303, 264, EPERM, true},
    {304, 265, EPERM, true},
    // modify_ldt, uselib, ustat, sysfs, _sysctl, nfsservctl (42 on aarch64), create_module, get_kernel_syms,
    // query_module, vserver, afs_syscall, tuxcall, security, getpmsg, putpmsg
    {154, -1, ENOSYS, true},
    {134, -1, ENOSYS, true},
    {136, -1, ENOSYS, true},
    {139, -1, ENOSYS, true},
    {156, -1, ENOSYS, true},
    {180, 42, ENOSYS, true},
    {174, -1, ENOSYS, true},
    {177, -1, ENOSYS, true},
    {178, -1, ENOSYS, true},
    {236, -1, ENOSYS, true},
    {183, -1, ENOSYS, true},
    {184, -1, ENOSYS, true},
    {185, -1, ENOSYS, true},
    {181, -1, ENOSYS, true},
    {182, -1, ENOSYS, true},
    // setns, mount, umount2, pivot_root, chroot, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    {308, 268, EPERM, false},
    {165, 40, EPERM, false},
    {166, 39, EPERM, false},
    {155, 41, EPERM, false},
    {161, 51, EPERM, false},
    {428, 428, EPERM, false},
    {429, 429, EPERM, false},
    {430, 430, EPERM, false},
    {431, 431, EPERM, false},
    {432, 432, EPERM, false},
    {433, 433, EPERM, false},
    // mount_setattr, open_tree_attr, statmount, listmount
    {442, 442, EPERM, false},
    {467, 467, EPERM, false},
    {457, 457, ENOSYS, false},
    {458, 458, ENOSYS, false},
};

// Those whose arguments decide: personality, ioctl, socket, socketpair, and without nested unshare, clone.
static const int decided_x86[] = {135, 16, 41, 53, 272, 56};
static const int decided_arm[] = {92, 29, 198, 199, 97, 220};
// fchmod, fchmodat, fchmodat2, mknodat, openat, setrlimit, prlimit64, and of x86_64 chmod, creat, mknod, open
static const int moded_x86[] = {91, 268, 452, 259, 257, 160, 302, 90, 85, 133, 2};
static const int moded_arm[] = {52, 53, 452, 33, 56, 164, 261};

static bool has(const int *list, size_t n, int nr)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == nr)
            return true;
    return false;
}

static unsigned expected(bool on_x86, bool nested, int nr)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if ((on_x86 ? refusals[i].x86 : refusals[i].arm) == nr && (refusals[i].nested || !nested))
            return CALL_FAIL(refusals[i].sys);
    return CALL_ALLOW;
}

static void check_all_numbers(struct machine m, bool on_x86, bool nested)
{
    for (int nr = 0; nr <= LAST; nr++) {
        if (has(on_x86 ? decided_x86 : decided_arm, nested ? 4 : 6, nr) ||
            (on_x86 ? has(moded_x86, ARRAY_LEN(moded_x86), nr) : has(moded_arm, ARRAY_LEN(moded_arm), nr)))
            continue;
        for (int ones = 0; ones < 2; ones++) {
            uint64_t v = ones ? UINT64_MAX : 0;
            unsigned got = of_call(m, nr, v, v, v);

            if (got != expected(on_x86, nested, nr))
                fail_msg("%s %s call %d: 0x%x, wanted 0x%x", on_x86 ? "x86_64" : "aarch64",
                         nested ? "nested" : "deny", nr, got, expected(on_x86, nested, nr));
        }
    }
}

static void every_number_is_answered_as_listed(void **state)
{
    (void)state;
    check_all_numbers(x86(SECCOMP_DENY), true, false);
    check_all_numbers(x86(SECCOMP_DENY_NESTED), true, true);
    check_all_numbers(arm(SECCOMP_DENY), false, false);
    check_all_numbers(arm(SECCOMP_DENY_NESTED), false, true);
}

static void every_program_bounds_numbers_and_kills_other_abis(void **state)
{
    static const unsigned foreign[] = {AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV64, 0};

    (void)state;
    for (int p = 0; p < SECCOMP_PROGRAMS; p++) {
        struct machine both[] = {x86((enum seccomp_program)p), arm((enum seccomp_program)p)};

        for (size_t i = 0; i < ARRAY_LEN(both); i++) {
            assert_int_equal(of_call(both[i], LAST + 1, 0, 0, 0), CALL_FAIL(ENOSYS));
            assert_int_equal(of_call(both[i], 0x40000000, 0, 0, 0), CALL_FAIL(ENOSYS));
            assert_int_equal(of_call(both[i], -2, 0, 0, 0), CALL_FAIL(ENOSYS));
            assert_int_equal(of_call(both[i], -1, 0, 0, 0), CALL_ALLOW);
            for (size_t f = 0; f < ARRAY_LEN(foreign); f++)
                assert_int_equal(answer(both[i], (struct seccomp_data){.nr = 0, .arch = foreign[f]}),
                                 SECCOMP_RET_KILL_PROCESS);
        }
        assert_int_equal(answer(both[0], (struct seccomp_data){.nr = 0, .arch = AUDIT_ARCH_AARCH64}),
                         SECCOMP_RET_KILL_PROCESS);
    }
}

static void arguments_decide_the_same_on_both_architectures(void **state)
{
    struct machine both[] = {x86(SECCOMP_DENY), arm(SECCOMP_DENY)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const int *nr = i ? decided_arm : decided_x86;
        struct machine m = both[i];

        assert_int_equal(of_call(m, nr[0], 0xffffffff, 0, 0), CALL_ALLOW);
        assert_int_equal(of_call(m, nr[0], 0x0040000, 0, 0), CALL_ALLOW);
        assert_int_equal(of_call(m, nr[0], 0x0400000, 0, 0), CALL_FAIL(EPERM));
        assert_int_equal(of_call(m, nr[1], 0, 0x5412, 0), CALL_FAIL(EPERM));
        assert_int_equal(of_call(m, nr[1], 0, 0x7fffffff00005412, 0), CALL_FAIL(EPERM));
        assert_int_equal(of_call(m, nr[1], 0, 0x5401, 0), CALL_ALLOW);
        assert_int_equal(of_call(m, nr[2], 1, 2, 0), CALL_ALLOW);
        assert_int_equal(of_call(m, nr[2], 10, 0x80001, 6), CALL_ALLOW);
        assert_int_equal(of_call(m, nr[2], 2, 3, 255), CALL_FAIL(EPERM));
        assert_int_equal(of_call(m, nr[2], 17, 3, 0), CALL_FAIL(EAFNOSUPPORT));
        assert_int_equal(of_call(m, nr[2], 38, 5, 0), CALL_FAIL(EAFNOSUPPORT));
        assert_int_equal(of_call(m, nr[2], 16, 3, 12), CALL_FAIL(EPROTONOSUPPORT));
        assert_int_equal(of_call(m, nr[3], 1, 0x80002, 0), CALL_FAIL(EPERM));
        assert_int_equal(of_call(m, nr[3], 1, 0x80001, 0), CALL_ALLOW);
        for (int bit = 0; bit < 32; bit++) {
            // CLONE_FS, FILES, SYSVSEM, VM, SIGHAND, THREAD make no namespace.
            bool harmless = has((int[]){8, 9, 10, 11, 16, 18}, 6, bit);
            bool names = has((int[]){17, 25, 26, 27, 28, 29, 30}, 7, bit);

            assert_int_equal(of_call(m, nr[4], 1ull << bit, 0, 0), harmless ? CALL_ALLOW : CALL_FAIL(EPERM));
            assert_int_equal(of_call(m, nr[5], 1ull << bit, 0, 0), names ? CALL_FAIL(EPERM) : CALL_ALLOW);
        }
    }
}

static unsigned of_four(struct machine m, int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct seccomp_data data = {.nr = nr, .args = {a, b, c, d}};

    data.arch = m.code == x86(SECCOMP_DENY).code || m.code == x86(SECCOMP_DENY_NESTED).code
                    ? AUDIT_ARCH_X86_64
                    : AUDIT_ARCH_AARCH64;
    return answer(m, data);
}

static void no_file_gets_a_set_user_id_bit(void **state)
{
    const struct machine all[] = {x86(SECCOMP_DENY), x86(SECCOMP_DENY_NESTED), arm(SECCOMP_DENY),
                                  arm(SECCOMP_DENY_NESTED)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const int *nr = i < 2 ? moded_x86 : moded_arm;

        for (unsigned suid = 0; suid < 2; suid++) {
            unsigned mode = 02755u | (suid ? 04000u : 0u), want = suid ? CALL_FAIL(EPERM) : CALL_ALLOW;

            assert_int_equal(of_four(all[i], nr[0], 0, mode, 0, 0), want);
            assert_int_equal(of_four(all[i], nr[1], 0, 0, mode, 0), want);
            assert_int_equal(of_four(all[i], nr[2], 0, 0, mode, 0), want);
            assert_int_equal(of_four(all[i], nr[3], 0, 0, S_IFREG | mode, 0), want);
            assert_int_equal(of_four(all[i], nr[4], 0, 0, O_WRONLY | O_CREAT, mode), want);
            assert_int_equal(of_four(all[i], nr[4], 0, 0, O_RDWR | O_TMPFILE, mode), want);
            // Without a file to make the argument means nothing, and may be anything.
            assert_int_equal(of_four(all[i], nr[4], 0, 0, O_WRONLY | O_DIRECTORY, mode), CALL_ALLOW);
            if (i >= 2)
                continue;
            assert_int_equal(of_four(all[i], nr[7], 0, mode, 0, 0), want);
            assert_int_equal(of_four(all[i], nr[8], 0, mode, 0, 0), want);
            assert_int_equal(of_four(all[i], nr[9], 0, S_IFREG | mode, 0, 0), want);
            assert_int_equal(of_four(all[i], nr[10], 0, O_RDONLY | O_CREAT, mode, 0), want);
        }
    }
}

static void the_limit_of_core_files_stays(void **state)
{
    const struct machine both[] = {x86(SECCOMP_DENY), arm(SECCOMP_DENY_NESTED)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const int *nr = i ? moded_arm : moded_x86;

        assert_int_equal(of_four(both[i], nr[5], RLIMIT_CORE, 1, 0, 0), CALL_FAIL(0));
        assert_int_equal(of_four(both[i], nr[5], RLIMIT_NOFILE, 1, 0, 0), CALL_ALLOW);
        assert_int_equal(of_four(both[i], nr[6], 0, RLIMIT_CORE, 1, 0), CALL_FAIL(0));
        assert_int_equal(of_four(both[i], nr[6], 0, RLIMIT_CORE, 1ull << 40, 0), CALL_FAIL(0));
        assert_int_equal(of_four(both[i], nr[6], 0, RLIMIT_CORE, 0, 1), CALL_ALLOW);
        assert_int_equal(of_four(both[i], nr[6], 0, RLIMIT_NOFILE, 1, 0), CALL_ALLOW);
    }
}

static void notifying_programs_pick_the_calls_that_cross(void **state)
{
    // open, openat, openat2, creat, truncate, mkdir(at), mknod(at), rename(at, at2), link(at), symlink(at),
    // bind, unlink(at), rmdir, connect
    static const int x86_strict_list[] = {2,   257, 437, 85, 76,  83, 258, 133, 259, 82, 264,
                                          316, 86,  265, 88, 266, 49, 87,  263, 84,  42};
    static const int x86_observe_list[] = {437, 85, 76,  83, 258, 133, 259, 82, 264,
                                           316, 86, 265, 88, 266, 87,  263, 84, 42};
    static const int arm_strict_list[] = {56, 437, 45, 34, 33, 38, 276, 37, 36, 200, 35, 203};
    static const int arm_observe_list[] = {437, 45, 34, 33, 38, 276, 37, 36, 35, 203};

    (void)state;
    for (int nr = 0; nr <= LAST; nr++) {
        assert_int_equal(of_call(x86(SECCOMP_STRICT), nr, 0, 0, 0) == CALL_NOTIFY,
                         has(x86_strict_list, ARRAY_LEN(x86_strict_list), nr));
        assert_int_equal(of_call(x86(SECCOMP_OBSERVE), nr, 0, 0, 0) == CALL_NOTIFY,
                         has(x86_observe_list, ARRAY_LEN(x86_observe_list), nr));
        assert_int_equal(of_call(arm(SECCOMP_STRICT), nr, 0, 0, 0) == CALL_NOTIFY,
                         has(arm_strict_list, ARRAY_LEN(arm_strict_list), nr));
        assert_int_equal(of_call(arm(SECCOMP_OBSERVE), nr, 0, 0, 0) == CALL_NOTIFY,
                         has(arm_observe_list, ARRAY_LEN(arm_observe_list), nr));
    }
    assert_true(seccomp_program_notifies(SECCOMP_STRICT) && seccomp_program_notifies(SECCOMP_OBSERVE));
    assert_false(seccomp_program_notifies(SECCOMP_DENY));
}

static void observed_opens_are_those_that_write(void **state)
{
    static const struct {
        unsigned flags;
        bool notified;
    } opens[] = {
        {O_RDONLY, false},
        {O_RDONLY | O_CLOEXEC | O_DIRECTORY, false},
        {O_WRONLY, true},
        {O_RDWR, true},
        {O_RDONLY | O_CREAT, true},
        {O_RDONLY | O_TRUNC, true},
        {O_TMPFILE | O_RDWR, true},
        {O_PATH, false},
        {O_PATH | O_NOFOLLOW, false},
        {O_WRONLY | O_APPEND | O_CREAT, true},
        {3, true}, // for ioctls only, but it needs write permission
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
        unsigned want = opens[i].notified ? CALL_NOTIFY : CALL_ALLOW;

        assert_int_equal(of_call(x86(SECCOMP_OBSERVE), 2, 0, opens[i].flags, 0), want);
        assert_int_equal(of_call(x86(SECCOMP_OBSERVE), 257, 0, 0, opens[i].flags), want);
        assert_int_equal(of_call(arm(SECCOMP_OBSERVE), 56, 0, 0, opens[i].flags), want);
    }
}

static void sends_are_observed_when_they_name_an_address(void **state)
{
    static const uint64_t addresses[] = {0, 1, 0x7fff00000000, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct seccomp_data d = {.nr = 44, .arch = AUDIT_ARCH_X86_64, .args = {[4] = addresses[i]}};

        assert_int_equal(answer(x86(SECCOMP_OBSERVE), d), addresses[i] ? CALL_NOTIFY : CALL_ALLOW);
    }
}

// As the kernel would answer with both loaded: errno before notify before allow.
static unsigned both_answer(struct machine deny, struct machine notify, struct seccomp_data d)
{
    unsigned first = answer(deny, d), second = answer(notify, d);

    return first == CALL_ALLOW ? second : first;
}

static void two_programs_in_one_answer_as_both_would(void **state)
{
    static const uint64_t values[] = {0, 1, 2, 3, 16, O_WRONLY | O_CREAT, 0x10000000, 0x5412, UINT64_MAX};
    static const struct {
        enum seccomp_program one, deny, notify;
    } pairs[] = {{SECCOMP_DENY_OBSERVE, SECCOMP_DENY, SECCOMP_OBSERVE},
                 {SECCOMP_DENY_STRICT, SECCOMP_DENY, SECCOMP_STRICT}};
    const size_t n = ARRAY_LEN(values);

    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(pairs); p++)
        for (int nr = 0; nr <= LAST; nr++)
            for (size_t i = 0; i < n * n * n; i++) {
                uint64_t a = values[i % n], b = values[i / n % n], c = values[i / n / n];
                struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {a, b, c, a, b, c}};

                assert_int_equal(answer(x86(pairs[p].one), d),
                                 both_answer(x86(pairs[p].deny), x86(pairs[p].notify), d));
                d.arch = AUDIT_ARCH_AARCH64;
                assert_int_equal(answer(arm(pairs[p].one), d),
                                 both_answer(arm(pairs[p].deny), arm(pairs[p].notify), d));
            }
    assert_true(seccomp_program_notifies(SECCOMP_DENY_OBSERVE) &&
                seccomp_program_notifies(SECCOMP_DENY_STRICT));
}

static void the_library_has_this_machines_programs(void **state)
{
    (void)state;
    for (int p = 0; p < SECCOMP_PROGRAMS; p++) {
        unsigned short n;
        const struct sock_filter *code = seccomp_program_code((enum seccomp_program)p, &n);
#ifdef __x86_64__
        struct machine m = x86((enum seccomp_program)p);
#else
        struct machine m = arm((enum seccomp_program)p);
#endif
        assert_int_equal(n, m.n);
        assert_memory_equal(code, m.code, n * sizeof *code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_answered_as_listed),
        cmocka_unit_test(every_program_bounds_numbers_and_kills_other_abis),
        cmocka_unit_test(arguments_decide_the_same_on_both_architectures),
        cmocka_unit_test(no_file_gets_a_set_user_id_bit),
        cmocka_unit_test(the_limit_of_core_files_stays),
        cmocka_unit_test(notifying_programs_pick_the_calls_that_cross),
        cmocka_unit_test(observed_opens_are_those_that_write),
        cmocka_unit_test(sends_are_observed_when_they_name_an_address),
        cmocka_unit_test(two_programs_in_one_answer_as_both_would),
        cmocka_unit_test(the_library_has_this_machines_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
