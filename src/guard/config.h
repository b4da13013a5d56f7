// SPDX-License-Identifier: Apache-2.0
// The document that the supervisor hands to the guard: the network part of the merged policy and the secrets
// with their values. Written on the supervisor's side, read in the guard; never on disk.
#ifndef BAWN_GUARD_CONFIG_H
#define BAWN_GUARD_CONFIG_H

#include "base/json.h"
#include "base/strlist.h"
#include "guard/presets.h"
#include "policy/model.h"

#define SECRET_VALUE_MAX 16384 // bytes; longer secrets are refused: they are files, not tokens

struct guard_secret {
    const struct secret *rule; // borrowed
    const char *value;         // what upstream gets; NULL: it is not there, and may keep others away (only)
    const char *placeholder;   // what the sandbox has: as long, and of the same shape
};

// What only the supervisor knows beside the policy. Borrowed; read while the document is written.
struct guard_extras {
    const struct guard_secret *secrets;
    size_t nsecrets;
    const struct strlist *known;                // NAME=VALUE of other secrets, to look for in what leaves
    const struct strlist *ca;                   // PEM texts of network.ca
    const struct preset_registries *registries; // of this machine's package managers; NULL: none
    bool reviewer;                              // somebody answers DECIDE
    bool watched;                               // somebody watches the run (for `watch: true` entries)
    bool hold_names;                            // hold the DNS answer too, not only the connection
    uint64_t ask_timeout_ms;                    // 0: two minutes
};

// An owned document. ERR_INPUT when a secret cannot be carried (control characters, not UTF-8, too long).
MUST_USE bool guard_config_write(const struct policy *p, const struct guard_extras *extras, json_t **ret,
                                 struct err *err);

struct guard_config {
    struct policy policy; // network and secrets only
    struct guard_secret *secrets;
    size_t nsecrets;
    struct strlist known, ca;
    struct preset_registries registries;
    bool reviewer, watched, hold_names;
    uint64_t ask_timeout_ms;
    bool borrows_secrets; // from another one, which outlives this
    json_t *doc;          // owns the strings above
};

MUST_USE bool guard_config_read(const char *text, size_t n, struct guard_config *ret, struct err *err);
// Puts the secrets of `from` in place of c's own: an update changes rules, never secrets.
void guard_config_borrow_secrets(struct guard_config *c, const struct guard_config *from);
void guard_config_deinit(struct guard_config *c); // values of secrets are wiped first

#endif
