// SPDX-License-Identifier: Apache-2.0
// Messages of init go through one table: type → permitted when → handler. What is not permitted ends the
// session.
#include "session/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sandbox/gate.h"

// --- messages of init ---

static struct command *command_by_id(struct session *s, uint32_t id)
{
    for (size_t i = 0; i < s->ncommands; i++)
        if (s->commands[i]->id == id)
            return s->commands[i];
    return NULL;
}

void session_end_command(struct command *c, int status)
{
    if (c->state == COMMAND_ENDED)
        return;
    c->state = COMMAND_ENDED;
    c->status = status;
    if (c->failure.kind == ERR_NONE)
        c->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    // By the signal itself, or as a shell tells of it.
    if (c->session->options.policy->limits.disk && c->failure.kind == ERR_NONE &&
        c->exit_code == 128 + SIGXFSZ)
        session_note_limit(c->session, "disk");
    if (c->options.ended)
        c->options.ended(c);
}

static bool on_ready(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    (void)m;
    s->root = nfds ? TAKE_FD(fds[0]) : -1;
    s->ready = s->root >= 0;
    return s->ready;
}

static bool on_gate(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    struct err err = {0};

    (void)c;
    if (s->network && nfds && m->len == nfds * sizeof(struct gate_listener) &&
        network_listeners(s->network, m->text, fds, nfds, &err))
        return true;
    session_tell(s, err.kind != ERR_NONE ? err.msg : "bawn-init sent a listener that nobody asked for");
    return false;
}

static bool on_diagnose(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    (void)m;
    if (!s->network || s->whois || nfds != 1)
        return false;
    s->whois = whois_new(s->init.pid, TAKE_FD(fds[0]));
    return true;
}

static bool on_connected(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    publish_connected(s->publish, m->id, nfds ? TAKE_FD(fds[0]) : -1);
    return true;
}

static bool on_started(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    c->pid = m->number;
    if (c->state == COMMAND_STARTING)
        c->state = COMMAND_RUNNING;
    if (c->options.started)
        c->options.started(c, nfds ? TAKE_FD(fds[0]) : -1);
    rundir_prepare_result(&s->rundir); // there is time now, while the command runs
    return true;
}

static bool all_ended_but(const struct session *s, const struct command *c)
{
    for (size_t i = 0; i < s->ncommands; i++)
        if (s->commands[i] != c && s->commands[i]->state != COMMAND_ENDED)
            return false;
    return true;
}

static bool on_exited(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)fds;
    (void)nfds;
    // One whose START is on its way was not there yet when init looked.
    s->nobody_left = (m->flags & EXITED_LAST) && all_ended_but(s, c);
    session_end_command(c, m->number);
    return true;
}

// The sandbox could not be set up: every command fails with that reason, and the session is over.
static bool set_up_failed(struct session *s, const struct init_msg *m)
{
    for (size_t i = 0; i < s->ncommands; i++) {
        struct command *c = s->commands[i];

        c->exit_code = 125;
        if (!session_init_failed(m, &c->failure))
            session_end_command(c, 125 << 8);
    }
    return false;
}

static bool on_failed(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    const char *what;

    (void)fds;
    (void)nfds;
    if (!m->id)
        return set_up_failed(s, m);
    if (!c)
        return false;
    what = c->options.argv[0];
    switch (m->flags) {
    case STAGE_EXEC:
        c->exit_code = m->number == ENOENT ? 127 : 126;
        err_set(&c->failure, ERR_INPUT,
                m->number == ENOENT ? "%s: command not found in the sandbox" : "%s: %s", what,
                strerror(m->number));
        break;
    case STAGE_CWD:
        c->exit_code = 125;
        err_set(&c->failure, ERR_INPUT, "cannot enter %s in the sandbox: %s; grant it with --read or --write",
                m->text, strerror(m->number));
        break;
    default:
        c->exit_code = 125;
        err_set(&c->failure, ERR_SYSTEM, "%s", m->text);
    }
    // The child's own death follows as EXITED, unless it never came to be.
    if (c->state == COMMAND_STARTING)
        session_end_command(c, 125 << 8);
    return true;
}

