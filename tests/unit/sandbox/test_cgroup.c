// SPDX-License-Identifier: Apache-2.0
// Groups for real. v1 where this machine has it: as root, and as an ordinary user in directories made for it
// here. v2: what does not need a controller (entering, killing, removing) in a real group, and what is
// written where on a made-up tree, for which mkdir and rmdir are wrapped: they do there what the kernel
// would. Each test that the machine cannot carry is a counted skip.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sandbox/cgroup.h"

#define NOBODY 65534
#define MIB (1024 * 1024)

// --- the made-up tree ---

static const char *const kernel_files[] = {
    "cgroup.procs",     "cgroup.subtree_control", "cgroup.kill", "memory.max", "memory.swap.max",
    "memory.oom.group", "memory.events",          "memory.peak", "pids.max",   "pids.events",
    "cpu.max"};
static char fake_root[64]; // "" while there is none

int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);

static void write_file(const char *dir, const char *file, const char *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, file);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *read_back(const char *dir, const char *file)
{
    static char text[256];
    char path[512];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", dir, file);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static bool in_fake_tree(const char *path)
{
    return *fake_root && !strncmp(path, fake_root, strlen(fake_root));
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    int r = __real_mkdir(path, mode);

    for (size_t i = 0; r == 0 && in_fake_tree(path) && i < ARRAY_LEN(kernel_files); i++)
        write_file(path, kernel_files[i], "");
    return r;
}

int __wrap_rmdir(const char *path)
{
    // The files of a group are no obstacle, groups below it are.
    if (in_fake_tree(path)) {
        char inner[512];

        snprintf(inner, sizeof inner, "%s/in", path);
        if (access(inner, F_OK) == 0) {
            errno = EBUSY;
            return -1;
        }
        for (size_t i = 0; i < ARRAY_LEN(kernel_files); i++) {
            snprintf(inner, sizeof inner, "%s/%s", path, kernel_files[i]);
            unlink(inner);
        }
    }
    return __real_rmdir(path);
}

static int fake_make(void **state)
{
    (void)state;
    strcpy(fake_root, "/var/tmp/bawn-group-XXXXXX");
    assert_non_null(mkdtemp(fake_root));
    write_file(fake_root, "cgroup.type", "domain\n");
    write_file(fake_root, "cgroup.procs", "");
    write_file(fake_root, "cgroup.subtree_control", "memory pids cpu\n");
    return 0;
}

static int fake_remove(void **state)
{
    char cmd[256];

    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf %s", fake_root);
    *fake_root = '\0';
    return system(cmd) == 0 ? 0 : -1;
}

static struct cgroup_support fake_support(void)
{
    struct cgroup_support s = {.version = {2, 2, 2}};

    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        s.parent[c] = xstrdup(fake_root);
    return s;
}

static const bool need_all[CGROUP_CONTROLLERS] = {true, true, true}, need_none[CGROUP_CONTROLLERS] = {false};

static void v2_limits_stand_in_one_group_above_the_processes(void **state)
{
    const struct limits l = {.memory = 512u * MIB, .processes = 20, .cpu = 1.5};
    struct cgroup_support s = fake_support();
    struct cgroup g;
    struct err err = {0};
    char dir[128], inner[160];

    (void)state;
    if (!cgroup_make(&s, &l, "7", need_all, &g, &err))
        fail_msg("%s", err.msg);
    snprintf(dir, sizeof dir, "%s/bawn-7", fake_root);
    snprintf(inner, sizeof inner, "%s/in", dir);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        assert_string_equal(g.dir[c], dir);
    assert_string_equal(read_back(dir, "memory.max"), "536870912");
    assert_string_equal(read_back(dir, "memory.swap.max"), "0");
    assert_string_equal(read_back(dir, "memory.oom.group"), "1");
    assert_string_equal(read_back(dir, "pids.max"), "21");
    assert_string_equal(read_back(dir, "cpu.max"), "150000 100000");
    assert_true(cgroup_enter(&g, 4242, &err));
    assert_string_equal(read_back(inner, "cgroup.procs"), "4242");
    assert_string_equal(read_back(dir, "cgroup.procs"), "");
    // Running out of memory is seen by descriptor and by count.
    assert_false(cgroup_oom_killed(&g) || cgroup_pids_hit(&g));
    assert_int_equal(poll(&(struct pollfd){.fd = g.oom_fd, .events = POLLIN}, 1, 0), 0);
    write_file(dir, "memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n");
    write_file(dir, "pids.events", "max 3\n");
    write_file(dir, "memory.peak", "1234\n");
    assert_int_equal(poll(&(struct pollfd){.fd = g.oom_fd, .events = POLLIN}, 1, 1000), 1);
    assert_true(cgroup_oom_killed(&g) && cgroup_pids_hit(&g));
    assert_int_equal(cgroup_memory_peak(&g), 1234);
    assert_true(cgroup_remove(&g));
    assert_int_equal(access(dir, F_OK), -1);
    assert_null(g.dir[0]);
    assert_true(cgroup_remove(&g));
    cgroup_support_deinit(&s);
}

static void only_limits_that_are_set_are_armed(void **state)
{
    const struct limits l = {.processes = 5};
    struct cgroup_support s = fake_support();
    struct cgroup g;

    (void)state;
    write_file(fake_root, "cgroup.subtree_control", "pids\n");
    assert_true(cgroup_make(&s, &l, "8", need_none, &g, NULL));
    assert_null(g.dir[CGROUP_MEMORY]);
    assert_null(g.dir[CGROUP_CPU]);
    assert_string_equal(read_back(g.dir[CGROUP_PIDS], "memory.max"), "");
    assert_int_equal(g.oom_fd, -1);
    assert_true(cgroup_remove(&g));
    cgroup_support_deinit(&s);
}

static void controllers_are_enabled_in_the_parent(void **state)
{
    const struct limits l = {.memory = MIB};
    struct cgroup_support s = fake_support();
    struct cgroup g;

    (void)state;
    write_file(fake_root, "cgroup.subtree_control", "cpu\n");
    assert_true(cgroup_make(&s, &l, "9", need_all, &g, NULL));
    assert_non_null(strstr(read_back(fake_root, "cgroup.subtree_control"), "+memory"));
    assert_true(cgroup_remove(&g));
    cgroup_support_deinit(&s);
}

static void what_cannot_be_emptied_refuses_and_leaves_nothing(void **state)
{
    const struct limits l = {.memory = MIB, .processes = 5};
    struct cgroup_support s = fake_support();
    struct cgroup g = {.oom_fd = 77};
    struct err err = {0};
    char dir[128];

    (void)state;
    // pids is on, memory is not, and the made-up kernel never lets the process go.
    write_file(fake_root, "cgroup.subtree_control", "pids\n");
    write_file(fake_root, "cgroup.procs", "1\n");
    assert_false(cgroup_make(&s, &l, "10", need_all, &g, &err));
    assert_non_null(strstr(err.msg, "limits.memory"));
    assert_int_equal(g.oom_fd, 77);
    snprintf(dir, sizeof dir, "%s/bawn-10", fake_root);
    assert_int_equal(access(dir, F_OK), -1);
    // Not needed: goes without it.
    assert_true(cgroup_make(&s, &l, "11", need_none, &g, &err));
    assert_null(g.dir[CGROUP_MEMORY]);
    assert_non_null(g.dir[CGROUP_PIDS]);
    assert_true(cgroup_remove(&g));
    cgroup_support_deinit(&s);
}

static void what_is_not_usable_refuses_with_its_reason(void **state)
{
    const struct limits l = {.memory = MIB};
    struct cgroup_support s = {.why_not = {"BECAUSE"}};
    struct cgroup g;
    struct err err = {0};

    (void)state;
    assert_false(cgroup_make(&s, &l, "12", need_all, &g, &err));
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "BECAUSE"));
    assert_true(cgroup_make(&s, &l, "12", need_none, &g, NULL));
    assert_true(cgroup_remove(&g));
}

