// SPDX-License-Identifier: Apache-2.0
#include "caller.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "sandbox/seccomp.h"

static void on_refused(void *ctx, const struct notify_report *r)
{
    struct caller_run *run = ctx;

    strlist_addf(&run->refused, "%s %s", r->kind, r->subject);
    strlist_add(&run->details, r->detail ? r->detail : "");
}

static void on_creates(void *ctx, const char *path)
{
    strlist_add(&((struct caller_run *)ctx)->created, path);
}

_Noreturn static void die(const char *what)
{
    perror(what);
    abort();
}

static void child(const struct caller_run *r, int sock, caller_fn *fn, void *ctx)
{
    struct err err = {0};
    int listener = -1, result;
    char go;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!r->unsupervised) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            !seccomp_load(r->strict ? SECCOMP_STRICT : SECCOMP_OBSERVE, &listener, &err))
            die(err.msg);
        if (fd_send(sock, "l", 1, &listener, 1, 0) != 1 || read(sock, &go, 1) != 1)
            die("handing over the listener");
        close(listener);
    }
    result = fn(ctx);
    if (fd_send(sock, &result, sizeof result, NULL, 0, 0) < 0)
        die("result");
    _exit(0);
}

static void on_end(struct watch *w, uint32_t events)
{
    (void)events;
    loop_quit(w->loop);
}

static void supervise(struct caller_run *r, int sock, pid_t pid, int *ret_status)
{
    struct notify_wants wants = {
        .rules = r->rules, .strict = r->strict, .network_off = r->network_off, .init_pid = pid, .root = -1};
    struct notify_handler handler = {.refused = on_refused, .creates = on_creates, .ctx = r};
    struct notify *n = NULL;
    struct err err = {0};
    struct loop loop;
    struct watch end;
    int listener, pidfd;
    size_t nfds = 1;
    char c, root[64];

    if (fd_recv(sock, &c, 1, &listener, &nfds, 0) != 1 || nfds != 1)
        die("receiving the listener");
    snprintf(root, sizeof root, "/proc/%d/root", pid);
    wants.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (wants.root < 0)
        die("opening the caller's root");
    if (!loop_init(&loop, &err) || !notify_new(&loop, listener, &wants, &handler, &n, &err))
        die(err.msg);
    pidfd = pidfd_open(pid, 0);
    if (pidfd < 0 || !watch_add(&loop, &end, pidfd, EPOLLIN, on_end, NULL, &err))
        die("pidfd");
    if (write(sock, "g", 1) != 1)
        die("go");
    if (!loop_run(&loop, &err) || waitpid(pid, ret_status, 0) != pid)
        die("supervising");
    watch_del(&end);
    close(pidfd);
    notify_free(n);
    loop_deinit(&loop);
}

int caller_run(struct caller_run *r, caller_fn *fn, void *ctx)
{
    int pair[2], status = 0, result = -1;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        die("socketpair");
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        close(pair[0]);
        child(r, pair[1], fn, ctx);
    }
    close(pair[1]);
    if (r->unsupervised)
        waitpid(pid, &status, 0);
    else
        supervise(r, pair[0], pid, &status);
    if (WIFSIGNALED(status))
        result = 1000 + WTERMSIG(status);
    else if (recv(pair[0], &result, sizeof result, MSG_DONTWAIT) != sizeof result)
        result = -1;
    close(pair[0]);
    return result;
}

void caller_run_deinit(struct caller_run *r)
{
    strlist_deinit(&r->refused);
    strlist_deinit(&r->details);
    strlist_deinit(&r->created);
}

void caller_become_user(void)
{
    if (geteuid() != 0)
        return;
    if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
        die("becoming nobody");
}
