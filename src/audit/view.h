// SPDX-License-Identifier: Apache-2.0
// What a person reads of a log: one line a record, in local time. Every text in a record may be hostile; what
// is appended here holds no control characters (utf8_printable), so it cannot move a cursor or pretend to be
// a line.
#ifndef BAWN_AUDIT_VIEW_H
#define BAWN_AUDIT_VIEW_H

#include "audit/chain.h"
#include "audit/rundir.h"

// 22:55:21.123  deny   network     POST https://h/x  (network.deny: h) by guard bytes=12
void view_line(struct buf *out, const struct audit_line *line);

void view_when(struct buf *out, uint64_t wall_ns);              // 2026-11-21 22:55:21, local; "-" for 0
void view_duration(struct buf *out, uint64_t ns);               // 0.12s  12.3s  4m05s  3h07m  2d04h
void view_status(struct buf *out, const struct run_result *r);  // 0  SIGKILL  limit wall  running  killed
void view_command(struct buf *out, const struct strlist *argv); // quoted where a shell would need it

#endif
