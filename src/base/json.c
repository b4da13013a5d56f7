// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

json_t *json_parse(const char *text, size_t n, struct err *err)
{
    json_error_t je;
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);

    if (!value)
        err_set(err, ERR_INPUT, "line %d column %d: %s", je.line, je.column, je.text);
    return value;
}

char *json_line(const json_t *value)
{
    char *s = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (!s)
        die_oom();
    return s;
}

json_t *json_textn(const char *bytes, size_t n)
{
    AUTO_BUF struct buf out = {0};
    json_t *value = json_stringn(bytes, n);

    buf_init(&out, SIZE_MAX / 4);
    if (value)
        return value;
    while (n) {
        size_t used = utf8_valid_prefix(bytes, n);

        buf_add(&out, bytes, used);
        bytes += used;
        n -= used;
        if (n) {
            buf_adds(&out, "\xef\xbf\xbd");
            bytes++;
            n--;
        }
    }
    value = json_stringn(out.len ? out.ptr : "", out.len);
    if (!value)
        die_oom();
    return value;
}

json_t *json_text(const char *bytes)
{
    return json_textn(bytes, strlen(bytes));
}