static bool on_listener(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    struct notify_wants wants = {.rules = &s->rules,
                                 .strict = s->options.policy->files.strict,
                                 .network_off = s->options.policy->network.mode == NET_OFF,
                                 .init_pid = s->init.pid,
                                 .root = -1};
    struct notify_handler handler = {session_on_refused, session_on_creates, s};
    struct err err = {0};

    (void)m;
    (void)c;
    if (!nfds)
        return false;
    if (!s->notify)
        wants.root = TAKE_FD(s->root);
    if (s->notify ? notify_add(s->notify, TAKE_FD(fds[0]), &err)
                  : notify_new(s->loop, TAKE_FD(fds[0]), &wants, &handler, &s->notify, &err))
        return true;
    session_tell(s, err.msg);
    return false;
}

static bool on_covered(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    (void)fds;
    (void)nfds;
    // ENOENT: gone again. Anything else leaves a denied name in the open, which ends the run.
    if (m->number == 0)
        session_record(s, AUDIT_FILE_ACCESS, VERDICT_DENY, "covered while running", m->text, NULL, "policy");
    else if (m->number != ENOENT && m->number != ELOOP && m->number != ENOTDIR) {
        AUTO_FREE char *text =
            xasprintf("cannot cover %s: %s; the run is ended", m->text, strerror(m->number));

        session_tell(s, text);
        return false;
    }
    return true;
}

// when: before READY only the outcome of the set-up may come, and nothing may follow it twice.
enum when { BEFORE_READY = 1, WHEN_READY = 2 };

static const struct handler {
    unsigned when;
    bool needs_command;
    bool (*fn)(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds);
} handlers[INIT_TYPES] = {
    [INIT_GATE] = {BEFORE_READY, false, on_gate},
    [INIT_DIAGNOSE] = {BEFORE_READY, false, on_diagnose},
    [INIT_READY] = {BEFORE_READY, false, on_ready},
    [INIT_FAILED] = {BEFORE_READY | WHEN_READY, false, on_failed},
    [INIT_STARTED] = {WHEN_READY, true, on_started},
    [INIT_LISTENER] = {WHEN_READY, true, on_listener},
    [INIT_EXITED] = {WHEN_READY, true, on_exited},
    [INIT_COVERED] = {WHEN_READY, false, on_covered},
    [INIT_CONNECTED] = {WHEN_READY, false, on_connected},
};

static void init_died(struct session *s)
{
    if (s->wall.slot && clock_mono_ns() >= s->wall.when) { // the janitor's doing, while this process waited
        session_kill(s, "wall");
        return;
    }
    for (size_t i = 0; i < s->ncommands; i++)
        if (s->commands[i]->state != COMMAND_ENDED && s->commands[i]->failure.kind == ERR_NONE) {
            err_set(&s->commands[i]->failure, ERR_PROTOCOL,
                    "the sandbox's first process (bawn-init) was killed from outside, and all inside with "
                    "it: out of "
                    "memory on the host, or somebody's kill");
            s->commands[i]->exit_code = 125;
        }
    session_kill(s, NULL);
    session_await_death(s);
}

void session_on_init(struct watch *w, uint32_t events)
{
    struct session *s = w->ctx;
    int fds[FD_PASS_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};
    size_t nfds = FD_PASS_MAX;
    struct init_msg m;
    const struct handler *h;
    struct command *c;
    int r;

    (void)events;
    r = init_recv(s->init.sock, &m, fds, &nfds, MSG_DONTWAIT);
    if (r < 0 && errno == EAGAIN)
        return;
    if (r <= 0) {
        init_died(s);
        return;
    }
    h = &handlers[m.type];
    c = command_by_id(s, m.id);
    if (!h->fn || !(h->when & (s->ready ? WHEN_READY : BEFORE_READY)) || (h->needs_command && !c) ||
        !h->fn(s, c, &m, fds, nfds))
        init_died(s);
    for (size_t i = 0; i < nfds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
