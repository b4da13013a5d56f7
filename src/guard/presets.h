// SPDX-License-Identifier: Apache-2.0
// Presets of network rules: lists of hosts that many projects need. They carry GET, HEAD and OPTIONS only,
// unless the entry that uses them names methods. `dependencies` also holds the registries and mirrors that
// this machine's package managers are configured for; never those that a file in the workspace names.
#ifndef BAWN_GUARD_PRESETS_H
#define BAWN_GUARD_PRESETS_H

#include <stddef.h>
#include <stdint.h>

struct preset_host {
    const char *pattern; // exact, *.x or **.x
    const char *group;   // what it is there for: "Python", "documentation"
};

// NULL for an unknown name; "none" has no hosts.
const struct preset_host *preset_find(const char *name, size_t *ret_n);

// Where configuration is looked for; NULL: skipped. Read once, before the guard is jailed.
struct preset_place {
    const char *root; // "" for this machine; a directory in tests
    const char *home;
    char *const *environ;
};

struct preset_registry {
    char *host; // as host_parse gives it
    uint16_t port;
    char *source; // "npm: /home/x/.npmrc"
};

struct preset_registries {
    struct preset_registry *items;
    size_t n;
};

// Missing or unreadable files are no error: a registry that is not found is not allowed.
void preset_registries_read(const struct preset_place *place, struct preset_registries *ret);
void preset_registries_deinit(struct preset_registries *r);

#endif
