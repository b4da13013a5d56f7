// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "guard/dnsnames.h"

struct message {
    uint8_t bytes[600];
    size_t n;
};

static void put(struct message *m, const void *data, size_t n)
{
    memcpy(m->bytes + m->n, data, n);
    m->n += n;
}

// A query as resolvers send it; edns is the UDP size, or 0 for none.
static struct message query(const char *name, unsigned type, unsigned edns)
{
    struct message m = {.n = 12, .bytes = {0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0}};
    uint8_t tail[4] = {(uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    uint8_t opt[11] = {0, 0, DNS_OPT, (uint8_t)(edns >> 8), (uint8_t)edns};

    while (*name) {
        uint8_t n = (uint8_t)strcspn(name, ".");

        put(&m, &n, 1);
        put(&m, name, n);
        name += n + (name[n] == '.');
    }
    put(&m, "", 1);
    put(&m, tail, 4);
    if (edns)
        put(&m, opt, sizeof opt);
    return m;
}

struct answer {
    struct dns_query q;
    uint8_t bytes[DNS_ANSWER_MAX];
    size_t n;
    unsigned rcode, answers, authorities, additional;
    bool truncated;
};

static struct answer ask(struct dns_names *names, const struct message *m, enum verdict verdict)
{
    struct answer a = {0};

    assert_int_not_equal(dns_parse(m->bytes, m->n, &a.q), DNS_DROP);
    a.n = dns_names_respond(names, &a.q, verdict, a.q.udp_size, a.bytes);
    assert_true(a.n >= 12 && a.n <= a.q.udp_size);
    assert_memory_equal(a.bytes, m->bytes, 2);
    assert_int_equal(a.bytes[2] & 0x80, 0x80);
    assert_int_equal(a.bytes[2] & 1, m->bytes[2] & 1); // recursion desired: resolvers compare it
    assert_int_equal(a.bytes[3] & 0x80, 0x80);         // and look for recursion available
    a.rcode = a.bytes[3] & 15;
    a.truncated = a.bytes[2] & 2;
    a.answers = a.bytes[7];
    a.authorities = a.bytes[9];
    a.additional = a.bytes[11];
    return a;
}

// The address in the first answer record.
static struct address address_in(const struct answer *a)
{
    const uint8_t *rr = a->bytes + 12 + a->q.question_len;
    struct address ret = {.v6 = rr[3] == DNS_AAAA};

    assert_int_equal(rr[0] << 8 | rr[1], 0xc00c);
    assert_int_equal(rr[11], ret.v6 ? 16 : 4);
    memcpy(ret.bytes, rr + 12, rr[11]);
    return ret;
}

static void an_allowed_name_gets_a_stable_address_and_maps_back(void **state)
{
    struct dns_names *names = dns_names_new(100);
    struct message q4 = query("ExAmple.Org", DNS_A, 0), q6 = query("example.org", DNS_AAAA, 1232);
    struct message other = query("b.example.org", DNS_A, 0);
    struct answer a = ask(names, &q4, VERDICT_ALLOW);
    struct address first = address_in(&a), twin, second;

    (void)state;
    assert_int_equal(a.rcode, 0);
    assert_int_equal(a.answers, 1);
    assert_int_equal(a.additional, 0);
    assert_memory_equal(a.bytes + 12, q4.bytes + 12, a.q.question_len); // the letter case is the client's
    assert_true(dns_names_synthetic(&first));
    assert_string_equal(dns_names_of(names, &first), "example.org");
    a = ask(names, &q6, VERDICT_ASK);
    twin = address_in(&a);
    assert_true(twin.v6);
    assert_int_equal(a.additional, 1);
    assert_string_equal(dns_names_of(names, &twin), "example.org");
    a = ask(names, &other, VERDICT_ALLOW);
    second = address_in(&a);
    assert_false(address_equal(&first, &second));
    a = ask(names, &q4, VERDICT_ALLOW);
    second = address_in(&a);
    assert_true(address_equal(&first, &second));
    assert_int_equal(address_classify(&first), ADDRESS_BENCHMARK);
    assert_int_equal(address_classify(&twin), ADDRESS_PRIVATE);
    dns_names_free(names);
}

static void a_denied_name_does_not_exist(void **state)
{
    struct dns_names *names = dns_names_new(100);
    struct message m = query("evil.test", DNS_A, 4096);
    struct answer a = ask(names, &m, VERDICT_DENY);

    (void)state;
    assert_int_equal(a.rcode, DNS_NXDOMAIN);
    assert_int_equal(a.answers, 0);
    assert_int_equal(a.authorities, 1); // SOA, so that "no" is cached, shortly
    assert_int_equal(dns_names_count(names), 0);
    dns_names_free(names);
}

static void other_types_of_a_known_name_are_empty(void **state)
{
    static const unsigned types[] = {DNS_HTTPS, DNS_SVCB, DNS_SRV, DNS_MX,
                                     DNS_TXT,   DNS_NS,   DNS_SOA, DNS_CNAME};
    struct dns_names *names = dns_names_new(100);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct message m = query("example.org", types[i], 512);
        struct answer a = ask(names, &m, VERDICT_ALLOW);

        assert_int_equal(a.rcode, DNS_NOERROR);
        assert_int_equal(a.answers, 0);
        assert_int_equal(a.authorities, 1);
    }
    assert_int_equal(dns_names_count(names), 0);
    struct message any = query("example.org", DNS_ANY, 0), srv = query("_sip._tcp.example.org", DNS_SRV, 0);

    assert_int_equal(ask(names, &any, VERDICT_ALLOW).answers, 2);
    assert_int_equal(ask(names, &srv, VERDICT_ALLOW).rcode, DNS_NXDOMAIN);
    dns_names_free(names);
}

static void only_synthetic_addresses_have_names(void **state)
{
    struct dns_names *names = dns_names_new(100);
    struct address v4, v6;
    struct message m;
    struct answer a;
    char text[100];
    size_t at = 0;

    (void)state;
    assert_true(dns_names_get(names, "example.org", &v4, &v6));
    snprintf(text, sizeof text, "%u.%u.%u.%u.in-addr.arpa", v4.bytes[3], v4.bytes[2], v4.bytes[1],
             v4.bytes[0]);
    m = query(text, DNS_PTR, 0);
    a = ask(names, &m, VERDICT_DENY);
    assert_int_equal(a.answers, 1);
    assert_memory_equal(a.bytes + a.n - 13, "\7example\3org", 13);
    for (int i = 15; i >= 0; i--)
        at += (size_t)snprintf(text + at, sizeof text - at, "%x.%x.", v6.bytes[i] & 15, v6.bytes[i] >> 4);
    snprintf(text + at, sizeof text - at, "IP6.arpa");
    m = query(text, DNS_PTR, 0);
    assert_int_equal(ask(names, &m, VERDICT_DENY).answers, 1);
    m = query("8.8.8.8.in-addr.arpa", DNS_PTR, 0);
    assert_int_equal(ask(names, &m, VERDICT_ALLOW).rcode, DNS_NXDOMAIN);
    v4.bytes[3]++;
    assert_null(dns_names_of(names, &v4));
    v6.bytes[8] = 1;
    assert_null(dns_names_of(names, &v6));
    dns_names_free(names);
}

static void a_flood_of_names_ends_at_the_cap(void **state)
{
    struct dns_names *names = dns_names_new(5000);
    struct address first, a4, a6;
    char name[40];
    struct message m = query("one.more.test", DNS_A, 0);

    (void)state;
    assert_true(dns_names_get(names, "first.test", &first, &a6));
    for (int i = 0; i < 4999; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        assert_true(dns_names_get(names, name, &a4, &a6));
        assert_string_equal(dns_names_of(names, &a4), name);
        assert_string_equal(dns_names_of(names, &a6), name);
    }
    assert_int_equal(ask(names, &m, VERDICT_ALLOW).rcode, DNS_SERVFAIL);
    assert_int_equal(dns_names_count(names), 5000);
    assert_true(dns_names_get(names, "first.test", &a4, &a6));
    assert_true(address_equal(&first, &a4));
    dns_names_free(names);
}

static void malformed_queries_get_an_error_or_silence(void **state)
{
    struct message good = query("example.org", DNS_A, 512), m;
    struct dns_query q;

    (void)state;
    assert_int_equal(dns_parse(good.bytes, good.n, &q), DNS_QUERY);
    assert_int_equal(dns_parse(good.bytes, 11, &q), DNS_DROP);
    m = good;
    m.bytes[2] |= 0x80;
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_DROP); // a response: never answered
    for (size_t n = 12; n < good.n; n++)
        assert_int_equal(dns_parse(good.bytes, n, &q), DNS_FAIL);
    m = good;
    put(&m, "x", 1);
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_FAIL);
    for (int i = 5; i <= 9; i += 2) { // questions, answers, authorities
        m = good;
        m.bytes[i]++;
        assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_FAIL);
        assert_int_equal(q.rcode, DNS_FORMERR);
    }
    m = good;
    m.bytes[2] |= 0x28; // UPDATE
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_FAIL);
    assert_int_equal(q.rcode, DNS_NOTIMP);
    m = good;
    m.bytes[12] = 0xc0; // a compressed name
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_FAIL);
    m = good;
    m.bytes[m.n - 5] = 1; // EDNS version 1
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_FAIL);
    assert_int_equal(q.rcode, DNS_BADVERS);
}

