// SPDX-License-Identifier: Apache-2.0
// Attacks on strict mode. There are no mounts behind it here: what is refused is refused by notify. Each
// attack that is a race has its control: the same attack without supervision arrives.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "caller.h"
#include "tree.h"

#define SECRET "CANARY"
#define RACES 20000

struct yard {
    struct tree tree;
    struct caller_run run;
    int pipe[2]; // from the program inside to the test's helper outside
    int back[2];
};

static int setup(void **state)
{
    struct yard *y = xcalloc(1, sizeof *y);

    tree_init(&y->tree);
    tree_default_rules(&y->tree);
    tree_rule(&y->tree, GRANT_DENY, "ws/**/conf/*.key", false);
    tree_rule(&y->tree, GRANT_DENY, "ws/plain/secret", false);
    for (size_t i = 0; i < y->tree.file_rules.n; i++)
        y->tree.rules[i].from.file = "the test";
    y->run = (struct caller_run){.rules = tree_rules(&y->tree), .strict = true};
    if (pipe(y->pipe) < 0 || pipe(y->back) < 0)
        abort();
    *state = y;
    return 0;
}

static int teardown(void **state)
{
    struct yard *y = *state;

    for (int i = 0; i < 2; i++) {
        close(y->pipe[i]);
        close(y->back[i]);
    }
    caller_run_deinit(&y->run);
    tree_deinit(&y->tree);
    free(y);
    return 0;
}

static bool refused(struct yard *y, const char *kind, const char *path)
{
    AUTO_FREE char *whole = tree_path(&y->tree, path);
    AUTO_FREE char *line = xasprintf("%s %s", kind, whole);

    return strlist_has(&y->run.refused, line);
}

static int run(struct yard *y, caller_fn *fn)
{
    return caller_run(&y->run, fn, y);
}

#define DENIED(call) ((call) < 0 && errno == EACCES)

static int reads_denied(void *ctx)
{
    struct yard *y = ctx;
    char name[64];
    int path, dir;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(open("f", O_RDONLY) >= 0);
    EXPECT(DENIED(open(".env", O_RDONLY)));
    EXPECT(DENIED(open(".env", O_WRONLY | O_TRUNC)));
    EXPECT(DENIED(open(".env", O_RDWR | O_CREAT, 0600)));
    EXPECT(DENIED(truncate(".env", 0)));
    EXPECT(DENIED(open("d/../.env", O_RDONLY)));
    EXPECT(DENIED(open("link", O_RDONLY)));
    EXPECT(DENIED(open("linkdir/.env", O_RDONLY)));
    EXPECT(DENIED(open("/proc/self/cwd/.env", O_RDONLY)));
    snprintf(name, sizeof name, "/proc/%d/cwd/.env", getpid());
    EXPECT(DENIED(open(name, O_RDONLY)));
    snprintf(name, sizeof name, "/proc/self/root%s/.env", y->tree.root);
    EXPECT(DENIED(open(name, O_RDONLY)));
    dir = open("d", O_RDONLY | O_DIRECTORY);
    EXPECT(dir >= 0 && DENIED(openat(dir, "../.env", O_RDONLY)));
    path = open(".env", O_PATH);
    snprintf(name, sizeof name, "/proc/self/fd/%d", path);
    EXPECT(path >= 0 && DENIED(open(name, O_RDONLY)));
    snprintf(name, sizeof name, "/dev/fd/%d", path);
    EXPECT(DENIED(open(name, O_RDONLY)));
    EXPECT(DENIED(linkat(AT_FDCWD, name, AT_FDCWD, "copy", AT_SYMLINK_FOLLOW)));
    EXPECT(linkat(path, "", AT_FDCWD, "copy", AT_EMPTY_PATH) < 0);
    EXPECT(openat(path, "", O_RDONLY) < 0);
    EXPECT(syscall(SYS_openat2, AT_FDCWD, ".env", (uint64_t[3]){O_RDONLY}, 24) < 0 && errno == ENOSYS);
    return 0;
}

static void a_denied_file_that_the_host_made_cannot_be_opened(void **state)
{
    struct yard *y = *state;
    AUTO_FREE char *text = NULL;

    tree_file(&y->tree, "ws/.env", SECRET);
    tree_file(&y->tree, "ws/f", "x");
    tree_dir(&y->tree, "ws/d");
    tree_link(&y->tree, "ws/link", ".env");
    tree_link(&y->tree, "ws/linkdir", ".");
    assert_int_equal(run(y, reads_denied), 0);
    text = tree_read(&y->tree, "ws/.env");
    assert_string_equal(text, SECRET);
    assert_true(refused(y, "read", "ws/.env"));
    assert_true(refused(y, "write", "ws/.env"));
    assert_int_equal(y->run.refused.n, 2);
}

