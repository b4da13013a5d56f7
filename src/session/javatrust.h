// SPDX-License-Identifier: Apache-2.0
// A Java trust store with one more certificate authority. Java looks at no system bundle and at no variable
// for more roots, only at one file; so that file is replaced inside.
#ifndef BAWN_SESSION_JAVATRUST_H
#define BAWN_SESSION_JAVATRUST_H

#include "base/buf.h"

#define JAVATRUST_MAX (4u << 20)

// `store` is the file as this machine has it. In the format "JKS" the authority is added to what is there;
// any other format is not read, and a store is made of `bundle`, the system's roots in PEM and the authority.
// Appends.
MUST_USE bool javatrust_make(const struct buf *store, const char *bundle, const char *authority,
                             struct buf *ret, struct err *err);

#endif
