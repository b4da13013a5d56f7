// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/hello.h"

// Builds hellos field by field, so that each test can spoil one.
struct maker {
    uint8_t ext[4000];
    size_t next;
    uint8_t out[9000];
    size_t n;
};

static void put(uint8_t *to, size_t *n, const void *data, size_t len)
{
    memcpy(to + *n, data, len);
    *n += len;
}

static void put_number(uint8_t *to, size_t *n, size_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        to[(*n)++] = (uint8_t)(value >> 8 * i);
}

static void extension(struct maker *m, unsigned type, const void *data, size_t n)
{
    put_number(m->ext, &m->next, type, 2);
    put_number(m->ext, &m->next, n, 2);
    put(m->ext, &m->next, data, n);
}

static void server_name(struct maker *m, const char *name, size_t n)
{
    uint8_t data[300];
    size_t at = 0;

    put_number(data, &at, n + 3, 2);
    put_number(data, &at, 0, 1);
    put_number(data, &at, n, 2);
    put(data, &at, name, n);
    extension(m, 0, data, at);
}

// The whole hello, over records of at most `record` bytes.
static void finish(struct maker *m, size_t record)
{
    static const uint8_t suites[] = {0, 4, 0x13, 0x01, 0xc0, 0x2f};
    uint8_t body[8000];
    size_t n = 0, len = 2 + 32 + 1 + sizeof suites + 2 + 2 + m->next;

    put_number(body, &n, 1, 1);
    put_number(body, &n, len, 3);
    put_number(body, &n, 0x0303, 2);
    memset(body + n, 7, 32);
    n += 32;
    put_number(body, &n, 0, 1);
    put(body, &n, suites, sizeof suites);
    put_number(body, &n, 0x0100, 2);
    put_number(body, &n, m->next, 2);
    put(body, &n, m->ext, m->next);
    m->n = 0;
    for (size_t at = 0; at < n; at += record) {
        size_t some = n - at < record ? n - at : record;

        put_number(m->out, &m->n, 0x160301, 3);
        put_number(m->out, &m->n, some, 2);
        put(m->out, &m->n, body + at, some);
    }
}

static enum hello_event feed(struct hello *h, const uint8_t *data, size_t n, size_t piece)
{
    enum hello_event event = HELLO_MORE;
    size_t used;

    hello_init(h);
    for (size_t at = 0; at < n && event == HELLO_MORE; at += used)
        event = hello_feed(h, data + at, n - at < piece ? n - at : piece, &used);
    return event;
}

static void assert_refused(struct maker *m)
{
    struct hello h;

    finish(m, 9000);
    assert_int_equal(feed(&h, m->out, m->n, 9000), HELLO_ERROR);
    assert_true(h.why[0] != '\0');
    hello_deinit(&h);
    *m = (struct maker){0};
}

static void any_fragmentation_reads_the_same(void **state)
{
    struct maker m = {0};
    struct hello h;

    (void)state;
    server_name(&m, "Example.ORG", 11);
    extension(&m, 16, "\0\x0c\2h2\x08http/1.1", 14);
    extension(&m, 43, "\4\3\4\3\3", 5);
    for (size_t record = 1; record < 200; record += 13)
        for (size_t piece = 1; piece < 200; piece += 17) {
            finish(&m, record);
            assert_int_equal(feed(&h, m.out, m.n, piece), HELLO_DONE);
            assert_string_equal(h.sni.text, "example.org");
            assert_true(h.alpn && h.http11 && h.tls12 && h.tls13 && !h.ech);
            assert_int_equal(h.raw, m.n);
            hello_deinit(&h);
        }
}

static void what_follows_the_hello_is_left(void **state)
{
    struct maker m = {0};
    struct hello h;
    size_t used;

    (void)state;
    server_name(&m, "a.test", 6);
    finish(&m, 9000);
    m.out[m.n] = 0x17;
    hello_init(&h);
    assert_int_equal(hello_feed(&h, m.out, m.n + 1, &used), HELLO_DONE);
    assert_int_equal(used, m.n);
    hello_deinit(&h);
}

static void encrypted_client_hello_shows(void **state)
{
    struct maker m = {0};
    struct hello h;

    (void)state;
    server_name(&m, "public.test", 11);
    extension(&m, 0xfe0d, "\0\0\1\0\1\x20\0\0\0\0", 10);
    finish(&m, 9000);
    assert_int_equal(feed(&h, m.out, m.n, 9000), HELLO_DONE);
    assert_true(h.ech);
    hello_deinit(&h);
}