static void names_that_are_no_hosts_stay_unknown(void **state)
{
    struct message m = query("a b.test", DNS_A, 0);
    struct dns_query q;

    (void)state;
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_QUERY);
    assert_int_equal(q.host.kind, HOST_NONE);
    m = query("93.184.216.66", DNS_A, 0);
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_QUERY);
    assert_int_equal(q.host.kind, HOST_NONE);
    m = query("evilxtest", DNS_A, 0);
    m.bytes[17] = '.'; // one label that prints like two
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_QUERY);
    assert_int_equal(q.host.kind, HOST_NONE);
}

static void what_does_not_fit_is_cut_and_says_so(void **state)
{
    struct message m = query("example.org", DNS_A, 0);
    struct address many[200] = {{.bytes = {192, 0, 2, 1}}};
    struct dns_reply r = {.addresses = many, .naddresses = 40, .ttl = 1};
    uint8_t out[DNS_ANSWER_MAX];
    struct dns_query q;
    size_t n;

    (void)state;
    assert_int_equal(dns_parse(m.bytes, m.n, &q), DNS_QUERY);
    n = dns_answer(&q, &r, q.udp_size, out);
    assert_int_equal(n, m.n);
    assert_int_equal(out[2] & 2, 2);
    assert_int_equal(out[7], 0);
    n = dns_answer(&q, &r, DNS_ANSWER_MAX, out);
    assert_int_equal(out[2] & 2, 0);
    assert_int_equal(out[7], 40);
    assert_int_equal(n, m.n + 40 * 16);
}

