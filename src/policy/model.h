// SPDX-License-Identifier: Apache-2.0
// The policy of one run as plain data: what the layers say after merging and narrowing. Zeroed memory is the
// strictest policy there is. Made by policy_load (load.h), which owns every string in it; see docs of each
// key in schema.c (the one table that names keys, types, narrowing and whether this build has the feature).
#ifndef BAWN_POLICY_MODEL_H
#define BAWN_POLICY_MODEL_H

#include <stdint.h>

#include "base/strlist.h"
#include "policy/verdict.h"

enum layer { LAYER_BUILTIN = 0, LAYER_USER, LAYER_WORKSPACE, LAYER_FILE, LAYER_OPTION, LAYER_MANAGED };

// Where a value was written. `file` is "profile workspace", a path, or the option ("--read").
struct origin {
    enum layer layer;
    const char *file; // owned by the policy
    int line, column; // 1-based; 0 for options and profiles
};

struct policy_item {
    char *text;
    struct origin from;
};

struct policy_list {
    struct policy_item *items;
    size_t n;
};

enum net_mode { NET_OFF = 0, NET_GUARDED, NET_OPEN };
enum net_protocol { PROTOCOL_HTTP = 0, PROTOCOL_TCP };
enum tls_mode { TLS_AUTO = 0, TLS_INSPECT, TLS_PASS };
enum degrade { DEGRADE_REFUSE = 0, DEGRADE_ALLOW };
enum approval_mode { APPROVAL_EDGE = 0, APPROVAL_EVERY, APPROVAL_NEVER };
enum overlay_mode { OVERLAY_OFF = 0, OVERLAY_REVIEW, OVERLAY_COMMIT, OVERLAY_DISCARD };

// One entry of network.allow or network.deny. Either host or preset is set.
struct net_rule {
    char *host;   // pattern as written, lower case: exact, *.x, **.x, address or CIDR
    char *preset; // none, dependencies, documentation
    uint16_t *ports;
    size_t nports;                     // 0: default 80 and 443
    struct policy_list methods, paths; // n == 0: all
    enum net_protocol protocol;
    enum tls_mode tls;
    bool upgrade, watch;
    uint64_t max_upload;  // bytes; 0: no limit
    uint64_t upload_rate; // bytes a second, of all its connections together; 0: no limit
    char *because;        // or NULL
    struct origin from;
};

struct secret {
    char *name; // environment name inside
    char *from; // env:NAME, file:PATH or json:PATH#POINTER
    struct policy_list hosts;
    char *header, *query, *body; // where it may go; NULL when not named
    bool cleartext, optional, only;
    struct origin origin;
};

// A file of the yard's own (files.inside): a copy of the host's at this path, or `text`.
struct inside_file {
    char *path;
    char *text, *head, *absent, *put; // NULL when not named
    struct policy_list keep, fake;
    bool members; // keep, fake or put is there: of a JSON file only these, and those that secrets come from
    struct origin from;
};

struct command_rule {
    struct strlist *match; // one list of alternatives per position
    size_t nmatch;
    enum verdict decision;
    char *because;
    struct policy_list like, unlike;
    struct origin from;
};

struct limits { // 0: no limit
    uint64_t wall_ms, after_input_ms;
    double cpu;                    // processors' worth
    uint64_t memory, disk, output; // bytes
    uint64_t processes, open_files;
};

struct policy {
    char *profile; // name at the end of the extends chain: "workspace", "read-only" …
    enum degrade degrade;
    bool nested, as_root;
    struct policy_list notes;
    struct {
        struct policy_list read, write, deny, protect, ask, state;
        struct inside_file *inside;
        size_t ninside;
        bool strict;
    } files;
    struct {
        enum net_mode mode;
        struct net_rule *allow, *deny, *quiet;
        size_t nallow, ndeny, nquiet;
        bool ask, scan, proxy_env;
        struct policy_list ca, addresses, publish, sockets;
    } network;
    struct {
        struct policy_list pass; // names; a trailing * is a prefix
        struct policy_list set;  // NAME=VALUE
    } env;
    struct secret *secrets;
    size_t nsecrets;
    struct limits limits;
    struct command_rule *commands;
    size_t ncommands;
    struct {
        enum approval_mode mode;
        char *reviewer;         // tty, web, model, none, or NULL for the default
        struct strlist command; // a reviewer program instead
        uint64_t timeout_ms;
    } approval;
    struct {
        enum verdict near_name, known_bad, install_scripts; // allow where no layer says anything
        uint64_t younger_than_ms;                           // 0: age does not matter
        struct policy_list feed;                            // absolute paths
    } packages;
    struct {
        struct policy_list untrusted; // host patterns, or "**"
        struct policy_list methods;   // admitted afterwards; n == 0: all
        enum verdict new_hosts;
    } flow;
    struct {
        char *model; // NULL: no monitor
        struct policy_list on;
    } monitor;
    enum overlay_mode overlay;
    struct policy_priv *priv; // the merged tree with its origins; for show and explain
};

void policy_free(struct policy *p); // takes NULL

#endif
