// SPDX-License-Identifier: Apache-2.0
// The hash chain of an audit log, and its check.
//
// The hash of a line is SHA-256, in lower-case hex, over the line's JSON text without its newline and without
// the text `,"hash":"…"` before the closing brace. `prev` is the hash of the line before; 64 zeros in the
// first. So a line that is changed, dropped, moved or put in shows at once; lines missing at the end show
// against the head that result.json recorded. Whoever may write the state directory can write a whole new log
// with right hashes: the chain shows damage and edits, it is no signature (docs/audit.md).
//
// The check is a reader that is fed bytes: it does no I/O, keeps one line, and refuses a longer one, so logs
// of any size pass in bounded memory.
#ifndef BAWN_AUDIT_CHAIN_H
#define BAWN_AUDIT_CHAIN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/sha256.h"

#define AUDIT_RUN_MAX 64u         // bytes of a run id with its terminator
#define AUDIT_LINE_MAX (1u << 18) // bytes of a line with its newline; the writer's limits stay below it

struct chain {
    uint64_t seq;               // lines so far; the last line's seq
    char head[SHA256_HEX_SIZE]; // its hash
};

void chain_init(struct chain *c);
// line: an object's JSON text with prev as the last member, one line without newline. Appends the hash member
// and the newline, and moves the chain on to it. False when the buffer is full: then nothing changed.
bool chain_seal(struct chain *c, struct buf *line);

enum chain_fault {
    CHAIN_HOLDS = 0,
    CHAIN_BAD_LINE,  // not a record: bad JSON, members missing, others, or out of order
    CHAIN_LONG_LINE, // longer than AUDIT_LINE_MAX
    CHAIN_OTHER_RUN, // a record of another run
    CHAIN_BAD_SEQ,
    CHAIN_BAD_PREV,
    CHAIN_BAD_HASH,
    CHAIN_TORN,       // the last line has no end: its writer died, or the disk was full
    CHAIN_CUT,        // whole lines are missing at the end: result.json knows of more
    CHAIN_OTHER_HEAD, // the line that result.json recorded as the last has another hash
};

const char *chain_fault_name(enum chain_fault f); // "holds", "bad line", "torn" …

// One line of a log, parsed. Strings are borrowed until the callback returns.
struct audit_line {
    uint64_t seq;
    const char *time, *run, *kind, *verdict, *rule, *subject, *by; // NULL where the line has null
    const char *detail;                                            // JSON text of the object, or NULL
    const char *raw;                                               // the line as it stands, without newline
    size_t raw_len;
};

typedef void audit_line_fn(void *ctx, const struct audit_line *line);

struct chain_check {
    char run[AUDIT_RUN_MAX]; // the id that every line must have; "" takes the first line's
    struct chain chain;      // where the lines that hold end
    uint64_t lines;          // lines that hold
    uint64_t bytes;          // their length
    enum chain_fault fault;  // the first; nothing is checked after it
    uint64_t fault_line;     // 1-based
    char why[256];           // what was expected and what stands there
    audit_line_fn *each;     // called for each line that holds; may be NULL
    void *ctx;
    struct buf partial;
    struct chain expect; // what result.json recorded; seq 0 without
};

// expect: the head that result.json recorded, or NULL. Lines may follow it (a later `bawn commit` goes on
// with the log), but it must be there.
void chain_check_init(struct chain_check *c, const char *run, const struct chain *expect, audit_line_fn *each,
                      void *ctx);
void chain_check_deinit(struct chain_check *c);
// False once a line does not hold (see fault). Any split of the bytes gives the same result.
bool chain_check_feed(struct chain_check *c, const char *data, size_t n);
// The end of the file: reports a torn last line, and lines that are missing.
bool chain_check_end(struct chain_check *c);

#endif
