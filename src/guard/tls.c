// SPDX-License-Identifier: Apache-2.0
// Nothing here reads a file after tls_new: OpenSSL's own configuration file is not loaded, and roots come
// from memory. Keys of session tickets toward the sandbox are OpenSSL's own, made for the process. Sessions
// with servers are kept per host and port, so that short connections resume.
#include "guard/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define ROOTS_MAX (4u << 20) // bytes of a root bundle
#define SESSIONS 64u         // servers whose last session is kept

struct session {
    char key[HOST_TEXT_SIZE + 10];
    SSL_SESSION *session;
};

struct tls {
    SSL_CTX *server, *client;
    BIO_METHOD *bio;
    struct ca *ca;
    char *system_roots;
    size_t system_roots_len;
    struct strlist extra;
    bool ready, roots_loaded;
    struct session sessions[SESSIONS];
};

// Where distributions keep the bundle.
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"};

static bool fail_ssl(struct err *err, const char *what)
{
    char text[160] = "unknown";
    unsigned long e = ERR_get_error();

    if (e)
        ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_SYSTEM, "cannot %s: OpenSSL: %s", what, text);
}

static void read_system_roots(struct tls *t)
{
    const char *named = getenv("SSL_CERT_FILE");

    for (size_t i = 0; i <= ARRAY_LEN(bundles); i++) {
        const char *path = i ? bundles[i - 1] : named;
        AUTO_BUF struct buf b = {0};

        buf_init(&b, ROOTS_MAX);
        if (path && file_read(AT_FDCWD, path, &b, NULL)) {
            t->system_roots_len = b.len;
            t->system_roots = buf_take(&b);
            return;
        }
    }
}

static int select_http11(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
                         unsigned inlen, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned i = 0; i < inlen && i + 1 + in[i] <= inlen; i += 1u + in[i])
        if (in[i] == 8 && memcmp(in + i + 1, "http/1.1", 8) == 0) {
            *out = in + i + 1;
            *outlen = 8;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL; // no_application_protocol: a client that speaks only HTTP/2
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
    SSL_CTX *c = SSL_CTX_new(method);

    if (!c || !SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION))
        return NULL;
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(c, 1);
    return c;
}

static int keep_session(SSL *ssl, SSL_SESSION *session);

// At the first use: OpenSSL spends two milliseconds on its first context, and many runs never need one.
static bool need_contexts(struct tls *t)
{
    static const unsigned char http11[] = "\x08http/1.1";

    if (t->ready)
        return true;
    if (!t->bio)
        t->bio = stream_bio_new();
    SSL_CTX_free(t->server);
    SSL_CTX_free(t->client);
    t->server = make_context(TLS_server_method());
    t->client = make_context(TLS_client_method());
    if (!t->server || !t->client || SSL_CTX_set_alpn_protos(t->client, http11, sizeof http11 - 1))
        return false;
    SSL_CTX_set_alpn_select_cb(t->server, select_http11, NULL);
    SSL_CTX_set_num_tickets(t->server, 1);
    SSL_CTX_set_session_cache_mode(t->server, SSL_SESS_CACHE_OFF); // tickets only
    SSL_CTX_set_verify(t->client, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(t->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->client, keep_session);
    SSL_CTX_set_app_data(t->client, t);
    t->ready = true;
    return true;
}

bool tls_new(const struct strlist *extra, struct tls **ret, struct err *err)
{
    struct tls *t = xcalloc(1, sizeof *t);

    // The clean-up at exit is half a millisecond for memory that the kernel takes back anyway.
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL)) {
        tls_free(t);
        return fail_ssl(err, "set up TLS");
    }
    for (size_t i = 0; extra && i < extra->n; i++)
        strlist_add(&t->extra, extra->items[i]);
    read_system_roots(t);
    *ret = t;
    return true;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SESSIONS; i++)
        SSL_SESSION_free(t->sessions[i].session);
    SSL_CTX_free(t->server);
    SSL_CTX_free(t->client);
    BIO_meth_free(t->bio);
    ca_free(t->ca);
    free(t->system_roots);
    strlist_deinit(&t->extra);
    free(t);
}

bool tls_need_authority(struct tls *t, struct err *err)
{
    return t->ca || ca_new(&t->ca, err);
}

const struct ca *tls_authority(const struct tls *t)
{
    return t->ca;
}

// ---- toward the sandbox