static int renames_denied(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(DENIED(rename(".env", "x")));
    EXPECT(DENIED(rename("f", ".env")));
    EXPECT(DENIED(renameat2(AT_FDCWD, "f", AT_FDCWD, ".env", RENAME_EXCHANGE)));
    EXPECT(DENIED(renameat2(AT_FDCWD, ".env", AT_FDCWD, "f", RENAME_EXCHANGE)));
    EXPECT(DENIED(link(".env", "x")));
    // A directory with a denied name in it moves where the name is denied still, and not where it is not.
    EXPECT(rename("d", "d2") == 0 && DENIED(open("d2/.env", O_RDONLY)));
    EXPECT(DENIED(open("conf/a.key", O_RDONLY)));
    EXPECT(rename("conf", "conf2") < 0 && errno == EXDEV);
    EXPECT(rename("d2", "conf3") == 0);
    EXPECT(rename("plain", "plain2") < 0 && errno == EXDEV);
    return 0;
}

static void a_denied_name_cannot_be_moved_away(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/.env", SECRET);
    tree_file(&y->tree, "ws/f", "x");
    tree_file(&y->tree, "ws/d/.env", SECRET);
    tree_file(&y->tree, "ws/conf/a.key", SECRET);
    tree_dir(&y->tree, "ws/plain");
    assert_int_equal(run(y, renames_denied), 0);
}

static int makes_protected(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(mkdir("evil", 0755) == 0 && mkdir("evil/hooks", 0755) == 0);
    EXPECT(open("evil/hooks/pre-commit", O_WRONLY | O_CREAT, 0755) >= 0 &&
           open("evil/config", O_CREAT | O_RDWR, 0644) >= 0);
    EXPECT(DENIED(mkdir(".git/hooks", 0755)));
    EXPECT(DENIED(mkdir(".git/hooks/", 0755)));
    EXPECT(DENIED(open(".git/config", O_WRONLY | O_CREAT, 0644)));
    EXPECT(DENIED(creat(".git/config", 0644)));
    EXPECT(DENIED(symlink("../evil/config", ".git/config")));
    EXPECT(DENIED(mknod(".git/config", S_IFREG | 0644, 0)));
    EXPECT(DENIED(rename("evil/config", ".git/config")));
    EXPECT(DENIED(rename("evil/hooks", ".git/hooks")));
    EXPECT(DENIED(link("evil/config", ".git/config")));
    EXPECT(DENIED(open("gitlink/config", O_WRONLY | O_CREAT, 0644)));
    EXPECT(DENIED(open("dangling", O_WRONLY | O_CREAT, 0644)));
    EXPECT(DENIED(open("protected/.vscode/tasks.json", O_WRONLY | O_CREAT, 0644)));
    EXPECT(DENIED(open("protected/.vscode/settings.json", O_WRONLY)));
    EXPECT(DENIED(rename("protected/.vscode", "x")));
    EXPECT(DENIED(link("protected/.vscode/settings.json", "x")));
    EXPECT(open("protected/.vscode/settings.json", O_RDONLY) >= 0);
    // The prepared tree becomes a git directory by being moved.
    EXPECT(rename("evil", "sub/.git") < 0 && errno == EXDEV);
    EXPECT(renameat2(AT_FDCWD, "evil", AT_FDCWD, ".git", RENAME_EXCHANGE) < 0 && errno == EXDEV);
    EXPECT(renameat2(AT_FDCWD, ".git", AT_FDCWD, "evil", RENAME_EXCHANGE) < 0 && errno == EXDEV);
    EXPECT(rename("evil", "sub/evil") == 0);
    // Upper case is the same name on file systems that fold it.
    EXPECT(DENIED(open("sub/.ENVRC", O_CREAT | O_RDWR, 0644)));
    return 0;
}

