// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/socks5.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

// Feeds byte by byte, past SEND events, until something is decided.
static enum socks_event feed(struct socks *s, const uint8_t *data, size_t n)
{
    enum socks_event event = SOCKS_MORE;
    size_t used;

    socks_init(s);
    for (size_t i = 0; i < n && (event == SOCKS_MORE || event == SOCKS_SEND); i += used)
        event = socks_feed(s, data + i, 1, &used);
    return event;
}

static void a_name_is_taken_and_answered(void **state)
{
    struct socks s;
    size_t used;
    const uint8_t greeting[] = {5, 1, 0};

    (void)state;
    socks_init(&s);
    assert_int_equal(socks_feed(&s, greeting, 3, &used), SOCKS_SEND);
    assert_int_equal(s.nout, 2);
    assert_memory_equal(s.out, "\5\0", 2);
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\3\x0c"
                                    "Allowed.Test\x1f\x90rest")),
                     SOCKS_CONNECT);
    assert_string_equal(s.host.text, "allowed.test");
    assert_int_equal(s.port, 8080);
    socks_reply(&s, SOCKS_NOT_ALLOWED);
    assert_memory_equal(s.out, "\5\2\0\1\0\0\0\0\0\0", 10);
    socks_reply(&s, SOCKS_GRANTED);
    assert_int_equal(s.out[1], 0);
}

static void bytes_after_the_request_are_left(void **state)
{
    const uint8_t data[] = "\5\1\0\1\x5d\xb8\xd8\x42\0\x50GET";
    struct socks s;
    size_t used;

    (void)state;
    feed(&s, BYTES("\5\1\0"));
    assert_int_equal(socks_feed(&s, data, sizeof data - 1, &used), SOCKS_CONNECT);
    assert_int_equal(used, 10);
    assert_string_equal(s.host.text, "93.184.216.66");
}

static void a_password_is_taken_whatever_it_is(void **state)
{
    struct socks s;

    (void)state;
    assert_int_equal(feed(&s, BYTES("\5\2\0\2\1\1u\1p\5\1\0\1\1\2\3\4\0\x50")), SOCKS_CONNECT);
    assert_int_equal(feed(&s, BYTES("\5\1\2\1\0\0\5\1\0\1\1\2\3\4\0\x50")), SOCKS_CONNECT);
    assert_int_equal(feed(&s, BYTES("\5\1\1")), SOCKS_ERROR);
    assert_memory_equal(s.out, "\5\xff", 2);
}

static void hostile_names_never_become_hosts(void **state)
{
    struct socks s;

    (void)state;
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\3\x17"
                                    "evil.test\0.allowed.test\0\x50")),
                     SOCKS_ERROR);
    assert_int_equal(s.out[1], 1);
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\3\x0a"
                                    "1572395074\0\x50")),
                     SOCKS_ERROR);
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\3\0\0\x50")), SOCKS_ERROR);
    assert_int_equal(feed(&s, BYTES("\4\1\0\x50\0\0\0\1u\0a b\0")), SOCKS_ERROR);
}

static void a_mapped_address_is_judged_as_v4(void **state)
{
    struct socks s;

    (void)state;
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\x50")),
                     SOCKS_CONNECT);
    assert_string_equal(s.host.text, "127.0.0.1");
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\3\x09"
                                    "127.0.0.1\0\x50")),
                     SOCKS_CONNECT);
    assert_int_equal(s.host.kind, HOST_ADDRESS);
}

static void bind_and_udp_get_the_protocols_refusal(void **state)
{
    struct socks s;

    (void)state;
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\2\0\1\1\2\3\4\0\x50")), SOCKS_ERROR);
    assert_int_equal(s.out[1], 7);
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\3\0\1\1\2\3\4\0\x50")), SOCKS_ERROR);
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\x09\1\2\3\4\0\x50")), SOCKS_ERROR);
    assert_int_equal(s.out[1], 8);
    assert_int_equal(feed(&s, BYTES("\5\1\0\5\1\0\1\1\2\3\4\0\0")), SOCKS_ERROR);
    assert_int_equal(feed(&s, BYTES("\4\2\0\x50\1\2\3\4\0")), SOCKS_ERROR);
    assert_int_equal(s.out[1], 91);
}

static void socks4_and_4a_are_judged_like_the_rest(void **state)
{
    struct socks s;

    (void)state;
    assert_int_equal(feed(&s, BYTES("\4\1\x1f\x90\x5d\xb8\xd8\x42user\0")), SOCKS_CONNECT);
    assert_string_equal(s.host.text, "93.184.216.66");
    assert_int_equal(feed(&s, BYTES("\4\1\x1f\x90\0\0\0\1\0evil.test\0")), SOCKS_CONNECT);
    assert_string_equal(s.host.text, "evil.test");
    assert_int_equal(s.port, 8080);
    socks_reply(&s, SOCKS_NOT_ALLOWED);
    assert_int_equal(s.nout, 8);
    assert_memory_equal(s.out, "\0\x5b", 2);
}

static void endless_input_is_cut(void **state)
{
    uint8_t flood[4000];
    struct socks s;

    (void)state;
    memset(flood, 'x', sizeof flood);
    memcpy(flood, "\4\1\0\x50\1\2\3\4", 8);
    assert_int_equal(feed(&s, flood, sizeof flood), SOCKS_ERROR);
    assert_int_equal(feed(&s, BYTES("GET / HTTP/1.1")), SOCKS_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_taken_and_answered),
        cmocka_unit_test(bytes_after_the_request_are_left),
        cmocka_unit_test(a_password_is_taken_whatever_it_is),
        cmocka_unit_test(hostile_names_never_become_hosts),
        cmocka_unit_test(a_mapped_address_is_judged_as_v4),
        cmocka_unit_test(bind_and_udp_get_the_protocols_refusal),
        cmocka_unit_test(socks4_and_4a_are_judged_like_the_rest),
        cmocka_unit_test(endless_input_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
