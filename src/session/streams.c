// SPDX-License-Identifier: Apache-2.0
#include "session/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"

#define DRAIN_MS 2000 // longest wait for a caller that does not read, once everything inside is dead

static void pump(struct stdio_stream *s);

static void on_readable(struct watch *w, uint32_t events)
{
    (void)events;
    pump(w->ctx);
}

static void on_writable(struct watch *w, uint32_t events)
{
    (void)events;
    pump(w->ctx);
}

// Another description of the same terminal or pipe, so that O_NONBLOCK is ours alone.
static int reopen(int fd, int flags)
{
    char path[64];
    int own;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static bool is_directory(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void stop_reading(struct stdio_stream *s)
{
    struct loop *l = s->stdio->loop;

    watch_del(&s->read_watch);
    if (s->from >= 0)
        loop_close_fd(l, TAKE_FD(s->from));
    s->eof = true;
}

static void stop_writing(struct stdio_stream *s)
{
    watch_del(&s->write_watch);
    if (s->to >= 0 && !s->is_output && s->to != s->stdio->master)
        loop_close_fd(s->stdio->loop, s->to);
    if (!s->is_output)
        s->to = -1;
}

static bool take_in(struct stdio_stream *s)
{
    struct stdio *io = s->stdio;
    ssize_t n = read(s->from, s->data, sizeof s->data);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) { // EIO: the last user of the inner terminal is gone
        stop_reading(s);
        return false;
    }
    s->start = 0;
    s->len = (size_t)n;
    if (!s->is_output)
        return true;
    io->output_bytes += (uint64_t)n;
    if (io->wants.max_output && io->output_bytes > io->wants.max_output) {
        uint64_t over = io->output_bytes - io->wants.max_output;

        s->len -= over > s->len ? s->len : (size_t)over;
        stop_reading(s);
    }
    if (io->wants.output && s->len)
        io->wants.output(io->wants.ctx, s->number, s->data, s->len);
    if (io->wants.swallow)
        s->len = 0;
    return true;
}

static bool give_out(struct stdio_stream *s)
{
    while (s->len) {
        ssize_t n = write(s->to, s->data + s->start, s->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0) { // nobody reads any more: the command learns it by SIGPIPE or EIO
            s->len = 0;
            if (s->is_output)
                stop_reading(s);
            return true;
        }
        s->start += (size_t)n;
        s->len -= (size_t)n;
    }
    return true;
}

// Writes what it has, then reads more; reading pauses while the other side does not take it.
static void pump(struct stdio_stream *s)
{
    struct stdio *io = s->stdio;
    bool was_over = io->wants.max_output && io->output_bytes > io->wants.max_output;

    if (s->to < 0 || !give_out(s))
        goto wait;
    if (!s->eof && take_in(s))
        give_out(s);
wait:
    if (s->len && s->to >= 0) {
        if (!s->write_watch.loop &&
            !watch_add(io->loop, &s->write_watch, s->to, EPOLLOUT, on_writable, s, NULL))
            s->len = 0; // a descriptor that cannot be waited for is never short
        if (s->read_watch.loop)
            watch_change(&s->read_watch, 0);
    } else {
        watch_del(&s->write_watch);
        if (s->read_watch.loop)
            watch_change(&s->read_watch, EPOLLIN);
        if (s->eof && !s->is_output)
            stop_writing(s);
    }
    if (!was_over && io->wants.max_output && io->output_bytes > io->wants.max_output && io->wants.over_limit)
        io->wants.over_limit(io->wants.ctx);
}

static struct stdio_stream *new_stream(struct stdio *io, int number)
{
    struct stdio_stream *s = xcalloc(1, sizeof *s);

    s->stdio = io;
    s->from = s->to = -1;
    s->number = number;
    s->is_output = number > 0;
    io->streams[number] = s;
    return s;
}

static bool make_pipe(struct stdio *io, int number, struct err *err)
{
    struct stdio_stream *s = new_stream(io, number);
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot make a pipe for the command's output");
    if (!fd_set_nonblock(p[0], true))
        return err_sys(err, errno, "cannot set up a pipe");
    s->from = p[0];
    io->inner[number] = p[1];
    io->inner_owned[number] = true;
    s->to = reopen(number, O_WRONLY);
    return true;
}

bool stdio_prepare(struct stdio *io, struct loop *loop, const struct stdio_wants *wants, struct err *err)
{
    *io = (struct stdio){.loop = loop, .wants = *wants, .terminal = -1, .master = -1, .input = -1};
    for (int i = 0; i < 3; i++) {
        io->inner[i] = i;
        if (is_directory(i))
            return err_set(
                err, ERR_INPUT,
                "standard descriptor %d is a directory: it would open the host's files inside; redirect it",
                i);
        io->pty[i] = isatty(i) && !(i && wants->pipe_output);
        if (io->pty[i] && io->terminal < 0)
            io->terminal = reopen(i, O_RDWR);
    }
    for (int i = 1; i < 3; i++)
        if (wants->pipe_output && !make_pipe(io, i, err))
            return false;
    return true;
}

void stdio_size(const struct stdio *io, uint16_t *ret_rows, uint16_t *ret_cols)
{
    struct winsize w = {0};

    if (io->terminal >= 0 && ioctl(io->terminal, TIOCGWINSZ, &w) == 0) {
        *ret_rows = w.ws_row;
        *ret_cols = w.ws_col;
    }
}

void stdio_resized(struct stdio *io)
{
    struct winsize w;

    if (io->terminal >= 0 && io->master >= 0 && ioctl(io->terminal, TIOCGWINSZ, &w) == 0)
        ioctl(io->master, TIOCSWINSZ, &w);
}

// Raw only where the person types into the command, and only while this job is in the foreground.
static void set_raw(struct stdio *io)
{
    struct termios t;

    if (io->terminal < 0 || !io->pty[0] || tcgetattr(io->terminal, &io->saved) < 0 ||
        tcgetpgrp(io->terminal) != getpgrp())
        return;
    t = io->saved;
    cfmakeraw(&t);
    io->raw = tcsetattr(io->terminal, TCSADRAIN, &t) == 0;
}

static void restore(struct stdio *io)
{
    if (io->raw)
        tcsetattr(io->terminal, TCSADRAIN, &io->saved);
    io->raw = false;
}

// The inner terminal starts as the outer one is. Where the outer one keeps its own output processing (input
// is not typed), the inner one does none, or newlines would be translated twice.
static void copy_modes(struct stdio *io)
{
    struct termios t;

    if (tcgetattr(io->terminal, &t) < 0)
        return;
    if (io->raw)
        t = io->saved;
    else
        t.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(io->master, TCSANOW, &t);
}

static bool start_terminal(struct stdio *io, struct err *err)
{
    int out = io->pty[1] ? 1 : io->pty[2] ? 2 : 0;
    struct stdio_stream *s = new_stream(io, out ? out : 1);

    set_raw(io);
    copy_modes(io);
    if (!fd_set_nonblock(io->master, true))
        return err_sys(err, errno, "cannot set up the terminal");
    s->from = fcntl(io->master, F_DUPFD_CLOEXEC, 3);
    s->to = fcntl(io->terminal, F_DUPFD_CLOEXEC, 3);
    if (io->pty[0] && io->raw) {
        struct stdio_stream *in = new_stream(io, 0);

        in->from = fcntl(io->terminal, F_DUPFD_CLOEXEC, 3);
        in->to = io->master;
    }
    return true;
}

static void on_input_end(struct watch *w, uint32_t events)
{
    struct stdio *io = w->ctx;

    (void)events;
    watch_del(w);
    io->wants.input_ended(io->wants.ctx);
}

// A hangup is seen without reading, so no byte is taken from the command. Files and terminals have none.
static bool watch_input(struct stdio *io, struct err *err)
{
    struct stat st;

    if (!io->wants.tell_input_end || io->pty[0] || fstat(0, &st) < 0 ||
        !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return true;
    io->input = fcntl(0, F_DUPFD_CLOEXEC, 3);
    return io->input < 0 ||
           watch_add(io->loop, &io->input_watch, io->input, EPOLLRDHUP, on_input_end, io, err);
}

bool stdio_started(struct stdio *io, int master, struct err *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    io->master = master;
    if ((master >= 0 && !start_terminal(io, err)) || !watch_input(io, err)) {
        close(null);
        return false;
    }
    for (int i = 0; i < 3; i++) {
        struct stdio_stream *s = io->streams[i];

        if (io->inner_owned[i])
            close(io->inner[i]);
        io->inner_owned[i] = false;
        if (s && !watch_add(io->loop, &s->read_watch, s->from, EPOLLIN, on_readable, s, err)) {
            close(null);
            return false;
        }
    }
    // The command alone holds what was passed, so that its closing is seen at the other end. Messages to the
    // person still need the caller's stderr.
    for (int i = 0; i < 2 && null >= 0; i++)
        if (!io->pty[i])
            dup2(null, i);
    close(null);
    return true;
}

static void wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    while (poll(&p, 1, DRAIN_MS) < 0 && errno == EINTR)
        ;
}

void stdio_drain(struct stdio *io)
{
    for (int i = 1; i < 3; i++) {
        struct stdio_stream *s = io->streams[i];
        int stuck = 0;

        if (!s || s->to < 0)
            continue;
        while (stuck < 2 && (s->len || !s->eof)) {
            size_t before = s->len;
            uint64_t had = io->output_bytes;

            if (!give_out(s))
                wait_writable(s->to);
            else if (!s->eof && take_in(s))
                continue;
            stuck = s->len == before && io->output_bytes == had ? stuck + 1 : 0;
        }
    }
    restore(io);
}

void stdio_deinit(struct stdio *io)
{
    restore(io);
    for (int i = 0; i < 3; i++) {
        struct stdio_stream *s = io->streams[i];

        if (io->inner_owned[i])
            close(io->inner[i]);
        if (!s)
            continue;
        watch_del(&s->read_watch);
        watch_del(&s->write_watch);
        if (s->from >= 0)
            close(s->from);
        if (s->to >= 0 && s->to != io->master)
            close(s->to);
        free(s);
    }
    if (io->terminal >= 0)
        close(io->terminal);
    if (io->master >= 0)
        close(io->master);
    watch_del(&io->input_watch);
    if (io->input >= 0)
        close(io->input);
    *io = (struct stdio){.terminal = -1, .master = -1, .input = -1};
}
