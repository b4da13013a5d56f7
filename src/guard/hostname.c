// SPDX-License-Identifier: Apache-2.0
#include "guard/hostname.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

// For messages: hostile text made printable and short.
static const char *shown(const char *s, size_t n, struct buf *b)
{
    buf_init(b, 400);
    utf8_printable(b, s, n < 80 ? n : 80);
    return buf_cstr(b);
}

// A last label that is a number makes URL parsers and inet_aton read the whole as an IPv4 address:
// "2130706433", "0x7f.1", "127.1". Names never end so (no top-level domain is numeric), so it is refused
// rather than read.
static bool ends_in_number(const char *label, size_t n)
{
    size_t i = 0;

    if (n >= 2 && label[0] == '0' && label[1] == 'x') {
        for (i = 2; i < n && isxdigit((unsigned char)label[i]); i++)
            ;
        return i == n;
    }
    while (i < n && label[i] >= '0' && label[i] <= '9')
        i++;
    return i == n;
}

static bool label_ok(const char *label, size_t n)
{
    return n >= 1 && n <= 63 && label[0] != '-' && label[n - 1] != '-';
}

static const char *name_fault(const char *s, size_t n)
{
    size_t start = 0;

    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '.') {
            if (!isascii((unsigned char)s[i]))
                return "write an international name in its xn-- form";
            if (!isalnum((unsigned char)s[i]) && s[i] != '-')
                return "a host name has only letters, digits, '-' and '.'";
            continue;
        }
        if (!label_ok(s + start, i - start))
            return "each label has 1 to 63 characters and no '-' at its ends";
        if (i == n && ends_in_number(s + start, i - start))
            return "a number is not a name, and an address is written as four decimal numbers";
        start = i + 1;
    }
    return NULL;
}

static bool parse_name(const char *s, size_t n, struct host *ret, struct err *err)
{
    AUTO_BUF struct buf b = {0};
    struct host h = {.kind = HOST_NAME};
    const char *fault;

    if (n > 1 && s[n - 1] == '.')
        n--; // the root's dot
    if (n == 0 || n >= HOST_TEXT_SIZE)
        return err_set(err, ERR_INPUT, "a host name has 1 to %d characters, not %zu", HOST_TEXT_SIZE - 1, n);
    for (size_t i = 0; i < n; i++)
        h.text[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
    fault = name_fault(h.text, n);
    if (fault)
        return err_set(err, ERR_INPUT, "\"%s\" is no host name: %s", shown(s, n, &b), fault);
    *ret = h;
    return true;
}

void host_from_address(const struct address *a, struct host *ret)
{
    struct host h = {.kind = HOST_ADDRESS, .address = *a};

    address_unmap(&h.address);
    address_text(&h.address, h.text);
    *ret = h;
}

bool host_parse(const char *s, size_t n, struct host *ret, struct err *err)
{
    AUTO_BUF struct buf b = {0};
    const char *inner = s;
    size_t ninner = n;
    struct address a;

    if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
        inner = s + 1;
        ninner = n - 2;
    }
    if (address_parse(inner, ninner, &a) && (a.v6 || inner == s)) {
        host_from_address(&a, ret);
        return true;
    }
    if (n && (s[0] == '[' || memchr(s, ':', n)))
        return err_set(err, ERR_INPUT, "\"%s\" is no IPv6 address (zones are not taken)", shown(s, n, &b));
    return parse_name(s, n, ret, err);
}

static bool parse_port(const char *s, size_t n, uint16_t *ret)
{
    unsigned value = 0;

    if (n < 1 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        value = value * 10 + (unsigned)(s[i] - '0');
    }
    if (value < 1 || value > 65535)
        return false;
    *ret = (uint16_t)value;
    return true;
}

bool host_parse_authority(const char *s, size_t n, struct host *ret, uint16_t *ret_port, struct err *err)
{
    AUTO_BUF struct buf b = {0};
    const char *end = s + n, *colon = NULL, *from = s;
    struct host h;
    uint16_t port = 0;

    if (memchr(s, '@', n))
        return err_set(err, ERR_INPUT, "\"%s\": a user name before the host is not taken", shown(s, n, &b));
    if (n && s[0] == '[') {
        from = memchr(s, ']', n);
        if (!from)
            return err_set(err, ERR_INPUT, "\"%s\": the address has no closing bracket", shown(s, n, &b));
    }
    colon = memchr(from, ':', (size_t)(end - from));
    if (from != s && from + 1 != (colon ? colon : end))
        return err_set(err, ERR_INPUT, "\"%s\": text after the bracket", shown(s, n, &b));
    if (colon && !parse_port(colon + 1, (size_t)(end - colon) - 1, &port))
        return err_set(err, ERR_INPUT, "\"%s\": a port is a number from 1 to 65535", shown(s, n, &b));
    if (!host_parse(s, colon ? (size_t)(colon - s) : n, &h, err))
        return false;
    *ret = h;
    *ret_port = port;
    return true;
}

bool host_equal(const struct host *a, const struct host *b)
{
    if (a->kind != b->kind || a->kind == HOST_NONE)
        return false;
    return a->kind == HOST_NAME ? !strcmp(a->text, b->text) : address_equal(&a->address, &b->address);
}

void host_authority_text(const struct host *h, uint16_t port, char ret[HOST_TEXT_SIZE + 10])
{
    bool v6 = h->kind == HOST_ADDRESS && h->address.v6;
    char tail[8] = "";

    if (port)
        snprintf(tail, sizeof tail, ":%u", port);
    snprintf(ret, HOST_TEXT_SIZE + 10, "%s%s%s%s", v6 ? "[" : "", h->text, v6 ? "]" : "", tail);
}
