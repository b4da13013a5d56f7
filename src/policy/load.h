// SPDX-License-Identifier: Apache-2.0
// From files and options to one struct policy: read the layers, merge, narrow, check, bind.
#ifndef BAWN_POLICY_LOAD_H
#define BAWN_POLICY_LOAD_H

#include "base/buf.h"
#include "policy/model.h"

struct yaml_node;

#define POLICY_FILE_MAX (1u << 20) // bytes; a larger policy file is refused

// Where the layers are looked for. Paths are normal and borrowed; NULL means "not there".
struct policy_places {
    const char *workspace; // bawn.yaml (or bawn.json) is looked for in it
    const char *home;
    const char *config_dir;   // $XDG_CONFIG_HOME/bawn: policy.yaml
    const char *state_dir;    // $XDG_STATE_HOME/bawn: trusted hashes
    const char *managed_file; // /etc/bawn/policy.yaml
};

// What the command line adds, in the order given.
struct policy_options {
    const char *file;                 // -p: in place of the user's and the workspace's files; NULL without
    const struct yaml_node *tree;     // its content, made by other means (import.h): `file` is not read then,
                                      // and names where the tree's lines are; NULL file: nowhere
    const char *profile;              // --profile
    struct strlist set;               // KEY=VALUE, dotted keys; VALUE is a YAML flow value
    struct strlist read, write, deny; // paths
    struct strlist allow;             // HOST[:PORT][,METHOD…]
    struct strlist env;               // NAME or NAME=VALUE
    const char *overlay, *wall, *ask, *reviewer; // scalars, NULL without
    struct strlist live; // lines of --control-fd, as KEY=VALUE like `set`; over all of the above
};

// On success *ret is the caller's (policy_free). `notes` gets one line each for what was dropped from an
// untrusted workspace file, capped by the managed policy, or is a risk worth a warning; lines end in '\n'.
// Errors are ERR_INPUT: "FILE:LINE:COLUMN: key path: what; nearest known name; what is allowed", or
// ERR_UNSUPPORTED for a key whose feature is "not in this build".
MUST_USE bool policy_load(const struct policy_places *places, const struct policy_options *options,
                          struct policy **ret, struct buf *notes, struct err *err);
// The workspace's file as it is now: its path and bytes (owned), whether exactly this content is trusted, and
// what it asks for that an untrusted file does not get. ERR_MISSING when there is none. For `bawn trust`.
MUST_USE bool policy_workspace_file(const struct policy_places *places, char **ret_path, struct buf *ret_text,
                                    bool *ret_trusted, struct strlist *ret_loosens, struct err *err);
// The merged policy as YAML; with_origins adds a comment per line that says where it came from.
void policy_write(const struct policy *p, bool with_origins, struct buf *ret);

#endif
