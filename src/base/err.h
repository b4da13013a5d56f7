// SPDX-License-Identifier: Apache-2.0
// Errors: filled once where they arise, prefixed on the way up, so that msg reads as one sentence:
// what was attempted, on what, why it failed, what to do. Branch on kind, never on the text.
// A fallible function returns bool (true is success) and takes `struct err *err` last; err may be NULL.
#ifndef BAWN_BASE_ERR_H
#define BAWN_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

enum err_kind {
    ERR_NONE = 0,
    ERR_INPUT,       // the user's input (option, policy, file content) is wrong
    ERR_SYSTEM,      // a system call failed; sys holds errno
    ERR_UNSUPPORTED, // the kernel or this build lacks it
    ERR_LIMIT,       // a size or count limit was passed
    ERR_MISSING,     // something named does not exist
    ERR_PROTOCOL,    // a peer process broke the protocol or died
    ERR_REFUSED,     // policy does not permit it
};

struct err {
    enum err_kind kind;
    int sys;        // errno, or 0
    char msg[1024]; // always terminated, cut when longer, no newline
};

// Both return false, so that `return err_set(…)` reads well. An error that is already set is kept.
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Like err_set with kind ERR_SYSTEM; appends ": " and strerror(sys).
bool err_sys(struct err *err, int sys, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Puts "prefix: " in front of a set error; returns false.
bool err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *err);

// Out of memory aborts the process (a hostile size must have been refused before).
_Noreturn void die_oom(void);
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
