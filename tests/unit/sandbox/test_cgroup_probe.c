// SPDX-License-Identifier: Apache-2.0
// Where groups may stand, on made-up machines: a tree below a temporary directory with /proc/self and the
// control group file system as ordinary files. Whoever runs the test owns the tree, so "not ours" is made by
// modes for an ordinary user and by a read-only answer in a child that gave up root.
#include "../test.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup.h"

#define NOBODY 65534

static void put(const char *root, const char *rel, const char *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", root, rel);
    *strrchr(path, '/') = '\0';
    assert_true(mkdir_parents(AT_FDCWD, path, 0755, NULL));
    path[strlen(path)] = '/';
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

// A v2 group of /sys/fs/cgroup with what every group but the root has.
static void group(const char *root, const char *dir, const char *controllers, const char *enabled,
                  const char *procs)
{
    const struct {
        const char *file, *text;
    } files[] = {{"cgroup.type", "domain\n"},
                 {"cgroup.controllers", controllers},
                 {"cgroup.subtree_control", enabled},
                 {"cgroup.procs", procs}};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char rel[512];

        snprintf(rel, sizeof rel, "sys/fs/cgroup/%s/%s", dir, files[i].file);
        put(root, rel, files[i].text);
    }
}

static void delegate(const char *root, const char *dir)
{
    char path[512];

    snprintf(path, sizeof path, "%s/sys/fs/cgroup/%s", root, dir);
    assert_int_equal(setxattr(path, "user.delegate", "1", 1, 0), 0);
}

