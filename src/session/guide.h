// SPDX-License-Identifier: Apache-2.0
// The guide: a short text inside every run, made from the policy in force, for whoever works there and meets
// a refusal. BAWN_GUIDE names it.
#ifndef BAWN_SESSION_GUIDE_H
#define BAWN_SESSION_GUIDE_H

#include "base/buf.h"
#include "policy/files.h"

#define GUIDE_PATH "/run/bawn/guide.txt"
#define GUIDE_MAX 8192u // bytes

// Names what is granted. Of what is denied only sets.
void guide_write(const struct policy *p, const struct file_rules *rules, struct buf *ret);

#endif
