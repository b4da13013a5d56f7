// SPDX-License-Identifier: Apache-2.0
// Which process inside has a connection. The guard knows it by address and port only.
//
// The answer is for the record, never for a decision: a process can hand its socket to another one, and one
// that has ended is not found any more. Work is bounded by what it took so far, for a look can be dear (a
// process with ten thousand descriptors): WHOIS_SHARE of the time beyond a burst, and WHOIS_PROCESSES
// processes per question.
#ifndef BAWN_SESSION_WHOIS_H
#define BAWN_SESSION_WHOIS_H

#include <sys/types.h>

#include "base/err.h"

#define WHOIS_SHARE 0.05
#define WHOIS_BURST_NS 250000000u
#define WHOIS_PROCESSES 4096u

struct whois;

struct whois_answer {
    pid_t pid;         // as the host numbers it
    char program[256]; // its executable's path inside
};

// `diagnose`: a sock_diag socket of the sandbox's network namespace (sandbox/inward.h); taken over.
struct whois *whois_new(pid_t init, int diagnose);
void whois_free(struct whois *w); // takes NULL
// `client`: "address:port" inside; `to`: the other end of its TCP connection, or NULL for a UDP socket. False
// when nobody is found; NULL w finds nobody.
bool whois_find(struct whois *w, const char *client, const char *to, struct whois_answer *ret);
// What is known already, without a look.
bool whois_known(const struct whois *w, const char *client, struct whois_answer *ret);
// The connection is closed: its port may be another process's soon.
void whois_forget(struct whois *w, const char *client);

#endif
