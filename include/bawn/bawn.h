// SPDX-License-Identifier: Apache-2.0
// libbawn: the sessions that `bawn run` is made of, for people who build their own agents.
//
//   struct bawn_session *s;
//   struct bawn_options o = {.workspace = "/home/me/project"};
//   if (!bawn_open(&o, &s, &error)) …
//   bawn_start(s, &(struct bawn_command){.argv = argv, .std = {0, 1, 2}}, &id, &error);
//   while (bawn_wait(s, -1, &event, &error) && event.type != BAWN_EVENT_EXITED) …
//   bawn_close(s, &error);
//
// Ownership: what a struct given to a call points at is borrowed for that call; strings in events live until
// the next call on the same session. Units: milliseconds, bytes. Threads: a session belongs to the thread
// that opened it, and a process that opens one should have one thread (it clones). Errors: functions return
// false and fill *error (may be NULL); a policy that refuses something is an event, not an error. Limits:
// 4096 commands at once, 15 MiB of arguments and environment each.
#ifndef BAWN_BAWN_H
#define BAWN_BAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bawn_session;

enum bawn_error_kind {
    BAWN_ERROR_NONE = 0,
    BAWN_ERROR_INPUT,       // the caller's input (option, policy) is wrong
    BAWN_ERROR_SYSTEM,      // a system call failed; sys holds errno
    BAWN_ERROR_UNSUPPORTED, // the kernel or this build lacks it
    BAWN_ERROR_LIMIT,       // a size or count is passed
    BAWN_ERROR_MISSING,     // something named does not exist
    BAWN_ERROR_PROTOCOL,    // the sandbox died
    BAWN_ERROR_REFUSED,     // policy does not permit it
};

struct bawn_error {
    enum bawn_error_kind kind;
    int sys;            // errno or 0
    char message[1024]; // one sentence, terminated
};

struct bawn_options {
    const char *workspace;   // NULL: the current directory
    const char *policy_file; // in place of the user's and the workspace's; NULL: those
    const char *profile;     // NULL: what the policy says
    const char *const *set;  // "limits.memory=2G", NULL-terminated; or NULL
    const char *const *read; // further paths; or NULL
    const char *const *write;
    const char *const *deny;
};

// Makes the sandbox. HOME must be set; XDG_STATE_HOME and XDG_CONFIG_HOME are honoured as `bawn run` does.
bool bawn_open(const struct bawn_options *options, struct bawn_session **session, struct bawn_error *error);
// What the policy dropped, capped or warns of: lines, or "".
const char *bawn_notes(const struct bawn_session *session);
// The run's id, as `bawn log` takes it.
const char *bawn_id(const struct bawn_session *session);

struct bawn_command {
    const char *const *argv; // NULL-terminated
    const char *cwd;         // inside; NULL: the workspace
    int std[3];              // passed to the command and borrowed; not used with pty. A file that the policy
                             // keeps from being written in a writable place must not be passed: a pipe then.
    bool pty;                // a terminal inside serves all three; its master comes with BAWN_EVENT_STARTED
    uint16_t rows, columns;
};

bool bawn_start(struct bawn_session *session, const struct bawn_command *command, uint32_t *id,
                struct bawn_error *error);
// To the command's process group; id 0: to everything inside.
void bawn_signal(struct bawn_session *session, uint32_t id, int signal);

enum bawn_event_type {
    BAWN_EVENT_NONE = 0, // nothing happened in the time given
    BAWN_EVENT_STARTED,  // id, terminal: the PTY's master (the caller's from now on), or -1
    BAWN_EVENT_EXITED,   // id, status: 0–255, 128+N, 125 not started (text says why), 126, 127
    BAWN_EVENT_REFUSED,  // kind, subject, rule, remedy; text: where what was made is now, NULL when not moved
    BAWN_EVENT_NOTE,     // text
    BAWN_EVENT_LIMIT,    // text: its name; everything inside is being ended
};

struct bawn_event {
    enum bawn_event_type type;
    uint32_t id;
    int status, terminal;
    const char *text, *kind, *subject, *rule, *remedy;
};

// The next event; BAWN_EVENT_NONE when there was none for timeout_ms (-1: waits as long as it takes).
bool bawn_wait(struct bawn_session *session, int timeout_ms, struct bawn_event *event,
               struct bawn_error *error);
// A descriptor that is readable when bawn_wait(…, 0, …) has something to do, for the caller's own event loop.
int bawn_fd(const struct bawn_session *session);
// Ends everything inside, sweeps, writes the result, releases the session in any case. Takes NULL.
bool bawn_close(struct bawn_session *session, struct bawn_error *error);

#ifdef __cplusplus
}
#endif

#endif
