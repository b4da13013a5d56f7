// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_text(uint64_t wall_ns, char ret[CLOCK_TEXT_SIZE])
{
    time_t sec = (time_t)(wall_ns / 1000000000u);
    unsigned micro = (unsigned)(wall_ns / 1000u % 1000000u);
    struct tm tm;
    size_t n;

    gmtime_r(&sec, &tm);
    n = strftime(ret, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret + n, CLOCK_TEXT_SIZE - n, ".%06uZ", micro);
}
