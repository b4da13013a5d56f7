// SPDX-License-Identifier: Apache-2.0
// The subjects of `bawn explain`, one file each; and how an answer is printed.
#ifndef BAWN_CLI_EXPLAIN_H
#define BAWN_CLI_EXPLAIN_H

#include "base/json.h"
#include "cli/options.h"
#include "session/places.h"

// A line for the terminal: "  reason  text", or the text alone without a label. Nothing for an empty text.
void explain_line(const char *label, const char *text);

// [METHOD] URL
MUST_USE bool explain_url(const struct run_options *o, const struct places *places, struct err *err);

#endif
