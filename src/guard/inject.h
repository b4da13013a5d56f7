// SPDX-License-Identifier: Apache-2.0
// Secrets of policy at work on one request: where a placeholder stands in the place that policy names, the
// value goes in; in what comes back values become placeholders again. See inject.c.
#ifndef BAWN_GUARD_INJECT_H
#define BAWN_GUARD_INJECT_H

#include "guard/config.h"
#include "guard/hostname.h"
#include "guard/needles.h"

struct secrets;

// Those of one host.
struct secret_set {
    const struct guard_secret **items; // borrowed from the configuration
    size_t n;
    struct needles *placed; // placeholder → value, in forms that stand by themselves (plain, percent, JSON)
    struct needles *scrub;  // value → placeholder, in all forms
    bool in_body;           // one of them may go into a body
};

// ERR_INPUT when a host pattern cannot be read.
MUST_USE bool secrets_new(const struct guard_config *c, struct secrets **ret, struct err *err);
void secrets_free(struct secrets *s); // takes NULL
// The configuration with the secrets has moved in memory.
void secrets_rebind(struct secrets *s, const struct guard_config *c);
// NULL when no secret goes to this host. Borrowed for the run. *ret_only: no other credential may go there.
const struct secret_set *secrets_for(struct secrets *s, const struct host *host, bool *ret_only);

// The value of a request field as it goes upstream: `value` itself, or a text in `out` (which is cleared
// first).
const char *inject_field(const struct secret_set *set, const char *name, const char *value, struct buf *out);
// The same for a query ("a=b&c=d").
const char *inject_query(const struct secret_set *set, const char *query, struct buf *out);
// The first secret whose placeholder stands in one of its places here, and that must not go in cleartext.
const char *inject_needs_tls(const struct secret_set *set, const char *name, const char *value);
const char *inject_query_needs_tls(const struct secret_set *set, const char *query);

// Does this request field hold a credential that is none of the set's (which may be NULL)?
bool inject_foreign(const struct secret_set *set, const char *name, const char *value);
bool inject_foreign_query(const struct secret_set *set, const char *query);

// Bodies: how fields are found, from the request's Content-Type.
enum body_kind { BODY_OTHER = 0, BODY_FORM, BODY_JSON, BODY_MULTIPART };
#define INJECT_BEFORE 512u // bytes before a placeholder that are looked at
struct body_places {
    const struct secret_set *set;
    bool tls; // without, only secrets that may go in cleartext
    enum body_kind kind;
    char boundary[80];
};
void inject_body_kind(struct body_places *b, const struct secret_set *set, bool tls,
                      const char *content_type);
enum inject_place {
    INJECT_ELSEWHERE = 0, // the placeholder stays what it is
    INJECT_HERE,
    INJECT_NEEDS_TLS, // its place, but in cleartext, where this secret must not go
};
// Does the secret belong there? `before` are the n bytes ahead of its placeholder (fewer only at the
// beginning).
enum inject_place inject_in_place(const struct body_places *b, const struct needle *hit, const char *before,
                                  size_t n);

#endif