static void messages_over_tcp_are_cut_by_their_length(void **state)
{
    struct message m = query("example.org", DNS_A, 0);
    static struct dns_tcp t;
    uint8_t stream[200] = {0, (uint8_t)m.n};
    const uint8_t *msg;
    size_t used, len, messages = 0, at;

    (void)state;
    memcpy(stream + 2, m.bytes, m.n);
    memcpy(stream + 2 + m.n, stream, 2 + m.n);
    for (size_t piece = 1; piece < 100; piece++) {
        messages = 0;
        dns_tcp_init(&t);
        for (at = 0; at < 2 * (2 + m.n); at += used) {
            size_t left = 2 * (2 + m.n) - at;
            enum dns_tcp_event event =
                dns_tcp_feed(&t, stream + at, left < piece ? left : piece, &used, &msg, &len);

            assert_int_not_equal(event, DNS_TCP_ERROR);
            if (event == DNS_TCP_MESSAGE) {
                assert_int_equal(len, m.n);
                assert_memory_equal(msg, m.bytes, m.n);
                messages++;
            }
        }
        assert_int_equal(messages, 2);
    }
    dns_tcp_init(&t);
    assert_int_equal(dns_tcp_feed(&t, (const uint8_t *)"\0\5", 2, &used, &msg, &len), DNS_TCP_ERROR);
    dns_tcp_init(&t);
    assert_int_equal(dns_tcp_feed(&t, (const uint8_t *)"\xff\xff", 2, &used, &msg, &len), DNS_TCP_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allowed_name_gets_a_stable_address_and_maps_back),
        cmocka_unit_test(a_denied_name_does_not_exist),
        cmocka_unit_test(other_types_of_a_known_name_are_empty),
        cmocka_unit_test(only_synthetic_addresses_have_names),
        cmocka_unit_test(a_flood_of_names_ends_at_the_cap),
        cmocka_unit_test(malformed_queries_get_an_error_or_silence),
        cmocka_unit_test(names_that_are_no_hosts_stay_unknown),
        cmocka_unit_test(what_does_not_fit_is_cut_and_says_so),
        cmocka_unit_test(messages_over_tcp_are_cut_by_their_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
