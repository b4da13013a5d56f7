// SPDX-License-Identifier: Apache-2.0
// Each message of the protocol is collected whole in `in` (the longest is 513 bytes) and then read, so that
// reading never meets a half message. How many bytes a message has is known from its first few, step by step:
// need() answers "at least this many" until it is exact.
//
//   version 5: GREETING → (SEND) → [CREDENTIALS → (SEND)] → REQUEST → (CONNECT)
//   version 4: REQUEST4 → (CONNECT)
#include "guard/socks5.h"

#include <stdio.h>
#include <string.h>

enum step {
    STEP_FIRST = 0,
    STEP_GREETING,
    STEP_CREDENTIALS,
    STEP_REQUEST,
    STEP_REQUEST4,
    STEP_ASKED,
    STEP_FAILED
};

enum { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_NO_MATCH = 0xff };
enum { COMMAND_CONNECT = 1 };
enum { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };
enum { REPLY_FAILURE = 1, REPLY_COMMAND = 7, REPLY_TYPE = 8 };
enum { REPLY4_GRANTED = 90, REPLY4_REFUSED = 91 };

#define NAME4_MAX 255u // of user and host name each in SOCKS4

bool socks_sniff(uint8_t first)
{
    return first == 4 || first == 5;
}

void socks_init(struct socks *s)
{
    *s = (struct socks){0};
}

static void reply5(struct socks *s, uint8_t code)
{
    // The bound address is of no use to a client and tells nothing of the host: 0.0.0.0:0.
    const uint8_t out[10] = {5, code, 0, TYPE_V4};

    memcpy(s->out, out, sizeof out);
    s->nout = sizeof out;
}

static void reply4(struct socks *s, uint8_t code)
{
    const uint8_t out[8] = {0, code};

    memcpy(s->out, out, sizeof out);
    s->nout = sizeof out;
}

void socks_reply(struct socks *s, enum socks_result result)
{
    static const uint8_t codes[] = {
        [SOCKS_GENERAL_FAILURE] = 1,  [SOCKS_GRANTED] = 0, [SOCKS_NOT_ALLOWED] = 2,
        [SOCKS_HOST_UNREACHABLE] = 4, [SOCKS_REFUSED] = 5, [SOCKS_TIMED_OUT] = 6,
    };

    if (s->version == 4)
        reply4(s, result == SOCKS_GRANTED ? REPLY4_GRANTED : REPLY4_REFUSED);
    else
        reply5(s, codes[result]);
}

static enum socks_event fail(struct socks *s, const char *why)
{
    s->state = STEP_FAILED;
    snprintf(s->why, sizeof s->why, "%s", why);
    return SOCKS_ERROR;
}

static enum socks_event send_two(struct socks *s, uint8_t a, uint8_t b, int next)
{
    s->out[0] = a;
    s->out[1] = b;
    s->nout = 2;
    s->nin = 0;
    s->state = next;
    return SOCKS_SEND;
}

static enum socks_event read_greeting(struct socks *s)
{
    bool none = false, password = false;

    for (size_t i = 0; i < s->in[1]; i++) {
        none |= s->in[2 + i] == METHOD_NONE;
        password |= s->in[2 + i] == METHOD_PASSWORD;
    }
    // A client that offers both has credentials it wants to use; some (Java) fail when they are not taken.
    if (password)
        return send_two(s, 5, METHOD_PASSWORD, STEP_CREDENTIALS);
    if (none)
        return send_two(s, 5, METHOD_NONE, STEP_REQUEST);
    send_two(s, 5, METHOD_NO_MATCH, STEP_FAILED);
    return fail(s, "the SOCKS5 client offers neither \"no authentication\" nor user name and password");
}

static enum socks_event asked(struct socks *s)
{
    s->state = STEP_ASKED;
    s->nin = 0;
    return SOCKS_CONNECT;
}

static bool read_host(struct socks *s, const uint8_t *p, size_t n, uint8_t type)
{
    struct err err = {0};
    struct address a = {.v6 = type == TYPE_V6};

    if (type == TYPE_NAME) {
        if (host_parse((const char *)p, n, &s->host, &err))
            return true;
        snprintf(s->why, sizeof s->why, "%.150s", err.msg);
        return false;
    }
    memcpy(a.bytes, p, n);
    host_from_address(&a, &s->host);
    return true;
}

static enum socks_event read_request(struct socks *s)
{
    const uint8_t *p = s->in + 4;
    uint8_t type = s->in[3];
    size_t n = type == TYPE_V4 ? 4 : type == TYPE_V6 ? 16 : s->in[4];

