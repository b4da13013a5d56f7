// SPDX-License-Identifier: Apache-2.0
// Two layers: records (5-byte head, up to 2^14 bytes each) are joined into the handshake message, which may
// be cut anywhere; when it is whole it is read in one go by a cursor that cannot run past its end.
//
// Encrypted ClientHello hides the real name behind the public one in server_name, so a pass-through
// connection with it would be decided by a name that is not the one reached. Browsers also send a dummy of
// that extension (GREASE, RFC 9849 6.2) in every connection, and on the wire it cannot be told from the real
// one; that is its purpose. So: `ech` says only that the extension is there. Where the guard passes TLS
// through it must not let such a hello out: it terminates the connection instead, unless the rule forbids
// that (`tls: pass`), and then it refuses. Terminating is right for both kinds: a TLS server that does not
// know the extension ignores it; a client that sent a dummy goes on as usual, a client with real keys learns
// that they were not used. Honest clients here have no real keys, because HTTPS records are answered empty
// (dnsnames.c).
#include "guard/hello.h"

#include <stdio.h>
#include <string.h>

enum step { STEP_RECORD = 0, STEP_PAYLOAD, STEP_DONE, STEP_FAILED, STEP_OTHER };

enum { RECORD_HANDSHAKE = 22, MESSAGE_CLIENT_HELLO = 1, MESSAGE_SERVER_HELLO = 2, RECORD_MAX = 1 << 14 };
enum {
    EXT_SERVER_NAME = 0,
    EXT_ALPN = 16,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_ECH_DRAFT = 0xff02,
    EXT_ECH_OUTER_EXTENSIONS = 0xfd00,
    EXT_ECH = 0xfe0d,
    EXT_MAX = 64, // most extensions taken; real ones have about 20
};

struct cursor {
    const uint8_t *at, *end;
    bool bad; // something was read past the end; all reads give nothing from then on
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    const uint8_t *p = c->at;

    if (c->bad || (size_t)(c->end - c->at) < n) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    return p;
}

