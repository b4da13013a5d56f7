// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sha1.h>

#include "session/javatrust.h"

// "der" and "DER2" in Base64 in place of certificates: the store does not look into them.
#define PEM(digits) "-----BEGIN CERTIFICATE-----\n" digits "\n-----END CERTIFICATE-----\n"
#define ONE PEM("ZGVy")
#define TWO "# a comment\n" PEM("REVS\r\nMg==") "text\n"

static const unsigned char *at(const struct buf *b, size_t i)
{
    assert_true(i < b->len);
    return (const unsigned char *)b->ptr + i;
}

static uint32_t get(const struct buf *b, size_t i, unsigned n)
{
    uint32_t v = 0;

    while (n--)
        v = v << 8 | *at(b, i++);
    return v;
}

// Reads a store as Java does; joins "alias=der;" of all entries.
static void read_store(const struct buf *b, char *ret, size_t size)
{
    static const unsigned char password[] = "\0c\0h\0a\0n\0g\0e\0i\0t";
    uint8_t sum[SHA1_DIGEST_LENGTH];
    SHA1_CTX c;
    size_t i = 12;

    assert_int_equal(get(b, 0, 4), 0xfeedfeedu);
    assert_int_equal(get(b, 4, 4), 2);
    ret[0] = '\0';
    for (uint32_t n = get(b, 8, 4); n; n--) {
        size_t alias, type, der, used = strlen(ret);

        assert_int_equal(get(b, i, 4), 2);
        alias = i + 6;
        type = alias + get(b, i + 4, 2) + 8;
        assert_memory_equal(at(b, type), "\0\5X.509", 7);
        der = type + 7 + 4;
        snprintf(ret + used, size - used, "%.*s=%.*s;", (int)get(b, i + 4, 2), (const char *)at(b, alias),
                 (int)get(b, der - 4, 4), (const char *)at(b, der));
        i = der + get(b, der - 4, 4);
    }
    SHA1Init(&c);
    SHA1Update(&c, password, sizeof password - 1);
    SHA1Update(&c, (const uint8_t *)"Mighty Aphrodite", 16);
    SHA1Update(&c, (const uint8_t *)b->ptr, i);
    SHA1Final(sum, &c);
    assert_int_equal(b->len, i + sizeof sum);
    assert_memory_equal(b->ptr + i, sum, sizeof sum);
}

// A copy of what comes out when that many certificates are expected.
static struct buf make_expecting(uint32_t expected, const char *store, size_t n, const char *bundle,
                                 const char *authority)
{
    struct buf in, copy;
    const struct buf *out;
    struct err err = {0};
    struct javatrust *j;

    buf_init(&in, JAVATRUST_MAX);
    buf_init(&copy, JAVATRUST_MAX);
    buf_add(&in, store, n);
    j = javatrust_begin(&in, bundle, expected);
    if (!javatrust_finish(j, authority, &out, &err))
        fail_msg("%s", err.msg);
    buf_add(&copy, out->ptr, out->len);
    javatrust_free(j);
    buf_deinit(&in);
    return copy;
}

static struct buf make(const char *store, size_t n, const char *bundle, const char *authority)
{
    return make_expecting(1, store, n, bundle, authority);
}

static void another_format_gives_a_store_of_the_bundle(void **state)
{
    AUTO_BUF struct buf b = make("0\x82\1\2PKCS12", 10, ONE, TWO);
    char text[256];

    (void)state;
    read_store(&b, text, sizeof text);
    assert_string_equal(text, "root-1=der;bawn-1=DER2;");
}

static void entries_that_are_there_stay(void **state)
{
    AUTO_BUF struct buf first = make("", 0, ONE, TWO), b = make(first.ptr, first.len, "not looked at", ONE);
    char text[256];

    (void)state;
    read_store(&b, text, sizeof text);
    assert_string_equal(text, "root-1=der;bawn-1=DER2;bawn-1=der;");
}

static void another_number_than_expected_is_right_too(void **state)
{
    char text[256];

    (void)state;
    for (uint32_t n = 0; n < 4; n++) {
        AUTO_BUF struct buf b = make_expecting(n, "", 0, ONE, TWO ONE);

        read_store(&b, text, sizeof text);
        assert_string_equal(text, "root-1=der;bawn-1=DER2;bawn-2=der;");
    }
}

static void no_certificate_is_an_error(void **state)
{
    static const char *const texts[] = {"", "-----BEGIN CERTIFICATE-----\nZGVy", PEM("not base64!"), PEM("")};
    struct buf in = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct javatrust *j = javatrust_begin(&in, texts[i], 1);
        const struct buf *out;
        struct err err = {0};

        assert_false(javatrust_finish(j, texts[i], &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        javatrust_free(j);
    }
}

static void a_cut_store_is_not_read_past_its_end(void **state)
{
    AUTO_BUF struct buf whole = make("", 0, ONE, ONE);
    char text[256];

    (void)state;
    for (size_t n = 0; n <= 12 + SHA1_DIGEST_LENGTH; n++) {
        AUTO_FREE char *cut = xmalloc(n + 1);
        struct buf b;

        memcpy(cut, whole.ptr, n);
        b = make(cut, n, TWO, TWO);
        read_store(&b, text, sizeof text);
        assert_string_equal(text, "root-1=DER2;bawn-1=DER2;");
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_format_gives_a_store_of_the_bundle),
        cmocka_unit_test(entries_that_are_there_stay),
        cmocka_unit_test(another_number_than_expected_is_right_too),
        cmocka_unit_test(no_certificate_is_an_error),
        cmocka_unit_test(a_cut_store_is_not_read_past_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
