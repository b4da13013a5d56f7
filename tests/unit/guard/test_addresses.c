// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/addresses.h"

static struct address addr(const char *s)
{
    struct address a;

    if (!address_parse(s, strlen(s), &a))
        fail_msg("%s does not parse", s);
    return a;
}

static void assert_class(const char *s, enum address_class expected)
{
    struct address a = addr(s);
    enum address_class got = address_classify(&a);

    if (got != expected)
        fail_msg("%s is %s, not %s", s, address_class_name(got), address_class_name(expected));
}

static void only_canonical_spellings_parse(void **state)
{
    static const char *const bad[] = {
        "",         "1.2.3",    "1.2.3.4.5",  "01.2.3.4", "1.2.3.256",  "0x7f.0.0.1",   "127.1", "2130706433",
        "1.2.3.4 ", " 1.2.3.4", "1.2.3.",     "1..3.4",   "+1.2.3.4",   "fe80::1%eth0", "[::1]", ":::",
        "1::2::3",  "::1.2.3",  "::01.2.3.4", "12345::",  "1.2.3.4/32", "1.2.3.1000"};
    struct address a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (address_parse(bad[i], strlen(bad[i]), &a))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_false(address_parse("1.2.3.4\0.x", 9, &a));
    addr("0.0.0.0");
    addr("255.255.255.255");
    addr("::");
    addr("2001:DB8::1");
    addr("::ffff:1.2.3.4");
}

static void refused_classes_are_known(void **state)
{
    (void)state;
    assert_class("0.0.0.0", ADDRESS_UNSPECIFIED);
    assert_class("0.1.2.3", ADDRESS_UNSPECIFIED);
    assert_class("10.255.255.255", ADDRESS_PRIVATE);
    assert_class("100.63.255.255", ADDRESS_GLOBAL);
    assert_class("100.64.0.1", ADDRESS_SHARED);
    assert_class("100.127.255.255", ADDRESS_SHARED);
    assert_class("100.128.0.0", ADDRESS_GLOBAL);
    assert_class("100.100.100.200", ADDRESS_METADATA);
    assert_class("127.255.0.1", ADDRESS_LOOPBACK);
    assert_class("169.254.1.1", ADDRESS_LINK_LOCAL);
    assert_class("169.254.169.254", ADDRESS_METADATA);
    assert_class("168.63.129.16", ADDRESS_METADATA);
    assert_class("172.15.255.255", ADDRESS_GLOBAL);
    assert_class("172.16.0.0", ADDRESS_PRIVATE);
    assert_class("172.31.255.255", ADDRESS_PRIVATE);
    assert_class("172.32.0.0", ADDRESS_GLOBAL);
    assert_class("192.168.0.1", ADDRESS_PRIVATE);
    assert_class("198.18.0.1", ADDRESS_BENCHMARK);
    assert_class("198.19.255.255", ADDRESS_BENCHMARK);
    assert_class("198.20.0.0", ADDRESS_GLOBAL);
    assert_class("203.0.113.9", ADDRESS_DOCUMENTATION);
    assert_class("224.0.0.1", ADDRESS_MULTICAST);
    assert_class("255.255.255.255", ADDRESS_RESERVED);
    assert_class("93.184.216.66", ADDRESS_GLOBAL);
    assert_class("::", ADDRESS_UNSPECIFIED);
    assert_class("::1", ADDRESS_LOOPBACK);
    assert_class("fe80::1", ADDRESS_LINK_LOCAL);
    assert_class("fe80::a9fe:a9fe", ADDRESS_METADATA);
    assert_class("fec0::1", ADDRESS_PRIVATE);
    assert_class("fd00::1", ADDRESS_PRIVATE);
    assert_class("fd00:ec2::254", ADDRESS_METADATA);
    assert_class("ff02::1", ADDRESS_MULTICAST);
    assert_class("2001:db8::1", ADDRESS_DOCUMENTATION);
    assert_class("3fff::1", ADDRESS_DOCUMENTATION);
    assert_class("4000::1", ADDRESS_RESERVED);
    assert_class("5f00::1", ADDRESS_RESERVED);
    assert_class("2606:4700::1111", ADDRESS_GLOBAL);
}

