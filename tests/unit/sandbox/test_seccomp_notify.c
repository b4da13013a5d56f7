// SPDX-License-Identifier: Apache-2.0
// The notifying programs with a real listener: a child makes calls, the parent notes which of them it is
// asked about and lets them go on.
#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/seccomp.h"

#define NOTED_MAX 64

struct noted {
    int nr[NOTED_MAX];
    size_t n;
};

static void answer_one(int listener, struct noted *noted)
{
    struct seccomp_notif ask = {0};
    struct seccomp_notif_resp answer = {0};

    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask) < 0)
        return; // the child is gone
    assert_true(noted->n < NOTED_MAX);
    noted->nr[noted->n++] = ask.data.nr;
    answer.id = ask.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    assert_true(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 || errno == ENOENT);
}

// Runs the calls in a child under DENY and `program`; returns what was notified, in order.
static struct noted watch_child(enum seccomp_program program, void (*calls)(const char *dir), const char *dir)
{
    struct noted noted = {.n = 0};
    int pair[2], listener = -1, status;
    size_t nfds = 1;
    char c;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !seccomp_load(SECCOMP_DENY, NULL, &err) ||
            !seccomp_load(program, &listener, &err) || fd_send(pair[1], "l", 1, &listener, 1, 0) != 1) {
            fprintf(stderr, "%s\n", err.msg);
            _exit(99);
        }
        close(listener);
        calls(dir);
        _exit(0);
    }
    close(pair[1]);
    assert_int_equal(fd_recv(pair[0], &c, 1, &listener, &nfds, 0), 1);
    assert_int_equal(nfds, 1);
    for (;;) {
        struct pollfd p = {.fd = listener, .events = POLLIN};

        assert_int_equal(poll(&p, 1, 10000), 1);
        if (p.revents & POLLHUP)
            break;
        answer_one(listener, &noted);
    }
    close(listener);
    close(pair[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return noted;
}

static void check(bool ok)
{
    if (!ok)
        _exit(1);
}

static char *in(const char *dir, const char *name)
{
    static char path[2][256];
    static int next;

    next = !next;
    snprintf(path[next], sizeof path[next], "%s/%s", dir, name);
    return path[next];
}

static void reads_and_writes(const char *dir)
{
    int fd = openat(AT_FDCWD, "/dev/null", O_RDONLY);
    char c = 'x';

    check(fd >= 0 && read(fd, &c, 1) == 0 && close(fd) == 0);
    fd = openat(AT_FDCWD, in(dir, "f"), O_WRONLY | O_CREAT | O_TRUNC, 0600); // 1
    check(fd >= 0 && write(fd, &c, 1) == 1 && ftruncate(fd, 0) == 0 && close(fd) == 0);
    check(openat(AT_FDCWD, dir, O_PATH) >= 0);
    check(syscall(SYS_openat2, -1, NULL, NULL, 0) == -1);                 // refused, nobody is asked
    check(truncate(in(dir, "f"), 0) == 0);                                // 2
    check(renameat(AT_FDCWD, in(dir, "f"), AT_FDCWD, in(dir, "g")) == 0); // 3
    check(mkdirat(AT_FDCWD, in(dir, "d"), 0700) == 0);                    // 4
    check(symlinkat("x", AT_FDCWD, in(dir, "l")) == 0);                   // 5
    check(unlinkat(AT_FDCWD, in(dir, "g"), 0) == 0);                      // 6
}

static void check_noted(const struct noted *got, const int *want, size_t n)
{
    for (size_t i = 0; i < got->n && i < n; i++)
        if (got->nr[i] != want[i])
            fail_msg("notification %zu is call %d, wanted %d", i, got->nr[i], want[i]);
    assert_int_equal(got->n, n);
}

static int dir_make(void **state)
{
    char *dir = strdup("/tmp/bawn-notify-XXXXXX");

    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int dir_remove(void **state)
{
    char cmd[256];

    snprintf(cmd, sizeof cmd, "rm -rf %s", (char *)*state);
    free(*state);
    return system(cmd) == 0 ? 0 : -1;
}

static int renameat_number(void)
{
#ifdef SYS_renameat
    return SYS_renameat;
#else
    return SYS_renameat2;
#endif
}

static void observing_asks_about_writes_and_not_about_reads(void **state)
{
    const int want[] = {SYS_openat,  SYS_truncate,  renameat_number(),
                        SYS_mkdirat, SYS_symlinkat, SYS_unlinkat};
    struct noted got = watch_child(SECCOMP_OBSERVE, reads_and_writes, *state);

    check_noted(&got, want, ARRAY_LEN(want));
}

static void strict_asks_about_every_open(void **state)
{
    // All but the one with O_PATH, which opens nothing.
    const int want[] = {SYS_openat,  SYS_openat,    SYS_truncate, renameat_number(),
                        SYS_mkdirat, SYS_symlinkat, SYS_unlinkat};
    struct noted got = watch_child(SECCOMP_STRICT, reads_and_writes, *state);

    check_noted(&got, want, ARRAY_LEN(want));
}

static void talks(const char *dir)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0),
        u = socket(AF_INET, SOCK_DGRAM, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", dir);
    check(bind(s, (struct sockaddr *)&a, sizeof a) == 0 && listen(s, 1) == 0);
    check(connect(c, (struct sockaddr *)&a, sizeof a) == 0); // 1
    check(send(c, "x", 1, 0) == 1);
    check(sendto(u, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1); // 2
}

static void observing_asks_about_connections(void **state)
{
    const int want[] = {SYS_connect, SYS_sendto}, strict[] = {SYS_bind, SYS_connect, SYS_sendto};
    struct noted got = watch_child(SECCOMP_OBSERVE, talks, *state);

    check_noted(&got, want, ARRAY_LEN(want));
    unlink(in(*state, "s"));
    got = watch_child(SECCOMP_STRICT, talks, *state);
    check_noted(&got, strict, ARRAY_LEN(strict));
}

// The kernel permits one listener a chain of filters: nothing inside can take the supervisor's place.
static void loads_another(const char *dir)
{
    struct err err = {0};
    int listener = -1;

    (void)dir;
    check(!seccomp_load(SECCOMP_STRICT, &listener, &err) && err.kind == ERR_UNSUPPORTED && listener == -1);
}

static void only_one_listener_fits(void **state)
{
    struct noted got = watch_child(SECCOMP_OBSERVE, loads_another, *state);

    assert_int_equal(got.n, 0);
}

static void a_notifying_program_needs_a_listener(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(seccomp_load(SECCOMP_STRICT, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

// A denied call stays denied under a listener that lets everything go on.
static void is_denied(const char *dir)
{
    (void)dir;
    check(syscall(SYS_bpf, 0xffff, NULL, 0) == -1 && errno == EPERM);
    check(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
}

static void refusals_stand_above_notifications(void **state)
{
    struct noted got = watch_child(SECCOMP_OBSERVE, is_denied, *state);

    assert_int_equal(got.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(observing_asks_about_writes_and_not_about_reads, dir_make,
                                        dir_remove),
        cmocka_unit_test_setup_teardown(strict_asks_about_every_open, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(observing_asks_about_connections, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(only_one_listener_fits, dir_make, dir_remove),
        cmocka_unit_test(a_notifying_program_needs_a_listener),
        cmocka_unit_test_setup_teardown(refusals_stand_above_notifications, dir_make, dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
