// SPDX-License-Identifier: Apache-2.0
// The child between clone(2) and the exec of bawn-init. Freestanding: it calls nothing of the C library.
#ifndef BAWN_SANDBOX_BIRTH_H
#define BAWN_SANDBOX_BIRTH_H

#include <stdint.h>

#define BIRTH_STACK 65536u

// Must stay as it is until the child is dead: it runs on the stack in here.
struct birth {
    int init;         // bawn-init, O_PATH, not INIT_FD
    int ours, theirs; // SEQPACKET pair, both close-on-exec; the child gets theirs as INIT_FD
    int pidfd;        // set by birth_begin, close-on-exec
    char uid_map[36], gid_map[36];
    _Alignas(16) char stack[BIRTH_STACK];
};

// Makes the pair, clones the child into its namespaces with the caller's own ids mapped, and closes what is
// only the child's (theirs, init). What fails in the child before its exec arrives on `ours` as an
// INIT_FAILED message. Returns its pid, or a negative errno with everything closed but pidfd, which is not
// set then.
long birth_begin(struct birth *b);

#endif
