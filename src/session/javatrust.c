// SPDX-License-Identifier: Apache-2.0
// JKS (sun.security.provider.JavaKeyStore): every Java since 1.2 reads it, also where PKCS#12 is the default
// type (keystore.type.compat). All numbers are big-endian:
//
//      u32 magic 0xfeedfeed, u32 version 2, u32 entries
//      entry: u32 2 (a trusted certificate), alias, u64 milliseconds since 1970, type "X.509", u32 length,
//      DER SHA-1 over the password in UTF-16, "Mighty Aphrodite", and all of the above
//
// (texts: u16 length and bytes). The sum keeps no secret: the password is "changeit" everywhere, and most
// readers give none and do not look at the sum.
#include "session/javatrust.h"

#include <string.h>
#include <sys/types.h>
#include <sha1.h>

#include "guard/base64.h"

#define HEAD_SIZE 12u
#define MAGIC 0xfeedfeedu
#define VERSION 2u
#define TRUSTED 2u
#define DER_MAX 65536u

struct javatrust {
    struct buf out;
    uint32_t count, expected; // entries, and how many more the head promises
    SHA1_CTX sum;             // of all that is in `out`
};

static void put(struct buf *b, uint64_t n, unsigned bytes)
{
    while (bytes--)
        buf_addc(b, (char)(n >> (8 * bytes) & 255));
}

static uint32_t get32(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_text(struct buf *b, const char *text)
{
    put(b, strlen(text), 2);
    buf_adds(b, text);
}

static void put_entry(struct buf *b, const char *alias, const struct buf *der)
{
    put(b, TRUSTED, 4);
    put_text(b, alias);
    put(b, 0, 8);
    put_text(b, "X.509");
    put(b, der->len, 4);
    buf_add(b, der->ptr, der->len);
}

static void begin_sum(struct javatrust *j)
{
    static const char password[] = "\0c\0h\0a\0n\0g\0e\0i\0t", salt[] = "Mighty Aphrodite";

    SHA1Init(&j->sum);
    SHA1Update(&j->sum, (const uint8_t *)password, sizeof password - 1);
    SHA1Update(&j->sum, (const uint8_t *)salt, sizeof salt - 1);
    SHA1Update(&j->sum, (const uint8_t *)j->out.ptr, j->out.len);
}

// The next certificate of a PEM text; what is not in Base64 is passed over.
static bool next_certificate(const char **at, struct buf *ret)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const char *from, *to;

    while ((from = strstr(*at, begin)) && (to = strstr(from, end))) {
        AUTO_BUF struct buf digits = {0};

        buf_init(&digits, DER_MAX * 4 / 3 + 4);
        ret->len = 0;
        for (const char *p = from + sizeof begin - 1; p < to; p++)
            if (!strchr(" \t\r\n", *p))
                buf_addc(&digits, *p);
        *at = to + sizeof end - 1;
        if (!digits.full && digits.len && base64_decode(digits.ptr, digits.len, ret))
            return true;
    }
    return false;
}

// How many were added.
static uint32_t put_certificates(struct buf *b, const char *pem, const char *alias)
{
    AUTO_BUF struct buf der;
    uint32_t n = 0;

    buf_init(&der, DER_MAX);
    while (next_certificate(&pem, &der)) {
        AUTO_FREE char *name = xasprintf("%s-%u", alias, ++n);

        put_entry(b, name, &der);
    }
    return n;
}

static void set_count(struct javatrust *j, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        j->out.ptr[8 + i] = (char)(n >> (24 - 8 * i) & 255);
}

struct javatrust *javatrust_begin(const struct buf *store, const char *bundle, uint32_t expected)
{
    bool jks = store->len > HEAD_SIZE + SHA1_DIGEST_LENGTH && get32(store->ptr) == MAGIC &&
               get32(store->ptr + 4) == VERSION;
    struct javatrust *j = xcalloc(1, sizeof *j);

    j->expected = expected;
    buf_init(&j->out, JAVATRUST_MAX);
    buf_reserve(&j->out, store->len + 4096);
    put(&j->out, MAGIC, 4);
    put(&j->out, VERSION, 4);
    put(&j->out, 0, 4);
    if (jks) {
        j->count = get32(store->ptr + 8);
        buf_add(&j->out, store->ptr + HEAD_SIZE, store->len - HEAD_SIZE - SHA1_DIGEST_LENGTH);
    } else {
        j->count = put_certificates(&j->out, bundle, "root");
    }
    set_count(j, j->count + expected);
    begin_sum(j);
    return j;
}

bool javatrust_finish(struct javatrust *j, const char *authority, const struct buf **ret, struct err *err)
{
    size_t before = j->out.len;
    uint32_t added = put_certificates(&j->out, authority, "bawn");
    uint8_t sum[SHA1_DIGEST_LENGTH];

    if (!added)
        return err_set(err, ERR_INPUT, "no certificate to add to the Java trust store");
    if (added == j->expected) {
        SHA1Update(&j->sum, (const uint8_t *)j->out.ptr + before, j->out.len - before);
    } else {
        set_count(j, j->count + added);
        begin_sum(j);
    }
    SHA1Final(sum, &j->sum);
    buf_add(&j->out, sum, sizeof sum);
    *ret = &j->out;
    return !j->out.full ||
           err_set(err, ERR_LIMIT, "the Java trust store is larger than %u MiB", JAVATRUST_MAX >> 20);
}

void javatrust_free(struct javatrust *j)
{
    if (!j)
        return;
    buf_deinit(&j->out);
    free(j);
}
