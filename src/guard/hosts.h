// SPDX-License-Identifier: Apache-2.0
// /etc/hosts, read once and kept.
#ifndef BAWN_GUARD_HOSTS_H
#define BAWN_GUARD_HOSTS_H

#include "guard/addresses.h"

#define HOSTS_FILE_MAX (8u << 20)

struct hosts;

struct hosts *hosts_parse(const char *text, size_t n); // lines that cannot be read are passed over
struct hosts *hosts_load(const char *path);            // a missing file is an empty one
void hosts_free(struct hosts *h);                      // takes NULL
// Addresses of a name (lower case, no trailing dot) in the file's order; returns how many, at most max.
size_t hosts_find(const struct hosts *h, const char *name, struct address *ret, size_t max);

#endif
