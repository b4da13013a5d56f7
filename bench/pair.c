// SPDX-License-Identifier: Apache-2.0
// Times whole processes against each other: from posix_spawn to wait4, in rounds A B C A B C …, so that
// whatever slows the machine down for a while slows down all of them. Not a shell, not an interpreter: its
// own share is some ten microseconds and the same for each.
//
//   pair ROUNDS WARMUPS ::: CMD ARG… ::: CMD ARG… …
//
// Prints one line a round: microseconds of each command, tab-separated. A command that does not exit with 0
// is an error, for then the figure would be that of a failure.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define COMMANDS_MAX 16

extern char **environ;

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double time_one(char **argv, const posix_spawn_file_actions_t *quiet)
{
    double began = now_us();
    struct rusage usage;
    int status, rc;
    pid_t pid;

    rc = posix_spawnp(&pid, argv[0], quiet, NULL, argv, environ);
    if (rc != 0) {
        fprintf(stderr, "pair: cannot start %s: %s\n", argv[0], strerror(rc));
        exit(1);
    }
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR) {
            perror("pair: wait4");
            exit(1);
        }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "pair: %s ended with %s %d\n", argv[0], WIFEXITED(status) ? "status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        exit(1);
    }
    return now_us() - began;
}

int main(int argc, char **argv)
{
    char **commands[COMMANDS_MAX];
    int n = 0, rounds, warmups;
    posix_spawn_file_actions_t quiet;

    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], ":::") != 0)
            continue;
        argv[i] = NULL;
        if (n == COMMANDS_MAX || i + 1 == argc)
            n = -COMMANDS_MAX;
        else
            commands[n++] = argv + i + 1;
    }
    if (n <= 0) {
        fprintf(stderr, "usage: pair ROUNDS WARMUPS ::: CMD ARG… ::: CMD ARG… (at most %d commands)\n",
                COMMANDS_MAX);
        return 2;
    }
    rounds = atoi(argv[1]);
    warmups = atoi(argv[2]);
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    for (int r = -warmups; r < rounds; r++)
        for (int c = 0; c < n; c++) {
            double us = time_one(commands[c], &quiet);

            if (r >= 0)
                printf("%.1f%c", us, c + 1 < n ? '\t' : '\n');
        }
    return 0;
}
