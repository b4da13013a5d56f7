// SPDX-License-Identifier: Apache-2.0
// Who looks where:
//
//   the system's bundle           curl, wget, git, GnuTLS, Go, and whatever was built for this distribution
//   SSL_CERT_FILE                 OpenSSL (Python's ssl, Ruby, Perl), Rust's native roots, Go; OpenSSL reads
//                                 the directory of hashed names by itself, and there is no authority of ours
//                                 in it
//   a variable of their own       pip and requests (they bring roots), git and cargo built with their own
//                                 libcurl, the AWS tools, gRPC's C core, Deno
//   NODE_EXTRA_CA_CERTS           Node and what runs in it: in addition to the roots that are built in
//   …/lib/security/cacerts        Java
//
// A program with roots built in and no way to add any (Rust's webpki-roots) trusts only what is passed
// through.
#include "session/roots.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "session/javatrust.h"

#define BUNDLE_MAX (8u << 20)
#define AUTHORITY_MAX (4u << 20)
#define AUTHORITY_INSIDE "/run/bawn/ca.pem"

void inside_files_add(struct inside_files *f, const char *path, const char *content, size_t size)
{
    char *real = realpath(path, NULL);

    if (!real)
        real = xstrdup(path);
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->items[i].path, real)) {
            free(real);
            return;
        }
    if (f->n == INSIDE_FILES_MAX)
        free(real);
    else
        f->items[f->n++] = (struct layout_file){.path = real, .content = content, .size = size};
}

void inside_files_deinit(struct inside_files *f)
{
    while (f->n)
        free((char *)(uintptr_t)f->items[--f->n].path);
}

void roots_init(struct roots *r)
{
    *r = (struct roots){0};
    buf_init(&r->authority, AUTHORITY_MAX);
    buf_init(&r->bundle, BUNDLE_MAX);
}

void roots_deinit(struct roots *r)
{
    buf_deinit(&r->authority);
    buf_deinit(&r->bundle);
    for (size_t i = 0; i < ARRAY_LEN(r->java); i++) {
        free(r->java[i].path);
        javatrust_free(r->java[i].trust);
    }
}

uint32_t roots_count(const char *pem)
{
    uint32_t n = 0;

    while ((pem = strstr(pem, "-----BEGIN CERTIFICATE-----"))) {
        n++;
        pem++;
    }
    return n;
}

static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                      "/etc/ssl/cert.pem"};

// The first bundle that is there gives the roots; all that are there get the result.
static void read_bundle(struct roots *r)
{
    for (size_t i = 0; i < ARRAY_LEN(bundles) && !r->found; i++)
        if (file_read(AT_FDCWD, bundles[i], &r->bundle, NULL) && r->bundle.len)
            r->found = bundles[i];
}

static void place_bundle(struct roots *r, struct inside_files *files)
{
    buf_addc(&r->bundle, '\n');
    buf_adds(&r->bundle, buf_cstr(&r->authority));
    buf_cstr(&r->bundle); // terminated now: it does not move any more
    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        if (access(bundles[i], F_OK) == 0)
            inside_files_add(files, bundles[i], r->bundle.ptr, r->bundle.len);
}

static void set_variables(const char *bundle, struct strlist *env)
{
    static const char *const variables[] = {
        "SSL_CERT_FILE",     "REQUESTS_CA_BUNDLE", "PIP_CERT",      "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",    "CARGO_HTTP_CAINFO",  "AWS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "NIX_SSL_CERT_FILE", "DENO_CERT"};

    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        strlist_addf(env, "%s=%s", variables[i], bundle);
    strlist_add(env, "NODE_EXTRA_CA_CERTS=" AUTHORITY_INSIDE);
}

// --- Java ---

static char *below(const char *home, const char *rest)
{
    return home && home[0] == '/' ? xasprintf("%s/%s", home, rest) : NULL;
}

// The home of the `java` that PATH finds, or NULL. Owned.
static char *java_home(const char *path_env)
{
    const char *p = path_env;

    while (p && *p) {
        size_t n = strcspn(p, ":");
        AUTO_FREE char *name = xasprintf("%.*s/java", (int)n, p);
        AUTO_FREE char *real = *name == '/' && access(name, X_OK) == 0 ? realpath(name, NULL) : NULL;

        if (real) {
            AUTO_FREE char *bin = path_parent(real);

            return path_parent(bin);
        }
        p += n + (p[n] == ':');
    }
    return NULL;
}

static const char *from_environ(char *const *variables, const char *name)
{
    size_t n = strlen(name);

    for (; variables && *variables; variables++)
        if (!strncmp(*variables, name, n) && (*variables)[n] == '=')
            return *variables + n + 1;
    return NULL;
}

static bool has_path(const struct roots *r, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(r->java); i++)
        if (r->java[i].path && !strcmp(r->java[i].path, path))
            return true;
    return false;
}

static void read_java(struct roots *r, char *const *variables, const char *path_env, uint32_t expected)
{
    const char *home = from_environ(variables, "JAVA_HOME");
    AUTO_FREE char *found = java_home(path_env);
    AUTO_FREE char *by_home = below(home, "lib/security/cacerts");
    AUTO_FREE char *by_home8 = below(home, "jre/lib/security/cacerts"); // Java 8 and before
    AUTO_FREE char *by_path = below(found, "lib/security/cacerts");
    const char *const stores[ARRAY_LEN(r->java)] = {"/etc/ssl/certs/java/cacerts", by_home, by_home8,
                                                    by_path};

    for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
        AUTO_FREE char *real = stores[i] ? realpath(stores[i], NULL) : NULL;
        AUTO_BUF struct buf store;

        buf_init(&store, JAVATRUST_MAX);
        // One that this user may not read is of no use inside either.
        if (!real || has_path(r, real) || !file_read(AT_FDCWD, real, &store, NULL))
            continue;
        r->java[i].path = TAKE_PTR(real);
        r->java[i].trust = javatrust_begin(&store, buf_cstr(&r->bundle), expected);
    }
}

void roots_read(struct roots *r, char *const *variables, const char *path_env, uint32_t expected)
{
    read_bundle(r);
    read_java(r, variables, path_env, expected);
}

bool roots_place(struct roots *r, struct inside_files *files, struct strlist *env, struct err *err)
{
    const struct buf *store;

    if (!r->authority.len)
        return true;
    place_bundle(r, files);
    inside_files_add(files, AUTHORITY_INSIDE, r->authority.ptr, r->authority.len);
    set_variables(r->found ? r->found : AUTHORITY_INSIDE, env);
    for (size_t i = 0; i < ARRAY_LEN(r->java); i++) {
        if (!r->java[i].path)
            continue;
        if (!javatrust_finish(r->java[i].trust, buf_cstr(&r->authority), &store, err))
            return err_prefix(err, "%s", r->java[i].path);
        inside_files_add(files, r->java[i].path, store->ptr, store->len);
    }
    return true;
}
