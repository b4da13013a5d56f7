// SPDX-License-Identifier: Apache-2.0
// Reads git's configuration files. Strict where git is: what git would refuse, this refuses; what it does not
// know it hands on. Does no I/O but in gitconfig_read. Source: git-config(1) "Syntax", tried against
// git 2.39.
#ifndef BAWN_SANDBOX_GITCONFIG_H
#define BAWN_SANDBOX_GITCONFIG_H

#include "base/buf.h"

#define GITCONFIG_MAX (1u << 20) // bytes; a larger file is not read

struct gitconfig_entry {
    const char *section;    // lower case
    const char *subsection; // as written; NULL without
    const char *key;        // lower case
    const char *value;      // unquoted; NULL for a key without "=" (which means true)
};

// False ends the reading (then gitconfig_parse returns false without an error set).
typedef bool gitconfig_fn(void *ctx, const struct gitconfig_entry *e);

// ERR_INPUT with the line for what git would not read.
MUST_USE bool gitconfig_parse(const char *data, size_t n, gitconfig_fn *fn, void *ctx, struct err *err);
// A regular file, at most the buffer's cap; never blocks on a FIFO and opens no device. ERR_MISSING when
// there is none, ERR_INPUT when it is something else. A final link is followed only with `follow`.
MUST_USE bool regular_read(int dirfd, const char *path, bool follow, struct buf *ret, struct err *err);

#endif
