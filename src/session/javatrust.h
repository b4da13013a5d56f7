// SPDX-License-Identifier: Apache-2.0
// A Java trust store with one more certificate authority. Java looks at no system bundle and at no variable
// for more roots, only at one file; so that file is replaced inside.
#ifndef BAWN_SESSION_JAVATRUST_H
#define BAWN_SESSION_JAVATRUST_H

#include "base/buf.h"

#define JAVATRUST_MAX (4u << 20)

// In two steps, as most of the work can be done before the authority is known.
struct javatrust;

// `store` is the file as this machine has it. In the format "JKS" its entries are taken over; any other
// format is not read, and entries are made of `bundle`, the system's roots in PEM. `expected` is how many
// certificates will be added: another number costs time, no more. NULL when there is nothing to begin with.
struct javatrust *javatrust_begin(const struct buf *store, const char *bundle, uint32_t expected);
// Adds the certificates of a PEM text; the store is *ret, borrowed until the end. Once.
MUST_USE bool javatrust_finish(struct javatrust *j, const char *authority, const struct buf **ret,
                               struct err *err);
void javatrust_free(struct javatrust *j); // takes NULL

#endif
