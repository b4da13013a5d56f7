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

// Not gmtime_r: glibc reads the time zone files for it, and this is on the start path. Days to date: the
// civil calendar repeats every 400 years (146,097 days); years begin in March so that the leap day comes
// last.
void clock_text(uint64_t wall_ns, char ret[CLOCK_TEXT_SIZE])
{
    uint64_t sec = wall_ns / 1000000000u, days = sec / 86400u + 719468u, era = days / 146097u;
    unsigned day = (unsigned)(days % 146097u), rest = (unsigned)(sec % 86400u);
    unsigned year = (day - day / 1460u + day / 36524u - day / 146096u) / 365u;
    unsigned of_year = day - (365u * year + year / 4u - year / 100u), month = (5u * of_year + 2u) / 153u;

    // The remainders only tell the compiler what it cannot know: every field keeps its width.
    snprintf(ret, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
             ((unsigned)(year + era * 400u) + (month >= 10u)) % 10000u,
             (month < 10u ? month + 3u : month - 9u) % 100u, (of_year - (153u * month + 2u) / 5u + 1u) % 100u,
             rest / 3600u % 100u, rest / 60u % 60u, rest % 60u, (unsigned)(wall_ns / 1000u % 1000000u));
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
