// SPDX-License-Identifier: Apache-2.0
// Messages between the supervisor and bawn-init, over one SEQPACKET socket pair (init's end is descriptor
// INIT_FD). A message is a struct init_msg and, where the table says so, descriptors. Text longer than its
// field (argv, env, plan) travels in a memfd. Both programs come from one build, so the layout is the
// version.
//
// supervisor → init                                   descriptors
//   PLAN                                              memfd with the plan; tasks files of control groups (v1)
//   TOP                                               memfd with its second part, directly after
//   START    id, flags, rows, cols, text=cwd          memfd struct start_head …; std descriptors that are not
//                                                     served by a terminal
//   SIGNAL   id, number                               to the command's process group; id 0: to everything
//   COVER    flags (COVER_*), text=path               mask or protect a path that appeared or lost its cover
//   CONNECT  id, number=port                          to that port of the sandbox's loopback
// init → supervisor
//   GATE     text=struct gate_listener each            listeners; all come before READY
//   DIAGNOSE                                          sock_diag socket of the sandbox, before READY; with a
//                                                     gate
//   READY    number=Landlock ABI in use               the sandbox's root; commands may start
//   STARTED  id, number=pid inside                    PTY master when one was asked for
//   LISTENER id                                       seccomp user notification listener of the command
//   EXITED   id, number=wait status, flags=EXITED_*
//   FAILED   id, number=errno, flags=stage, text      the command could not be started; id 0: set-up failed
//   COVERED  number=errno, text=path
//   CONNECTED id, number=errno                        the socket when there is no error
//
// The supervisor closing its end, or dying, ends init and with it every process inside.
#ifndef BAWN_SANDBOX_PROTO_H
#define BAWN_SANDBOX_PROTO_H

#include <stdint.h>

#include "base/err.h"

#define INIT_FD 3
#define INIT_TEXT_MAX 4200 // a path and then some

enum init_type {
    INIT_PLAN = 1,
    INIT_TOP,
    INIT_START,
    INIT_SIGNAL,
    INIT_COVER,
    INIT_CONNECT,
    INIT_GATE,
    INIT_DIAGNOSE,
    INIT_READY,
    INIT_STARTED,
    INIT_LISTENER,
    INIT_EXITED,
    INIT_FAILED,
    INIT_COVERED,
    INIT_CONNECTED,
    INIT_TYPES
};

enum init_start_flag {
    START_PTY = 1 << 0,        // make a terminal; it becomes the controlling one
    START_PTY_STDIN = 1 << 1,  // which of the standard descriptors it serves;
    START_PTY_STDOUT = 1 << 2, // the others are passed
    START_PTY_STDERR = 1 << 3,
    START_LAST = 1 << 4,  // no other follows: init dies with it, and so does what it left behind
    START_MODES = 1 << 5, // the terminal starts in the modes that the argument block holds
};

enum init_stage { STAGE_SETUP = 0, STAGE_CWD, STAGE_TERMINAL, STAGE_CONFINE, STAGE_EXEC, STAGE_BIRTH };

enum init_exited_flag { EXITED_LAST = 1 << 0 }; // no other process is left inside

enum init_cover_flag { INIT_COVER_MASK = 1 << 0, INIT_COVER_IS_DIR = 1 << 1 }; // without MASK: read-only

// A terminal's modes by the kernel's numbers (termios(3)); the two programs may have different C libraries.
#define TTY_KEYS 19 // NCCS of the kernel
struct tty_modes {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t keys[TTY_KEYS];
};

// The argument block of START: this, then argv and the environment as so many terminated strings.
struct start_head {
    uint32_t argc, envc;
    struct tty_modes modes;
};

struct init_msg {
    uint32_t type, id;
    int32_t number;
    uint32_t flags;
    uint16_t rows, cols;
    uint32_t len; // bytes of text in use, without terminator
    char text[INIT_TEXT_MAX];
};
#define INIT_MSG_HEAD offsetof(struct init_msg, text)

// Sends head and text; false with errno when the peer is gone.
bool init_send(int sock, struct init_msg *m, const int *fds, size_t nfds);
// 1: a message; 0: the peer closed; -1: errno (EAGAIN when non-blocking, EBADMSG when malformed). text is
// terminated.
int init_recv(int sock, struct init_msg *m, int *fds, size_t *nfds, int flags);
void init_msg_text(struct init_msg *m, const char *text); // cut when too long

#endif
