// SPDX-License-Identifier: Apache-2.0
// Landlock against the real kernel, in forked children; every refusal has its control: the same act outside
// of the domain works. A kernel without Landlock, or with an older one, skips what it lacks, counted.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/landlock.h"
#include "sandbox/landlock_abi.h"

#define NOBODY 65534

// A tree of ro/ rw/ out/ each with file `f`, owned by the ordinary user.
struct yard {
    char dir[64];
};

static char *at(const struct yard *y, const char *rel)
{
    static char path[4][256];
    static int next;

    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", y->dir, rel);
    return path[next];
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    if (geteuid() == 0)
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

static void make_dir(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

static int yard_make(void **state)
{
    struct yard *y = calloc(1, sizeof *y);
    static const char *const dirs[] = {"ro", "rw", "rw/a", "rw/b", "out"};

    if (landlock_abi() == 0) {
        print_message("[  SKIPPED ] this kernel has no Landlock\n");
        free(y);
        *state = NULL;
        return 0;
    }
    strcpy(y->dir, "/tmp/bawn-landlock-XXXXXX");
    assert_non_null(mkdtemp(y->dir));
    if (geteuid() == 0)
        assert_int_equal(chown(y->dir, NOBODY, NOBODY), 0);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        make_dir(at(y, dirs[i]));
    put(at(y, "ro/f"), "ro");
    put(at(y, "rw/f"), "rw");
    put(at(y, "rw/a/f"), "a");
    put(at(y, "out/f"), "out");
    put(at(y, "out/one"), "one");
    *state = y;
    return 0;
}

static int yard_remove(void **state)
{
    struct yard *y = *state;

    if (y) {
        char cmd[128];

        snprintf(cmd, sizeof cmd, "rm -rf %s", y->dir);
        if (system(cmd) != 0)
            return -1;
        free(y);
    }
    return 0;
}

#define ALL (LANDLOCK_HOLD_READS | LANDLOCK_HOLD_WRITES)

static int path_fd(const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        _exit(97);
    return fd;
}

static void become_ordinary(void)
{
    if (geteuid() == 0 &&
        (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
        _exit(96);
}

static void enter(const struct landlock_wants *w)
{
    struct err err = {0};
    int fd;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !landlock_make(w, &fd, &err) || !landlock_enter(fd, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(95);
    }
    close(fd);
}

static void enter_yard(const struct yard *y)
{
    const struct landlock_path paths[] = {
        {path_fd("/usr"), LANDLOCK_READ},       {path_fd("/lib64"), LANDLOCK_READ},
        {path_fd("/dev/null"), LANDLOCK_WRITE}, {path_fd(at(y, "ro")), LANDLOCK_READ},
        {path_fd(at(y, "rw")), LANDLOCK_WRITE}, {path_fd(at(y, "out/one")), LANDLOCK_READ},
    };

    enter(&(struct landlock_wants){.paths = paths, .npaths = ARRAY_LEN(paths), .holds = ALL});
}

// The act's errno, 0 when it worked; as an ordinary user, in or out of the yard's domain.
static int act(const struct yard *y, bool inside, int (*fn)(const struct yard *))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        become_ordinary();
        if (inside)
            enter_yard(y);
        _exit(fn(y) < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) < 95 || WEXITSTATUS(status) > 99);
    return WEXITSTATUS(status);
}

static int reads_out(const struct yard *y)
{
    return open(at(y, "out/f"), O_RDONLY);
}
static int lists_out(const struct yard *y)
{
    return open(at(y, "out"), O_RDONLY | O_DIRECTORY);
}
static int reads_one(const struct yard *y)
{
    return open(at(y, "out/one"), O_RDONLY);
}
static int writes_one(const struct yard *y)
{
    return open(at(y, "out/one"), O_WRONLY);
}
static int reads_ro(const struct yard *y)
{
    return open(at(y, "ro/f"), O_RDONLY);
}
static int lists_ro(const struct yard *y)
{
    return open(at(y, "ro"), O_RDONLY | O_DIRECTORY);
}
static int writes_ro(const struct yard *y)
{
    return open(at(y, "ro/f"), O_WRONLY);
}
static int truncates_ro(const struct yard *y)
{
    return truncate(at(y, "ro/f"), 0);
}
static int truncates_rw(const struct yard *y)
{
    return truncate(at(y, "rw/f"), 0);
}
static int makes_in_ro(const struct yard *y)
{
    return mkdir(at(y, "ro/new"), 0700);
}
static int writes_rw(const struct yard *y)
{
    return open(at(y, "rw/f"), O_WRONLY | O_TRUNC);
}
static int writes_null(const struct yard *y)
{
    (void)y;
    return open("/dev/null", O_WRONLY | O_CREAT, 0600);
}
static int moves_from_rw_to_ro(const struct yard *y)
{
    return rename(at(y, "rw/f"), at(y, "ro/g"));
}
static int removes_ro(const struct yard *y)
{
    return unlink(at(y, "ro/f"));
}

static int moves_in_rw(const struct yard *y)
{
    if (rename(at(y, "rw/a/f"), at(y, "rw/b/f")) < 0 || rename(at(y, "rw/b/f"), at(y, "rw/a/f")) < 0)
        return -1;
    return 0;
}

static int makes_all_kinds_in_rw(const struct yard *y)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = open(at(y, "rw/new"), O_CREAT | O_EXCL | O_RDWR, 0600);
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", at(y, "rw/sock"));
    if (fd < 0 || bind(sock, (struct sockaddr *)&a, sizeof a) < 0 || mkdir(at(y, "rw/dir"), 0700) < 0 ||
        symlink("x", at(y, "rw/link")) < 0 || mkfifo(at(y, "rw/fifo"), 0600) < 0 ||
        link(at(y, "rw/new"), at(y, "rw/dir/hard")) < 0)
        return -1;
    if (unlink(at(y, "rw/new")) < 0 || unlink(at(y, "rw/sock")) < 0 || unlink(at(y, "rw/link")) < 0 ||
        unlink(at(y, "rw/fifo")) < 0 || unlink(at(y, "rw/dir/hard")) < 0 || rmdir(at(y, "rw/dir")) < 0)
        return -1;
    return 0;
}

static int runs_a_program(const struct yard *y)
{
    pid_t pid = fork();
    int status;

    (void)y;
    if (pid == 0) {
        execl("/usr/bin/env", "env", "true", (char *)NULL);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    errno = EACCES;
    return status == 0 ? 0 : -1;
}

#define SKIP_WITHOUT(y)                                                                                      \
    do {                                                                                                     \
        if (!(y))                                                                                            \
            skip();                                                                                          \
    } while (0)

static void what_no_rule_names_is_closed(void **state)
{
    const struct yard *y = *state;

    SKIP_WITHOUT(y);
    assert_int_equal(act(y, false, reads_out), 0);
    assert_int_equal(act(y, true, reads_out), EACCES);
    assert_int_equal(act(y, false, lists_out), 0);
    assert_int_equal(act(y, true, lists_out), EACCES);
}

static void read_grants_reading_listing_and_running_only(void **state)
{
    const struct yard *y = *state;

    SKIP_WITHOUT(y);
    assert_int_equal(act(y, true, reads_ro), 0);
    assert_int_equal(act(y, true, lists_ro), 0);
    assert_int_equal(act(y, true, runs_a_program), 0);
    assert_int_equal(act(y, false, writes_ro), 0);
    assert_int_equal(act(y, true, writes_ro), EACCES);
    assert_int_equal(act(y, true, makes_in_ro), EACCES);
    assert_int_equal(act(y, true, removes_ro), EACCES);
}

static void write_grants_every_change_below_it(void **state)
{
    const struct yard *y = *state;

    SKIP_WITHOUT(y);
    assert_int_equal(act(y, true, writes_rw), 0);
    assert_int_equal(act(y, true, makes_all_kinds_in_rw), 0);
    if (landlock_abi() < LL_ABI_REFER)
        assert_int_equal(act(y, true, moves_in_rw), EXDEV);
    else
        assert_int_equal(act(y, true, moves_in_rw), 0);
    assert_int_not_equal(act(y, true, moves_from_rw_to_ro), 0);
}

static void rules_on_single_files_hold(void **state)
{
    const struct yard *y = *state;

    SKIP_WITHOUT(y);
    assert_int_equal(act(y, true, reads_one), 0);
    assert_int_equal(act(y, false, writes_one), 0);
    assert_int_equal(act(y, true, writes_one), EACCES);
    assert_int_equal(act(y, true, writes_null), 0);
}

static void truncation_by_name_is_a_write(void **state)
{
    const struct yard *y = *state;

    SKIP_WITHOUT(y);
    if (landlock_abi() < LL_ABI_TRUNCATE)
        skip();
    assert_int_equal(act(y, true, truncates_ro), EACCES);
    assert_int_equal(act(y, true, truncates_rw), 0);
    assert_int_equal(act(y, false, truncates_ro), 0);
}

// Sends the parent's parent-made process a signal, or connects to the abstract socket made before the fork.
static int abstract_listener(struct sockaddr_un *a, socklen_t *n)
{
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "bawn-landlock-%d", getpid());
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
    assert_int_equal(bind(s, (struct sockaddr *)a, *n), 0);
    assert_int_equal(listen(s, 1), 0);
    return s;
}

static void scopes_hold_signals_and_abstract_sockets(void **state)
{
    const struct yard *y = *state;
    struct sockaddr_un a;
    socklen_t n;
    pid_t victim, pid;
    int status, listener, ready[2];
    char c;

    SKIP_WITHOUT(y);
    if (landlock_abi() < LL_ABI_SCOPE) {
        struct landlock_wants w = {.scope_signal = true};
        struct err err = {0};
        int fd;

        assert_false(landlock_make(&w, &fd, &err));
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        skip();
    }
    listener = abstract_listener(&a, &n);
    assert_int_equal(pipe(ready), 0);
    victim = fork();
    if (victim == 0) {
        become_ordinary();
        close(ready[0]);
        if (write(ready[1], "r", 1) == 1)
            pause();
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    pid = fork();
    if (pid == 0) {
        int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);

        become_ordinary();
        if (kill(victim, 0) != 0 || connect(one, (struct sockaddr *)&a, n) != 0)
            _exit(1);
        enter(&(struct landlock_wants){.scope_signal = true, .scope_abstract = true});
        if (kill(victim, 0) == 0 || errno != EPERM)
            _exit(2);
        if (connect(two, (struct sockaddr *)&a, n) == 0 || errno != EPERM)
            _exit(3);
        // Without file rules files stay as they were.
        _exit(reads_out(y) < 0 ? 4 : 0);
    }
    waitpid(pid, &status, 0);
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    close(listener);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void senseless_wants_are_refused(void **state)
{
    const struct landlock_path p = {0, LANDLOCK_READ};
    const struct landlock_wants none = {0}, nothing = {.holds = ALL},
                                both = {.paths = &p, .npaths = 1, .scope_signal = true};
    const struct landlock_wants *all[] = {&none, &nothing, &both};

    SKIP_WITHOUT(*state);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct err err = {0};
        int fd = 7;

        assert_false(landlock_make(all[i], &fd, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_int_equal(fd, 7);
    }
}

static void a_socket_is_no_path(void **state)
{
    int s = socket(AF_UNIX, SOCK_STREAM, 0), fd;
    const struct landlock_path p = {s, LANDLOCK_READ};
    struct err err = {0};

    SKIP_WITHOUT(*state);
    assert_false(landlock_make(&(struct landlock_wants){.paths = &p, .npaths = 1, .holds = ALL}, &fd, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_no_rule_names_is_closed, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(read_grants_reading_listing_and_running_only, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(write_grants_every_change_below_it, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(rules_on_single_files_hold, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(truncation_by_name_is_a_write, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(scopes_hold_signals_and_abstract_sockets, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(senseless_wants_are_refused, yard_make, yard_remove),
        cmocka_unit_test_setup_teardown(a_socket_is_no_path, yard_make, yard_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
