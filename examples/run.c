// SPDX-License-Identifier: Apache-2.0
// A session with libbawn: one command with pipes, one on a terminal, and what was refused.
//
//   cc -o run run.c $(pkg-config --cflags --libs --static bawn)
//   ./run [DIRECTORY]
#include <bawn/bawn.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const struct bawn_error *error)
{
    fprintf(stderr, "run: %s\n", error->message);
    exit(1);
}

// Copies what is there to read. False at the end of it; a terminal ends with an error (EIO).
static bool copy(int from)
{
    char data[4096];
    ssize_t n = read(from, data, sizeof data);

    if (n > 0)
        fwrite(data, 1, (size_t)n, stdout);
    return n > 0;
}

static void tell(const struct bawn_event *e)
{
    if (e->type == BAWN_EVENT_REFUSED)
        printf("refused: %s %s (%s)\n", e->kind, e->subject, e->rule);
    if (e->type == BAWN_EVENT_NOTE)
        printf("note: %s\n", e->text);
    if (e->type == BAWN_EVENT_EXITED && e->text)
        printf("not started: %s\n", e->text);
}

// One thread waits for both: the session has a descriptor for the caller's own poll(2).
static int carry(struct bawn_session *s, uint32_t id, int output)
{
    int status = -1;

    while (status < 0 || output >= 0) {
        struct pollfd ready[] = {{bawn_fd(s), POLLIN, 0}, {output, POLLIN, 0}};
        struct bawn_event e;
        struct bawn_error error;

        if (poll(ready, 2, -1) < 0)
            return -1;
        if (ready[1].revents && !copy(output)) {
            close(output);
            output = -1;
        }
        do {
            if (!bawn_wait(s, 0, &e, &error))
                fail(&error);
            tell(&e);
            if (e.type == BAWN_EVENT_STARTED && e.terminal >= 0)
                output = e.terminal;
            if (e.type == BAWN_EVENT_EXITED && e.id == id)
                status = e.status;
        } while (e.type != BAWN_EVENT_NONE);
    }
    return status;
}

static int run_with_pipe(struct bawn_session *s, const char *line)
{
    const char *argv[] = {"sh", "-c", line, NULL};
    struct bawn_command c = {.argv = argv};
    struct bawn_error error;
    uint32_t id;
    int out[2];

    if (pipe(out) < 0)
        return -1;
    c.std[0] = STDIN_FILENO;
    c.std[1] = c.std[2] = out[1];
    if (!bawn_start(s, &c, &id, &error))
        fail(&error);
    close(out[1]); // the command has its own; ours would keep the pipe open
    return carry(s, id, out[0]);
}

static int run_on_terminal(struct bawn_session *s, const char *line)
{
    const char *argv[] = {"sh", "-c", line, NULL};
    struct bawn_command c = {.argv = argv, .pty = true, .rows = 24, .columns = 80};
    struct bawn_error error;
    uint32_t id;

    if (!bawn_start(s, &c, &id, &error))
        fail(&error);
    return carry(s, id, -1);
}

int main(int argc, char **argv)
{
    struct bawn_options o = {.workspace = argc > 1 ? argv[1] : NULL};
    struct bawn_session *s;
    struct bawn_error error;

    if (!bawn_open(&o, &s, &error))
        fail(&error);
    printf("session %s\n%s", bawn_id(s), bawn_notes(s));
    printf("with a pipe: exit status %d\n", run_with_pipe(s, "echo hello; exit 3"));
    printf("on a terminal: exit status %d\n", run_on_terminal(s, "test -t 0 && stty size"));
    printf("a crossing: exit status %d\n", run_with_pipe(s, "echo x >/etc/planted"));
    if (!bawn_close(s, &error))
        fail(&error);
    return 0;
}
