// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "cli/fail.h"
#include "session/version.h"

static const struct verb *const verbs[] = {&verb_run,  &verb_explain, &verb_policy, &verb_trust,
                                           &verb_runs, &verb_log,     &verb_doctor};

static void usage(FILE *to)
{
    fprintf(to,
            "bawn %s: run a program so that it works freely inside an envelope that the kernel enforces\n\n",
            BAWN_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(to, "  bawn %-8s %-38s %s\n", verbs[i]->name, verbs[i]->synopsis, verbs[i]->help);
    fputs("\nTry `bawn run -- ls`, then `bawn log`. `bawn run --help` lists the options.\n", to);
}

// A caller may have closed any of the three; what is opened next must not take its place.
static bool standard_descriptors_open(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    // A start that frees a buffer would give its pages back and fault them in again for the next one.
    mallopt(M_TOP_PAD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    if (!standard_descriptors_open())
        return CLI_FAILED;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(name, verbs[i]->name))
            return verbs[i]->main(argc - 1, argv + 1);
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        printf("bawn %s\n", BAWN_VERSION);
        return 0;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        usage(stdout);
        return 0;
    }
    if (*name)
        fprintf(stderr, "bawn: unknown command %s\n\n", name);
    usage(stderr);
    return CLI_FAILED;
}
