// SPDX-License-Identifier: Apache-2.0
#ifndef BAWN_BASE_UTF8_H
#define BAWN_BASE_UTF8_H

#include <stddef.h>

#include "base/buf.h"

// Length of the longest prefix that is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
size_t utf8_valid_prefix(const char *s, size_t n);
// Appends text for a person's terminal: control characters, escapes and bad bytes as \xNN, so that a file
// name cannot move the cursor or forge a line.
void utf8_printable(struct buf *out, const char *s, size_t n);

#endif
