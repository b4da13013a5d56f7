// SPDX-License-Identifier: Apache-2.0
#ifndef BAWN_POLICY_VERDICT_H
#define BAWN_POLICY_VERDICT_H

// Zeroed memory denies.
enum verdict { VERDICT_DENY = 0, VERDICT_ASK, VERDICT_ALLOW };

const char *verdict_name(enum verdict v); // "deny", "ask", "allow"

#endif
