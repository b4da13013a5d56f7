// SPDX-License-Identifier: Apache-2.0
#include "guard/placeholder.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX_SEGMENT 7u // longest part of a vendor prefix: "github" of "github_pat_"
#define SIGNATURE_MIN 32u // characters: no algorithm's is shorter than 43
#define PREFIX_REST 16u   // what must remain after it

static bool is_between(char c, char low, char high)
{
    return c >= low && c <= high;
}

static bool is_alnum(char c)
{
    return is_between(c, 'a', 'z') || is_between(c, 'A', 'Z') || is_between(c, '0', '9');
}

static size_t prefix_length(const char *v, size_t n)
{
    size_t kept = 0;

    for (;;) {
        size_t i = kept;

        while (i < n && is_alnum(v[i]))
            i++;
        if (i == n || i == kept || i - kept > PREFIX_SEGMENT || (v[i] != '_' && v[i] != '-'))
            return kept;
        if (n - (i + 1) < PREFIX_REST)
            return kept;
        kept = i + 1;
    }
}

static bool is_base64url(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(p[i]) && p[i] != '-' && p[i] != '_')
            return false;
    return n > 0;
}

// RFC 7519: three parts in base64url, of which the first two are JSON objects ("{\"" encodes as "eyJ").
const char *placeholder_secret(const char *value)
{
    size_t head = strcspn(value, "."), claims, signature;

    if (strncmp(value, "eyJ", 3) != 0 || !value[head] || !is_base64url(value, head))
        return value;
    claims = strcspn(value + head + 1, ".");
    if (strncmp(value + head + 1, "eyJ", 3) != 0 || !value[head + 1 + claims] ||
        !is_base64url(value + head + 1, claims))
        return value;
    signature = head + claims + 2;
    return is_base64url(value + signature, strlen(value + signature)) &&
                   strlen(value + signature) >= SIGNATURE_MIN
               ? value + signature
               : value;
}

static bool random_below(uint32_t limit, uint32_t *ret, struct err *err)
{
    uint32_t x, fair = UINT32_MAX - UINT32_MAX % limit;

    do {
        if (getrandom(&x, sizeof x, 0) != sizeof x)
            return err_sys(err, errno, "cannot get random bytes");
    } while (x >= fair);
    *ret = x % limit;
    return true;
}

static bool random_like(char *c, struct err *err)
{
    uint32_t r = 0;

    if (!random_below(is_between(*c, '0', '9') ? 10 : 26, &r, err))
        return false;
    if (is_between(*c, '0', '9'))
        *c = (char)('0' + r);
    else if (is_between(*c, 'a', 'z'))
        *c = (char)('a' + r);
    else
        *c = (char)('A' + r);
    return true;
}

bool placeholder_make(const char *name, const char *value, char **ret, struct err *err)
{
    size_t n = strlen(value), prefix = (size_t)(placeholder_secret(value) - value), changed = 0;
    AUTO_FREE char *p = xstrdup(value);

    if (!prefix)
        prefix = prefix_length(value, n);

    for (size_t i = prefix; i < n; i++) {
        if (!is_alnum(p[i]))
            continue;
        if (!random_like(&p[i], err))
            return false;
        changed++;
    }
    if (changed < PLACEHOLDER_RANDOM_MIN || strcmp(p, value) == 0)
        return err_set(
            err, ERR_INPUT,
            "secrets.%s: its value is too short for a placeholder (%u letters or digits are needed); "
            "use a longer secret",
            name, PLACEHOLDER_RANDOM_MIN);
    *ret = TAKE_PTR(p);
    return true;
}
