// SPDX-License-Identifier: Apache-2.0
// Several sessions in one process, opened after failures and one ended by its limit, round after round; for
// library.py. Prints a line a round.
#include <bawn/bawn.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 20000

static void fail(const char *what, const struct bawn_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->message);
    exit(1);
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

// The exit status of a shell line, -1 when it cannot be started, -2 when its end is not told.
static int run(struct bawn_session *s, const char *line)
{
    const char *argv[] = {"sh", "-c", line, NULL};
    struct bawn_command c = {.argv = argv, .std = {0, 1, 2}};
    struct bawn_error error;
    struct bawn_event e;
    uint32_t id;

    if (!bawn_start(s, &c, &id, &error))
        return -1;
    do {
        if (!bawn_wait(s, PATIENCE_MS, &e, &error))
            fail("wait", &error);
        if (e.type == BAWN_EVENT_NONE)
            return -2;
    } while (e.type != BAWN_EVENT_EXITED || e.id != id);
    return e.status;
}

static struct bawn_session *open_with(const char *setting)
{
    const char *const set[] = {setting, NULL};
    const struct bawn_options o = {.set = set};
    struct bawn_session *s;
    struct bawn_error error;

    if (!bawn_open(&o, &s, &error))
        fail(setting, &error);
    return s;
}

static void fail_to_open(void)
{
    const char *const set[] = {"limits.memory=much", NULL};
    const struct bawn_options options[] = {{.set = set}, {.workspace = "/no/such/directory"}};

    for (int i = 0; i < 2; i++) {
        struct bawn_session *s;
        struct bawn_error error = {0};

        if (bawn_open(&options[i], &s, &error) || !error.message[0])
            fail("what cannot be opened was, or without a reason", &error);
    }
}

int main(void)
{
    int before = open_descriptors();

    for (int round = 0; round < 3; round++) {
        struct bawn_session *limited, *guarded, *other;
        int first, second, status[4];

        fail_to_open();
        other = open_with("network.mode=off");
        guarded = open_with("network.mode=guarded");
        limited = open_with("limits.wall=2s");
        first = run(limited, "exit 5"); // so that it is not the first command that the limit ends
        second = run(limited, "sleep 60");
        status[0] = run(guarded, "exit 4");
        status[1] = run(other, "exit 3");
        status[2] = run(limited, "true");
        if (!bawn_close(guarded, NULL) || !bawn_close(limited, NULL))
            return 1;
        status[3] = run(other, "kill -9 $$");
        if (!bawn_close(other, NULL))
            return 1;
        printf("%d %d %d %d %d %d, %d descriptors more\n", first, second, status[0], status[1], status[2],
               status[3], open_descriptors() - before);
    }
    return 0;
}