static void embedded_v4_takes_no_cover_in_v6(void **state)
{
    (void)state;
    assert_class("::ffff:127.0.0.1", ADDRESS_LOOPBACK);
    assert_class("0:0:0:0:0:ffff:7f00:1", ADDRESS_LOOPBACK);
    assert_class("::ffff:8.8.8.8", ADDRESS_GLOBAL);
    assert_class("::127.0.0.1", ADDRESS_TUNNEL);
    assert_class("::ffff:0:127.0.0.1", ADDRESS_TUNNEL);
    assert_class("64:ff9b::10.0.0.1", ADDRESS_PRIVATE);
    assert_class("64:ff9b::169.254.169.254", ADDRESS_METADATA);
    assert_class("64:ff9b::8.8.8.8", ADDRESS_GLOBAL);
    assert_class("64:ff9b:1::8.8.8.8", ADDRESS_PRIVATE);
    assert_class("2002:7f00:1::1", ADDRESS_TUNNEL);
    assert_class("2002:808:808::1", ADDRESS_TUNNEL);
    assert_class("2001:0:1:2::1", ADDRESS_TUNNEL);
    assert_class("2606:4700::5efe:127.0.0.1", ADDRESS_TUNNEL);
    assert_class("2606:4700::200:5efe:10.0.0.1", ADDRESS_TUNNEL);
}

static struct cidr range(const char *s)
{
    struct err err = {0};
    struct cidr c;

    if (!cidr_parse(s, strlen(s), &c, &err))
        fail_msg("%s", err.msg);
    return c;
}

static void ranges_hold_what_they_say(void **state)
{
    static const char *const bad[] = {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/08", "10/8",
                                      "::1/64",     "x/8",         "10.0.0.0/-1", "10.0.0.0/8 "};
    struct cidr c;
    struct address a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (cidr_parse(bad[i], strlen(bad[i]), &c, NULL))
            fail_msg("\"%s\" was taken", bad[i]);
    c = range("10.16.0.0/12");
    a = addr("10.31.255.255");
    assert_true(cidr_contains(&c, &a));
    a = addr("10.32.0.0");
    assert_false(cidr_contains(&c, &a));
    a = addr("::ffff:10.17.0.1");
    assert_true(cidr_contains(&c, &a));
    c = range("0.0.0.0/0");
    a = addr("2001:db8::1");
    assert_false(cidr_contains(&c, &a));
    c = range("::ffff:10.0.0.0/104");
    a = addr("10.9.9.9");
    assert_true(cidr_contains(&c, &a));
}

static void a_wide_range_does_not_name_private_networks(void **state)
{
    static const struct {
        const char *range;
        bool names;
    } cases[] = {{"10.0.0.0/8", true},    {"10.1.0.0/16", true}, {"127.0.0.1", true},
                 {"0.0.0.0/0", false},    {"8.0.0.0/6", false},  {"8.8.8.8", false},
                 {"fd00::/8", true},      {"::/0", false},       {"2000::/3", false},
                 {"::1", true},           {"::/96", true},       {"64:ff9b::a00:1", true},
                 {"64:ff9b::/96", false}, {"10.0.0.0/7", false}, {"169.254.0.0/16", true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cidr c = range(cases[i].range);

        if (cidr_names_refused(&c) != cases[i].names)
            fail_msg("%s", cases[i].range);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_canonical_spellings_parse),
        cmocka_unit_test(refused_classes_are_known),
        cmocka_unit_test(embedded_v4_takes_no_cover_in_v6),
        cmocka_unit_test(ranges_hold_what_they_say),
        cmocka_unit_test(a_wide_range_does_not_name_private_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