static void a_protected_name_cannot_be_made(void **state)
{
    struct yard *y = *state;

    tree_dir(&y->tree, "ws/.git");
    tree_dir(&y->tree, "ws/sub");
    tree_link(&y->tree, "ws/gitlink", ".git");
    tree_link(&y->tree, "ws/dangling", "sub/.envrc");
    tree_file(&y->tree, "ws/protected/.vscode/settings.json", "{}");
    assert_int_equal(run(y, makes_protected), 0);
    assert_false(tree_has(&y->tree, "ws/.git/hooks"));
    assert_false(tree_has(&y->tree, "ws/.git/config"));
    assert_false(tree_has(&y->tree, "ws/sub/.git"));
    assert_false(tree_has(&y->tree, "ws/sub/.envrc"));
    assert_true(refused(y, "write", "ws/.git/config"));
}

// The helper outside replaces what the program inside made when it is told to.
static pid_t host_that_runs(struct yard *y, const char *command)
{
    pid_t pid = fork();
    char c;

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(y->tree.root) < 0 || read(y->pipe[0], &c, 1) != 1 || system(command) != 0 ||
        write(y->back[1], "d", 1) != 1)
        _exit(1);
    _exit(0);
}

static bool ask_host(struct yard *y)
{
    char c;

    return write(y->pipe[1], "g", 1) == 1 && read(y->back[0], &c, 1) == 1;
}

static int makes_own(void *ctx)
{
    struct yard *y = ctx;
    char text[16] = {0};
    int fd;

    EXPECT(chdir(y->tree.root) == 0);
    fd = open(".env", O_WRONLY | O_CREAT, 0600);
    EXPECT(fd >= 0 && write(fd, "own", 3) == 3 && close(fd) == 0);
    fd = open(".env", O_RDONLY);
    EXPECT(fd >= 0 && read(fd, text, 15) == 3 && !strcmp(text, "own"));
    // As editors and package managers save: a new file over the old one.
    EXPECT(open(".env.new", O_WRONLY | O_CREAT, 0600) >= 0 && rename(".env.new", ".env") == 0);
    EXPECT(open(".env", O_RDWR) >= 0);
    EXPECT(mkdir("conf", 0755) == 0 && open("conf/x.key", O_RDWR | O_CREAT, 0600) >= 0);
    EXPECT(DENIED(open("plain/secret", O_RDWR | O_CREAT, 0600)));
    EXPECT(DENIED(mkdir("plain/secret", 0755)));
    EXPECT(ask_host(y));
    EXPECT(DENIED(open(".env", O_RDONLY)));
    EXPECT(DENIED(rename(".env", "x")));
    EXPECT(DENIED(open("conf/x.key", O_RDONLY)));
    return 0;
}

static void what_the_run_made_is_its_own_until_the_host_replaces_it(void **state)
{
    struct yard *y = *state;
    AUTO_FREE char *path = tree_path(&y->tree, "ws/.env");
    pid_t host =
        host_that_runs(y, "rm .env conf/x.key; printf " SECRET " >.env; printf " SECRET " >conf/x.key");
    int status;

    tree_dir(&y->tree, "ws/plain");
    assert_int_equal(run(y, makes_own), 0);
    assert_true(strlist_has(&y->run.created, path));
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_int_equal(status, 0);
}

// --- races ---

static bool leaks(int fd)
{
    char text[16] = {0};
    bool leak = fd >= 0 && read(fd, text, 15) > 0 && strstr(text, SECRET);

    if (fd >= 0)
        close(fd);
    return leak;
}

struct flipper {
    char path[256];
    char a[256], b[256];
    volatile bool stop;
};