// --- real groups ---

static bool v1_everywhere(void)
{
    struct cgroup_support s;
    bool ok = true;

    cgroup_probe("", &s);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        ok &= s.version[c] == 1;
    cgroup_support_deinit(&s);
    return ok;
}

#define NEED_ROOT_AND_V1()                                                                                   \
    do {                                                                                                     \
        if (geteuid() != 0 || !v1_everywhere()) {                                                            \
            print_message("[  SKIPPED ] needs root and control groups v1\n");                                \
            skip();                                                                                          \
        }                                                                                                    \
    } while (0)

static void out(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(1);
}

// Starts fn in a child that waits to be put under g.
static pid_t start_under(const struct cgroup *g, int (*fn)(void))
{
    int gate[2];
    pid_t pid;
    struct err err = {0};

    if (pipe2(gate, O_CLOEXEC))
        out("pipe");
    pid = fork();
    if (pid == 0) {
        char c;

        close(gate[1]);
        if (read(gate[0], &c, 1) != 1)
            _exit(99);
        _exit(fn());
    }
    close(gate[0]);
    if (!cgroup_enter(g, pid, &err))
        out(err.msg);
    if (write(gate[1], "g", 1) != 1)
        out("gate");
    close(gate[1]);
    return pid;
}

// The cheap ways: by its own hand, or born there.
static pid_t start_inside(const struct cgroup *g, int (*fn)(void))
{
    struct clone_args args = {.exit_signal = SIGCHLD};
    int tasks[CGROUP_CONTROLLERS], inner = -1;
    struct err err = {0};
    pid_t pid;

    if (!cgroup_open_tasks(g, tasks, &err) || !cgroup_open_inner(g, &inner, &err))
        out(err.msg);
    if (inner >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)inner;
    }
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        for (int i = 0; i < CGROUP_CONTROLLERS && tasks[i] >= 0; i++)
            if (write(tasks[i], "0", 1) != 1)
                out("cannot enter by itself");
        _exit(fn());
    }
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (tasks[i] >= 0)
            close(tasks[i]);
    if (inner >= 0)
        close(inner);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static int eats_memory(void)
{
    for (int i = 0; i < 256; i++) {
        char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        memset(p, 1, MIB);
    }
    return 0;
}

