// SPDX-License-Identifier: Apache-2.0
// What the translators of settings share: import_shape.c checks the settings' form, import_srt.c and
// import_claude.c gather what they say into import_rules, import_files.c and import_hosts.c make policy of
// it.
#ifndef BAWN_POLICY_IMPORT_PARTS_H
#define BAWN_POLICY_IMPORT_PARTS_H

#include "policy/import.h"

#define IMPORT_MASKED_MAX 64

struct import_item {
    const char *text;
    const char *key;            // "filesystem.denyRead"; of what no key says the reason
    const struct yaml_node *at; // in the settings; NULL: nowhere
    const char *because;        // or NULL
};

struct import_list {
    struct import_item *items;
    size_t n, alloc; // the array is in the arena
};

// What the settings say, in sandbox-runtime's terms. Paths are as written there.
struct import_rules {
    struct import_list deny_read, allow_read, allow_write, deny_write;
    struct import_list allow_hosts, deny_hosts, deny_addresses, pass_tls, roots;
    struct import_list masked;                          // variables whose value only the hosts see
    struct import_list hidden;                          // variables that are not let in
    struct import_list masked_hosts[IMPORT_MASKED_MAX]; // of `masked`, by index; n == 0: all of allow_hosts
    bool masked_cleartext;
    bool files_off;    // filesystem.disabled
    bool network_shut; // something of it has no equal: nothing is let through
};

struct importer {
    struct arena *arena;
    const struct import_place *place;
    struct imported *out;
    struct import_rules rules;
};

// A node of the policy that is made. `why` is the comment of its line.
struct import_node {
    struct yaml_node node;
    const char *why; // NULL: none
};

void import_add(struct importer *m, struct import_list *list, const struct import_item *item);
// All texts of the list `node` (NULL: nothing) under that key.
void import_add_all(struct importer *m, struct import_list *list, const struct yaml_node *node,
                    const char *key);
void import_note(struct importer *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *import_where(struct importer *m, const struct import_item *item); // "filesystem.denyRead, line 3"
// "LINE:COLUMN: KEY: what", for the item's place.
bool import_error(const struct import_item *item, struct err *err, const char *what);

struct yaml_node *import_map(struct importer *m);
struct yaml_node *import_seq(struct importer *m, const struct import_item *item);
// A text of the policy; with `plain` a name, number or truth value.
struct yaml_node *import_text(struct importer *m, const char *text, bool plain,
                              const struct import_item *item);
struct yaml_node *import_put(struct yaml_node *parent, const char *key, struct yaml_node *child);

struct yaml_node *import_get(const struct yaml_node *map, const char *key);  // NULL when it is not there
struct yaml_node *import_at(const struct yaml_node *root, const char *path); // by dotted path
bool import_true(const struct yaml_node *root, const char *path);            // is there and says true

// --- form ---

enum shape_kind {
    SHAPE_TEXTS = 0,
    SHAPE_MAP,
    SHAPE_MAPS,
    SHAPE_DICT,
    SHAPE_BOOL,
    SHAPE_NUMBER,
    SHAPE_TEXT,
    SHAPE_ANY
};
enum shape_fate {
    FATE_TAKEN = 0, // translated
    FATE_NOTHING,   // says nothing about what is let through on Linux
    FATE_NOTED,     // where it says something: the note is `why`
    FATE_REFUSED,   // cannot be held: an error, `why` is the remedy
};

struct shape {
    const char *path; // "network.allowedDomains"; of a list of maps "credentials.files[].path"
    enum shape_kind kind;
    enum shape_fate fate;
    bool required; // when the map above is there
    const char *why;
};

struct shapes {
    const struct shape *items;
    size_t n;
    const char *root;      // a prefix of every path, "sandbox." or ""
    bool unknown_is_wrong; // else a note
};

bool import_shapes(struct importer *m, const struct shapes *shapes, const struct yaml_node *root,
                   struct err *err);

// --- policy ---

bool import_credentials(struct importer *m, const struct yaml_node *credentials, const char *key,
                        struct err *err);
bool import_files(struct importer *m, struct yaml_node *policy, struct err *err);
bool import_network(struct importer *m, struct yaml_node *policy, struct err *err);
// The start of every policy made here: version, extends.
struct yaml_node *import_policy(struct importer *m);

#endif
