// SPDX-License-Identifier: Apache-2.0
// bawn run: one program inside the envelope, with the caller's terminal or pipes; its exit status is ours.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/utf8.h"
#include "cli/fail.h"
#include "cli/run.h"
#include "sandbox/headstart.h"
#include "session/places.h"
#include "policy/load.h"
#include "sandbox/landlock.h"
#include "session/events.h"
#include "session/session.h"
#include "session/streams.h"

#define REFUSALS_SHOWN 10

struct run {
    struct loop loop;
    struct run_options options;
    const struct live_form *form;
    void *form_ctx;
    struct places places;
    struct policy *policy;
    struct launched launched; // until the session has it
    struct program program;   // where the policy has @program
    struct session *session;
    struct command *command;
    struct stdio stdio;
    struct events events;
    struct watch signals;
    struct timer after_input;
    struct live live;
    struct err failure;
    bool done;
};

static int fail(const struct run *r, const struct err *err)
{
    int code = cli_fail(err);

    return r->options.failed ? r->options.failed : code;
}

static void say(struct run *r, const char *text)
{
    AUTO_BUF struct buf out = {0};

    buf_init(&out, 1 << 16);
    utf8_printable(&out, text, strlen(text));
    if (!r->options.quiet)
        fprintf(stderr, "bawn: %s%s\n", buf_cstr(&out), r->stdio.raw ? "\r" : "");
    events_note(&r->events, text);
}

static void on_note(void *ctx, const char *text)
{
    say(ctx, text);
}

static void on_refused(void *ctx, const struct refusal *refusal)
{
    struct run *r = ctx;

    events_refused(&r->events, refusal);
}

static void on_limit(void *ctx, const char *name)
{
    struct run *r = ctx;

    events_limit(&r->events, name);
    r->done = true;
    loop_quit(&r->loop);
}

static void on_output(void *ctx, int number, const char *data, size_t n)
{
    struct run *r = ctx;

    if (r->options.json)
        events_output(&r->events, number, data, n);
}

static void on_over_limit(void *ctx)
{
    struct run *r = ctx;

    session_kill(r->session, "output");
}

static void on_input_over(struct timer *t)
{
    struct run *r = t->ctx;

    session_kill(r->session, "after_input");
}

static void on_input_ended(void *ctx)
{
    struct run *r = ctx;

    timer_set(&r->loop, &r->after_input, r->policy->limits.after_input_ms * 1000000u, on_input_over, r);
}

static void on_started(struct command *c, int master)
{
    struct run *r = c->options.ctx;

    if (!stdio_started(&r->stdio, master, &r->failure))
        loop_quit(&r->loop);
}

static void on_ended(struct command *c)
{
    struct run *r = c->options.ctx;

    r->done = true;
    loop_quit(&r->loop);
}

// Everything of the job gets it, as from a terminal that is not raw; this process like the others
// (on_signal).
static void on_suspend(void *ctx)
{
    (void)ctx;
    kill(0, SIGTSTP);
}

// First what is inside, then we ourselves, by the same signal: the kernel does not stop a job that nobody
// could continue. Back here it has been continued, or was not stopped at all.
static void suspend(struct run *r)
{
    sigset_t tstp;

    session_signal(r->session, r->command->id, SIGSTOP);
    stdio_suspend(&r->stdio);
    sigemptyset(&tstp);
    sigaddset(&tstp, SIGTSTP);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &tstp, NULL);
    sigprocmask(SIG_BLOCK, &tstp, NULL);
    stdio_resume(&r->stdio);
    session_signal(r->session, r->command->id, SIGCONT);
}

static void on_signal(struct watch *w, uint32_t events)
{
    struct run *r = w->ctx;
    struct signalfd_siginfo info;

    (void)events;
    while (read(w->fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGWINCH)
            stdio_resized(&r->stdio);
        else if (info.ssi_signo == SIGTSTP && r->command)
            suspend(r);
        else if (r->command)
            session_signal(r->session, r->command->id, (int)info.ssi_signo);
    }
}

