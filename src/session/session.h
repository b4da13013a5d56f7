// SPDX-License-Identifier: Apache-2.0
// A session: one policy, one sandbox, any number of commands, one record. Everything above it (run, the
// agent, MCP, the containers service) is a client of this interface.
//
// Life: session_open makes the sandbox; session_start starts commands; the owner runs the loop; session_close
// ends what is left, sweeps, and writes the result. When the process dies instead, by any signal, the kernel
// ends everything inside and the janitor (janitor.c) does the sweeping.
#ifndef BAWN_SESSION_SESSION_H
#define BAWN_SESSION_SESSION_H

#include "loop/loop.h"
#include "policy/files.h"
#include "policy/program.h"
#include "session/refusals.h"

struct session;
struct command;

struct session_places {
    const char *workspace; // normal, links resolved
    const char *home;      // or NULL
    const char *config_dir, *state_dir;
    const char *path_env;
    char *const *environ; // the caller's, from which env.pass and secrets are taken
};

// A path as the policy has it ("~/x", "x", "/x"), absolute; owned. NULL below a HOME that there is not.
char *session_path(const struct session_places *places, const char *text);

// Things that happen, for --json and other consumers; any may be NULL. Called from the loop.
struct session_events {
    void (*refused)(void *ctx, const struct refusal *r);
    void (*note)(void *ctx, const char *text);  // one line for the person
    void (*limit)(void *ctx, const char *name); // a limit was reached: everything inside is being ended
    void *ctx;
};

struct session_options {
    const struct policy *policy; // borrowed until close
    struct session_places places;
    struct session_events events;
    const struct program *program; // what argv needs (program.h), for @program; borrowed until close; or NULL
    char *const *argv;             // what the run is about, for the record; NULL when there is no one command
    struct launched
        *launched; // bawn-init, started ahead (sandbox/headstart.h): taken over; NULL when it was not
    bool leaving; // one command, after which the process ends: the sandbox dies with the command, and neither
                  // the janitor's last milliseconds are waited for nor memory given back
};

struct termios;

struct command_options {
    char *const *argv;
    const char *cwd;                        // inside; NULL: the workspace
    bool pty_stdin, pty_stdout, pty_stderr; // served by a terminal made inside
    uint16_t rows, cols;
    const struct termios *modes; // what that terminal starts in, for the call only; NULL: the kernel's own
    int std[3];                  // the others; borrowed
    void (*started)(struct command *c, int master); // master: taken over by the callee, -1 without terminal
    void (*ended)(struct command *c);
    void *ctx;
};

enum command_state { COMMAND_STARTING = 0, COMMAND_RUNNING, COMMAND_ENDED };

struct command {
    uint32_t id;
    enum command_state state;
    pid_t pid;          // inside
    int status;         // as waitpid gives it, once ended
    int exit_code;      // what bawn would exit with: the status, 128+N, 124, 125, 126, 127
    struct err failure; // set when it could not be started
    struct command_options options;
    struct session *session;
};

MUST_USE bool session_open(struct loop *loop, const struct session_options *options, struct session **ret,
                           struct err *err);
MUST_USE bool session_start(struct session *s, const struct command_options *options, struct command **ret,
                            struct err *err);
void session_signal(struct session *s, uint32_t command_id, int sig); // id 0: everything inside
// Live policy (network, limits.wall): only what a running session can take; secrets stay.
MUST_USE bool session_update(struct session *s, const struct policy *p, struct err *err);
// Ends everything inside now; the reason is a limit's name or NULL. Returns when the last process is dead.
void session_kill(struct session *s, const char *limit);
// What the run's result is to be: a command's exit, by which the run is judged.
void session_set_result(struct session *s, const struct command *c);
const struct refusals *session_refusals(const struct session *s);
// What of the host's files is inside. Valid until session_close.
const struct file_rules *session_files(const struct session *s);
const char *session_id(const struct session *s);
const char *session_limit(const struct session *s); // the limit that ended it, or NULL
// Ends what is left, sweeps, writes the result. Refusals can still be asked for afterwards.
bool session_finish(struct session *s, struct err *err);
// Finishes if need be and releases everything, in any case; takes NULL. *err tells of a failed record or
// sweep.
bool session_close(struct session *s, struct err *err);

#endif
