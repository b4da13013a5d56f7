// SPDX-License-Identifier: Apache-2.0
// Host patterns of rules: an exact name, *.x (subdomains), **.x (and x itself), * (any name), an address or
// CIDR. Labels are matched whole, so "*.allowed.test" holds for neither "evilallowed.test" nor
// "allowed.test".
#ifndef BAWN_GUARD_HOSTPATTERN_H
#define BAWN_GUARD_HOSTPATTERN_H

#include "guard/hostname.h"

enum host_pattern_kind {
    PATTERN_NOTHING = 0, // matches no host
    PATTERN_NAME,
    PATTERN_SUBDOMAINS,
    PATTERN_TREE, // subdomains and the name itself
    PATTERN_ANY,  // any name, no address
    PATTERN_RANGE,
};

struct host_pattern {
    enum host_pattern_kind kind;
    char name[HOST_TEXT_SIZE];
    struct cidr range;
};

MUST_USE bool host_pattern_parse(const char *text, struct host_pattern *ret, struct err *err);
bool host_pattern_match(const struct host_pattern *p, const struct host *h);
// How specific a pattern is, among those that match one host: exact, then the longest suffix or prefix. *.x
// and
// **.x are equal.
unsigned host_pattern_rank(const struct host_pattern *p);

#endif