bool tls_accept(struct tls *t, struct stream *s, const struct host *host, struct err *err)
{
    SSL *ssl;
    X509 *cert;
    EVP_PKEY *key;

    if (!need_contexts(t))
        return fail_ssl(err, "set up TLS");
    if (!tls_need_authority(t, err) || !ca_leaf(t->ca, host, &cert, &key, err))
        return false;
    ssl = SSL_new(t->server);
    // The session context is the host: a session made with one host cannot be resumed as another.
    if (!ssl || SSL_use_certificate(ssl, cert) != 1 || SSL_use_PrivateKey(ssl, key) != 1 ||
        SSL_set_session_id_context(ssl, (const unsigned char *)host->text,
                                   (unsigned)strnlen(host->text, SSL_MAX_SID_CTX_LENGTH)) != 1) {
        SSL_free(ssl);
        return fail_ssl(err, "begin TLS with the client");
    }
    SSL_set_accept_state(ssl);
    stream_start_tls(s, ssl, t->bio);
    return true;
}

// ---- toward servers

static size_t add_roots(X509_STORE *store, const char *pem, size_t n)
{
    BIO *b = BIO_new_mem_buf(pem, (int)n);
    size_t count = 0;
    X509 *c;

    while (b && (c = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, c) == 1;
        X509_free(c);
    }
    BIO_free(b);
    ERR_clear_error();
    return count;
}

static void load_roots(struct tls *t)
{
    X509_STORE *store = SSL_CTX_get_cert_store(t->client);

    if (t->roots_loaded)
        return;
    t->roots_loaded = true;
    if (t->system_roots)
        add_roots(store, t->system_roots, t->system_roots_len);
    for (size_t i = 0; i < t->extra.n; i++)
        add_roots(store, t->extra.items[i], strlen(t->extra.items[i]));
    // A server's own certificate given as `ca` is enough, root or not.
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
}

static void session_key(const struct host *host, uint16_t port, char ret[HOST_TEXT_SIZE + 10])
{
    snprintf(ret, HOST_TEXT_SIZE + 10, "%s %u", host->text, port);
}

static struct session *session_slot(struct tls *t, const char *key)
{
    uint32_t h = 2166136261u;

    for (const char *p = key; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return &t->sessions[h % SESSIONS];
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *key = SSL_get_app_data(ssl); // the stream's own copy
    struct session *slot;

    if (!key)
        return 0;
    slot = session_slot(t, key);
    SSL_SESSION_free(slot->session);
    slot->session = session;
    snprintf(slot->key, sizeof slot->key, "%s", key);
    return 1; // the reference is ours now
}

static bool set_peer(SSL *ssl, const struct host *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (host->kind == HOST_ADDRESS)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host->text) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host->text, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host->text) == 1;
}

bool tls_connect(struct tls *t, struct stream *s, const struct host *host, uint16_t port, struct err *err)
{
    char key[HOST_TEXT_SIZE + 10];
    struct session *slot;
    SSL *ssl;

    if (!need_contexts(t))
        return fail_ssl(err, "set up TLS");
    load_roots(t);
    session_key(host, port, key);
    slot = session_slot(t, key);
    ssl = SSL_new(t->client);
    if (!ssl || !set_peer(ssl, host)) {
        SSL_free(ssl);
        return fail_ssl(err, "begin TLS with the server");
    }
    if (slot->session && strcmp(slot->key, key) == 0 && SSL_SESSION_is_resumable(slot->session))
        SSL_set_session(ssl, slot->session);
    free(s->peer);
    s->peer = xstrdup(key);
    SSL_set_app_data(ssl, s->peer);
    SSL_set_connect_state(ssl);
    stream_start_tls(s, ssl, t->bio);
    return true;
}

void tls_explain(const struct stream *s, const struct host *host, char *ret, size_t n)
{
    long verified = s->ssl ? SSL_get_verify_result(s->ssl) : X509_V_OK;
    unsigned long e = ERR_peek_last_error();

    if (verified != X509_V_OK)
        snprintf(ret, n,
                 "the certificate of %s does not hold: %s; if it is meant, add its root to network.ca",
                 host->text, X509_verify_cert_error_string(verified));
    else if (e && ERR_reason_error_string(e))
        snprintf(ret, n, "TLS with %s failed: %s", host->text, ERR_reason_error_string(e));
    else
        snprintf(ret, n, "TLS with %s failed: the connection ended", host->text);
    ERR_clear_error();
}
