// SPDX-License-Identifier: Apache-2.0
// A directory of its own for each test, removed with what is in it.
#ifndef BAWN_TESTS_AUDIT_PLACE_H
#define BAWN_TESTS_AUDIT_PLACE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
    char path[64];
    int fd;
};

static inline int place_remove_one_(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int place_make(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->path, sizeof p->path, "/tmp/bawn-test-XXXXXX");
    if (!mkdtemp(p->path))
        return -1;
    p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = p;
    return p->fd < 0 ? -1 : 0;
}

static inline int place_drop(void **state)
{
    struct place *p = *state;

    close(p->fd);
    nftw(p->path, place_remove_one_, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

#define in_place(f) cmocka_unit_test_setup_teardown(f, place_make, place_drop)

#endif
