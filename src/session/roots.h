// SPDX-License-Identifier: Apache-2.0
// Certificate roots inside: what programs there find in place of this machine's own files, so that they trust
// the run's certificate authority and the extra roots of network.ca, without being configured.
#ifndef BAWN_SESSION_ROOTS_H
#define BAWN_SESSION_ROOTS_H

#include "base/strlist.h"
#include "sandbox/layout.h"

#define INSIDE_FILES_MAX 24

// Files of the sandbox's own, in place of this machine's.
struct inside_files {
    struct layout_file items[INSIDE_FILES_MAX]; // paths are owned, contents borrowed
    size_t n;
};

// Links in the path are followed first; a path that is there already is left out.
void inside_files_add(struct inside_files *f, const char *path, const char *content, size_t size);
void inside_files_deinit(struct inside_files *f);

struct javatrust;

struct roots {
    struct buf authority; // PEM: network.ca, and the run's once it is known
    struct buf bundle;    // PEM: this machine's roots, and those
    const char *found;    // where the bundle came from; NULL: there is none
    struct {
        char *path;
        struct javatrust *trust;
    } java[4]; // its trust stores
};

void roots_init(struct roots *r);
void roots_deinit(struct roots *r);
// What can be done before the run's authority is known: reads this machine's roots and Java's. `expected`:
// how many certificates r->authority will have.
void roots_read(struct roots *r, char *const *variables, const char *path_env, uint32_t expected);
// With r->authority complete: adds the files, and the variables that name them.
MUST_USE bool roots_place(struct roots *r, struct inside_files *files, struct strlist *env, struct err *err);
uint32_t roots_count(const char *pem); // certificates in a PEM text

#endif
