// SPDX-License-Identifier: Apache-2.0
// Events of a run as JSON, one object a line, for `--json`:
//   run.started {run, workspace, command}    output {stream, data | data_base64}    refused {kind, subject,
//   rule, remedy} note {text}    limit {name}    run.ended {exit, signal?, limit?, refused}
#ifndef BAWN_SESSION_EVENTS_H
#define BAWN_SESSION_EVENTS_H

#include "session/session.h"

struct events {
    int fd; // -1: no events
};

void events_started(struct events *e, const char *run, const char *workspace, char *const *argv);
void events_output(struct events *e, int stream, const char *data,
                   size_t n); // text when it is UTF-8, else base64
void events_refused(struct events *e, const struct refusal *r);
void events_note(struct events *e, const char *text);
void events_limit(struct events *e, const char *name);
void events_ended(struct events *e, int exit_code, const char *limit, uint64_t refused);

#endif
