// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "guard/ca.h"

static struct host host_named(const char *name)
{
    struct host h;

    assert_true(host_parse(name, strlen(name), &h, NULL));
    return h;
}

static bool verifies(struct ca *ca, X509 *leaf, const struct host *host)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    bool ok;

    X509_STORE_add_cert(store, ca_certificate(ca));
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    if (host->kind == HOST_ADDRESS)
        X509_VERIFY_PARAM_set1_ip_asc(param, host->text);
    else
        X509_VERIFY_PARAM_set1_host(param, host->text, 0);
    ok = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return ok;
}

static void a_leaf_holds_for_its_host_and_no_other_under_strict_rules(void **state UNUSED)
{
    static const char *const names[] = {
        "a.test", "192.0.2.7", "2001:db8::1",
        "a-name-that-is-longer-than-sixty-four-characters.and-does-not-fit.into-a-common-name.test"};
    struct host other = host_named("b.test");
    struct ca *ca;

    assert_true(ca_new(&ca, NULL));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct host h = host_named(names[i]);
        X509 *leaf;
        EVP_PKEY *key;

        assert_true(ca_leaf(ca, &h, &leaf, &key, NULL));
        assert_true(verifies(ca, leaf, &h));
        assert_false(verifies(ca, leaf, &other));
        assert_int_equal(X509_check_private_key(leaf, key), 1);
    }
    ca_free(ca);
}

static void runs_do_not_trust_each_other(void **state UNUSED)
{
    struct host h = host_named("a.test");
    struct ca *one = NULL, *two = NULL;
    X509 *leaf;
    EVP_PKEY *key;

    assert_true(ca_new(&one, NULL) && ca_new(&two, NULL));
    assert_true(ca_leaf(one, &h, &leaf, &key, NULL));
    assert_true(verifies(one, leaf, &h));
    assert_false(verifies(two, leaf, &h));
    ca_free(one);
    ca_free(two);
}

static void a_leaf_is_made_once_and_the_table_is_bounded(void **state UNUSED)
{
    struct host h = host_named("a.test");
    struct ca *ca;
    X509 *first, *leaf;
    EVP_PKEY *key;

    assert_true(ca_new(&ca, NULL));
    assert_true(ca_leaf(ca, &h, &first, &key, NULL));
    assert_true(ca_leaf(ca, &h, &leaf, &key, NULL));
    assert_ptr_equal(first, leaf);
    for (unsigned i = 0; i < CA_LEAVES_MAX + 10; i++) {
        AUTO_FREE char *name = xasprintf("n%u.test", i);
        struct host n = host_named(name);

        assert_true(ca_leaf(ca, &n, &leaf, &key, NULL));
    }
    assert_true(ca_leaf(ca, &h, &leaf, &key, NULL));
    assert_true(verifies(ca, leaf, &h));
    ca_free(ca);
}

static void the_authority_is_given_as_pem_without_its_key(void **state UNUSED)
{
    AUTO_BUF struct buf pem = {.cap = 16384};
    struct ca *ca;

    assert_true(ca_new(&ca, NULL));
    assert_true(ca_pem(ca, &pem, NULL));
    assert_non_null(strstr(buf_cstr(&pem), "-----BEGIN CERTIFICATE-----"));
    assert_null(strstr(buf_cstr(&pem), "PRIVATE"));
    ca_free(ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_holds_for_its_host_and_no_other_under_strict_rules),
        cmocka_unit_test(runs_do_not_trust_each_other),
        cmocka_unit_test(a_leaf_is_made_once_and_the_table_is_bounded),
        cmocka_unit_test(the_authority_is_given_as_pem_without_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
