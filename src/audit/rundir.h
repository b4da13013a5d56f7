// SPDX-License-Identifier: Apache-2.0
// Directories of runs: STATE/runs/ID, mode 0700, one a run.
//
// Making one is on the start path: a mkdir, an open and a lock, no fsync. The id starts with the time, so
// names sort by age and a listing reads only the entries it shows; four random hex digits and mkdir's own
// exclusion keep parallel starts apart. While the run lives its supervisor holds an open-file-description
// lock on the directory, so a run without a result is told apart: the lock is held (running, or its janitor
// is still cleaning), or it is not (the supervisor was killed). Whoever asks only tests the lock and never
// takes it.
//
// What a run is about stands in the first line of its audit log (workspace, command); how it ended in
// result.json, which is written once, atomically, at the end.
#ifndef BAWN_AUDIT_RUNDIR_H
#define BAWN_AUDIT_RUNDIR_H

#include "audit/chain.h"
#include "base/strlist.h"

// state_dir below is $XDG_STATE_HOME/bawn, absolute; made when it is not there.

struct rundir {
    char id[AUDIT_RUN_MAX]; // 20261121T225521.123456Z-1f3a
    char *path;             // STATE/runs/ID
    int fd;                 // O_DIRECTORY, close-on-exec; holds the lock. -1 when closed
    int result;             // file without a name, for the result; -1 when not prepared
};

MUST_USE bool rundir_make(const char *state_dir, struct rundir *ret, struct err *err);
void rundir_deinit(struct rundir *d); // closes (and so unlocks); takes a zeroed or a -1 one
// Makes a directory of the run ("upper", "work", "checkpoints") when it is not there; 0700.
MUST_USE bool rundir_sub(const struct rundir *d, const char *name, struct err *err);
// Makes the file that will hold the result, ahead of time: to make one can take as long as a whole start.
// Without a name, so that nothing is left when this process is killed. Optional.
void rundir_prepare_result(struct rundir *d);
MUST_USE bool rundir_write_policy(const struct rundir *d, const char *yaml, size_t n, struct err *err);

enum run_state {
    RUN_KILLED = 0, // no result, and nobody holds the lock
    RUN_RUNNING,
    RUN_ENDED,
};

// What is known of a run. For one without result: what the first line of its log says.
struct run_result {
    char id[AUDIT_RUN_MAX];
    enum run_state state;
    char *workspace; // NULL when not even the first line was written
    struct strlist command;
    uint64_t started, ended; // wall clock, ns since the epoch; 0 unknown
    int exit_status, signal; // as in struct run_end (record.h); -1 and 0 while it has not ended
    char *limit;             // or NULL
    uint64_t refused;        // decisions "deny"
    struct chain log;        // lines, and hash of the last; seq 0 without result
};

void run_result_deinit(struct run_result *r);
// What bawn itself exited with: 124 for a limit, 128+N for a signal; -1 while it has not ended.
int run_status(const struct run_result *r);
// The result as JSON, one object: result.json, and what `bawn runs --json` prints.
char *run_result_json(const struct run_result *r);
MUST_USE bool rundir_write_result(const struct rundir *d, const struct run_result *r, struct err *err);
// Reads result.json, else the first line of the log. ERR_MISSING when there is no such run.
MUST_USE bool run_read(const char *state_dir, const char *id, struct run_result *ret, struct err *err);

// Ids, newest first; reads only the directory. No runs yet: an empty list.
MUST_USE bool run_list(const char *state_dir, struct strlist *ret, struct err *err);
// The whole id for a unique prefix. ERR_MISSING, or ERR_INPUT when several start so (the message names some).
MUST_USE bool run_find(const char *state_dir, const char *prefix, char ret_id[AUDIT_RUN_MAX],
                       struct err *err);
// The newest run of the workspace (normal path, links resolved).
MUST_USE bool run_find_latest(const char *state_dir, const char *workspace, char ret_id[AUDIT_RUN_MAX],
                              struct err *err);
// Whether somebody holds the lock of the run's directory: the supervisor, or its janitor.
bool run_lives(int dirfd);
// Opens STATE/runs/ID (O_DIRECTORY); the id is checked to be a single name.
MUST_USE bool run_open(const char *state_dir, const char *id, int *ret_fd, struct err *err);

#endif