static void *flip(void *ctx)
{
    struct flipper *f = ctx;

    while (!f->stop) {
        memcpy(f->path, f->a, sizeof f->a);
        __asm__ volatile("" ::: "memory");
        memcpy(f->path, f->b, sizeof f->b);
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

static int flips_pointer(void *ctx)
{
    struct yard *y = ctx;
    struct flipper f = {.a = "f", .b = ".env"};
    pthread_t thread;
    int leaked = 0, opened = 0;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(pthread_create(&thread, NULL, flip, &f) == 0);
    for (int i = 0; i < RACES && !leaked; i++) {
        int fd = open(f.path, O_RDONLY);

        opened += fd >= 0;
        leaked = leaks(fd);
    }
    f.stop = true;
    pthread_join(thread, NULL);
    EXPECT(leaked || (opened > 0 && opened < RACES)); // else there was no race
    return leaked ? -1 : 0;
}

static void a_path_that_changes_under_our_eyes_opens_nothing_denied(void **state)
{
    struct yard *y = *state;
    int leaked = 0;

    tree_file(&y->tree, "ws/.env", SECRET);
    tree_file(&y->tree, "ws/f", "x");
    // The control is a race, which a busy machine may let the attack lose now and then.
    for (int i = 0; i < 20 && !leaked; i++) {
        struct caller_run observed = {.rules = y->run.rules};

        leaked = caller_run(&observed, flips_pointer, y);
        caller_run_deinit(&observed);
    }
    assert_int_equal(leaked, -1);
    assert_int_equal(run(y, flips_pointer), 0);
}

static pid_t host_that_swaps(struct yard *y, const char *a, const char *b)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(y->tree.root) < 0)
        _exit(1);
    for (;;)
        renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int reads_while_swapped(void *ctx)
{
    struct yard *y = ctx;
    int leaked = 0, opened = 0;

    EXPECT(chdir(y->tree.root) == 0);
    for (int i = 0; i < RACES && !leaked; i++) {
        int fd = open("swap/name", O_RDONLY);

        opened += fd >= 0;
        leaked = leaks(fd);
    }
    EXPECT(opened > 0 || leaked);
    return leaked ? -1 : 0;
}

static void race_with_host(struct yard *y, const char *a, const char *b)
{
    struct caller_run bare = {.rules = y->run.rules, .unsupervised = true};
    pid_t host = host_that_swaps(y, a, b);

    assert_int_equal(caller_run(&bare, reads_while_swapped, y), -1);
    assert_int_equal(run(y, reads_while_swapped), 0);
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
}

static void a_link_that_is_swapped_leads_to_nothing_denied(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/f", "x");
    tree_file(&y->tree, "ws/.env", SECRET);
    tree_link(&y->tree, "ws/swap/name", "../f");
    tree_link(&y->tree, "ws/other", "../.env");
    race_with_host(y, "swap/name", "other");
}

static void a_parent_that_is_swapped_leads_to_nothing_denied(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/real/name", "x");
    tree_file(&y->tree, "ws/.env/name", SECRET);
    tree_link(&y->tree, "ws/swap", "real");
    tree_link(&y->tree, "ws/swap2", ".env");
    race_with_host(y, "swap", "swap2");
}

// --- what must not hold up the supervisor ---

static int meets_at_fifo(void *ctx)
{
    struct yard *y = ctx;
    char c = 0;
    pid_t writer;
    int fd;

    EXPECT(chdir(y->tree.root) == 0);
    writer = fork();
    if (writer == 0) {
        usleep(50000);
        fd = open("fifo", O_WRONLY);
        _exit(fd >= 0 && write(fd, "x", 1) == 1 ? 0 : 1);
    }
    fd = open("fifo", O_RDONLY | O_CLOEXEC); // waits; the writer's calls are served meanwhile
    EXPECT(fd >= 0 && read(fd, &c, 1) == 1 && c == 'x');
    EXPECT((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    EXPECT(read(fd, &c, 1) == 0);
    waitpid(writer, NULL, 0);
    return 0;
}

static void a_fifo_waits_for_its_other_end_and_nobody_else_does(void **state)
{
    struct yard *y = *state;

    tree_run(&y->tree, "mkfifo fifo");
    assert_int_equal(run(y, meets_at_fifo), 0);
}

static int leaves_fifo_waiting(void *ctx)
{
    struct yard *y = ctx;
    pid_t pids[100];

    EXPECT(chdir(y->tree.root) == 0);
    for (int i = 0; i < 100; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(open("fifo", O_WRONLY) < 0 && errno == EAGAIN ? 1 : 0);
    }
    for (int i = 0; i < 100; i++)
        EXPECT(open("f", O_RDONLY | O_CLOEXEC) >= 0);
    usleep(100000);
    for (int i = 0; i < 100; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    usleep(600000);
    return meets_at_fifo(ctx);
}

static void waiting_opens_are_bounded_and_end_with_their_callers(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/f", "x");
    tree_run(&y->tree, "mkfifo fifo");
    assert_int_equal(run(y, leaves_fifo_waiting), 0);
}

static int opens_leased(void *ctx)
{
    struct yard *y = ctx;
    uint64_t start = clock_mono_ns();
    pid_t other;
    int fd, status;

    EXPECT(chdir(y->tree.root) == 0);
    signal(SIGIO, SIG_IGN);
    fd = open("f", O_RDONLY);
    EXPECT(fd >= 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
    other = fork();
    if (other == 0) {
        EXPECT(open("f", O_WRONLY | O_NONBLOCK) < 0 && errno == EAGAIN);
        _exit(open("f", O_WRONLY) >= 0 ? 0 : 1); // until the lease is given up
    }
    usleep(100000);
    EXPECT(open("g", O_RDONLY) >= 0); // served, though the other waits
    EXPECT(waitpid(other, &status, WNOHANG) == 0);
    EXPECT(fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
    EXPECT(waitpid(other, &status, 0) == other && status == 0);
    EXPECT(clock_mono_ns() - start < 5000000000u);
    return 0;
}

static void a_lease_holds_up_only_who_opens_the_file(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/f", "x");
    tree_file(&y->tree, "ws/g", "x");
    assert_int_equal(run(y, opens_leased), 0);
}

// --- processes ---

static int looks_at_others(void *ctx)
{
    char name[64];
    int parent = getppid();

    (void)ctx;
    snprintf(name, sizeof name, "/proc/%d/stat", parent);
    EXPECT(open(name, O_RDONLY) >= 0);
    static const char *const closed[] = {"mem", "environ",         "maps", "auxv",    "fd",         "fd/0",
                                         "cwd", "root/etc/passwd", "exe",  "ns/user", "task/%d/mem"};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        AUTO_FREE char *path = xasprintf("/proc/%d/%s", parent, closed[i]);

        EXPECT(open(path, O_RDONLY) < 0 && (errno == EACCES || errno == ENOENT));
    }
    snprintf(name, sizeof name, "/proc/%d/comm", parent);
    EXPECT(open(name, O_RDONLY) >= 0 && DENIED(open(name, O_WRONLY)));
    EXPECT(open("/proc/1/stat", O_RDONLY) < 0 && errno == ENOENT);
    EXPECT(open("/proc/1/environ", O_RDONLY) < 0);
    EXPECT(open("/proc/1/root/etc/passwd", O_RDONLY) < 0);
    EXPECT(DENIED(open("/proc/self/ns/user", O_RDONLY)));
    return 0;
}

static void our_rights_in_proc_are_not_lent(void **state)
{
    struct yard *y = *state;

    assert_int_equal(run(y, looks_at_others), 0);
}

static int waits_to_be_killed(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();

        if (pid == 0)
            for (;;)
                close(open("f", O_RDONLY));
        usleep(1000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    EXPECT(open("f", O_RDONLY) >= 0);
    return 0;
}

static void callers_that_die_in_their_call_do_no_harm(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/f", "x");
    assert_int_equal(run(y, waits_to_be_killed), 0);
}

static int times_opens(void *ctx)
{
    struct yard *y = ctx;
    int best = 1000000;

    EXPECT(chdir(y->tree.root) == 0);
    for (int round = 0; round < 20; round++) {
        uint64_t start = clock_mono_ns();

        for (int i = 0; i < 500; i++)
            close(open("f", O_RDONLY));
        if ((clock_mono_ns() - start) / 500 < (uint64_t)best)
            best = (int)((clock_mono_ns() - start) / 500);
    }
    return best;
}

static void cost_of_a_performed_open(void **state)
{
    struct yard *y = *state;
    struct caller_run bare = {.rules = y->run.rules, .unsupervised = true};

    tree_file(&y->tree, "ws/f", "x");
    print_message("open and close: bare %d ns, strict %d ns\n", caller_run(&bare, times_opens, y),
                  run(y, times_opens));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(a_denied_file_that_the_host_made_cannot_be_opened),
        T(a_denied_name_cannot_be_moved_away),
        T(a_protected_name_cannot_be_made),
        T(what_the_run_made_is_its_own_until_the_host_replaces_it),
        T(a_path_that_changes_under_our_eyes_opens_nothing_denied),
        T(a_link_that_is_swapped_leads_to_nothing_denied),
        T(a_parent_that_is_swapped_leads_to_nothing_denied),
        T(a_fifo_waits_for_its_other_end_and_nobody_else_does),
        T(waiting_opens_are_bounded_and_end_with_their_callers),
        T(a_lease_holds_up_only_who_opens_the_file),
        T(our_rights_in_proc_are_not_lent),
        T(callers_that_die_in_their_call_do_no_harm),
        T(cost_of_a_performed_open),
    };

    caller_become_user();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
