// SPDX-License-Identifier: Apache-2.0
// Certificates carry what strict verifiers ask for (RFC 5280 4.2.1; Python 3.13 and Go check them): key
// identifiers, basic constraints and key usage as critical on the authority, subjectAltName on the leaf,
// which is critical when the subject is empty (a name longer than 64 characters does not fit a common name).
//
// Made at every start, so its cost counts: with OpenSSL's ordinary ways 6 ms, mostly for looking up encoders
// and for setting up a random generator of its own. Keys of the older kind (EC_KEY) encode themselves, and
// randomness comes straight from the kernel: 1 ms. Both are marked deprecated in OpenSSL 3 and are there in
// all of its releases.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "guard/ca.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 256u
#define COMMON_NAME_MAX 64u // RFC 5280 ub-common-name

struct leaf {
    char host[HOST_TEXT_SIZE];
    X509 *cert;
    struct leaf *next;
};

struct ca {
    EVP_PKEY *key, *leaf_key;
    X509 *cert;
    struct leaf *bucket[BUCKETS];
    size_t nleaves;
};

static bool fail_ssl(struct err *err, const char *what)
{
    char text[160] = "unknown";
    unsigned long e = ERR_get_error();

    if (e)
        ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_SYSTEM, "cannot %s: OpenSSL: %s", what, text);
}

static void cleanup_x509(X509 **c)
{
    X509_free(*c);
}
#define AUTO_X509 __attribute__((cleanup(cleanup_x509)))

static bool set_serial_and_dates(X509 *c)
{
    unsigned char bytes[16];
    BIGNUM *n;
    bool ok;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f; // positive
    n = BN_bin2bn(bytes, sizeof bytes, NULL);
    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(c));
    BN_free(n);
    // A day back: the clocks of inside and outside are the same, but a test may have moved its own.
    return ok && X509_set_version(c, X509_VERSION_3) && X509_gmtime_adj(X509_getm_notBefore(c), -86400) &&
           X509_gmtime_adj(X509_getm_notAfter(c), 86400L * CA_DAYS);
}

static bool add_extension(X509 *c, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    bool ok;

    X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = e && X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_name(X509_NAME *name, const char *common)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
}

static bool make_authority(struct ca *ca)
{
    X509 *c = ca->cert = X509_new();
    unsigned char tag[4];
    char name[64];

    // The name differs from run to run, so that a client which has two of them never mixes them up.
    if (!c || RAND_bytes(tag, sizeof tag) != 1)
        return false;
    snprintf(name, sizeof name, "bawn run %02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
    return set_serial_and_dates(c) && set_name(X509_get_subject_name(c), name) &&
           X509_set_issuer_name(c, X509_get_subject_name(c)) && X509_set_pubkey(c, ca->key) &&
           add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(c, c, NID_subject_key_identifier, "hash") &&
           add_extension(c, c, NID_authority_key_identifier, "keyid:always") &&
           X509_sign(c, ca->key, EVP_sha256());
}

static int kernel_random(unsigned char *p, int n)
{
    // Requests of up to 256 bytes are never cut short (getrandom(2)); larger ones may be.
    while (n > 0) {
        ssize_t got = getrandom(p, (size_t)n, 0);

        if (got <= 0)
            return 0;
        p += got;
        n -= (int)got;
    }
    return 1;
}

static int random_status(void)
{
    return 1;
}

static EVP_PKEY *make_key(void)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();

    if (ec && key && EC_KEY_generate_key(ec) == 1 && EVP_PKEY_assign_EC_KEY(key, ec) == 1)
        return key;
    EC_KEY_free(ec);
    EVP_PKEY_free(key);
    return NULL;
}

bool ca_new(struct ca **ret, struct err *err)
{
    static const RAND_METHOD from_kernel = {
        .bytes = kernel_random, .pseudorand = kernel_random, .status = random_status};
    struct ca *ca = xcalloc(1, sizeof *ca);

    RAND_set_rand_method(&from_kernel);
    ca->key = make_key();
    ca->leaf_key = make_key();
    if (!ca->key || !ca->leaf_key || !make_authority(ca)) {
        ca_free(ca);
        return fail_ssl(err, "make the run's certificate authority");
    }
    *ret = ca;
    return true;
}

static void drop_leaves(struct ca *ca)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (ca->bucket[i]) {
            struct leaf *l = ca->bucket[i];

            ca->bucket[i] = l->next;
            X509_free(l->cert);
            free(l);
        }
    ca->nleaves = 0;
}

void ca_free(struct ca *ca)
{
    if (!ca)
        return;
    drop_leaves(ca);
    EVP_PKEY_free(ca->key);
    EVP_PKEY_free(ca->leaf_key);
    X509_free(ca->cert);
    free(ca);
}

X509 *ca_certificate(const struct ca *ca)
{
    return ca->cert;
}

bool ca_pem(const struct ca *ca, struct buf *ret, struct err *err)
{
    BIO *b = BIO_new(BIO_s_mem());
    const char *p = NULL;
    bool ok = false;

    if (b && PEM_write_bio_X509(b, ca->cert)) {
        long n = BIO_get_mem_data(b, &p);

        ok = n > 0 && buf_add(ret, p, (size_t)n);
    }
    BIO_free(b);
    return ok || fail_ssl(err, "write the run's certificate");
}

static X509 *mint(struct ca *ca, const struct host *host)
{
    AUTO_X509 X509 *c = X509_new();
    char alt[HOST_TEXT_SIZE + 16];
    bool named = strlen(host->text) <= COMMON_NAME_MAX;

    snprintf(alt, sizeof alt, "%s%s:%s", named ? "" : "critical,", host->kind == HOST_ADDRESS ? "IP" : "DNS",
             host->text);
    if (!c || !set_serial_and_dates(c) || (named && !set_name(X509_get_subject_name(c), host->text)) ||
        !X509_set_issuer_name(c, X509_get_subject_name(ca->cert)) || !X509_set_pubkey(c, ca->leaf_key) ||
        !add_extension(c, ca->cert, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(c, ca->cert, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(c, ca->cert, NID_ext_key_usage, "serverAuth") ||
        !add_extension(c, ca->cert, NID_subject_key_identifier, "hash") ||
        !add_extension(c, ca->cert, NID_authority_key_identifier, "keyid:always") ||
        !add_extension(c, ca->cert, NID_subject_alt_name, alt) || !X509_sign(c, ca->key, EVP_sha256()))
        return NULL;
    return TAKE_PTR(c);
}

static size_t bucket_of(const char *text)
{
    uint32_t h = 2166136261u; // FNV-1a; the names are those that policy admits, and the table is bounded

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h % BUCKETS;
}

bool ca_leaf(struct ca *ca, const struct host *host, X509 **ret_cert, EVP_PKEY **ret_key, struct err *err)
{
    size_t b = bucket_of(host->text);
    struct leaf *l;

    for (l = ca->bucket[b]; l && strcmp(l->host, host->text) != 0; l = l->next)
        ;
    if (!l) {
        X509 *c = mint(ca, host);

        if (!c)
            return fail_ssl(err, "make a certificate for a host");
        if (ca->nleaves >= CA_LEAVES_MAX)
            drop_leaves(ca);
        l = xcalloc(1, sizeof *l);
        snprintf(l->host, sizeof l->host, "%s", host->text);
        l->cert = c;
        l->next = ca->bucket[b];
        ca->bucket[b] = l;
        ca->nleaves++;
    }
    *ret_cert = l->cert;
    *ret_key = ca->leaf_key;
    return true;
}
