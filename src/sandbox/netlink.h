// SPDX-License-Identifier: Apache-2.0
// Just enough rtnetlink to build a veth pair: messages are appended to one buffer, sent in one call, and
// every acknowledgement is read. Source: netlink(7), rtnetlink(7).
#ifndef BAWN_SANDBOX_NETLINK_H
#define BAWN_SANDBOX_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

#include "base/err.h"

#define NL_BATCH_BYTES 4096
#define NL_BATCH_MESSAGES 16

struct nl_batch {
    int sock;
    uint32_t seq; // of the next message
    size_t len;
    size_t n;
    const char *what[NL_BATCH_MESSAGES]; // for the error, a literal
    bool may_fail[NL_BATCH_MESSAGES];    // an error from the kernel is passed over
    struct nlmsghdr *open;               // the message being written
    _Alignas(NLMSG_ALIGNTO) char bytes[NL_BATCH_BYTES];
};

MUST_USE bool nl_open(int *ret_sock, struct err *err); // in the caller's network namespace, close-on-exec
void nl_begin(struct nl_batch *b, int sock);
// Starts a message with a fixed part of n bytes; `what` completes "cannot …".
void nl_message(struct nl_batch *b, uint16_t type, uint16_t flags, const void *fixed, size_t n,
                const char *what);
void nl_optional(struct nl_batch *b); // the message started last may fail
void nl_attr(struct nl_batch *b, uint16_t type, const void *data, size_t n);
void nl_attr32(struct nl_batch *b, uint16_t type, uint32_t v);
void nl_fixed(struct nl_batch *b, const void *data, size_t n); // plain bytes, as a nested header needs
struct rtattr *nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, struct rtattr *nest);
// Sends all and reads one acknowledgement a message; the first one that failed is the error.
MUST_USE bool nl_commit(struct nl_batch *b, struct err *err);

#endif
