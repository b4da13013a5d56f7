// SPDX-License-Identifier: Apache-2.0
#include "session/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "audit/record.h"
#include "base/clock.h"
#include "sandbox/sys.h"

// Keeps what the work needs and closes the rest: the janitor must not hold the caller's pipes open, nor the
// supervisor's end of init's socket.
static void keep_only(int life, const struct janitor_work *w)
{
    const int keep[] = {life, w->init_pidfd, w->rundir->fd, w->watch_fd};
    int from = 3;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int i = 0; i < 3; i++)
        if (null >= 0)
            dup2(null, i);
    for (;;) {
        int next = -1;

        for (size_t i = 0; i < ARRAY_LEN(keep); i++)
            if (keep[i] >= from && (next < 0 || keep[i] < next))
                next = keep[i];
        if (next < 0)
            break;
        if (next > from)
            close_range((unsigned)from, (unsigned)next - 1, 0);
        from = next + 1;
    }
    close_range((unsigned)from, ~0u, 0);
}

static void record_taken(struct audit_log *log, const struct quarantined *q)
{
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    struct audit_entry e = {.kind = AUDIT_QUARANTINE,
                            .rule = q->rule->text,
                            .subject = q->path,
                            .detail = &detail,
                            .by = "janitor"};

    jsontext_text(&detail, "moved_to", q->moved);
    if (!audit_add(log, &e, NULL))
        return;
}

static void clean(const struct janitor_work *w)
{
    struct pollfd dead = {.fd = w->init_pidfd, .events = POLLIN};
    struct quarantine q;
    struct audit_log log;
    struct audit_entry note = {
        .kind = AUDIT_NOTE, .subject = "the supervisor was killed; the janitor cleaned up", .by = "janitor"};
    char *dir = xasprintf("%s/quarantine", w->rundir->path);
    bool recording;

    // Init dies with the supervisor (parent-death signal and socket); its end is the end of everything
    // inside.
    while (poll(&dead, 1, -1) < 0 && errno == EINTR)
        ;
    cgroup_remove_run(w->cgroups, w->rundir->id);
    quarantine_init(&q, dir);
    recording = audit_log_resume(&log, w->rundir->fd, w->rundir->id, NULL);
    if (!quarantine_sweep(&q, w->rules, w->covered, NULL))
        note.subject = "the supervisor was killed; the janitor could not sweep every writable root";
    for (size_t i = 0; recording && i < q.n; i++)
        record_taken(&log, &q.items[i]);
    if (recording && audit_add(&log, &note, NULL))
        audit_log_close(&log);
}

// What the supervisor says; its death is the pipe's end.
enum word { WORD_GO = 'g', WORD_WALL = 'w' };
struct order {
    enum word word;
    uint64_t wall; // CLOCK_MONOTONIC ns
};

// -1: no time limit. Past the time: 0.
static int until_ms(uint64_t wall)
{
    uint64_t now = clock_mono_ns();

    if (!wall)
        return -1;
    return wall <= now ? 0 : (wall - now) / 1000000u < INT_MAX ? (int)((wall - now) / 1000000u) + 1 : INT_MAX;
}

// True when the supervisor died without a word.
static bool wait_for_end(int life, const struct janitor_work *w)
{
    struct pollfd alive = {.fd = life, .events = POLLIN};
    struct order order;
    uint64_t wall = 0;

    for (;;) {
        int n = poll(&alive, 1, until_ms(wall));
        ssize_t got = n > 0 ? read(life, &order, sizeof order) : -1;

        if (n == 0 && clock_mono_ns() >= wall) {
            sys_pidfd_send_signal(w->init_pidfd, SIGKILL);
            wall = 0;
        } else if (got == sizeof order && order.word == WORD_WALL) {
            wall = order.wall;
        } else if (n > 0 && !(got < 0 && errno == EINTR)) {
            return got == 0;
        }
    }
}

static _Noreturn void run(int life, const struct janitor_work *w)
{
    sigset_t all;

    setsid();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "bawn-janitor");
    keep_only(life, w);
    if (wait_for_end(life, w))
        clean(w);
    _exit(0);
}

bool janitor_start(const struct janitor_work *w, struct janitor *ret, struct err *err)
{
    int life[2];
    pid_t pid;

    if (pipe2(life, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot make the janitor's pipe");
    pid = fork();
    if (pid == 0) {
        close(life[1]);
        run(life[0], w);
    }
    close(life[0]);
    if (pid < 0) {
        close(life[1]);
        return err_sys(err, errno, "cannot start the janitor");
    }
    *ret = (struct janitor){pid, life[1]};
    return true;
}

// One write below PIPE_BUF: it is read as one.
static bool tell(const struct janitor *j, enum word word, uint64_t wall)
{
    struct order order;

    memset(&order, 0, sizeof order);
    order.word = word;
    order.wall = wall;
    return write(j->life, &order, sizeof order) == sizeof order;
}

void janitor_set_wall(const struct janitor *j, uint64_t in_ns)
{
    if (j->life >= 0 && !tell(j, WORD_WALL, clock_mono_ns() + in_ns + JANITOR_GRACE_NS))
        return; // it is gone: the supervisor's own timer is left
}

void janitor_dismiss(struct janitor *j)
{
    if (j->life < 0)
        return;
    if (!tell(j, WORD_GO, 0))
        kill(j->pid, SIGKILL);
    close(TAKE_FD(j->life));
}

void janitor_await(struct janitor *j)
{
    int status;

    while (j->pid > 0 && waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        ;
    j->pid = 0;
}