static int fills_a_memfd(void)
{
    int fd = memfd_create("big", 0);
    char *block = calloc(1, MIB);

    for (int i = 0; i < 256; i++)
        if (write(fd, block, MIB) != MIB)
            return 1;
    return 0;
}

static int forks_too_often(void)
{
    int n = 0;

    while (n < 50) {
        pid_t pid = fork();

        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0)
            break;
        n++;
    }
    return n;
}

static int spins(void)
{
    struct timeval before, after;

    gettimeofday(&before, NULL);
    do
        gettimeofday(&after, NULL);
    while ((after.tv_sec - before.tv_sec) * 1000000 + after.tv_usec - before.tv_usec < 600000);
    return (int)(clock() * 100 / CLOCKS_PER_SEC); // hundredths of a second of processor time
}

static void limits_hold(const struct cgroup_support *s, const char *id)
{
    const struct limits l = {.memory = 64u * MIB, .processes = 10, .cpu = 0.25};
    struct cgroup g;
    struct err err = {0};
    int status;

    if (!cgroup_make(s, &l, id, need_all, &g, &err))
        out(err.msg);
    if (g.oom_fd < 0)
        out("no descriptor tells of memory");
    status = wait_for(start_under(&g, spins));
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 35)
        out("a quarter of a processor is not what it got");
    status = wait_for(start_inside(&g, forks_too_often));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 10 || !cgroup_pids_hit(&g))
        out("10 processes and init were not what fits");
    if (!cgroup_remove(&g)) // with the ten inside
        out("forked processes outlived their group");
    if (!cgroup_make(s, &l, id, need_all, &g, &err))
        out(err.msg);
    if (cgroup_oom_killed(&g))
        out("an empty group was killed for memory");
    status = wait_for(start_under(&g, eats_memory));
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || !cgroup_oom_killed(&g))
        out("256 MiB fit into 64");
    if (poll(&(struct pollfd){.fd = g.oom_fd, .events = POLLIN}, 1, 1000) != 1)
        out("nobody was told of memory");
    status = wait_for(start_inside(&g, fills_a_memfd));
    if (!WIFSIGNALED(status) && WEXITSTATUS(status) == 0)
        out("a memfd does not count");
    if (cgroup_memory_peak(&g) < 32u * MIB)
        out("no peak");
    if (!cgroup_remove(&g))
        out("a group is left");
}

static void v1_limits_hold_and_leave_nothing(void **state)
{
    struct cgroup_support s;
    int status;
    pid_t pid;

    (void)state;
    NEED_ROOT_AND_V1();
    pid = fork();
    if (pid == 0) {
        cgroup_probe("", &s);
        limits_hold(&s, "unit-root");
        _exit(0);
    }
    status = wait_for(pid);
    cgroup_probe("", &s);
    if (status != 0) // with whatever a failed child left
        cgroup_remove_run(&s, "unit-root");
    assert_int_equal(status, 0);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        char dir[512];

        snprintf(dir, sizeof dir, "%s/bawn-unit-root", s.parent[c]);
        assert_int_equal(access(dir, F_OK), -1);
    }
    cgroup_support_deinit(&s);
}

static char delegated[CGROUP_CONTROLLERS][400];

// Directories owned by the ordinary user, as a login session would have them.
static void delegate_v1(void)
{
    struct cgroup_support s;

    cgroup_probe("", &s);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        char *cmd;

        snprintf(delegated[c], sizeof delegated[c], "%s/unit-delegated", s.parent[c]);
        cmd = xasprintf("mkdir -p %s && chown -R %d %s", delegated[c], NOBODY, delegated[c]);
        assert_int_equal(system(cmd), 0);
        free(cmd);
    }
    cgroup_support_deinit(&s);
}

