// SPDX-License-Identifier: Apache-2.0
// Each attempt is made in a child, once free (the positive control) and once jailed.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/jail.h"

typedef int attempt_fn(void); // 0: it worked, else errno

static int open_file(void)
{
    AUTO_CLOSE int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? 0 : errno;
}

static int make_file(void)
{
    AUTO_CLOSE int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    return fd >= 0 ? 0 : errno;
}

static int unix_socket(void)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 ? 0 : errno;
}

static int netlink_socket(void)
{
    AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

    return fd >= 0 ? 0 : errno;
}

static int executable_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p != MAP_FAILED ? 0 : errno;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) == 0 ? 0 : errno;
}

static int abort_parent(void)
{
    return syscall(SYS_tgkill, getppid(), getppid(), SIGABRT) == 0 ? 0 : errno;
}

static int limit_parent(void)
{
    struct rlimit r;

    return prlimit(getppid(), RLIMIT_CORE, NULL, &r) == 0 ? 0 : errno;
}

// The kernel would send a signal to that process when something comes on the socket.
static int own_socket_by_parent(void)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fcntl(fd, F_SETOWN, getppid()) == 0 ? 0 : errno;
}

static int limit_itself(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_NOFILE, &r) == 0 && setrlimit(RLIMIT_NOFILE, &r) == 0 ? 0 : errno;
}

static int connect_socket(void)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return errno;
    return connect(fd, (void *)&a, sizeof a) == 0 || errno == EINPROGRESS || errno == ECONNREFUSED ? 0
                                                                                                   : errno;
}

static int run_program(void)
{
    char *const argv[] = {(char[]){"true"}, NULL}, *const envp[] = {NULL};

    execve("/bin/true", argv, envp);
    return errno;
}

static int new_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 ? 0 : errno;
}

static int listen_socket(void)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return listen(fd, 1) == 0 ? 0 : errno;
}

enum { KILLED = 999 };

static int in_child(attempt_fn *fn, bool jailed)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct err err = {0};

        if (jailed && (!jail_prepare(2, &err) || !jail_enter(&err))) {
            fprintf(stderr, "%s\n", err.msg);
            _exit(255);
        }
        _exit(fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : -1;
    assert_int_not_equal(WEXITSTATUS(status), 255);
    return WEXITSTATUS(status);
}

static void what_the_guard_does_not_need_fails(void **state UNUSED)
{
    static attempt_fn *const attempts[] = {open_file,      make_file,         unix_socket,
                                           netlink_socket, executable_memory, signal_parent,
                                           abort_parent,   limit_parent,      own_socket_by_parent};

    signal(SIGABRT, SIG_IGN); // of abort_parent, which works without the jail
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        assert_int_equal(in_child(attempts[i], false), 0);
        assert_int_not_equal(in_child(attempts[i], true), 0);
    }
    signal(SIGABRT, SIG_DFL);
}

static void what_only_an_intruder_tries_kills(void **state UNUSED)
{
    static attempt_fn *const attempts[] = {run_program, new_process, listen_socket};

    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        assert_int_equal(in_child(attempts[i], false), 0);
        assert_int_equal(in_child(attempts[i], true), KILLED);
    }
}

static void what_the_guard_needs_works(void **state UNUSED)
{
    assert_int_equal(in_child(connect_socket, true), 0);
    assert_int_equal(in_child(limit_itself, true), 0);
}

static int state_is_closed(void)
{
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 1;
    return 0;
}

static void it_cannot_be_traced(void **state UNUSED)
{
    // prctl is not on the list any more: asked before the list, after the preparation.
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(jail_prepare(2, NULL) ? state_is_closed() : 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_guard_does_not_need_fails),
        cmocka_unit_test(what_only_an_intruder_tries_kills),
        cmocka_unit_test(what_the_guard_needs_works),
        cmocka_unit_test(it_cannot_be_traced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
