// SPDX-License-Identifier: Apache-2.0
// The inside of a session, for the files that make it up: open.c makes it, inbox.c takes what init says,
// crossings.c what appears, is refused or goes through the network while it lives, session.c starts commands
// and ends it.
#ifndef BAWN_SESSION_STATE_H
#define BAWN_SESSION_STATE_H

#include "audit/record.h"
#include "audit/rundir.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "policy/load.h"
#include "sandbox/cgroup.h"
#include "sandbox/covers.h"
#include "sandbox/landlock.h"
#include "sandbox/launch.h"
#include "sandbox/layout.h"
#include "sandbox/limitplan.h"
#include "sandbox/notify.h"
#include "sandbox/plan.h"
#include "sandbox/probe.h"
#include "sandbox/proto.h"
#include "sandbox/quarantine.h"
#include "sandbox/sys.h"
#include "sandbox/treewatch.h"
#include "session/credentials.h"
#include "session/environment.h"
#include "session/guide.h"
#include "session/inside.h"
#include "session/janitor.h"
#include "session/netrecord.h"
#include "session/network.h"
#include "session/publish.h"
#include "session/session.h"

enum session_state { SESSION_OPENING = 0, SESSION_OPEN, SESSION_DEAD };

struct session {
    enum session_state state;
    struct loop *loop;
    struct session_options options;
    struct file_rules rules;
    struct cover_list covers;
    struct treewatch *treewatch;
    struct launched init;
    bool launched, killed, reaped, finished;
    bool ready;       // init said so
    int root;         // the sandbox's "/", until the first command's listener comes; -1
    bool nobody_left; // the last command has ended and left no process behind
    struct watch sock_watch, oom_watch;
    struct timer wall;
    uint64_t wall_from; // CLOCK_MONOTONIC ns
    struct rundir rundir;
    struct audit_log audit;
    bool recording;
    struct quarantine quarantine;
    struct cgroup_support cgroup_support;
    struct cgroup cgroup;
    struct limits_plan limits;
    struct janitor janitor;
    struct watch janitor_watch;
    struct strlist env, own_names; // names that the run made itself, which deny globs match
    struct command **commands;
    size_t ncommands;
    uint32_t next_id;
    struct credentials credentials;
    struct inside inside;
    struct buf guide;
    struct network *network; // with network.mode guarded
    struct whois *whois;     // NULL without a gate
    struct publish *publish; // NULL without network.publish
    struct notify *notify;   // NULL until the first command's listener came
    struct refusals refusals;
    const char *limit;
    uint64_t started_ns;
    struct run_end end;
    bool has_result;
};

// One line for the person.
void session_tell(struct session *s, const char *text);
// One line of the record; one that cannot be written ends the run, as no decision may go unrecorded.
void session_record(struct session *s, enum audit_kind kind, enum verdict verdict, const char *rule,
                    const char *subject, const struct jsontext_object *detail, const char *by);
// Onto the list of refusals, and told once.
void session_refuse(struct session *s, const struct refusal *texts);
void session_record_quarantined(struct session *s, size_t from);
void session_on_appeared(void *ctx, const char *path, bool is_dir, const struct file_rule *rule);
void session_on_replaced(void *ctx, const char *path);
void session_on_degraded(void *ctx, const char *why);
void session_on_refused(void *ctx, const struct notify_report *r);
void session_on_creates(void *ctx, const char *path);
// A command is over; status as waitpid gives it.
void session_end_command(struct command *c, int status);
// Init has said something (inbox.c).
void session_on_init(struct watch *w, uint32_t events);
// A limit is reached: on record before anything dies of it.
void session_note_limit(struct session *s, const char *limit);
// Waits for the last process inside.
void session_await_death(struct session *s);
void session_on_network(void *ctx, const json_t *e);
void session_on_guard_gone(void *ctx, const char *why);
void session_on_policy_updated(void *ctx, const char *error);
void session_limit_wall(struct session *s, uint64_t ms); // counted from the start of the run; 0: no limit
// A memory file with the block, or -1.
int session_block_fd(const struct buf *block, struct err *err);
// The error that a FAILED of the set-up tells. False.
bool session_init_failed(const struct init_msg *m, struct err *err);
// Init takes no messages any more: what it said before it died is the reason. False.
bool session_why_gone(struct session *s, struct err *err);
void session_close_fd(int fd);

#endif
