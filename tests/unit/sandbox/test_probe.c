// SPDX-License-Identifier: Apache-2.0
// The probe on this machine as it is, and with one thing taken away: by a limit, by a seccomp filter, by a
// masked /proc. Each refusal has its positive control: the same feature works without it.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/probe.h"
#include "sandbox/surroundings.h"

// What a child that was restricted first saw.
struct seen {
    struct probe_report report;
    bool can;
    struct err err;
    bool prepared;
};

typedef bool restrict_fn(void);

static struct seen *look(restrict_fn *restrict_me)
{
    struct seen *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    int status;

    assert_ptr_not_equal(s, MAP_FAILED);
    if (pid == 0) {
        alarm(60);
        s->prepared = !restrict_me || restrict_me();
        if (s->prepared) {
            s->can = probe_can_sandbox(&s->err);
            probe_all(NULL, &s->report);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return s;
}

static void done(struct seen *s)
{
    munmap(s, sizeof *s);
}

static bool have(const struct seen *s, enum probe_feature f)
{
    return s->report.features[f].state != PROBE_MISSING;
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool enter_userns(int more)
{
    char uids[64], gids[64];

    snprintf(uids, sizeof uids, "0 %u 1", geteuid());
    snprintf(gids, sizeof gids, "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER | more) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", uids) && write_file("/proc/self/gid_map", gids);
}

static bool forbid_namespaces(void)
{
    return enter_userns(0) && write_file("/proc/sys/user/max_user_namespaces", "0");
}

static bool forbid_network_namespaces(void)
{
    return enter_userns(0) && write_file("/proc/sys/user/max_net_namespaces", "0");
}

static bool mask_proc(void)
{
    return enter_userns(CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/proc/sys/fs", "tmpfs", 0, NULL) == 0;
}

// Answers one system call with `action`; with mask, only when the first argument has one of its bits.
static bool filter(unsigned number, unsigned mask, unsigned action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = sizeof code / sizeof code[0], .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static bool refuse_userns(void)
{
    return filter(SYS_clone, CLONE_NEWUSER, SECCOMP_RET_ERRNO | EPERM);
}

static bool kill_for_userns(void)
{
    return filter(SYS_clone, CLONE_NEWUSER, SECCOMP_RET_KILL_PROCESS);
}

static bool refuse_mount_setattr(void)
{
    return filter(SYS_mount_setattr, ~0u, SECCOMP_RET_ERRNO | ENOSYS);
}

static bool kill_for_openat2(void)
{
    return filter(SYS_openat2, ~0u, SECCOMP_RET_KILL_PROCESS);
}

static bool refuse_keyctl(void)
{
    return filter(SYS_keyctl, 1, SECCOMP_RET_ERRNO | EPERM);
}

// Without user namespaces on this machine nothing below can be tried; said, not hidden.
static void needs_userns(void)
{
    struct seen *s = look(NULL);
    bool can = s->can;

    if (!can)
        print_message("skipped: no user namespaces here: %s\n", s->err.msg);
    done(s);
    if (!can)
        skip();
}

static void every_feature_has_a_name_of_its_own_and_is_judged(void **state)
{
    struct seen *s = look(NULL);
    const struct probe_result *f = s->report.features;

    (void)state;
    for (int i = 0; i < PROBE_FEATURES; i++) {
        assert_non_null(f[i].name);
        assert_non_null(f[i].title);
        assert_non_null(f[i].keys);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(f[i].name, f[j].name);
        // What is missing says what to do (control groups are filled in apart).
        if (i < PROBE_CGROUP_MEMORY && f[i].state != PROBE_WORKS)
            assert_true(f[i].found[0] && f[i].remedy[0]);
    }
    assert_true(s->report.kernel[0] && s->report.arch[0]);
    done(s);
}

static void works_means_that_all_that_is_needed_is_there(void **state)
{
    struct seen *s = look(NULL);
    bool all = true;

    (void)state;
    for (int i = 0; i < PROBE_FEATURES; i++)
        if (s->report.features[i].needed)
            all = all && have(s, (enum probe_feature)i);
    assert_int_equal(s->report.works, all);
    done(s);
}

static void a_limit_of_zero_is_found_and_named(void **state)
{
    struct seen *s;

    (void)state;
    needs_userns();
    s = look(forbid_namespaces);
    assert_true(s->prepared);
    assert_false(s->can);
    assert_false(s->report.works);
    assert_false(have(s, PROBE_USERNS));
    assert_false(have(s, PROBE_MOUNTNS));
    assert_true(have(s, PROBE_SECCOMP));
    assert_non_null(strstr(s->err.msg, "sysctl -w user.max_user_namespaces="));
    assert_null(strchr(s->err.msg, '\n'));
    assert_int_equal(s->err.kind, ERR_UNSUPPORTED);
    done(s);
}

static void a_limit_on_one_kind_of_namespace_names_that_kind(void **state)
{
    struct seen *s;

    (void)state;
    needs_userns();
    s = look(forbid_network_namespaces);
    assert_true(s->prepared);
    assert_true(s->can);
    assert_true(have(s, PROBE_MOUNTNS));
    assert_false(have(s, PROBE_NETNS));
    assert_non_null(strstr(s->report.features[PROBE_NETNS].remedy, "user.max_net_namespaces"));
    done(s);
}

static void a_filter_that_refuses_user_namespaces_is_named(void **state)
{
    struct seen *s;

    (void)state;
    needs_userns();
    s = look(refuse_userns);
    assert_true(s->prepared);
    assert_false(s->can);
    assert_false(s->report.works);
    assert_non_null(strstr(s->err.msg, "seccomp"));
    assert_true(have(s, PROBE_OPENAT2));
    done(s);
}

static void a_filter_that_kills_ends_the_try_and_not_the_probe(void **state)
{
    struct seen *s;

    (void)state;
    needs_userns();
    s = look(kill_for_userns);
    assert_true(s->prepared);
    assert_false(s->can);
    assert_non_null(strstr(s->err.msg, "SIGSYS"));
    done(s);
    s = look(kill_for_openat2);
    assert_true(s->can);
    assert_false(have(s, PROBE_OPENAT2));
    assert_non_null(strstr(s->report.features[PROBE_OPENAT2].found, "SIGSYS"));
    done(s);
}

static void an_old_mount_interface_is_missing_and_the_rest_is_not(void **state)
{
    struct seen *s;

    (void)state;
    needs_userns();
    s = look(refuse_mount_setattr);
    assert_true(s->can);
    assert_false(have(s, PROBE_MOUNT_API));
    assert_true(have(s, PROBE_MOUNTNS));
    assert_false(s->report.works);
    done(s);
}

static void a_masked_proc_is_told_from_a_kernel_without(void **state)
{
    struct seen *s;

    (void)state;
    needs_userns();
    s = look(mask_proc);
    assert_true(s->prepared);
    assert_true(s->can);
    assert_false(have(s, PROBE_PROC));
    assert_non_null(strstr(s->report.features[PROBE_PROC].found, "covered"));
    assert_non_null(strstr(s->report.features[PROBE_PROC].remedy, "systempaths=unconfined"));
    done(s);
}

static void a_keyring_that_is_refused_is_not_taken_for_one_that_is_not_needed(void **state)
{
    struct seen *s = look(refuse_keyctl);

    (void)state;
    assert_true(s->prepared);
    assert_false(have(s, PROBE_KEYRING));
    done(s);
}

static void nothing_is_left_in_the_scratch_directory(void **state)
{
    char dir[] = "/tmp/bawn-test-XXXXXX";
    struct probe_report r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    probe_all(dir, &r);
    assert_int_equal(rmdir(dir), 0);
}

static void remedies_fit_what_confines_us(void **state)
{
    static const struct {
        struct surroundings s;
        int sys;
        bool mapping;
        enum obstacle want;
        const char *says;
    } cases[] = {
        {{.unprivileged_clone = 0, .apparmor_restrict = -1},
         EPERM,
         false,
         OBSTACLE_SWITCH,
         "unprivileged_userns_clone=1"},
        {{.unprivileged_clone = -1, .apparmor_restrict = 1, .self = "/opt/b/bawn"},
         EPERM,
         true,
         OBSTACLE_APPARMOR,
         "profile bawn \"/opt/b/bawn\" flags=(unconfined)"},
        {{.unprivileged_clone = 1, .apparmor_restrict = 0, .filtered = true, .container = CONTAINER_DOCKER},
         EPERM,
         false,
         OBSTACLE_FILTER,
         "docker run --security-opt seccomp=unconfined"},
        {{.unprivileged_clone = -1,
          .apparmor_restrict = -1,
          .filtered = true,
          .container = CONTAINER_KUBERNETES},
         EPERM,
         false,
         OBSTACLE_FILTER,
         "seccompProfile"},
        {{.unprivileged_clone = -1, .apparmor_restrict = -1}, EINVAL, false, OBSTACLE_KERNEL, "CONFIG_X"},
        {{.unprivileged_clone = -1, .apparmor_restrict = -1},
         ENOSPC,
         false,
         OBSTACLE_COUNT,
         "sysctl -w user.x="},
    };
    char remedy[768];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(surroundings_userns(&cases[i].s, cases[i].sys, cases[i].mapping), cases[i].want);
        surroundings_remedy(&cases[i].s, cases[i].want, "CONFIG_X", "user.x", remedy, sizeof remedy);
        assert_non_null(strstr(remedy, cases[i].says));
    }
}

static void place_file(const char *root, const char *path, const char *text)
{
    char full[256];
    int fd;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(full, 0700);
        *p = '/';
    }
    fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void surroundings_are_read_from_the_tree(void **state)
{
    char dir[] = "/tmp/bawn-test-XXXXXX", command[64];
    struct surroundings s;

    (void)state;
    assert_non_null(mkdtemp(dir));
    surroundings_look(dir, &s);
    assert_int_equal(s.container, CONTAINER_NONE);
    assert_int_equal(s.unprivileged_clone, -1);
    assert_false(s.filtered);
    place_file(dir, "/proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    place_file(dir, "/proc/self/uid_map", "         0       1000          1\n");
    place_file(dir, "/proc/sys/kernel/unprivileged_userns_clone", "0\n");
    place_file(dir, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    place_file(dir, "/run/.containerenv", "");
    surroundings_look(dir, &s);
    assert_int_equal(s.container, CONTAINER_PODMAN);
    assert_int_equal(s.unprivileged_clone, 0);
    assert_int_equal(s.apparmor_restrict, 1);
    assert_true(s.filtered && s.nested);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_has_a_name_of_its_own_and_is_judged),
        cmocka_unit_test(works_means_that_all_that_is_needed_is_there),
        cmocka_unit_test(a_limit_of_zero_is_found_and_named),
        cmocka_unit_test(a_limit_on_one_kind_of_namespace_names_that_kind),
        cmocka_unit_test(a_filter_that_refuses_user_namespaces_is_named),
        cmocka_unit_test(a_filter_that_kills_ends_the_try_and_not_the_probe),
        cmocka_unit_test(an_old_mount_interface_is_missing_and_the_rest_is_not),
        cmocka_unit_test(a_masked_proc_is_told_from_a_kernel_without),
        cmocka_unit_test(a_keyring_that_is_refused_is_not_taken_for_one_that_is_not_needed),
        cmocka_unit_test(nothing_is_left_in_the_scratch_directory),
        cmocka_unit_test(remedies_fit_what_confines_us),
        cmocka_unit_test(surroundings_are_read_from_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