    if (type == TYPE_NAME)
        p++;
    if (s->in[2] != 0) {
        reply5(s, REPLY_FAILURE);
        return fail(s, "the SOCKS5 request's reserved byte is not 0");
    }
    if (s->in[1] != COMMAND_CONNECT) {
        reply5(s, REPLY_COMMAND);
        return fail(s, "SOCKS5 BIND and UDP ASSOCIATE are not served; only CONNECT is");
    }
    if (!read_host(s, p, n, type)) {
        reply5(s, REPLY_FAILURE);
        s->state = STEP_FAILED;
        return SOCKS_ERROR;
    }
    s->port = (uint16_t)(p[n] << 8 | p[n + 1]);
    if (!s->port) {
        reply5(s, REPLY_FAILURE);
        return fail(s, "the SOCKS5 request is for port 0");
    }
    return asked(s);
}

// 4: VN CD PORT IP USER 0; 4a: IP is 0.0.0.x, x not 0, and after USER 0 follows HOST 0.
static enum socks_event read_request4(struct socks *s)
{
    const uint8_t *user = s->in + 8, *end = s->in + s->nin, *name;
    bool named = !s->in[4] && !s->in[5] && !s->in[6] && s->in[7];
    uint16_t port = (uint16_t)(s->in[2] << 8 | s->in[3]);

    reply4(s, REPLY4_REFUSED);
    if (s->in[1] != COMMAND_CONNECT)
        return fail(s, "SOCKS4 BIND is not served; only CONNECT is");
    if (!port)
        return fail(s, "the SOCKS4 request is for port 0");
    if (named) {
        name = (const uint8_t *)memchr(user, 0, (size_t)(end - user)) + 1;
        if (!read_host(s, name, (size_t)(end - name) - 1, TYPE_NAME)) {
            s->state = STEP_FAILED;
            return SOCKS_ERROR;
        }
    } else {
        read_host(s, s->in + 4, 4, TYPE_V4);
    }
    s->nout = 0;
    s->port = port;
    return asked(s);
}

// SOCKS4 has strings that end in 0, so its end is found byte by byte. 0: too long.
static size_t need4(const struct socks *s)
{
    size_t strings = 1, seen = 0, run = 0;

    if (s->nin < 8)
        return 8;
    if (!s->in[4] && !s->in[5] && !s->in[6] && s->in[7])
        strings = 2;
    for (size_t i = 8; i < s->nin; i++) {
        if (s->in[i]) {
            if (++run > NAME4_MAX)
                return 0;
            continue;
        }
        run = 0;
        if (++seen == strings)
            return i + 1;
    }
    return s->nin + 1;
}

// Bytes that the message at hand has at least; exact once that many are there. 0: it is malformed.
static size_t need(const struct socks *s)
{
    switch (s->state) {
    case STEP_GREETING:
        return s->nin < 2 ? 2 : 2u + s->in[1];
    case STEP_CREDENTIALS:
        if (s->nin < 2)
            return 2;
        if (s->in[0] != 1)
            return 0;
        return s->nin < 3u + s->in[1] ? 3u + s->in[1] : 3u + s->in[1] + s->in[2 + s->in[1]];
    case STEP_REQUEST:
        if (s->nin < 5)
            return 5;
        if (s->in[0] != 5)
            return 0;
        if (s->in[3] == TYPE_V4)
            return 10;
        if (s->in[3] == TYPE_V6)
            return 22;
        return s->in[3] == TYPE_NAME ? 7u + s->in[4] : 0;
    default:
        return need4(s);
    }
}

static enum socks_event malformed(struct socks *s)
{
    if (s->state == STEP_REQUEST)
        reply5(s, s->in[0] == 5 ? REPLY_TYPE : REPLY_FAILURE);
    else if (s->state == STEP_REQUEST4)
        reply4(s, REPLY4_REFUSED);
    return fail(s, "the SOCKS message is malformed");
}

static enum socks_event whole(struct socks *s)
{
    switch (s->state) {
    case STEP_GREETING:
        return read_greeting(s);
    case STEP_CREDENTIALS:
        return send_two(s, 1, 0, STEP_REQUEST);
    case STEP_REQUEST:
        return read_request(s);
    default:
        return read_request4(s);
    }
}

enum socks_event socks_feed(struct socks *s, const uint8_t *data, size_t n, size_t *ret_used)
{
    size_t i = 0;

    *ret_used = 0;
    s->nout = 0;
    if (s->state == STEP_FAILED || s->state == STEP_ASKED)
        return s->state == STEP_FAILED ? SOCKS_ERROR : SOCKS_CONNECT;
    if (s->state == STEP_FIRST && n) {
        if (!socks_sniff(data[0]))
            return fail(s, "this is not SOCKS");
        s->version = data[0];
        s->state = s->version == 5 ? STEP_GREETING : STEP_REQUEST4;
    }
    while (i < n) {
        size_t want;

        if (++s->total > SOCKS_INPUT_MAX || s->nin == sizeof s->in)
            return malformed(s);
        s->in[s->nin++] = data[i++];
        want = need(s);
        if (!want)
            return malformed(s);
        if (s->nin < want)
            continue;
        *ret_used = i;
        return whole(s);
    }
    *ret_used = i;
    return SOCKS_MORE;
}
