// SPDX-License-Identifier: Apache-2.0
// What every fuzz_NAME.c has: its entry, and how it says that a property does not hold.
#ifndef BAWN_TESTS_FUZZ_FUZZ_H
#define BAWN_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

#endif