static void mount_v2(const char *root, const char *own)
{
    char line[256];

    snprintf(line, sizeof line, "0::%s\n", own);
    put(root, "proc/self/cgroup", line);
    put(root, "proc/self/mountinfo",
        "22 28 0:21 / /proc rw,nosuid - proc proc rw\n"
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
}

// The tree has to be the caller's, whoever that is, where xattrs work too.
static int tree_make(void **state)
{
    char *dir = strdup("/var/tmp/bawn-cgroup-XXXXXX");

    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int tree_remove(void **state)
{
    char cmd[256];

    snprintf(cmd, sizeof cmd, "rm -rf %s", (char *)*state);
    free(*state);
    return system(cmd) == 0 ? 0 : -1;
}

static void is_parent(const char *root, const struct cgroup_support *s, enum cgroup_controller c, int version,
                      const char *dir)
{
    char path[512];

    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s", root, *dir ? "/" : "", dir);
    if (s->version[c] != version)
        fail_msg("%s: version %d: %s", cgroup_controller_name(c), s->version[c], s->why_not[c]);
    assert_string_equal(s->parent[c], path);
    assert_string_equal(s->why_not[c], "");
}

static void a_delegated_scope_is_used_although_we_live_in_it(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    put(root, "run/systemd/system/x", "");
    mount_v2(root, "/user.slice/user-1.slice/user@1.service/app.slice/run-1.scope");
    group(root, "user.slice/user-1.slice/user@1.service/app.slice", "cpu memory pids\n", "memory pids\n", "");
    group(root, "user.slice/user-1.slice/user@1.service/app.slice/run-1.scope", "memory pids\n", "\n",
          "42\n");
    delegate(root, "user.slice/user-1.slice/user@1.service/app.slice/run-1.scope");
    cgroup_probe(root, &s);
    is_parent(root, &s, CGROUP_MEMORY, 2, "user.slice/user-1.slice/user@1.service/app.slice/run-1.scope");
    is_parent(root, &s, CGROUP_PIDS, 2, "user.slice/user-1.slice/user@1.service/app.slice/run-1.scope");
    assert_int_equal(s.version[CGROUP_CPU], 0);
    assert_non_null(strstr(s.why_not[CGROUP_CPU], "cpu controller"));
    cgroup_support_deinit(&s);
}

static void what_systemd_did_not_delegate_is_left_alone(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    put(root, "run/systemd/system/x", "");
    mount_v2(root, "/user.slice/user@1.service/app.slice/term.scope");
    group(root, "user.slice", "memory\n", "memory\n", "");
    group(root, "user.slice/user@1.service", "memory\n", "memory\n", "");
    delegate(root, "user.slice/user@1.service"); // as it is, but the user's manager arranges it
    group(root, "user.slice/user@1.service/app.slice", "memory\n", "memory\n", "");
    group(root, "user.slice/user@1.service/app.slice/term.scope", "memory\n", "\n", "42\n");
    cgroup_probe(root, &s);
    assert_int_equal(s.version[CGROUP_MEMORY], 0);
    assert_null(s.parent[CGROUP_MEMORY]);
    assert_non_null(strstr(s.why_not[CGROUP_MEMORY], "systemd-run"));
    assert_non_null(strstr(s.why_not[CGROUP_MEMORY], "Delegate=yes"));
    cgroup_support_deinit(&s);
}

static void after_the_first_run_the_group_above_is_used(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    put(root, "run/systemd/system/x", "");
    mount_v2(root, "/a.slice/run-1.scope/" CGROUP_OUTER);
    group(root, "a.slice/run-1.scope", "cpu memory pids\n", "memory\n", "");
    group(root, "a.slice/run-1.scope/" CGROUP_OUTER, "memory\n", "\n", "42\n");
    delegate(root, "a.slice/run-1.scope");
    cgroup_probe(root, &s);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        is_parent(root, &s, (enum cgroup_controller)c, 2, "a.slice/run-1.scope");
    cgroup_support_deinit(&s);
}

static void without_systemd_a_writable_group_is_ours(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    mount_v2(root, "/job");
    group(root, "job", "cpu memory pids\n", "\n", "42\n");
    cgroup_probe(root, &s);
    is_parent(root, &s, CGROUP_CPU, 2, "job");
    cgroup_support_deinit(&s);
}

static void a_group_that_others_live_in_is_passed_over(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    mount_v2(root, "/a/b/c");
    group(root, "a", "memory\n", "memory\n", "");
    group(root, "a/b", "memory\n", "\n", "1\n2\n");
    group(root, "a/b/c", "memory\n", "\n", "42\n");
    put(root, "sys/fs/cgroup/a/b/c/cgroup.type", "threaded\n");
    cgroup_probe(root, &s);
    is_parent(root, &s, CGROUP_MEMORY, 2, "a");
    cgroup_support_deinit(&s);
}

static void the_root_of_a_container_may_have_processes(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    // With a namespace of its own: the path is "/", though the root has a type like any group.
    mount_v2(root, "/");
    group(root, ".", "cpu memory pids\n", "\n", "1\n42\n");
    cgroup_probe(root, &s);
    is_parent(root, &s, CGROUP_MEMORY, 2, "");
    cgroup_support_deinit(&s);
}

static void a_mount_that_shows_part_of_the_tree_is_translated(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    put(root, "proc/self/cgroup", "0::/docker/abc/x y\n");
    put(root, "proc/self/mountinfo", "30 24 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
    group(root, "x y", "memory pids cpu\n", "\n", "42\n");
    cgroup_probe(root, &s);
    is_parent(root, &s, CGROUP_MEMORY, 2, "x y");
    cgroup_support_deinit(&s);
    put(root, "proc/self/mountinfo", "30 24 0:26 /docker/other /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
    cgroup_probe(root, &s);
    assert_int_equal(s.version[CGROUP_MEMORY], 0);
    cgroup_support_deinit(&s);
    put(root, "proc/self/cgroup", "0::/../other\n");
    cgroup_probe(root, &s);
    assert_int_equal(s.version[CGROUP_MEMORY], 0);
    assert_non_null(strstr(s.why_not[CGROUP_MEMORY], "mount"));
    cgroup_support_deinit(&s);
}

static void hybrid_takes_each_controller_where_it_lives(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    put(root, "proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/\n1:name=systemd:/\n0::/job\n");
    put(root, "proc/self/mountinfo",
        "31 23 0:1 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n"
        "32 31 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:3 / /sys/fs/cgroup/my\\040memory rw - cgroup cgroup rw,memory\n"
        "34 31 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put(root, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    put(root, "sys/fs/cgroup/my memory/memory.limit_in_bytes", "9223372036854771712\n");
    group(root, "unified/job", "pids\n", "\n", "42\n");
    cgroup_probe(root, &s);
    is_parent(root, &s, CGROUP_CPU, 1, "cpu,cpuacct/job");
    is_parent(root, &s, CGROUP_MEMORY, 1, "my memory");
    is_parent(root, &s, CGROUP_PIDS, 2, "unified/job");
    cgroup_support_deinit(&s);
}

static void a_kernel_that_cannot_limit_says_so(void **state)
{
    const char *root = *state;
    struct cgroup_support s;

    put(root, "proc/self/cgroup", "5:cpu:/\n");
    put(root, "proc/self/mountinfo", "32 31 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    put(root, "sys/fs/cgroup/cpu/cgroup.procs", "1\n");
    cgroup_probe(root, &s);
    assert_int_equal(s.version[CGROUP_CPU], 0);
    assert_non_null(strstr(s.why_not[CGROUP_CPU], "CONFIG_CFS_BANDWIDTH"));
    cgroup_support_deinit(&s);
}

static void no_proc_means_no_groups(void **state)
{
    struct cgroup_support s;

    cgroup_probe(*state, &s);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        assert_int_equal(s.version[c], 0);
        assert_true(strlen(s.why_not[c]) > 20);
    }
    cgroup_support_deinit(&s);
}

// In a child that is an ordinary user and owns only what it is given.
static int probe_as_ordinary(const char *root, const char *owned, const char *want)
{
    char path[512], expected[512];
    pid_t pid;
    int status;

    snprintf(path, sizeof path, "chown -R %d %s/%s && chmod 755 %s", NOBODY, root, owned, root);
    if (*owned)
        assert_int_equal(system(path), 0);
    assert_int_equal(chmod(root, 0755), 0);
    pid = fork();
    if (pid == 0) {
        struct cgroup_support s;

        if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
            _exit(9);
        cgroup_probe(root, &s);
        snprintf(expected, sizeof expected, "%s/%s", root, want);
        if (!*want)
            _exit(s.version[CGROUP_MEMORY] == 0 && strstr(s.why_not[CGROUP_MEMORY], "65534") ? 0 : 1);
        _exit(s.version[CGROUP_MEMORY] && !strcmp(s.parent[CGROUP_MEMORY], expected) ? 0 : 2);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void only_what_this_user_owns_is_used(void **state)
{
    const char *root = *state;

    if (geteuid() != 0) {
        print_message("[  SKIPPED ] making another user's tree needs root\n");
        skip();
    }
    put(root, "proc/self/cgroup", "4:memory:/a/b\n");
    put(root, "proc/self/mountinfo", "33 31 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put(root, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "1\n");
    put(root, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1\n");
    put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "1\n");
    assert_int_equal(probe_as_ordinary(root, "", ""), 0);
    assert_int_equal(probe_as_ordinary(root, "sys/fs/cgroup/memory/a/b", "sys/fs/cgroup/memory/a/b"), 0);
}

static void a_service_of_the_system_manager_is_delegated_where_ownership_begins(void **state)
{
    const char *root = *state;

    if (geteuid() != 0) {
        print_message("[  SKIPPED ] making another user's tree needs root\n");
        skip();
    }
    put(root, "run/systemd/system/x", "");
    mount_v2(root, "/system.slice/agent.service");
    group(root, "system.slice", "memory\n", "memory\n", "");
    group(root, "system.slice/agent.service", "memory\n", "\n", "42\n");
    assert_int_equal(probe_as_ordinary(root, "sys/fs/cgroup/system.slice/agent.service",
                                       "sys/fs/cgroup/system.slice/agent.service"),
                     0);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_make, tree_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(a_delegated_scope_is_used_although_we_live_in_it),
        IN_TREE(what_systemd_did_not_delegate_is_left_alone),
        IN_TREE(after_the_first_run_the_group_above_is_used),
        IN_TREE(without_systemd_a_writable_group_is_ours),
        IN_TREE(a_group_that_others_live_in_is_passed_over),
        IN_TREE(the_root_of_a_container_may_have_processes),
        IN_TREE(a_mount_that_shows_part_of_the_tree_is_translated),
        IN_TREE(hybrid_takes_each_controller_where_it_lives),
        IN_TREE(a_kernel_that_cannot_limit_says_so),
        IN_TREE(no_proc_means_no_groups),
        IN_TREE(only_what_this_user_owns_is_used),
        IN_TREE(a_service_of_the_system_manager_is_delegated_where_ownership_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
