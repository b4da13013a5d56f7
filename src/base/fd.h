// SPDX-License-Identifier: Apache-2.0
// Descriptors: whole reads and writes, descriptor passing, file contents. Every descriptor made here is
// close-on-exec. Source: unix(7) SCM_RIGHTS, openat2(2).
#ifndef BAWN_BASE_FD_H
#define BAWN_BASE_FD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define FD_PASS_MAX 8 // most descriptors in one message

// Writes all n bytes to a blocking descriptor, over EINTR.
MUST_USE bool fd_write_all(int fd, const void *data, size_t n, struct err *err);
// Reads until end of file or until the buffer's cap (then ERR_LIMIT).
MUST_USE bool fd_read_all(int fd, struct buf *ret, struct err *err);
// Whole file into ret (which was buf_init'ed with the size limit); ERR_MISSING when there is none.
MUST_USE bool file_read(int dirfd, const char *path, struct buf *ret, struct err *err);
// Writes a file through a temporary name beside it and rename(2), so a reader sees all or nothing.
MUST_USE bool file_replace(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
                           struct err *err);
// mkdir -p for an absolute or dirfd-relative path; directories made get `mode`.
MUST_USE bool mkdir_parents(int dirfd, const char *path, mode_t mode, struct err *err);

// One SEQPACKET message with up to FD_PASS_MAX descriptors. Returns bytes, or -1 with errno (EINTR retried).
ssize_t fd_send(int sock, const void *data, size_t n, const int *fds, size_t nfds, int flags);
// Descriptors received are close-on-exec; *ret_nfds is 0 when none came. A message that was cut or carried
// more descriptors than asked for is EBADMSG, all its descriptors closed.
ssize_t fd_recv(int sock, void *data, size_t n, int *fds, size_t *nfds, int flags);
MUST_USE bool fd_set_nonblock(int fd, bool on);

#endif
