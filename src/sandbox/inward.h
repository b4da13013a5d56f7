// SPDX-License-Identifier: Apache-2.0
// Sockets that bawn-init makes in the sandbox's network namespace and hands out. Static: base only.
#ifndef BAWN_SANDBOX_INWARD_H
#define BAWN_SANDBOX_INWARD_H

#include <stdint.h>

// A non-blocking socket that is connected, or connecting, to this port of the sandbox's own loopback: IPv4,
// or IPv6 where nothing listens on IPv4. 0, or an errno.
int inward_connect(uint16_t port, int *ret_fd);
// A socket by which the kernel tells of the sandbox's TCP and UDP sockets (sock_diag(7)); it can change
// nothing there without capabilities in that namespace's user namespace. 0, or an errno.
int inward_diagnose(int *ret_fd);

#endif