static void v1_delegated_directories_serve_an_ordinary_user(void **state)
{
    struct cgroup_support user = {.version = {1, 1, 1}};
    int status;
    pid_t pid;

    (void)state;
    NEED_ROOT_AND_V1();
    delegate_v1();
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        user.parent[c] = delegated[c];
    pid = fork();
    if (pid == 0) {
        struct cgroup_support s;

        for (int c = 0; c < CGROUP_CONTROLLERS; c++)
            write_file(delegated[c], "cgroup.procs", "0");
        if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
            out("cannot become an ordinary user");
        cgroup_probe("", &s);
        for (int c = 0; c < CGROUP_CONTROLLERS; c++)
            if (!s.parent[c] || strcmp(s.parent[c], delegated[c]))
                out(s.why_not[c]);
        limits_hold(&s, "unit-user");
        _exit(0);
    }
    status = wait_for(pid);
    if (status != 0)
        cgroup_remove_run(&user, "unit-user");
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        for (int i = 0; i < 100 && rmdir(delegated[c]) < 0 && errno == EBUSY; i++)
            usleep(5000);
    assert_int_equal(status, 0);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        assert_int_equal(access(delegated[c], F_OK), -1);
}

// A real v2 group without controllers: <mount of v2>/NAME, or "" when none can be made here.
static void v2_group(const char *name, char *ret, size_t size)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

    for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
        char probe[128];

        snprintf(probe, sizeof probe, "%s/cgroup.controllers", mounts[i]);
        snprintf(ret, size, "%s/%s", mounts[i], name);
        if (access(probe, F_OK) == 0 && mkdir(ret, 0755) == 0)
            return;
    }
    print_message("[  SKIPPED ] no v2 group can be made here\n");
    *ret = '\0';
}

static int sleeps_with_children(void)
{
    for (int i = 0; i < 5; i++)
        if (fork() == 0) {
            signal(SIGTERM, SIG_IGN);
            pause();
        }
    pause();
    return 0;
}

static void v2_removal_kills_what_is_left_also_further_down(void **state)
{
    struct cgroup_support s = {.version = {0, 2, 0}};
    struct cgroup g = {.oom_fd = -1, .version = {0, 2, 0}};
    char parent[128], inner[256], below[512];
    pid_t pid;

    (void)state;
    v2_group("bawn-unit-parent", parent, sizeof parent);
    if (!*parent)
        skip();
    s.parent[CGROUP_PIDS] = xstrdup(parent);
    snprintf(inner, sizeof inner, "%s/bawn-v2", parent);
    assert_int_equal(mkdir(inner, 0755), 0);
    g.dir[CGROUP_PIDS] = xstrdup(inner);
    snprintf(inner, sizeof inner, "%s/bawn-v2/in", parent);
    assert_int_equal(mkdir(inner, 0755), 0);
    // What a payload with a mount of its own could have made.
    snprintf(below, sizeof below, "%s/made inside", inner);
    assert_int_equal(mkdir(below, 0755), 0);
    pid = start_inside(&g, sleeps_with_children);
    usleep(20000);
    assert_int_equal(strtol(read_back(inner, "cgroup.procs"), NULL, 10), pid);
    snprintf(inner, sizeof inner, "%d", pid);
    write_file(below, "cgroup.procs", inner);
    assert_true(cgroup_remove_run(&s, "v2"));
    assert_int_equal(access(g.dir[CGROUP_PIDS], F_OK), -1);
    assert_true(WIFSIGNALED(wait_for(pid)));
    assert_true(cgroup_remove(&g)); // nothing there any more is fine
    assert_int_equal(rmdir(parent), 0);
    cgroup_support_deinit(&s);
}

static void sweeping_takes_old_empty_groups_only(void **state)
{
    const char *const names[] = {"bawn-old", "bawn-old/in", "bawn-new", "other", CGROUP_OUTER};
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    struct cgroup_support s = fake_support();
    char path[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", fake_root, names[i]);
        assert_int_equal(__real_mkdir(path, 0755), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", fake_root, names[i]);
        if (strcmp(names[i], "bawn-new"))
            assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    }
    assert_int_equal(cgroup_sweep(&s), 1);
    for (size_t i = 2; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", fake_root, names[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    cgroup_support_deinit(&s);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, fake_make, fake_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(v2_limits_stand_in_one_group_above_the_processes),
        IN_TREE(only_limits_that_are_set_are_armed),
        IN_TREE(controllers_are_enabled_in_the_parent),
        IN_TREE(what_cannot_be_emptied_refuses_and_leaves_nothing),
        cmocka_unit_test(what_is_not_usable_refuses_with_its_reason),
        IN_TREE(sweeping_takes_old_empty_groups_only),
        cmocka_unit_test(v1_limits_hold_and_leave_nothing),
        cmocka_unit_test(v1_delegated_directories_serve_an_ordinary_user),
        cmocka_unit_test(v2_removal_kills_what_is_left_also_further_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
