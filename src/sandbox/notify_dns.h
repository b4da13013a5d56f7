// SPDX-License-Identifier: Apache-2.0
// The name that a DNS query asks for, for the record (internal to notify). Pure parsing of hostile bytes.
#ifndef BAWN_SANDBOX_NOTIFY_DNS_H
#define BAWN_SANDBOX_NOTIFY_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_SIZE 256 // RFC 1035 3.1: at most 255 bytes on the wire

// False when it is no query with one well-formed question of letters, digits, '-' and '_'. Lower case, no
// last dot.
bool dns_question(const uint8_t *query, size_t n, char ret[DNS_NAME_SIZE]);

#endif
