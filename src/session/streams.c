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
// Bytes that a pipe or socket takes without waiting when poll(2) finds it ready (PIPE_BUF).
#define CAREFUL 4096
#define LOOK_AGAIN_NS 200000000u

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

static mode_t type_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

// Another description of the same terminal or pipe, so that O_NONBLOCK is ours alone. Sockets cannot be had
// anew, nor can a pipe that another user made.
static int reopen(int fd, int flags)
{
    char path[64];
    int own = -1;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (type_of(fd) != S_IFREG)
        own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void stop_reading(struct stdio_stream *s)
{
    struct loop *l = s->stdio->loop;

    watch_del(&s->read_watch);
    if (s->from >= 0 && !s->is_file)
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

// The command leads its session, so its group is an orphaned one (its parent, init, is in no session with
// it), and such a group is not stopped by the terminal's SIGTSTP (setpgid(2)). Then the key stops bawn with
// it, as the person would expect of a job. A shell inside that has job control has put the foreground
// elsewhere, or ignores the signal; who catches it has its own ideas. They get the key.
static bool stops_job(const struct stdio *io, char *ret_key)
{
    pid_t group = tcgetpgrp(io->master);
    AUTO_BUF struct buf status = {0};
    AUTO_FREE char *path = NULL;
    unsigned long long ignored, caught;
    const char *at;
    struct termios t;

    if (tcgetattr(io->master, &t) < 0 || !(t.c_lflag & ISIG) || !t.c_cc[VSUSP] || group <= 0 ||
        group != tcgetsid(io->master))
        return false;
    *ret_key = (char)t.c_cc[VSUSP];
    path = xasprintf("/proc/%d/status", (int)group);
    buf_init(&status, 1 << 16);
    if (!file_read(AT_FDCWD, path, &status, NULL) || !(at = strstr(buf_cstr(&status), "\nSigIgn:")) ||
        sscanf(at, "\nSigIgn: %llx\nSigCgt: %llx", &ignored, &caught) != 2)
        return false;
    return !((ignored | caught) >> (SIGTSTP - 1) & 1);
}

// As the terminal does it: what was typed before the key is dropped.
static void look_for_stop(struct stdio_stream *s)
{
    struct stdio *io = s->stdio;
    char key, *at;

    if (s->number || s->is_file || !io->wants.suspend || !s->len || !stops_job(io, &key))
        return;
    at = memrchr(s->data, key, s->len);
    if (!at)
        return;
    s->len -= (size_t)(at + 1 - s->data);
    s->start = (size_t)(at + 1 - s->data);
    io->wants.suspend(io->wants.ctx);
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
    look_for_stop(s);
    if (!s->is_output)
        return true;
    io->output_bytes += (uint64_t)n;
    if (io->wants.max_output && io->output_bytes > io->wants.max_output) {
        uint64_t over = io->output_bytes - io->wants.max_output;

        s->len -= over > s->len ? s->len : (size_t)over;
        stop_reading(s);
    }
    if (s->number == STDIO_TERMINAL)
        return true;
    if (io->wants.output && s->len)
        io->wants.output(io->wants.ctx, s->number, s->data, s->len);
    if (io->wants.swallow)
        s->len = 0;
    return true;
}

// A write that waits would hold up the limits and all else that the loop does.
static ssize_t write_some(struct stdio_stream *s)
{
    struct pollfd ready = {.fd = s->to, .events = POLLOUT};
    size_t n = s->len;

    if (s->careful) {
        n = n < CAREFUL ? n : CAREFUL;
        if (poll(&ready, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
    }
    return write(s->to, s->data + s->start, n);
}

static bool give_out(struct stdio_stream *s)
{
    while (s->len) {
        ssize_t n = write_some(s);

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
    if ((s->len || (s->is_file && !s->eof)) && s->to >= 0) {
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
    int p[2], ours = number ? 0 : 1;

    if (pipe2(p, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot make a pipe for the command's %s", number ? "output" : "input");
    io->inner[number] = p[1 - ours];
    io->inner_owned[number] = true;
    if (number) {
        s->from = p[ours];
        s->to = reopen(number, O_WRONLY);
        s->careful = s->to >= 0 && !(fcntl(s->to, F_GETFL) & O_NONBLOCK);
    } else {
        s->from = fcntl(number, F_DUPFD_CLOEXEC, 3);
        s->to = p[ours];
        s->is_file = true;
    }
    return fd_set_nonblock(p[ours], true) || err_sys(err, errno, "cannot set up a pipe");
}

// Open for both, a file was given to be written.
static bool copies(const struct stdio *io, int number)
{
    if (number && io->wants.pipe_output)
        return true;
    return io->wants.copy_file[number] && (fcntl(number, F_GETFL) & O_ACCMODE) != O_RDWR;
}

bool stdio_prepare(struct stdio *io, struct loop *loop, const struct stdio_wants *wants, struct err *err)
{
    *io = (struct stdio){.loop = loop, .wants = *wants, .terminal = -1, .master = -1, .input = -1};
    for (int i = 0; i < 3; i++) {
        io->inner[i] = i;
        if (type_of(i) == S_IFDIR)
            return err_set(
                err, ERR_INPUT,
                "standard descriptor %d is a directory: it would open the host's files inside; redirect it",
                i);
        io->pty[i] = isatty(i) && !(i && wants->pipe_output);
        if (io->pty[i] && io->terminal < 0)
            io->terminal = reopen(i, O_RDWR);
    }
    for (int i = 0; i < 3; i++)
        if (copies(io, i) && !make_pipe(io, i, err))
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

// The person types into the command, and this job is in the foreground.
static bool takes_keys(const struct stdio *io)
{
    return io->terminal >= 0 && io->pty[0] && tcgetpgrp(io->terminal) == getpgrp();
}

bool stdio_modes(const struct stdio *io, struct termios *ret)
{
    if (io->terminal < 0 || tcgetattr(io->terminal, ret) < 0)
        return false;
    // The outer one keeps its output processing then, and newlines would be translated twice.
    if (!takes_keys(io))
        ret->c_oflag &= ~(tcflag_t)OPOST;
    return true;
}

static void set_raw(struct stdio *io)
{
    struct termios t;

    if (!takes_keys(io) || tcgetattr(io->terminal, &io->saved) < 0)
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

void stdio_suspend(struct stdio *io)
{
    struct stdio_stream *in = io->streams[0];

    if (!io->raw)
        return;
    restore(io);
    if (in && in->read_watch.loop)
        watch_change(&in->read_watch, 0);
}

static void look_again(struct timer *t)
{
    stdio_resume(t->ctx);
}

// A shell that brings a job to the foreground which was going on in the background sends it no signal.
void stdio_resume(struct stdio *io)
{
    struct stdio_stream *in = io->streams[0];

    if (io->raw || !in || in->is_file || in->eof)
        return;
    set_raw(io);
    if (!io->raw) {
        timer_set(io->loop, &io->foreground, LOOK_AGAIN_NS, look_again, io);
        return;
    }
    watch_change(&in->read_watch, EPOLLIN);
    stdio_resized(io);
}

static bool start_terminal(struct stdio *io, struct err *err)
{
    int out = io->pty[1] ? 1 : io->pty[2] ? 2 : 0;
    struct stdio_stream *s = new_stream(io, out ? out : STDIO_TERMINAL);

    set_raw(io);
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
    for (int i = 0; i < STDIO_STREAMS; i++) {
        struct stdio_stream *s = io->streams[i];

        // Of a file's pipe this side stays, to see in the end what was not read.
        if (i < 3 && io->inner_owned[i] && !(s && s->is_file)) {
            close(io->inner[i]);
            io->inner_owned[i] = false;
        }
        if (s && !(s->is_file ? watch_add(io->loop, &s->write_watch, s->to, EPOLLOUT, on_writable, s, err)
                              : watch_add(io->loop, &s->read_watch, s->from, EPOLLIN, on_readable, s, err))) {
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

// The caller and the command share the position in a file, as if it had been passed.
static void give_back(const struct stdio_stream *s)
{
    off_t unread = (off_t)s->len;
    int waiting = 0;

    if (ioctl(s->stdio->inner[0], FIONREAD, &waiting) == 0)
        unread += waiting;
    if (unread && lseek(s->from, -unread, SEEK_CUR) < 0)
        return; // what cannot seek was no file
}

void stdio_drain(struct stdio *io)
{
    if (io->streams[0] && io->streams[0]->is_file)
        give_back(io->streams[0]);
    for (int i = 1; i < STDIO_STREAMS; i++) {
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
    timer_del(&io->foreground);
    for (int i = 0; i < STDIO_STREAMS; i++) {
        struct stdio_stream *s = io->streams[i];

        if (i < 3 && io->inner_owned[i])
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
