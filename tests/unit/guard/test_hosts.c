// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/hosts.h"
#include "guard/refused.h"

static void check(const struct hosts *h, const char *name, const char *want)
{
    struct address a[4];
    char text[4 * ADDRESS_TEXT_SIZE] = "";
    size_t n = hosts_find(h, name, a, 4);

    for (size_t i = 0; i < n; i++) {
        char one[ADDRESS_TEXT_SIZE];

        address_text(&a[i], one);
        strcat(text, i ? " " : "");
        strcat(text, one);
    }
    assert_string_equal(text, want);
}

static void names_have_their_addresses_in_order(void **state UNUSED)
{
    static const char text[] =
        "127.0.0.1\tlocalhost  Box\n# 192.0.2.9 no\n::1 localhost # box\r\n192.0.2.1 a.test b.test\n"
        "bad-address c.test\n  10.0.0.1 c.test\n::ffff:192.0.2.7 d.test\n192.0.2.2 a.test";
    struct hosts *h = hosts_parse(text, sizeof text - 1);

    check(h, "localhost", "127.0.0.1 ::1");
    check(h, "box", "127.0.0.1");
    check(h, "a.test", "192.0.2.1 192.0.2.2");
    check(h, "b.test", "192.0.2.1");
    check(h, "c.test", "10.0.0.1");
    check(h, "d.test", "192.0.2.7");
    check(h, "no", "");
    check(h, "a", "");
    hosts_free(h);
}

static void an_empty_or_missing_file_has_no_names(void **state UNUSED)
{
    struct hosts *h = hosts_parse("", 0);

    check(h, "a", "");
    hosts_free(h);
    h = hosts_load("/nonexistent/hosts");
    check(h, "a", "");
    hosts_free(h);
    h = hosts_parse("\n\n \n192.0.2.1\n#\n", 16);
    check(h, "", "");
    hosts_free(h);
}

static void ports_of_packets_are_read(void **state UNUSED)
{
    const uint8_t v4[40] = {0x46, [9] = 6, [24] = 0x12, 0x34, 0x00, 0x19}, v6[8] = {0x12, 0x34, 0x01, 0xbb};
    struct refused_packet r;

    assert_true(refused_ports(v4, sizeof v4, false, &r));
    assert_true(r.to_port == 25 && r.from_port == 0x1234);
    assert_true(refused_ports(v6, sizeof v6, true, &r));
    assert_true(r.to_port == 443 && r.from_port == 0x1234);
}

static void packets_cut_short_are_not(void **state UNUSED)
{
    const uint8_t v4[40] = {0x4f}, whole[24] = {0x45}, zero[40] = {0x40};
    struct refused_packet r;

    assert_false(refused_ports(v4, sizeof v4, false, &r)); // header of 60 bytes
    assert_false(refused_ports(zero, sizeof zero, false, &r));
    for (size_t n = 0; n < sizeof whole; n++)
        assert_false(refused_ports(whole, n, false, &r));
    assert_true(refused_ports(whole, sizeof whole, false, &r));
    for (size_t n = 0; n < 4; n++)
        assert_false(refused_ports(whole, n, true, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_their_addresses_in_order),
        cmocka_unit_test(an_empty_or_missing_file_has_no_names),
        cmocka_unit_test(ports_of_packets_are_read),
        cmocka_unit_test(packets_cut_short_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
