// SPDX-License-Identifier: Apache-2.0
// The public interface on top of session.h: callbacks become a queue of events.
#include "bawn/bawn.h"

#include <string.h>

#include "base/clock.h"
#include "policy/load.h"
#include "session/places.h"
#include "session/session.h"

struct queued {
    struct queued *next;
    struct bawn_event event;
    char *text, *kind, *subject, *rule, *remedy;
};

struct bawn_session {
    struct loop loop;
    struct places places;
    struct policy *policy;
    struct session *session;
    struct buf notes;
    struct queued *first, *last, *handed;
};

static bool give_error(struct bawn_error *to, const struct err *from)
{
    if (to) {
        to->kind = (enum bawn_error_kind)from->kind;
        to->sys = from->sys;
        memcpy(to->message, from->msg, sizeof to->message);
    }
    return false;
}

static struct queued *queue(struct bawn_session *b, enum bawn_event_type type)
{
    struct queued *q = xcalloc(1, sizeof *q);

    q->event.type = type;
    q->event.terminal = -1;
    if (b->last)
        b->last->next = q;
    else
        b->first = q;
    b->last = q;
    return q;
}

static void queue_text(struct bawn_session *b, enum bawn_event_type type, const char *text)
{
    struct queued *q = queue(b, type);

    q->event.text = q->text = xstrdup(text);
}

static void free_queued(struct queued *q)
{
    if (!q)
        return;
    free(q->text);
    free(q->kind);
    free(q->subject);
    free(q->rule);
    free(q->remedy);
    free(q);
}

static void on_refused(void *ctx, const struct refusal *r)
{
    struct queued *q = queue(ctx, BAWN_EVENT_REFUSED);

    q->event.kind = q->kind = xstrdup(r->kind);
    q->event.subject = q->subject = xstrdup(r->subject);
    q->event.rule = q->rule = xstrdup(r->rule);
    q->event.remedy = q->remedy = xstrdup(r->remedy);
    if (*r->moved)
        q->event.text = q->text = xstrdup(r->moved);
}

static void on_note(void *ctx, const char *text)
{
    queue_text(ctx, BAWN_EVENT_NOTE, text);
}

static void on_limit(void *ctx, const char *name)
{
    queue_text(ctx, BAWN_EVENT_LIMIT, name);
}

static void on_started(struct command *c, int master)
{
    struct queued *q = queue(c->options.ctx, BAWN_EVENT_STARTED);

    q->event.id = c->id;
    q->event.terminal = master;
}

static void on_ended(struct command *c)
{
    struct queued *q = queue(c->options.ctx, BAWN_EVENT_EXITED);

    q->event.id = c->id;
    q->event.status = c->exit_code;
    if (c->failure.kind != ERR_NONE)
        q->event.text = q->text = xstrdup(c->failure.msg);
}

static void add_all(struct strlist *to, const char *const *from)
{
    for (; from && *from; from++)
        strlist_add(to, *from);
}

static bool load(struct bawn_session *b, const struct bawn_options *o, struct err *err)
{
    struct policy_options p = {.file = o->policy_file, .profile = o->profile};
    bool ok;

    add_all(&p.set, o->set);
    add_all(&p.read, o->read);
    add_all(&p.write, o->write);
    add_all(&p.deny, o->deny);
    ok = places_find(o->workspace, &b->places, err) &&
         places_load_policy(&b->places, &p, &b->policy, &b->notes, err);
    strlist_deinit(&p.set);
    strlist_deinit(&p.read);
    strlist_deinit(&p.write);
    strlist_deinit(&p.deny);
    return ok;
}

static bool open_session(struct bawn_session *b, struct err *err)
{
    extern char **environ;
    struct session_options o = {
        .policy = b->policy,
        .places = {.workspace = b->places.workspace,
                   .home = b->places.home,
                   .config_dir = b->places.config_dir,
                   .state_dir = b->places.state_dir,
                   .path_env = b->places.path_env,
                   .environ = environ},
        .events = {on_refused, on_note, on_limit, b},
    };

    return loop_init(&b->loop, err) && session_open(&b->loop, &o, &b->session, err);
}

bool bawn_open(const struct bawn_options *options, struct bawn_session **session, struct bawn_error *error)
{
    struct bawn_session *b = xcalloc(1, sizeof *b);
    struct err err = {0};

    b->loop.epfd = -1;
    buf_init(&b->notes, 1 << 20);
    if (!load(b, options, &err) || !open_session(b, &err)) {
        bawn_close(b, NULL);
        return give_error(error, &err);
    }
    *session = b;
    return true;
}

const char *bawn_notes(const struct bawn_session *b)
{
    return b->notes.ptr ? b->notes.ptr : "";
}

const char *bawn_id(const struct bawn_session *b)
{
    return session_id(b->session);
}

bool bawn_start(struct bawn_session *b, const struct bawn_command *c, uint32_t *id, struct bawn_error *error)
{
    struct command_options o = {.argv = (char *const *)(uintptr_t)c->argv,
                                .cwd = c->cwd,
                                .pty_stdin = c->pty,
                                .pty_stdout = c->pty,
                                .pty_stderr = c->pty,
                                .rows = c->rows,
                                .cols = c->columns,
                                .std = {c->std[0], c->std[1], c->std[2]},
                                .started = on_started,
                                .ended = on_ended,
                                .ctx = b};
    struct command *command;
    struct err err = {0};

    if (!session_start(b->session, &o, &command, &err))
        return give_error(error, &err);
    *id = command->id;
    return true;
}

void bawn_signal(struct bawn_session *b, uint32_t id, int signal)
{
    session_signal(b->session, id, signal);
}

bool bawn_wait(struct bawn_session *b, int timeout_ms, struct bawn_event *event, struct bawn_error *error)
{
    const uint64_t from = clock_mono_ns();
    struct err err = {0};
    int left = timeout_ms;

    free_queued(b->handed);
    b->handed = NULL;
    *event = (struct bawn_event){.terminal = -1};
    // Most of what the loop does is no event of the caller's.
    do {
        uint64_t gone;

        if (!b->first && !loop_step(&b->loop, left, &err))
            return give_error(error, &err);
        gone = (clock_mono_ns() - from) / 1000000u;
        if (timeout_ms >= 0)
            left = gone < (uint64_t)timeout_ms ? timeout_ms - (int)gone : 0;
    } while (!b->first && left);
    if (!b->first)
        return true;
    b->handed = b->first;
    b->first = b->first->next;
    if (!b->first)
        b->last = NULL;
    *event = b->handed->event;
    return true;
}

int bawn_fd(const struct bawn_session *b)
{
    return b->loop.epfd;
}

bool bawn_close(struct bawn_session *b, struct bawn_error *error)
{
    struct err err = {0};
    bool ok;

    if (!b)
        return true;
    ok = session_close(b->session, &err);
    while (b->first) {
        struct queued *q = b->first;

        b->first = q->next;
        if (q->event.terminal >= 0)
            close(q->event.terminal); // never handed out
        free_queued(q);
    }
    free_queued(b->handed);
    policy_free(b->policy);
    places_deinit(&b->places);
    buf_deinit(&b->notes);
    if (b->loop.epfd >= 0)
        loop_deinit(&b->loop);
    free(b);
    return ok || give_error(error, &err);
}
