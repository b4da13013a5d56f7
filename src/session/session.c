// SPDX-License-Identifier: Apache-2.0
// Starting commands, and the end: who dies when, what is swept, what is written.
#include "session/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

// --- commands ---

static void modes_of(const struct termios *t, struct tty_modes *ret)
{
    *ret = (struct tty_modes){t->c_iflag, t->c_oflag, t->c_cflag, t->c_lflag, {0}};
    memcpy(ret->keys, t->c_cc, sizeof ret->keys);
}

static bool argument_block(const struct session *s, const struct command_options *o, struct buf *ret,
                           struct err *err)
{
    char *const *argv = o->argv;
    struct start_head head;

    memset(&head, 0, sizeof head);
    head.envc = (uint32_t)s->env.n;
    while (argv[head.argc])
        head.argc++;
    if (o->modes)
        modes_of(o->modes, &head.modes);
    buf_init(ret, 15u << 20);
    buf_add(ret, &head, sizeof head);
    for (uint32_t i = 0; i < head.argc; i++)
        buf_add(ret, argv[i], strlen(argv[i]) + 1);
    for (size_t i = 0; i < s->env.n; i++)
        buf_add(ret, s->env.items[i], strlen(s->env.items[i]) + 1);
    return !ret->full || err_set(err, ERR_LIMIT, "arguments and environment are larger than 15 MiB");
}

bool session_start(struct session *s, const struct command_options *o, struct command **ret, struct err *err)
{
    bool pty[3] = {o->pty_stdin, o->pty_stdout, o->pty_stderr};
    struct init_msg m = {.type = INIT_START, .id = s->next_id, .rows = o->rows, .cols = o->cols};
    int fds[4], nfds = 1;
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf block = {0};
    struct command *c;

    if (s->state != SESSION_OPEN)
        return err_set(err, ERR_PROTOCOL, "the session has ended");
    if (!argument_block(s, o, &block, err) || (fd = session_block_fd(&block, err)) < 0)
        return false;
    fds[0] = fd;
    for (int i = 0; i < 3; i++)
        if (pty[i])
            m.flags |= START_PTY | (unsigned)START_PTY_STDIN << i;
        else
            fds[nfds++] = o->std[i];
    // With `strict` the supervisor has to read what init's /proc tells, so init does not hurry away.
    if (s->options.leaving && !s->options.policy->files.strict)
        m.flags |= START_LAST;
    m.flags |= o->modes ? (unsigned)START_MODES : 0u;
    init_msg_text(&m, o->cwd ? o->cwd : "");
    if (!init_send(s->init.sock, &m, fds, (size_t)nfds))
        return session_why_gone(s, err);
    c = xcalloc(1, sizeof *c);
    *c = (struct command){.id = s->next_id++, .options = *o, .session = s};
    c->options.modes = NULL;
    s->commands = xrealloc(s->commands, (s->ncommands + 1) * sizeof *s->commands);
    s->commands[s->ncommands++] = c;
    s->nobody_left = false;
    *ret = c;
    return true;
}

void session_signal(struct session *s, uint32_t command_id, int sig)
{
    struct init_msg m = {.type = INIT_SIGNAL, .id = command_id, .number = sig};

    if (s->state == SESSION_OPEN)
        init_send(s->init.sock, &m, NULL, 0);
}

// --- ending ---

// The reason goes on record before anything dies of it.
void session_note_limit(struct session *s, const char *limit)
{
    if (!limit || s->limit)
        return;
    s->limit = limit;
    session_record(s, AUDIT_LIMIT, VERDICT_DENY, limit, limit, NULL, "policy");
    if (s->options.events.limit)
        s->options.events.limit(s->options.events.ctx, limit);
}

static void send_kill(struct session *s)
{
    if (!s->launched || s->killed)
        return;
    s->killed = true;
    s->state = SESSION_DEAD;
    watch_del(&s->sock_watch);
    // Our child and not reaped yet, so its pid cannot be another's.
    if (sys_pidfd_send_signal(s->init.pidfd, SIGKILL) < 0)
        kill(s->init.pid, SIGKILL);
}

