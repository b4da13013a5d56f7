// SPDX-License-Identifier: Apache-2.0
// Looks for known byte strings (secret values in the forms in which they travel) in a stream, and replaces
// them by others of the same length. Used to notice a secret in what leaves, to put real values in, and to
// scrub them from what comes back. See needles.c for the forms.
#ifndef BAWN_GUARD_NEEDLES_H
#define BAWN_GUARD_NEEDLES_H

#include "base/buf.h"

#define NEEDLE_MIN 8u // shorter secrets are not looked for: too many texts would have them by chance

struct needles;

struct needle {
    const char *name;  // of the secret
    const char *form;  // "plain", "base64" …
    const char *bytes; // `len` of them
    const char *other; // replacement, as long; NULL when the needle is only looked for
    size_t len;
};

struct needles *needles_new(void);
void needles_free(struct needles *set); // takes NULL; wipes
// Exactly these bytes, of any length from 4. other may be NULL.
void needles_add(struct needles *set, const char *name, const char *form, const void *bytes,
                 const void *other, size_t len);
// A secret value in every form; with `other` (as long as value) each form can be replaced. Without, a long
// value is looked for in pieces, so that a part of it is found too. False when it is shorter than NEEDLE_MIN.
bool needles_add_secret(struct needles *set, const char *name, const char *value, const char *other);
bool needles_empty(const struct needles *set); // also for NULL

// First hit in data, or NULL. NULL and empty sets hit nothing.
const struct needle *needles_find(const struct needles *set, const char *data, size_t n, size_t *ret_at);

// Passes a stream through: appends to `out` what may go on, keeps in `held` (initialised by the caller with a
// cap of NEEDLES_HELD_MAX, empty at first) a tail that may be the beginning of a needle, until more comes or
// `last`. With `replace` hits are replaced where they can be; without, the first hit ends it: nothing from
// the hit on is passed and it is returned. Bytes at the end of data that may be the beginning of a needle.
size_t needles_tail(const struct needles *set, const char *data, size_t n);
// Forms that mean the value wherever they stand, without a look at the neighbours: plain, percent-encoded,
// JSON.
void needles_add_placed(struct needles *set, const char *name, const char *value, const char *other);

#define NEEDLES_HELD_MAX (1u << 20)
MUST_USE bool needles_pass(const struct needles *set, struct buf *held, const char *data, size_t n, bool last,
                           bool replace, struct buf *out, const struct needle **ret_hit);

#endif
