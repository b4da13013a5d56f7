// SPDX-License-Identifier: Apache-2.0
#include "audit/chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define HASH_OPEN ",\"hash\":\""
#define HASH_TAIL (sizeof HASH_OPEN - 1 + SHA256_HEX_SIZE - 1 + 2) // ,"hash":"…"}

static const char zeros[SHA256_HEX_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";

void chain_init(struct chain *c)
{
    c->seq = 0;
    memcpy(c->head, zeros, sizeof zeros);
}

bool chain_seal(struct chain *c, struct buf *line)
{
    char hash[SHA256_HEX_SIZE];

    if (!line->len || line->full || !buf_reserve(line, HASH_TAIL + 1))
        return false;
    sha256_hex(line->ptr, line->len, hash);
    line->len--; // the closing brace
    buf_adds(line, HASH_OPEN);
    buf_add(line, hash, sizeof hash - 1);
    buf_adds(line, "\"}\n");
    c->seq++;
    memcpy(c->head, hash, sizeof hash);
    return true;
}

const char *chain_fault_name(enum chain_fault f)
{
    static const char *const names[] = {
        [CHAIN_HOLDS] = "holds",
        [CHAIN_BAD_LINE] = "bad line",
        [CHAIN_LONG_LINE] = "long line",
        [CHAIN_OTHER_RUN] = "other run",
        [CHAIN_BAD_SEQ] = "wrong seq",
        [CHAIN_BAD_PREV] = "wrong prev",
        [CHAIN_BAD_HASH] = "wrong hash",
        [CHAIN_TORN] = "torn last line",
        [CHAIN_CUT] = "lines missing at the end",
        [CHAIN_OTHER_HEAD] = "other head than in result.json",
    };

    return (unsigned)f < ARRAY_LEN(names) ? names[f] : "unknown";
}

void chain_check_init(struct chain_check *c, const char *run, const struct chain *expect, audit_line_fn *each,
                      void *ctx)
{
    *c = (struct chain_check){.each = each, .ctx = ctx};
    snprintf(c->run, sizeof c->run, "%s", run);
    if (expect)
        c->expect = *expect;
    chain_init(&c->chain);
    buf_init(&c->partial, AUDIT_LINE_MAX);
}

void chain_check_deinit(struct chain_check *c)
{
    buf_deinit(&c->partial);
}

// Records the first fault; returns false.
static bool fault(struct chain_check *c, enum chain_fault f, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool fault(struct chain_check *c, enum chain_fault f, const char *fmt, ...)
{
    va_list ap;

    c->fault = f;
    c->fault_line = c->lines + 1;
    va_start(ap, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
    return false;
}

enum { SEQ, TIME, RUN, KIND, VERDICT, RULE, SUBJECT, DETAIL, BY, PREV, HASH, MEMBERS };

static const struct {
    const char *name;
    json_type type;
    bool null_too;
} members[MEMBERS] = {
    [SEQ] = {"seq", JSON_INTEGER, false},        [TIME] = {"time", JSON_STRING, false},
    [RUN] = {"run", JSON_STRING, false},         [KIND] = {"kind", JSON_STRING, false},
    [VERDICT] = {"verdict", JSON_STRING, true},  [RULE] = {"rule", JSON_STRING, true},
    [SUBJECT] = {"subject", JSON_STRING, false}, [DETAIL] = {"detail", JSON_OBJECT, true},
    [BY] = {"by", JSON_STRING, false},           [PREV] = {"prev", JSON_STRING, false},
    [HASH] = {"hash", JSON_STRING, false},
};

// Exactly the members of the format, in its order; values are borrowed from root.
static bool take_members(struct chain_check *c, json_t *root, const json_t *ret[MEMBERS])
{
    const char *key;
    json_t *value;
    size_t i = 0;

    if (!json_is_object(root))
        return fault(c, CHAIN_BAD_LINE, "not a JSON object");
    json_object_foreach(root, key, value)
    {
        if (i == MEMBERS || strcmp(key, members[i].name) != 0)
            return fault(c, CHAIN_BAD_LINE, "member %.40s stands where %s belongs", key,
                         i == MEMBERS ? "the end" : members[i].name);
        if (json_typeof(value) != members[i].type && !(members[i].null_too && json_is_null(value)))
            return fault(c, CHAIN_BAD_LINE, "member %s has a value of the wrong type", key);
        ret[i++] = value;
    }
    if (i < MEMBERS)
        return fault(c, CHAIN_BAD_LINE, "member %s is missing", members[i].name);
    return true;
}

// The hash member must be the last text of the line, for the hash is over the text before it.
static bool has_hash_tail(const struct buf *line)
{
    const char *tail = line->ptr + line->len - HASH_TAIL;

    return line->len > HASH_TAIL && !memcmp(tail, HASH_OPEN, sizeof HASH_OPEN - 1) &&
           !memcmp(line->ptr + line->len - 2, "\"}", 2) &&
           strspn(tail + sizeof HASH_OPEN - 1, "0123456789abcdef") == SHA256_HEX_SIZE - 1;
}

static bool check_links(struct chain_check *c, const json_t *const v[MEMBERS])
{
    const char *run = json_string_value(v[RUN]), *prev = json_string_value(v[PREV]);
    long long seq = json_integer_value(v[SEQ]);

    if (!c->run[0])
        snprintf(c->run, sizeof c->run, "%s", run);
    if (strcmp(run, c->run) != 0)
        return fault(c, CHAIN_OTHER_RUN, "it is a record of run %.63s, not of %s", run, c->run);
    if (seq < 0 || (uint64_t)seq != c->chain.seq + 1)
        return fault(c, CHAIN_BAD_SEQ, "seq is %lld, expected %llu", seq,
                     (unsigned long long)c->chain.seq + 1);
    if (strcmp(prev, c->chain.head) != 0)
        return fault(c, CHAIN_BAD_PREV, "prev is %.16s…, the line before has %.16s…", prev, c->chain.head);
    return true;
}

static bool check_hash(struct chain_check *c, const char *stands)
{
    size_t brace = c->partial.len - HASH_TAIL;
    char hash[SHA256_HEX_SIZE];

    // The text that was hashed ends in a brace where the hash member now begins.
    c->partial.ptr[brace] = '}';
    sha256_hex(c->partial.ptr, brace + 1, hash);
    c->partial.ptr[brace] = HASH_OPEN[0];
    if (strcmp(stands, hash) != 0)
        return fault(c, CHAIN_BAD_HASH, "hash is %.16s…, the text gives %.16s…", stands, hash);
    c->chain.seq++;
    memcpy(c->chain.head, hash, sizeof hash);
    if (c->chain.seq == c->expect.seq && strcmp(c->expect.head, hash) != 0)
        return fault(c, CHAIN_OTHER_HEAD, "hash is %.16s…, result.json recorded %.16s…", hash,
                     c->expect.head);
    return true;
}

static void deliver(struct chain_check *c, const json_t *const v[MEMBERS])
{
    AUTO_FREE char *detail = json_is_null(v[DETAIL]) ? NULL : json_line(v[DETAIL]);
    struct audit_line line = {
        .seq = c->chain.seq,
        .time = json_string_value(v[TIME]),
        .run = c->run,
        .kind = json_string_value(v[KIND]),
        .verdict = json_string_value(v[VERDICT]),
        .rule = json_string_value(v[RULE]),
        .subject = json_string_value(v[SUBJECT]),
        .by = json_string_value(v[BY]),
        .detail = detail,
        .raw = c->partial.ptr,
        .raw_len = c->partial.len,
    };

    c->each(c->ctx, &line);
}

static bool check_line(struct chain_check *c)
{
    AUTO_JSON json_t *root = NULL;
    const json_t *v[MEMBERS];
    struct err err = {0};

    buf_cstr(&c->partial);
    root = json_parse(c->partial.len ? c->partial.ptr : "", c->partial.len, &err);
    if (!root)
        return fault(c, CHAIN_BAD_LINE, "not JSON: %.200s", err.msg);
    if (!take_members(c, root, v))
        return false;
    if (!has_hash_tail(&c->partial))
        return fault(c, CHAIN_BAD_LINE, "it does not end in a hash of 64 hex digits");
    if (!check_links(c, v) || !check_hash(c, json_string_value(v[HASH])))
        return false;
    c->lines++;
    c->bytes += c->partial.len + 1;
    if (c->each)
        deliver(c, v);
    return true;
}

bool chain_check_feed(struct chain_check *c, const char *data, size_t n)
{
    while (n && c->fault == CHAIN_HOLDS) {
        const char *end = memchr(data, '\n', n);
        size_t part = end ? (size_t)(end - data) : n;

        // One byte is kept back for the newline, so that a line's length does not depend on how it was split.
        if (part > AUDIT_LINE_MAX - 1 - c->partial.len)
            return fault(c, CHAIN_LONG_LINE, "longer than %u bytes", AUDIT_LINE_MAX);
        buf_add(&c->partial, data, part);
        data += part;
        n -= part;
        if (!end)
            break;
        data++;
        n--;
        if (!check_line(c))
            return false;
        c->partial.len = 0;
    }
    return c->fault == CHAIN_HOLDS;
}

bool chain_check_end(struct chain_check *c)
{
    if (c->fault != CHAIN_HOLDS)
        return false;
    if (c->partial.len)
        return fault(c, CHAIN_TORN, "it stops after %zu bytes without a newline", c->partial.len);
    // Also here, for a log that is followed: its result came after its last line.
    if (c->expect.seq && c->lines == c->expect.seq && strcmp(c->expect.head, c->chain.head) != 0)
        return fault(c, CHAIN_OTHER_HEAD, "hash is %.16s…, result.json recorded %.16s…", c->chain.head,
                     c->expect.head);
    if (c->lines < c->expect.seq)
        return fault(c, CHAIN_CUT, "result.json recorded %llu lines, the log has %llu",
                     (unsigned long long)c->expect.seq, (unsigned long long)c->lines);
    return true;
}