// Init's death is that of everything in its pid namespace: it is reaped after all others.
void session_await_death(struct session *s)
{
    siginfo_t info;

    if (!s->killed || s->reaped)
        return;
    while (waitid(P_PIDFD, (id_t)s->init.pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    s->reaped = true;
    for (size_t i = 0; i < s->ncommands; i++)
        session_end_command(s->commands[i], SIGKILL);
}

void session_kill(struct session *s, const char *limit)
{
    session_note_limit(s, limit);
    send_kill(s);
    // Taking the namespaces down takes a while; when nobody is left inside there is no need to wait for it
    // yet.
    if (!s->nobody_left)
        session_await_death(s);
}

void session_set_result(struct session *s, const struct command *c)
{
    s->has_result = true;
    s->end = (struct run_end){.exit_status = -1};
    if (s->limit)
        s->end.limit = s->limit;
    else if (c->failure.kind == ERR_NONE && WIFSIGNALED(c->status))
        s->end.signal = WTERMSIG(c->status);
    else
        s->end.exit_status = c->exit_code;
}

// After the last process inside is dead.
static void sweep(struct session *s)
{
    struct err err = {0};
    size_t before;
    bool ok = true;

    if (s->treewatch)
        treewatch_drain(s->treewatch);
    before = s->quarantine.n;
    if (s->treewatch && treewatch_incomplete(s->treewatch))
        ok = quarantine_sweep(&s->quarantine, &s->rules, &s->covers, &err);
    else if (s->covers.nlinks)
        ok = quarantine_restore_links(&s->quarantine, &s->rules, &s->covers, &err);
    if (!ok)
        session_tell(s, err.msg);
    session_record_quarantined(s, before);
}

static bool write_result(struct session *s, struct err *err)
{
    struct run_result r = {.state = RUN_ENDED, .workspace = xstrdup(s->options.places.workspace)};
    bool ok;

    if (s->limit)
        s->end = (struct run_end){.exit_status = -1, .limit = s->limit};
    else if (!s->has_result)
        s->end.exit_status = 125;
    ok = !s->recording || audit_run_end(&s->audit, &s->end, err);
    memcpy(r.id, s->rundir.id, sizeof r.id);
    for (char *const *a = s->options.argv; a && *a; a++)
        strlist_add(&r.command, *a);
    r.started = s->started_ns;
    r.ended = clock_wall_ns();
    r.exit_status = s->end.exit_status;
    r.signal = s->end.signal;
    r.limit = s->end.limit ? xstrdup(s->end.limit) : NULL;
    r.refused = s->audit.refused;
    r.log = s->audit.chain;
    ok = rundir_write_result(&s->rundir, &r, err) && ok;
    run_result_deinit(&r);
    return ok;
}

bool session_finish(struct session *s, struct err *err)
{
    bool ok = true;

    if (s->finished)
        return true;
    s->finished = true;
    timer_del(&s->wall);
    session_kill(s, NULL);
    // With the sandbox's root in hand we, and not init, would take the mounts down.
    notify_free(TAKE_PTR(s->notify));
    session_close_fd(TAKE_FD(s->root));
    if (s->limits.uses_cgroup && !s->limit && cgroup_oom_killed(&s->cgroup)) {
        s->limit = "memory";
        session_record(s, AUDIT_LIMIT, VERDICT_DENY, "limits.memory", "memory", NULL, "kernel");
    }
    if (s->limits.uses_cgroup && cgroup_pids_hit(&s->cgroup)) {
        session_record(s, AUDIT_LIMIT, VERDICT_DENY, "limits.processes", "processes", NULL, "kernel");
        session_refuse(s, &(struct refusal){.kind = "limit",
                                            .subject = "more processes",
                                            .rule = "limits.processes",
                                            .remedy = "raise limits.processes"});
    }
    if (s->network)
        network_dismiss(s->network);
    publish_free(TAKE_PTR(s->publish));
    sweep(s);
    watch_del(&s->oom_watch);
    if (s->limits.uses_cgroup && !cgroup_remove(&s->cgroup))
        session_tell(s, "a control group could not be removed: a process is still in it");
    treewatch_free(TAKE_PTR(s->treewatch));
    watch_del(&s->janitor_watch);
    janitor_dismiss(&s->janitor);
    if (s->network)
        network_finish(s->network);
    if (s->rundir.fd >= 0)
        ok = write_result(s, err);
    if (!s->options.leaving)
        janitor_await(&s->janitor);
    // Not left to the kernel, though nobody is in there any more: who comes after may want to unmount or
    // remove what was shown inside.
    session_await_death(s);
    return ok;
}

bool session_close(struct session *s, struct err *err)
{
    bool ok;

    if (!s)
        return true;
    ok = session_finish(s, err);
    whois_free(s->whois);
    network_free(s->network);
    credentials_deinit(&s->credentials);
    if (s->options.leaving) // what is left are memory and descriptors: the kernel is faster at that
        return ok;
    treewatch_free(s->treewatch);
    audit_log_close(&s->audit);
    rundir_deinit(&s->rundir);
    quarantine_deinit(&s->quarantine);
    cover_list_deinit(&s->covers);
    file_rules_deinit(&s->rules);
    limits_plan_deinit(&s->limits);
    cgroup_support_deinit(&s->cgroup_support);
    inside_deinit(&s->inside);
    buf_deinit(&s->guide);
    strlist_deinit(&s->env);
    strlist_deinit(&s->own_names);
    refusals_deinit(&s->refusals);
    for (size_t i = 0; i < s->ncommands; i++)
        free(s->commands[i]);
    free(s->commands);
    session_close_fd(s->init.sock);
    session_close_fd(s->init.pidfd);
    free(s->init.scratch);
    free(s);
    return ok;
}

const struct refusals *session_refusals(const struct session *s)
{
    return &s->refusals;
}

const struct file_rules *session_files(const struct session *s)
{
    return &s->rules;
}

const char *session_id(const struct session *s)
{
    return s->rundir.id;
}

const char *session_limit(const struct session *s)
{
    return s->limit;
}
