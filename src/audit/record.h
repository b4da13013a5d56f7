// SPDX-License-Identifier: Apache-2.0
// The audit log of one run: audit.jsonl, one decision a line, each line bound to the one before by a hash.
//
// A line has exactly these members, in this order:
//   {"seq":1,"time":"…Z","run":"ID","kind":"file","verdict":"deny","rule":"…","subject":"…","detail":{…},"by":"…",
//    "prev":"64 hex digits","hash":"64 hex digits"}
// The format and what the chain proves are docs/audit.md. A line is one write(2) to an append-only
// descriptor; a write that the disk cut short is taken back, and if that fails the log refuses every further
// line, so that no decision is taken that is not on record. There is no fsync: the log survives the death of
// every process, not of the machine. A kill in the midst of a write may leave the last line torn (the kernel
// stops between two pages); nothing was acted upon then, for a decision takes effect only after its line.
// Texts may hold any bytes (jsontext.h).
#ifndef BAWN_AUDIT_RECORD_H
#define BAWN_AUDIT_RECORD_H

#include "audit/chain.h"
#include "audit/jsontext.h"
#include "policy/verdict.h"

#define AUDIT_FILE "audit.jsonl"
#define AUDIT_RULE_MAX 1024u // bytes used of each text
#define AUDIT_SUBJECT_MAX 8192u
#define AUDIT_BY_MAX 256u

// Subjects: what the person would call the thing. See the table in kind.c for the words and docs/audit.md for
// what `detail` holds.
enum audit_kind {
    AUDIT_RUN_START = 0, // subject: the workspace; first line of every log (audit_run_start)
    AUDIT_RUN_END,       // subject: how it ended; last line (audit_run_end)
    AUDIT_FILE_ACCESS,   // a path
    AUDIT_NETWORK,       // METHOD URL, or host:port
    AUDIT_PROCESS,       // a program, or an agent's command line
    AUDIT_PACKAGE,       // ecosystem:name@version
    AUDIT_LIMIT,         // wall, memory, processes, disk, output …
    AUDIT_GATE,          // an answer: the crossing that was asked about; `by` is who answered
    AUDIT_QUARANTINE,    // a protected path that appeared
    AUDIT_COMMIT,        // a path that was (not) carried out of the overlay
    AUDIT_POLICY,        // a live change of the policy, or a part of a policy that was dropped
    AUDIT_SECRET,        // the name of a secret that was put in, or whose value was found in what leaves
    AUDIT_GUARD,         // the guard itself: died, refused bytes it could not parse
    AUDIT_NOTE,          // nothing was decided: something is missing, or was lost
    AUDIT_KINDS
};

const char *audit_kind_name(enum audit_kind k); // "run.start", "file" …
bool audit_kind_parse(const char *name, enum audit_kind *ret);
// Lines of run.start, run.end and note decide nothing; their verdict is null.
bool audit_kind_decides(enum audit_kind k);
// The words of the format: "deny", "ask", "allow".
const char *audit_verdict_name(enum verdict v);
bool audit_verdict_parse(const char *name, enum verdict *ret);

struct audit_entry {
    enum audit_kind kind;
    enum verdict verdict;
    const char *rule; // which rule said so: "files.deny: @secrets (profile workspace)"; NULL: none
    const char *subject;
    size_t subject_len;                   // 0: up to the terminator
    const struct jsontext_object *detail; // NULL: null
    const char *by; // policy, guard, kernel, person, web, model, hook …; NULL: "policy"
};

struct audit_log {
    int fd; // -1 while closed; close-on-exec
    char run[AUDIT_RUN_MAX];
    struct chain chain; // where the log stands: lines written, hash of the last
    uint64_t refused;   // lines that decided "deny"
    uint64_t size;      // bytes of whole lines
    bool broken;        // a line could not be written nor taken back
    struct buf line;
};

// Creates audit.jsonl in the run's directory; it must not exist.
MUST_USE bool audit_log_open(struct audit_log *l, int run_dirfd, const char *run_id, struct err *err);
// Goes on with a log whose writer is dead (the janitor): walks it to the end, cuts a torn last line off and
// notes how long it was. A log that does not hold is refused.
MUST_USE bool audit_log_resume(struct audit_log *l, int run_dirfd, const char *run_id, struct err *err);
void audit_log_close(struct audit_log *l); // takes a zeroed and a closed one

MUST_USE bool audit_add(struct audit_log *l, const struct audit_entry *e, struct err *err);

// The first line. subject: the workspace; detail: {"version","backend","policy","pid","command","started"}.
// argv may be NULL (a session without a command of its own). policy_hash is SHA-256 of policy.yaml or NULL.
struct audit_start {
    const char *version; // of bawn
    const char *workspace;
    char *const *argv;
    char *const *started; // in argv's place; or NULL
    const char *policy_hash;
    const char *backend; // "namespaces" …; NULL: null
};
MUST_USE bool audit_run_start(struct audit_log *l, const struct audit_start *s, struct err *err);

// How a run ended: exactly one of the three.
struct run_end {
    int exit_status;   // 0…255, or -1
    int signal;        // or 0
    const char *limit; // "wall", "memory" …, or NULL
};

// The last line.
MUST_USE bool audit_run_end(struct audit_log *l, const struct run_end *end, struct err *err);

#endif
