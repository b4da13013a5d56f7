// SPDX-License-Identifier: Apache-2.0
// Attacks strict mode from inside, for a given time: strict_race SECONDS ALLOWED DENIED. Prints LEAK and what
// it read as soon as a denied file was opened, by
//   a pointer   another thread changes the path while the call that has it is decided
//   a link      another process changes where a link leads
//   a name      the denied file comes and goes (the host's work), and is opened the moment it is there
// Each process tries one of them; what it may print of a file that is not denied is nothing.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[256];
static char words[2][256];

static void *flip(void *unused)
{
    for (;;)
        for (int i = 0; i < 2; i++) {
            memcpy(path, words[i], sizeof path);
            __asm__ volatile("" ::: "memory");
        }
    return unused;
}

static void look(int fd)
{
    char text[64] = {0};

    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0 && strstr(text, "CANARY")) {
        printf("LEAK %s\n", text);
        exit(1);
    }
    close(fd);
}

static void by_pointer(int flags)
{
    pthread_t thread;

    pthread_create(&thread, NULL, flip, NULL);
    for (;;)
        look(open(path, flags));
}

static void by_link(void)
{
    pid_t parent = getpid();

    if (fork() == 0) {
        char name[32];

        snprintf(name, sizeof name, "link.%d", parent);
        while (getppid() == parent)
            for (int i = 0; i < 2; i++) {
                unlink(name);
                (void)!symlink(words[i], name);
                rename(name, "link");
            }
        _exit(0);
    }
    for (;;)
        look(open("link", O_RDONLY));
}

static void by_name(void)
{
    for (;;) {
        char name[64];
        int fd = open(words[1], O_PATH);

        look(open(words[1], O_RDONLY));
        if (fd < 0)
            continue;
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        look(open(name, O_RDONLY));
        if (linkat(AT_FDCWD, name, AT_FDCWD, "copy", AT_SYMLINK_FOLLOW) == 0 || rename(words[1], "copy") == 0)
            look(open("copy", O_RDONLY));
        unlink("copy");
        close(fd);
    }
}

int main(int argc, char **argv)
{
    pid_t pids[4];
    int leaks = 0, status;

    if (argc != 4)
        return 2;
    strncpy(words[0], argv[2], sizeof words[0] - 1);
    strncpy(words[1], argv[3], sizeof words[1] - 1);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            alarm((unsigned)atoi(argv[1]));
            if (i == 0)
                by_pointer(O_RDONLY);
            else if (i == 1)
                by_pointer(O_RDWR);
            else if (i == 2)
                by_link();
            else
                by_name();
        }
    }
    for (int i = 0; i < 4; i++) {
        waitpid(pids[i], &status, 0);
        leaks += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    printf("leaks %d\n", leaks);
    return 0;
}
