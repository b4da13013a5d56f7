// SPDX-License-Identifier: Apache-2.0
// Between rules.c (compiles) and rules_ask.c (applies); nobody else includes this.
#ifndef BAWN_GUARD_RULES_PARTS_H
#define BAWN_GUARD_RULES_PARTS_H

#include "guard/hostpattern.h"
#include "guard/rules.h"

struct net_entry {
    struct host_pattern pattern;
    const char *shown;           // the pattern as text, without "preset …"
    const struct net_rule *rule; // the policy's; for ports (unless `port`), protocol, tls and the rest
    uint16_t port;               // of a registry; 0: the rule's ports
    bool reads_only;             // of a preset: GET, HEAD, OPTIONS
    char **paths;                // patterns of urlpath_pattern, shared by the entries of one rule
    size_t npaths;
    char *text; // for records: "network.allow: **.example.org (bawn.yaml:12)"
};

struct net_entries {
    struct net_entry *items;
    size_t n, alloc;
};

struct secret_hosts {
    struct host_pattern *items;
    size_t n;
};

struct net_rules {
    enum net_mode mode;
    const struct net_rule *first; // of the policy's allow
    bool ask;                     // an unlisted host is asked about
    struct net_entries allow, deny;
    struct secret_hosts *secrets;
    size_t nsecrets;
    struct cidr_set excepted; // network.addresses
    uint16_t *ports;
    size_t nports;
    char ***paths; // NULL-terminated lists, one for each rule that has paths
    size_t npaths;
};

// Whether an entry admits (allow) or is about (deny) this much of a question.
bool net_entry_port(const struct net_entry *e, uint16_t port, bool deny);
bool net_entry_method(const struct net_entry *e, const char *method, bool deny);
bool net_entry_path(const struct net_entry *e, const char *decoded, bool deny);
bool net_entry_sees_inside(const struct net_entry *e); // has methods or paths

#endif
