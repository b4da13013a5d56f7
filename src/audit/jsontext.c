// SPDX-License-Identifier: Apache-2.0
#include "audit/jsontext.h"

#include <string.h>

#include "base/utf8.h"

#define BAD_BYTE "\xef\xbf\xbd" // U+FFFD
#define CUT_MARK "…[cut %zu bytes]"

// Length of the well-formed character at s, 0 when there is none; its code point is stored.
static size_t character(const char *s, size_t n, uint32_t *ret)
{
    unsigned char c = (unsigned char)s[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t code = len == 1 ? c : c & (0x7fu >> len);

    if (len > n || utf8_valid_prefix(s, len) != len)
        return 0;
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3fu);
    *ret = code;
    return len;
}

// The same set that utf8_printable hides from a person's terminal, and what JSON itself wants escaped.
static bool must_escape(uint32_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void escape(struct buf *out, uint32_t c)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\',          'u', digits[c >> 12 & 15], digits[c >> 8 & 15], digits[c >> 4 & 15],
                    digits[c & 15]};

    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        buf_add(out, text, 2);
    } else {
        buf_add(out, text, sizeof text);
    }
}

static bool plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

// The bytes of text that are used: all, or `limit` less the character that the limit would split.
static size_t within_limit(const char *text, size_t n, size_t limit)
{
    if (n <= limit)
        return n;
    for (size_t back = 0; back <= 3 && back < limit; back++)
        if (((unsigned char)text[limit - back] & 0xc0) != 0x80)
            return limit - back;
    return limit;
}

char *jsontext_kept(const char *text, size_t limit)
{
    size_t n = strlen(text), use = within_limit(text, n, limit), i = 0;
    struct buf out;

    buf_init(&out, SIZE_MAX / 4);
    while (i < use) {
        uint32_t c;
        size_t len = character(text + i, use - i, &c);

        if (len)
            buf_add(&out, text + i, len);
        else
            buf_adds(&out, BAD_BYTE);
        i += len ? len : 1;
    }
    if (use < n)
        buf_addf(&out, CUT_MARK, n - use);
    return buf_take(&out);
}

bool jsontext_string(struct buf *out, const char *text, size_t n, size_t limit)
{
    size_t use = within_limit(text, n, limit), i = 0;

    buf_addc(out, '"');
    while (i < use) {
        size_t run = i, len;
        uint32_t c;

        while (run < use && plain(text[run]))
            run++;
        buf_add(out, text + i, run - i);
        i = run;
        if (i == use)
            break;
        len = character(text + i, use - i, &c);
        if (!len || !c) {
            buf_adds(out, BAD_BYTE);
            len = 1;
        } else if (must_escape(c)) {
            escape(out, c);
        } else {
            buf_add(out, text + i, len);
        }
        i += len;
    }
    if (use < n)
        buf_addf(out, CUT_MARK, n - use);
    buf_addc(out, '"');
    return !out->full;
}

// Opens a member; false when the object is closed to more (it was cut).
static bool member(struct jsontext_object *o, const char *key, size_t *ret_mark)
{
    struct buf *b = &o->members;

    if (!b->cap)
        buf_init(b, JSONTEXT_OBJECT_MAX);
    if (o->cut)
        return false;
    *ret_mark = b->len;
    if (b->len)
        buf_addc(b, ',');
    jsontext_string(b, key, strlen(key), JSONTEXT_VALUE_MAX);
    buf_addc(b, ':');
    return true;
}

// A member that did not fit is taken back whole, and so are all after it: the order says what is missing.
static void settle(struct jsontext_object *o, size_t mark)
{
    if (!o->members.full)
        return;
    o->members.len = mark;
    o->members.full = false;
    o->cut = true;
}

void jsontext_textn(struct jsontext_object *o, const char *key, const char *value, size_t n)
{
    size_t mark;

    if (!member(o, key, &mark))
        return;
    jsontext_string(&o->members, value, n, JSONTEXT_VALUE_MAX);
    settle(o, mark);
}

void jsontext_raw(struct jsontext_object *o, const char *key, const char *json)
{
    size_t mark;

    if (!member(o, key, &mark))
        return;
    buf_adds(&o->members, json);
    settle(o, mark);
}

void jsontext_text(struct jsontext_object *o, const char *key, const char *value)
{
    if (value)
        jsontext_textn(o, key, value, strlen(value));
    else
        jsontext_raw(o, key, "null");
}

void jsontext_number(struct jsontext_object *o, const char *key, int64_t value)
{
    size_t mark;

    if (!member(o, key, &mark))
        return;
    buf_addf(&o->members, "%lld", (long long)value);
    settle(o, mark);
}

void jsontext_flag(struct jsontext_object *o, const char *key, bool value)
{
    jsontext_raw(o, key, value ? "true" : "false");
}

void jsontext_list(struct jsontext_object *o, const char *key, char *const *items)
{
    size_t mark, n = 0, budget = JSONTEXT_VALUE_MAX;

    if (!member(o, key, &mark))
        return;
    buf_addc(&o->members, '[');
    for (; items[n] && n < JSONTEXT_LIST_MAX && budget; n++) {
        size_t len = strlen(items[n]), limit = len < budget ? len : budget;

        if (n)
            buf_addc(&o->members, ',');
        jsontext_string(&o->members, items[n], len, limit);
        budget -= limit;
    }
    if (items[n])
        buf_adds(&o->members, ",\"…\"");
    buf_addc(&o->members, ']');
    settle(o, mark);
}

bool jsontext_object(struct buf *out, const struct jsontext_object *o)
{
    buf_addc(out, '{');
    buf_add(out, o->members.ptr, o->members.len);
    if (o->cut)
        buf_adds(out, o->members.len ? ",\"cut\":true" : "\"cut\":true");
    buf_addc(out, '}');
    return !out->full;
}

void jsontext_deinit(struct jsontext_object *o)
{
    buf_deinit(&o->members);
    *o = (struct jsontext_object){0};
}
