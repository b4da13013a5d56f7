// SPDX-License-Identifier: Apache-2.0
// Which workspace policies their owner has accepted: the hash of the exact content together with its path,
// one line "SHA256 PATH" in STATE/trust. Another content, or the same content elsewhere, is not trusted.
#ifndef BAWN_POLICY_TRUST_H
#define BAWN_POLICY_TRUST_H

#include "base/strlist.h"

#define TRUST_FILE_MAX (1u << 20)

// False when the file is not there, names neither, or cannot be relied on (another owner, writable by
// others).
bool trust_has(const char *state_dir, const char *path, const void *content, size_t n);
// Puts the content in place of whatever was trusted at this path.
MUST_USE bool trust_add(const char *state_dir, const char *path, const void *content, size_t n,
                        struct err *err);
// *ret_was is false when nothing at this path was trusted.
MUST_USE bool trust_remove(const char *state_dir, const char *path, bool *ret_was, struct err *err);
// The lines as they are: "SHA256 PATH".
MUST_USE bool trust_list(const char *state_dir, struct strlist *ret, struct err *err);

#endif
