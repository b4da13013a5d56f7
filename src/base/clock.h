// SPDX-License-Identifier: Apache-2.0
#ifndef BAWN_BASE_CLOCK_H
#define BAWN_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT_SIZE 32

uint64_t clock_mono_ns(void); // CLOCK_MONOTONIC
uint64_t clock_wall_ns(void); // CLOCK_REALTIME since the epoch
// RFC 3339 in UTC with microseconds: 2026-01-31T12:00:00.000000Z
void clock_text(uint64_t wall_ns, char ret[CLOCK_TEXT_SIZE]);
// Reads exactly that form; false for anything else.
bool clock_parse(const char *text, uint64_t *ret_wall_ns);

#endif
