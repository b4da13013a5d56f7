// SPDX-License-Identifier: Apache-2.0
// What the guard says of one use of the network (guard/record.h), as the audit log has it.
#ifndef BAWN_SESSION_NETRECORD_H
#define BAWN_SESSION_NETRECORD_H

#include "audit/jsontext.h"
#include "base/json.h"
#include "session/whois.h"

// "GET https://host:port/path", or "host:port". Owned.
char *netrecord_subject(const json_t *event);
// All that is no column of its own, and who it was: pid and program. w may be NULL.
void netrecord_detail(const json_t *event, struct whois *w, struct jsontext_object *ret);

#endif
