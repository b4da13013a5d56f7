// SPDX-License-Identifier: Apache-2.0
// What cmocka wants included before itself, once.
#ifndef BAWN_TESTS_UNIT_TEST_H
#define BAWN_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