static unsigned take_number(struct cursor *c, size_t bytes)
{
    const uint8_t *p = take(c, bytes);
    unsigned value = 0;

    for (size_t i = 0; p && i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

// A vector with its length in front.
static struct cursor take_vector(struct cursor *c, size_t length_bytes)
{
    size_t n = take_number(c, length_bytes);
    const uint8_t *p = take(c, n);

    return p ? (struct cursor){.at = p, .end = p + n} : (struct cursor){.bad = true};
}

static bool empty(const struct cursor *c)
{
    return c->bad || c->at == c->end;
}

// Record head (5), message type and length (4), version (2), then the random that makes it a retry.
enum hello_answer hello_answer(const uint8_t *p, size_t n)
{
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                      0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                      0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    size_t at = 11, have = n > at ? n - at : 0;

    if (n && p[0] != RECORD_HANDSHAKE)
        return HELLO_ANSWER_OTHER;
    if (n < 6)
        return HELLO_ANSWER_MORE;
    if (p[5] != MESSAGE_SERVER_HELLO)
        return HELLO_ANSWER_OTHER;
    if ((size_t)(p[3] << 8 | p[4]) < at - 5 + sizeof retry)
        return HELLO_ANSWER_CUT;
    if (memcmp(p + at, retry, have < sizeof retry ? have : sizeof retry) != 0)
        return HELLO_ANSWER_OTHER;
    return have < sizeof retry ? HELLO_ANSWER_MORE : HELLO_ANSWER_RETRY;
}

bool hello_sniff(uint8_t first)
{
    return first == RECORD_HANDSHAKE;
}

void hello_init(struct hello *h)
{
    *h = (struct hello){0};
    buf_init(&h->body, HELLO_MAX);
}

void hello_deinit(struct hello *h)
{
    buf_deinit(&h->body);
}

static bool fail(struct hello *h, const char *why)
{
    h->state = STEP_FAILED;
    snprintf(h->why, sizeof h->why, "the TLS ClientHello is refused: %s", why);
    return false;
}

static bool read_server_name(struct hello *h, struct cursor ext)
{
    struct cursor list = take_vector(&ext, 2), name;
    struct err err = {0};
    unsigned type;

    if (ext.bad || !empty(&ext) || empty(&list))
        return fail(h, "its server_name is malformed");
    type = take_number(&list, 1);
    name = take_vector(&list, 2);
    if (list.bad || !empty(&list) || type != 0)
        return fail(h, "its server_name is not exactly one host name");
    if (host_parse((const char *)name.at, (size_t)(name.end - name.at), &h->sni, &err))
        return true;
    h->state = STEP_FAILED;
    snprintf(h->why, sizeof h->why, "the TLS ClientHello is refused: %.120s", err.msg);
    return false;
}

static bool read_alpn(struct hello *h, struct cursor ext)
{
    struct cursor list = take_vector(&ext, 2);

    if (ext.bad || !empty(&ext) || empty(&list))
        return fail(h, "its ALPN is malformed");
    while (!empty(&list)) {
        struct cursor name = take_vector(&list, 1);

        if (list.bad || empty(&name))
            return fail(h, "its ALPN is malformed");
        h->alpn = true;
        h->http11 |= name.end - name.at == 8 && !memcmp(name.at, "http/1.1", 8);
    }
    return true;
}

static bool read_versions(struct hello *h, struct cursor ext)
{
    struct cursor list = take_vector(&ext, 1);

    if (ext.bad || !empty(&ext) || empty(&list) || (list.end - list.at) % 2)
        return fail(h, "its supported_versions is malformed");
    h->tls12 = h->tls13 = false;
    while (!empty(&list)) {
        unsigned version = take_number(&list, 2);

        h->tls12 |= version == 0x0303;
        h->tls13 |= version == 0x0304;
    }
    return true;
}

static bool read_extension(struct hello *h, unsigned type, struct cursor ext)
{
    switch (type) {
    case EXT_SERVER_NAME:
        return read_server_name(h, ext);
    case EXT_ALPN:
        return read_alpn(h, ext);
    case EXT_SUPPORTED_VERSIONS:
        return read_versions(h, ext);
    case EXT_ECH:
    case EXT_ECH_DRAFT:
    case EXT_ECH_OUTER_EXTENSIONS:
        h->ech = true;
        return true;
    default:
        return true;
    }
}

static bool read_extensions(struct hello *h, struct cursor list)
{
    uint16_t seen[EXT_MAX];
    size_t nseen = 0;

    while (!empty(&list)) {
        unsigned type = take_number(&list, 2);
        struct cursor ext = take_vector(&list, 2);

        if (list.bad)
            return fail(h, "its extensions are cut short");
        for (size_t i = 0; i < nseen; i++)
            if (seen[i] == type)
                return fail(h, "an extension is there twice");
        if (nseen == EXT_MAX)
            return fail(h, "it has too many extensions");
        seen[nseen++] = (uint16_t)type;
        if (!read_extension(h, type, ext))
            return false;
    }
    return true;
}

static bool read_message(struct hello *h)
{
    struct cursor c = {.at = (const uint8_t *)h->body.ptr, .end = (const uint8_t *)h->body.ptr + h->body.len};
    struct cursor session, suites, compression, extensions;
    unsigned version;

    take(&c, 4); // type and length, seen before
    version = take_number(&c, 2);
    take(&c, 32); // random
    session = take_vector(&c, 1);
    suites = take_vector(&c, 2);
    compression = take_vector(&c, 1);
    if (c.bad || session.end - session.at > 32 || empty(&suites) || (suites.end - suites.at) % 2 ||
        empty(&compression))
        return fail(h, "it is malformed");
    if (!memchr(compression.at, 0, (size_t)(compression.end - compression.at)))
        return fail(h, "it offers no null compression");
    if (version < 0x0301 || version > 0x0303)
        return fail(h, "its version is unknown");
    h->tls12 = version == 0x0303;
    if (empty(&c))
        return true; // no extensions: TLS 1.2 without a name
    extensions = take_vector(&c, 2);
    if (c.bad || !empty(&c))
        return fail(h, "its extensions are cut short");
    return read_extensions(h, extensions);
}

static bool read_record_head(struct hello *h)
{
    size_t n = (size_t)h->head[3] << 8 | h->head[4];

    if (h->head[0] != RECORD_HANDSHAKE || h->head[1] != 3 || h->head[2] > 4)
        return fail(h, "a record of another kind comes before its end");
    if (!n || n > RECORD_MAX)
        return fail(h, "a record has a size out of range");
    h->record_left = n;
    h->nhead = 0;
    h->state = STEP_PAYLOAD;
    return true;
}

// Length of the handshake message with its own head, or 0 while unknown.
static size_t message_size(const struct hello *h)
{
    const uint8_t *p = (const uint8_t *)h->body.ptr;

    return h->body.len < 4 ? 0 : 4 + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
}

static bool joined(struct hello *h)
{
    size_t size = message_size(h);

    if (h->body.ptr[0] != MESSAGE_CLIENT_HELLO)
        return fail(h, "the first handshake message is another one");
    if (size > HELLO_MAX)
        return fail(h, "it is longer than 32 KiB");
    if (!size || h->body.len < size)
        return true;
    // RFC 8446 5.1: nothing may follow in the record, for the client has to wait for the answer.
    if (h->body.len > size || h->record_left)
        return fail(h, "more follows in its record");
    if (!read_message(h))
        return false;
    h->state = STEP_DONE;
    return true;
}

static bool take_payload(struct hello *h, const uint8_t *data, size_t n)
{
    if (!buf_add(&h->body, data, n))
        return fail(h, "it is longer than 32 KiB");
    h->record_left -= n;
    if (!h->record_left)
        h->state = STEP_RECORD;
    return joined(h);
}

static enum hello_event outcome(const struct hello *h)
{
    switch (h->state) {
    case STEP_DONE:
        return HELLO_DONE;
    case STEP_FAILED:
        return HELLO_ERROR;
    case STEP_OTHER:
        return HELLO_NOT_TLS;
    default:
        return HELLO_MORE;
    }
}

// One byte of a record's head. What is no TLS shows at the second byte already.
static void take_head_byte(struct hello *h, uint8_t byte)
{
    h->head[h->nhead++] = byte;
    h->raw++;
    if (h->nhead == 2 && byte != 3) {
        if (h->raw == 2)
            h->state = STEP_OTHER;
        else
            fail(h, "something other than TLS comes before its end");
    } else if (h->nhead == sizeof h->head) {
        read_record_head(h);
    }
}

enum hello_event hello_feed(struct hello *h, const uint8_t *data, size_t n, size_t *ret_used)
{
    size_t i = 0;

    if (h->raw == 0 && n && !hello_sniff(data[0]))
        h->state = STEP_OTHER;
    while (i < n && (h->state == STEP_RECORD || h->state == STEP_PAYLOAD)) {
        size_t some = n - i < h->record_left ? n - i : h->record_left;

        if (h->state == STEP_RECORD) {
            take_head_byte(h, data[i++]);
            continue;
        }
        take_payload(h, data + i, some);
        i += some;
        h->raw += some;
        if (h->raw > HELLO_RAW_MAX && h->state != STEP_DONE)
            fail(h, "its records are longer than 64 KiB");
    }
    *ret_used = i;
    return outcome(h);
}
