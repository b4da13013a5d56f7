// SPDX-License-Identifier: Apache-2.0
// What stands inside the sandbox in a secret's place: as long, letters for letters of the same case, digits
// for digits, everything else and a vendor's prefix ("ghp_", "sk-") kept, so that programs which check the
// look of a key accept it.
#ifndef BAWN_GUARD_PLACEHOLDER_H
#define BAWN_GUARD_PLACEHOLDER_H

#include "base/err.h"

#define PLACEHOLDER_RANDOM_MIN 6u // letters and digits that must be there to make it differ

// A JSON Web Token keeps what clients read of it, header and claims: without its signature it opens nothing.

// Where in a value the part begins that must not be known: the signature of a JSON Web Token, else all of it.
const char *placeholder_secret(const char *value);
// Owned. ERR_INPUT when the value has too few letters and digits for a placeholder that cannot be guessed or
// met by chance.
MUST_USE bool placeholder_make(const char *name, const char *value, char **ret, struct err *err);

#endif
