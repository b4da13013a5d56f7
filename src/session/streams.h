// SPDX-License-Identifier: Apache-2.0
// The standard descriptors of a command that a person or a script started with `run`.
//
// Each of the three is one of
//   passed   the caller's own descriptor goes inside: no byte is copied, back-pressure and end of file are
//            the caller's (files, pipes, sockets)
//   terminal the caller's is a terminal: the command gets one made inside, this process copies between the
//            two and the caller's is in raw mode meanwhile. Nothing inside ever holds the caller's terminal.
//   piped    output is counted (limits.output) or reported as events (--json): a pipe, copied. So are files
//            where nothing bounds what is done with an open one (nested, or one that lies in a writable place
//            and may not be written all the same): through /proc/self/fd the command could open a file anew
//            that it was given for reading only, and write it.
// The caller's descriptors are never set non-blocking: their open file description is shared with others.
// Terminals and pipes are opened anew through /proc/self/fd instead; files keep the caller's, with its
// position and O_APPEND.
#ifndef BAWN_SESSION_STREAMS_H
#define BAWN_SESSION_STREAMS_H

#include <termios.h>

#include "loop/loop.h"

#define STDIO_CHUNK 65536

struct stdio;

struct stdio_stream { // from the command towards the caller, or the caller towards the command
    struct stdio *stdio;
    int from, to; // own descriptors, non-blocking where that is possible; -1: none
    bool careful; // `to` blocks: written to only when it is ready, and little at a time
    bool is_file; // `from` is a regular file: always readable, and what nobody took is given back
    struct watch read_watch, write_watch;
    char data[STDIO_CHUNK];
    size_t start, len;
    bool eof, is_output;
    int number; // 0, 1 or 2 of the caller's, or STDIO_TERMINAL
};

#define STDIO_TERMINAL 3 // what the command's terminal shows where only its input is the caller's terminal
#define STDIO_STREAMS 4

struct stdio_wants {
    bool pipe_output;    // copy and count even where passing would do
    bool copy_file[3];   // it is a file that is copied, not passed, unless it is open for both
    bool swallow;        // output goes to the `output` handler only
    uint64_t max_output; // bytes; 0: no limit
    bool tell_input_end; // ask input_ended: once nobody can write to standard input any more (pipe, socket)
    void (*output)(void *ctx, int number, const char *data, size_t n); // each piece; may be NULL
    void (*over_limit)(void *ctx);
    void (*input_ended)(void *ctx);
    void (*suspend)(void *ctx); // the person wants the job stopped: send its group SIGTSTP; may be NULL
    void *ctx;
};

struct stdio {
    struct loop *loop;
    struct stdio_wants wants;
    bool pty[3];
    int inner[3]; // what the command gets where it is not the terminal; valid until stdio_started
    bool inner_owned[3];
    struct stdio_stream *streams[STDIO_STREAMS]; // by number; NULL where passed
    int terminal;                                // the caller's terminal (own description), -1 without
    int master;
    struct termios saved;
    bool raw;
    struct timer foreground; // looks whether the terminal is ours again
    uint64_t output_bytes;
    int input; // standard input once more, only to see its end; -1: not watched
    struct watch input_watch;
};

MUST_USE bool stdio_prepare(struct stdio *io, struct loop *loop, const struct stdio_wants *wants,
                            struct err *err);
void stdio_size(const struct stdio *io, uint16_t *ret_rows, uint16_t *ret_cols);
// What the terminal inside is to start in: as the caller's is. False without one.
bool stdio_modes(const struct stdio *io, struct termios *ret);
// The command runs; takes over the master (-1 without). Lets go of what only the command shall hold.
MUST_USE bool stdio_started(struct stdio *io, int master, struct err *err);
void stdio_resized(struct stdio *io); // the caller's terminal has another size
// Around a stop of this process: gives the terminal back, and takes it again when the job is in the
// foreground, now or later. Meanwhile nothing is read from it.
void stdio_suspend(struct stdio *io);
void stdio_resume(struct stdio *io);
// Everything inside is dead: copies what is still on the way, then restores the terminal.
void stdio_drain(struct stdio *io);
void stdio_deinit(struct stdio *io);

#endif
