// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/fail.h"
#include "cli/srt.h"

static const struct verb *const verbs[] = {&verb_run,  &verb_explain, &verb_policy, &verb_trust,
                                           &verb_runs, &verb_log,     &verb_doctor};

static void usage(FILE *to)
{
    fprintf(to,
            "bawn %s runs a program so that it works freely inside an envelope that the kernel enforces.\n\n",
            BAWN_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(to, "  bawn %-8s  %s\n", verbs[i]->name, verbs[i]->help);
    fputs("\nTry `bawn run -- ls`, then `bawn log`. `bawn VERB --help` says more about each.\n", to);
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(name, verbs[i]->name))
            return verbs[i];
    return NULL;
}

// `bawn help VERB` is `bawn VERB --help`.
static int help(const char *name)
{
    char *argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t) "--help", NULL};
    const struct verb *v = name ? find_verb(name) : NULL;

    if (v)
        return v->main(2, argv);
    usage(stdout);
    return cli_done(0);
}

static int unknown(const char *name)
{
    struct err err = {0};

    if (name[0] == '-')
        err_set(&err, ERR_INPUT,
                "unknown option %.100s; options come after the command, as in `bawn run -q -- ls`; "
                "`bawn --help` lists the commands",
                name);
    else
        err_set(&err, ERR_INPUT,
                "there is no command %.100s; to run a program so named: bawn run -- %.100s; `bawn "
                "--help` lists the commands",
                name, name);
    return cli_fail(&err);
}

// A caller may have closed any of the three; what is opened next must not take its place.
static bool standard_descriptors_open(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

static bool started_as(const char *path, const char *name)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return path && !strcmp(slash ? slash + 1 : path, name);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct verb *v = find_verb(name);

    // A start that frees a buffer would give its pages back and fault them in again for the next one.
    mallopt(M_TOP_PAD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    if (!standard_descriptors_open())
        return CLI_FAILED;
    if (started_as(argv[0], "srt"))
        return srt_main(argc, argv);
    if (v)
        return v->main(argc - 1, argv + 1);
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        printf("bawn %s\n", BAWN_VERSION);
        return cli_done(0);
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
        return help(argc > 2 ? argv[2] : NULL);
    if (*name)
        return unknown(name);
    usage(stderr);
    return CLI_FAILED;
}