// Signals that a person or a service manager sends to a program go to the program.
static bool take_signals(struct run *r, struct err *err)
{
    static const int forwarded[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT, SIGUSR1,
                                    SIGUSR2, SIGALRM, SIGWINCH, SIGCONT, SIGTSTP};
    sigset_t set;
    int fd;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(forwarded); i++)
        sigaddset(&set, forwarded[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a caller's limit is an error where we write
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a signal descriptor");
    return watch_add(&r->loop, &r->signals, fd, EPOLLIN, on_signal, r, err);
}

static bool find_program(struct run *r, struct err *err)
{
    extern char **environ;
    struct program_place place = {.workspace = r->places.workspace,
                                  .home = r->places.home,
                                  .path_env = r->places.path_env,
                                  .environ = environ,
                                  .network = r->policy->network.mode != NET_OFF};

    return !program_wanted(r->policy) || program_find(&place, r->options.argv, &r->program, err);
}

// The host's file or directory of that name is what one finds inside. An empty place of the yard's own (the
// private home, a workspace that is not shown) can be read too, and is not.
static bool is_shown(const struct run *r, const char *path, struct file_verdict *v)
{
    file_rules_explain(session_files(r->session), path, ACCESS_READ, v);
    return v->verdict == VERDICT_ALLOW &&
           (v->rule || path_within(path, "/dev") || path_within(path, "/proc") || path_within(path, "/sys"));
}

// With @program the arguments grant nothing. What is named there and not shown is most often the one thing
// that was forgotten, and not every program says which it missed.
static void say_hidden_arguments(struct run *r)
{
    for (char *const *a = r->options.argv; program_wanted(r->policy) && *a; a++) {
        AUTO_FREE char *path = NULL, *line = NULL;
        struct file_verdict v;

        if ((*a)[0] != '/' && strncmp(*a, "./", 2) != 0 && strncmp(*a, "../", 3) != 0 && strcmp(*a, ".") != 0)
            continue;
        path = path_normal(r->places.workspace, *a);
        if (access(path, F_OK) < 0 || is_shown(r, path, &v))
            continue;
        line = xasprintf("%s is named in the command and is not inside; to show it: %s%s", *a,
                         *v.remedy ? v.remedy : "--read ", *v.remedy ? "" : path);
        say(r, line);
    }
}

static bool open_session(struct run *r, struct err *err)
{
    extern char **environ;
    struct session_options o = {
        .policy = r->policy,
        .places = {.workspace = r->places.workspace,
                   .home = r->places.home,
                   .config_dir = r->places.config_dir,
                   .state_dir = r->places.state_dir,
                   .path_env = r->places.path_env,
                   .environ = environ},
        .events = {on_refused, on_note, on_limit, r},
        .program = program_wanted(r->policy) ? &r->program : NULL,
        .argv = r->options.argv,
        .launched = &r->launched,
        .leaving = true,
    };

    return session_open(&r->loop, &o, &r->session, err);
}

static bool start_live(struct run *r, struct err *err)
{
    if (r->options.control_fd < 0)
        return true;
    r->live = (struct live){.fd = r->options.control_fd,
                            .session = r->session,
                            .places = &r->places,
                            .options = &r->options.policy,
                            .form = r->form,
                            .form_ctx = r->form_ctx,
                            .note = on_note,
                            .ctx = r};
    return live_start(&r->live, &r->loop, err);
}

// Whether it is a file, and passing it would let the command do more with it than its name allows.
static bool must_copy(const struct run *r, int fd)
{
    char link[32], path[PATH_MAX];
    struct file_verdict v;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    if (r->policy->nested || landlock_abi() == 0)
        return true;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || path[0] != '/')
        return false;
    path[n] = '\0';
    file_rules_explain(session_files(r->session), path, ACCESS_WRITE, &v);
    return v.verdict == VERDICT_DENY && v.rule &&
           (v.rule->grant == GRANT_DENY || v.rule->grant == GRANT_PROTECT);
}

static bool start_command(struct run *r, struct err *err)
{
    struct stdio_wants wants = {.pipe_output = r->options.json_on_stdout || r->policy->limits.output,
                                .copy_file = {must_copy(r, 0), must_copy(r, 1), must_copy(r, 2)},
                                .swallow = r->options.json_on_stdout,
                                .max_output = r->policy->limits.output,
                                .output = on_output,
                                .over_limit = on_over_limit,
                                .suspend = on_suspend,
                                .tell_input_end = r->policy->limits.after_input_ms,
                                .input_ended = on_input_ended,
                                .ctx = r};
    struct command_options c = {.argv = r->program.argv.n ? r->program.argv.items : r->options.argv,
                                .started = on_started,
                                .ended = on_ended,
                                .ctx = r};
    struct termios modes;

    if (!stdio_prepare(&r->stdio, &r->loop, &wants, err))
        return false;
    c.pty_stdin = r->stdio.pty[0];
    c.pty_stdout = r->stdio.pty[1];
    c.pty_stderr = r->stdio.pty[2];
    memcpy(c.std, r->stdio.inner, sizeof c.std);
    stdio_size(&r->stdio, &c.rows, &c.cols);
    c.modes = stdio_modes(&r->stdio, &modes) ? &modes : NULL;
    return session_start(r->session, &c, &r->command, err);
}

