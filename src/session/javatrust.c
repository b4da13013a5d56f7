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

static void put_sum(struct buf *b, size_t from)
{
    static const char password[] = "\0c\0h\0a\0n\0g\0e\0i\0t", salt[] = "Mighty Aphrodite";
    uint8_t sum[SHA1_DIGEST_LENGTH];
    SHA1_CTX c;

    SHA1Init(&c);
    SHA1Update(&c, (const uint8_t *)password, sizeof password - 1);
    SHA1Update(&c, (const uint8_t *)salt, sizeof salt - 1);
    SHA1Update(&c, (const uint8_t *)b->ptr + from, b->len - from);
    SHA1Final(sum, &c);
    buf_add(b, sum, sizeof sum);
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

// A whole store: entries as they stand in another one, and those of a PEM text.
static bool put_store(const char *entries, size_t n, uint32_t count, const char *pem, const char *alias,
                      struct buf *ret)
{
    AUTO_BUF struct buf der, more;
    size_t from = ret->len;
    uint32_t added = 0;

    buf_init(&der, DER_MAX);
    buf_init(&more, JAVATRUST_MAX);
    while (next_certificate(&pem, &der)) {
        AUTO_FREE char *name = xasprintf("%s-%u", alias, ++added);

        put_entry(&more, name, &der);
    }
    put(ret, MAGIC, 4);
    put(ret, VERSION, 4);
    put(ret, (uint64_t)count + added, 4);
    buf_add(ret, entries, n);
    buf_add(ret, more.ptr, more.len);
    put_sum(ret, from);
    return added && !more.full && !ret->full;
}

bool javatrust_make(const struct buf *store, const char *bundle, const char *authority, struct buf *ret,
                    struct err *err)
{
    bool jks = store->len > HEAD_SIZE + SHA1_DIGEST_LENGTH && get32(store->ptr) == MAGIC &&
               get32(store->ptr + 4) == VERSION;
    bool ok = jks ? put_store(store->ptr + HEAD_SIZE, store->len - HEAD_SIZE - SHA1_DIGEST_LENGTH,
                              get32(store->ptr + 8), authority, "bawn", ret)
                  : put_store("", 0, 0, bundle, "root", ret);

    return ok || err_set(err, ERR_LIMIT, "a Java trust store of more than %u MiB, or of no certificate",
                         JAVATRUST_MAX >> 20);
}
