// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/notify_dns.h"

#define HEAD "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define QUESTION(bytes) (const uint8_t *)HEAD bytes, sizeof(HEAD bytes) - 1

static void the_name_is_read_in_lower_case(void **state)
{
    char name[DNS_NAME_SIZE];

    (void)state;
    assert_true(dns_question(QUESTION("\3wWw\7Example\3ORG\0\0\1\0\1"), name));
    assert_string_equal(name, "www.example.org");
    assert_true(dns_question(QUESTION("\5_x-09\0\0\1\0\1"), name));
    assert_string_equal(name, "_x-09");
}

static void what_is_no_plain_question_is_refused(void **state)
{
    static const char answer[] = "\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\1a\0\0\1\0\1";
    static const char two[] = "\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\1a\0\0\1\0\1";
    char name[DNS_NAME_SIZE] = "kept";

    (void)state;
    assert_false(dns_question((const uint8_t *)answer, sizeof answer - 1, name));
    assert_false(dns_question((const uint8_t *)two, sizeof two - 1, name));
    assert_false(dns_question(QUESTION("\0\0\1\0\1"), name));         // the root
    assert_false(dns_question(QUESTION("\3a\nb\0\0\1\0\1"), name));   // could forge a line
    assert_false(dns_question(QUESTION("\3a.b\0\0\1\0\1"), name));    // is not a.b
    assert_false(dns_question(QUESTION("\300\14\0\1\0\1"), name));    // pointer
    assert_false(dns_question(QUESTION("\100aaaa\0\0\1\0\1"), name)); // 64
    assert_string_equal(name, "kept");
}

static void every_cut_of_a_query_is_refused(void **state)
{
    static const char query[] = HEAD "\3www\7example\3org\0\0\1\0\1";
    char name[DNS_NAME_SIZE];

    (void)state;
    for (size_t n = 0; n < sizeof HEAD - 1 + 17; n++) {
        uint8_t *exact = malloc(n ? n : 1); // so that a sanitizer sees a byte too many

        memcpy(exact, query, n);
        assert_false(dns_question(exact, n, name));
        free(exact);
    }
}

static void a_name_of_255_bytes_fits_and_no_longer_one(void **state)
{
    uint8_t query[600] = HEAD;
    char name[DNS_NAME_SIZE];
    size_t at = sizeof HEAD - 1;

    (void)state;
    for (int i = 0; i < 4; i++) {
        query[at++] = i < 3 ? 63 : 61;
        memset(query + at, 'a', 63);
        at += i < 3 ? 63 : 61;
    }
    query[at] = 0;
    assert_true(dns_question(query, at + 5, name));
    assert_int_equal(strlen(name), 253);
    query[at++] = 40;
    memset(query + at, 'a', 40);
    at += 40;
    query[at] = 0;
    assert_false(dns_question(query, at + 5, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_is_read_in_lower_case),
        cmocka_unit_test(what_is_no_plain_question_is_refused),
        cmocka_unit_test(every_cut_of_a_query_is_refused),
        cmocka_unit_test(a_name_of_255_bytes_fits_and_no_longer_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