static void a_retry_shows_in_the_servers_answer(void **state UNUSED)
{
    static const uint8_t retry[] = {22,   3,    3,    0,    88,   2,    0,    0,    84,   3,    3,
                                    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                    0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    uint8_t other[sizeof retry];

    for (size_t n = 0; n < sizeof retry; n++)
        assert_int_equal(hello_answer(retry, n), HELLO_ANSWER_MORE);
    assert_int_equal(hello_answer(retry, sizeof retry), HELLO_ANSWER_RETRY);
    for (size_t i = 11; i < sizeof retry; i++) {
        memcpy(other, retry, sizeof other);
        other[i] ^= 1;
        assert_int_equal(hello_answer(other, i), HELLO_ANSWER_MORE);
        assert_int_equal(hello_answer(other, i + 1), HELLO_ANSWER_OTHER);
    }
    memcpy(other, retry, sizeof other);
    other[4] = 37;
    assert_int_equal(hello_answer(other, 6), HELLO_ANSWER_CUT);
    assert_int_equal(hello_answer((const uint8_t *)"\x15", 1), HELLO_ANSWER_OTHER);
    assert_int_equal(hello_answer((const uint8_t *)"\x16\3\3\0\4\x0e", 6), HELLO_ANSWER_OTHER);
}

static void bad_names_are_refused(void **state)
{
    struct maker m = {0};
    struct hello h;

    (void)state;
    server_name(&m, "evil.test\0.allowed.test", 23);
    assert_refused(&m);
    server_name(&m, "", 0);
    assert_refused(&m);
    server_name(&m, "127.1", 5);
    assert_refused(&m);
    server_name(&m, "a.test", 6);
    server_name(&m, "b.test", 6);
    assert_refused(&m);
    extension(&m, 0, "\0\x0c\0\0\3a.b\0\0\3c.d", 14); // two names in one list
    assert_refused(&m);
    extension(&m, 0, "\0\6\1\0\3a.b", 8); // a name of another type
    assert_refused(&m);
    extension(&m, 0, "\0\6\0\0\3a.bX", 9); // bytes behind the list
    assert_refused(&m);
    extension(&m, 0, "", 0);
    assert_refused(&m);
    server_name(&m, "192.0.2.1", 9);
    finish(&m, 9000);
    assert_int_equal(feed(&h, m.out, m.n, 9000), HELLO_DONE);
    assert_int_equal(h.sni.kind, HOST_ADDRESS);
    hello_deinit(&h);
}

static void malformed_hellos_are_refused(void **state)
{
    struct maker m = {0}, copy;
    struct hello h;

    (void)state;
    extension(&m, 16, "\0\0", 2);
    assert_refused(&m);
    extension(&m, 16, "\0\1\0", 3);
    assert_refused(&m);
    extension(&m, 43, "\3\3\4\3", 4);
    assert_refused(&m);
    extension(&m, 99, "", 0);
    extension(&m, 99, "", 0);
    assert_refused(&m);
    for (unsigned i = 100; i < 200; i++)
        extension(&m, i, "", 0);
    assert_refused(&m);
    server_name(&m, "a.test", 6);
    finish(&m, 9000);
    // Each length in it one more or one less: never read as a hello, never read past the end.
    for (size_t i = 3; i < m.n; i++)
        for (int by = -1; by <= 1; by += 2) {
            static const size_t lengths[] = {3, 4, 6, 7, 8, 43, 44, 50, 52, 53, 56, 57, 58, 59, 61, 62};
            bool length = false;

            for (size_t j = 0; j < ARRAY_LEN(lengths); j++)
                length |= lengths[j] == i;
            if (!length)
                continue;
            copy = m;
            copy.out[i] = (uint8_t)(copy.out[i] + by);
            if (feed(&h, copy.out, copy.n, 9000) == HELLO_DONE)
                fail_msg("taken with byte %zu changed by %d", i, by);
            hello_deinit(&h);
        }
}

static void other_protocols_are_told_apart(void **state)
{
    static uint8_t flood[70000];
    struct hello h;

    (void)state;
    assert_int_equal(feed(&h, (const uint8_t *)"GET / HTTP/1.1", 14, 100), HELLO_NOT_TLS);
    hello_deinit(&h);
    assert_int_equal(feed(&h, (const uint8_t *)"\x16\x05", 2, 1), HELLO_NOT_TLS);
    hello_deinit(&h);
    assert_int_equal(feed(&h, (const uint8_t *)"\x16\3\1\0\5\2\0\0\1\0", 10, 1),
                     HELLO_ERROR); // a ServerHello
    hello_deinit(&h);
    assert_int_equal(feed(&h, (const uint8_t *)"\x16\3\1\0\0", 5, 1), HELLO_ERROR); // an empty record
    hello_deinit(&h);
    assert_int_equal(feed(&h, (const uint8_t *)"\x16\3\1\x40\1", 5, 1), HELLO_ERROR); // too long a record
    hello_deinit(&h);
    assert_int_equal(feed(&h, (const uint8_t *)"\x16\3\1\0\4\1\1\0\0", 9, 1),
                     HELLO_ERROR); // too long a hello
    hello_deinit(&h);
    for (size_t at = 0; at + 6 <= sizeof flood; at += 6) // one byte a record
        memcpy(flood + at, "\x16\3\1\0\1\0", 6);
    memcpy(flood + 5, "\1", 1);
    flood[17] = 0x70;
    assert_int_equal(feed(&h, flood, sizeof flood, 1000), HELLO_ERROR);
    hello_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_fragmentation_reads_the_same),
        cmocka_unit_test(what_follows_the_hello_is_left),
        cmocka_unit_test(encrypted_client_hello_shows),
        cmocka_unit_test(a_retry_shows_in_the_servers_answer),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(malformed_hellos_are_refused),
        cmocka_unit_test(other_protocols_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