static void report(struct run *r, const char *limit)
{
    AUTO_BUF struct buf out = {0};

    if (limit && !r->options.quiet)
        fprintf(stderr, "bawn: ended by the limit %s (limits.%s)\n", limit, limit);
    if (r->command->failure.kind != ERR_NONE)
        cli_fail(&r->command->failure);
    if (r->options.quiet)
        return;
    buf_init(&out, 1 << 20);
    refusals_print(session_refusals(r->session), REFUSALS_SHOWN, &out);
    fputs(buf_cstr(&out), stderr);
}

static int finish(struct run *r, struct err *err)
{
    const char *limit;
    int code;

    // Everything dies first, so that no writer is left when the output is drained.
    session_kill(r->session, NULL);
    stdio_drain(&r->stdio);
    session_set_result(r->session, r->command);
    if (!session_finish(r->session, err))
        code = CLI_FAILED;
    limit = session_limit(r->session);
    code = limit ? 124 : r->command->exit_code;
    if (r->failure.kind != ERR_NONE)
        code = fail(r, &r->failure);
    report(r, limit);
    events_ended(&r->events, code, limit, session_refusals(r->session)->n);
    return code;
}

// With -v: where the record is, and the policy in force with the origin of each line.
static void say_what_holds(struct run *r)
{
    AUTO_FREE char *record = xasprintf("run %s, on record in %s/runs/%s", session_id(r->session),
                                       r->places.state_dir, session_id(r->session));
    AUTO_BUF struct buf text = {0};
    char *save = NULL;

    if (!r->options.verbose)
        return;
    buf_init(&text, 4 << 20);
    policy_write(r->policy, true, &text);
    say(r, record);
    for (char *l = strtok_r((char *)(uintptr_t)buf_cstr(&text), "\n", &save); l;
         l = strtok_r(NULL, "\n", &save))
        say(r, l);
}

static int run(struct run *r, struct err *err)
{
    AUTO_BUF struct buf notes = {0};
    char *save = NULL;
    int code;

    buf_init(&notes, 1 << 20);
    if (!places_find(r->options.directory, &r->places, err) ||
        !places_load_policy(&r->places, &r->options.policy, &r->policy, &notes, err))
        return CLI_FAILED;
    for (char *l = strtok_r((char *)(uintptr_t)buf_cstr(&notes), "\n", &save); l && !r->options.brief;
         l = strtok_r(NULL, "\n", &save))
        say(r, l);
    if (!find_program(r, err) || !take_signals(r, err) || !open_session(r, err))
        return CLI_FAILED;
    say_hidden_arguments(r);
    events_started(&r->events, session_id(r->session), r->places.workspace, r->options.argv);
    say_what_holds(r);
    if (!start_live(r, err) || !start_command(r, err) || !loop_run(&r->loop, err))
        return CLI_FAILED;
    code = finish(r, err);
    return err->kind != ERR_NONE && code == 0 ? CLI_FAILED : code;
}

static struct run *run_new(void)
{
    struct run *r = xcalloc(1, sizeof *r);

    headstart_take(&r->launched);
    r->events.fd = -1;
    r->stdio.terminal = r->stdio.master = r->stdio.input = -1;
    return r;
}

_Noreturn static void run_and_end(struct run *r)
{
    struct err err = {0};
    int code = CLI_FAILED;

    if (loop_init(&r->loop, &err)) {
        // A descriptor of its own: the standard ones are let go of once the command has them.
        r->events.fd = r->options.json ? fcntl(r->options.json_fd, F_DUPFD_CLOEXEC, 3) : -1;
        code = run(r, &err);
    }
    stdio_deinit(&r->stdio);
    live_stop(&r->live);
    session_close(r->session, &err);
    launch_drop(&r->launched);
    if (err.kind != ERR_NONE)
        code = fail(r, &err);
    // Nothing is left to do but to give memory back, page by page; ending does that faster.
    fflush(NULL);
    _exit(code);
}

void run_command(const struct run_options *options, const struct live_form *form, void *form_ctx)
{
    struct run *r = run_new();

    r->options = *options;
    r->form = form;
    r->form_ctx = form_ctx;
    run_and_end(r);
}

static int run_main(int argc, char **argv)
{
    struct run *r = run_new();
    struct err err = {0};

    if (run_options_parse(argc, argv, &verb_run, &r->options, &err)) {
        if (r->options.argv[0])
            run_and_end(r);
        err_set(&err, ERR_INPUT,
                "run: which command? As in `bawn run -- make test`; `bawn run --help` lists the options");
    }
    launch_drop(&r->launched);
    return r->options.help ? cli_done(0) : cli_fail(&err);
}

const struct verb verb_run = {"run", "[options] [--] CMD ARG…",
                              "run CMD inside the envelope; its exit status is bawn's", run_main};
