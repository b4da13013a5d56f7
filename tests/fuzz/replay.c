// SPDX-License-Identifier: Apache-2.0
// Feeds files to a fuzz target where libFuzzer is not there (gcc with sanitizers): each file named, and each
// file of a directory named, once. Ends with 1 when nothing was fed, for then the test would have shown
// nothing.
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16u << 20) // bytes; more is cut

static void feed(const char *path, size_t *fed)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data;
    size_t n;

    if (!f) {
        fprintf(stderr, "replay: cannot open %s: %s\n", path, strerror(errno));
        exit(1);
    }
    data = malloc(INPUT_MAX);
    if (!data)
        abort();
    n = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    // In a block of exactly its size, so that the sanitizer sees the first byte read past the end.
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        abort();
    memcpy(exact, data, n);
    free(data);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    ++*fed;
}

static void feed_directory(const char *path, size_t *fed)
{
    DIR *d = opendir(path);
    struct dirent *e;

    if (!d) {
        fprintf(stderr, "replay: cannot open %s: %s\n", path, strerror(errno));
        exit(1);
    }
    while ((e = readdir(d))) {
        char file[4096];

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        feed(file, fed);
    }
    closedir(d);
}

int main(int argc, char **argv)
{
    size_t fed = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            feed_directory(argv[i], &fed);
        else
            feed(argv[i], &fed);
    }
    printf("replayed %zu inputs\n", fed);
    return fed ? 0 : 1;
}
