// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
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

bool clock_parse(const char *text, uint64_t *ret_wall_ns)
{
    char again[CLOCK_TEXT_SIZE];
    struct tm tm = {0};
    unsigned micro;
    uint64_t ns;
    time_t sec;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &micro) != 7)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    sec = timegm(&tm);
    if (sec < 0)
        return false;
    ns = (uint64_t)sec * 1000000000u + (uint64_t)micro * 1000u;
    // Written again it must be the same text: that refuses month 13, signs, blanks and what follows.
    clock_text(ns, again);
    if (strcmp(again, text) != 0)
        return false;
    *ret_wall_ns = ns;
    return true;
}
