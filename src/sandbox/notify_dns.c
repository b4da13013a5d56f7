// SPDX-License-Identifier: Apache-2.0
#include "sandbox/notify_dns.h"

#include <string.h>

#define HEADER 12    // RFC 1035 4.1.1
#define LABEL_MAX 63 // also rules out compression pointers, which a question has no use for

static char plain(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (char)(byte - 'A' + 'a');
    if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_')
        return (char)byte;
    return '\0';
}

bool dns_question(const uint8_t *query, size_t n, char ret[DNS_NAME_SIZE])
{
    char name[DNS_NAME_SIZE];
    size_t at = HEADER, len = 0;

    if (n <= HEADER || (query[2] & 0x80) || query[4] != 0 || query[5] != 1)
        return false;
    while (at < n && query[at]) {
        size_t label = query[at++];

        if (label > LABEL_MAX || at + label >= n || len + label + 1 >= sizeof name)
            return false;
        for (size_t i = 0; i < label; i++) {
            name[len] = plain(query[at++]);
            if (!name[len++])
                return false;
        }
        name[len++] = '.';
    }
    if (at >= n || !len)
        return false;
    name[len - 1] = '\0';
    memcpy(ret, name, len);
    return true;
}
