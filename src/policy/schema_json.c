// SPDX-License-Identifier: Apache-2.0
// The schema table as JSON Schema, for editors. It describes form only; what needs two keys or the machine is
// checked by `bawn policy check`.
#include "policy/schema.h"

#include <string.h>

struct json {
    struct buf *out;
    int depth;
};

static void put_string(struct buf *out, const char *text, size_t n)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_addc(out, '\\');
        buf_addc(out, text[i]);
    }
    buf_addc(out, '"');
}

static void new_line(struct json *j)
{
    buf_addf(j->out, "\n%*s", j->depth * 2, "");
}

static void put_words(struct json *j, const char *words)
{
    buf_adds(j->out, "\"enum\": [");
    for (const char *w = words; *w;) {
        size_t n = strcspn(w, " ");

        put_string(j->out, w, n);
        w += n;
        w += strspn(w, " ");
        if (*w)
            buf_adds(j->out, ", ");
    }
    buf_addc(j->out, ']');
}

static void put_pattern(struct json *j, const char *pattern)
{
    buf_adds(j->out, "\"type\": \"string\", \"pattern\": ");
    put_string(j->out, pattern, strlen(pattern));
}

static void put_object(struct json *j, const struct schema_key *key);

static void put_scalar(struct json *j, enum schema_type type, const char *values)
{
    switch (type) {
    case TYPE_VERSION:
        buf_adds(j->out, "\"const\": 1");
        break;
    case TYPE_PROFILE:
        put_pattern(j, "^(read-only|workspace|computer|open|mcp|agent:[A-Za-z0-9._-]+)$");
        break;
    case TYPE_ENUM:
        put_words(j, values);
        break;
    case TYPE_BOOL:
        buf_adds(j->out, "\"type\": \"boolean\"");
        break;
    case TYPE_COUNT:
        buf_adds(j->out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1}, {\"const\": \"none\"}]");
        break;
    case TYPE_NUMBER:
        buf_adds(j->out,
                 "\"anyOf\": [{\"type\": \"number\", \"exclusiveMinimum\": 0}, {\"const\": \"none\"}]");
        break;
    case TYPE_SIZE:
        buf_adds(j->out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1}, "
                         "{\"type\": \"string\", \"pattern\": \"^([1-9][0-9]*[KMGT]?|none)$\"}]");
        break;
    case TYPE_DURATION:
        put_pattern(j, "^([1-9][0-9]*(ms|s|m|h|d)|none)$");
        break;
    case TYPE_PORT:
        buf_adds(j->out, "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}, "
                         "{\"type\": \"string\", \"pattern\": \"^[1-9][0-9]{0,4}$\"}]");
        break;
    case TYPE_METHOD:
        put_pattern(j, "^[A-Z][A-Z0-9_-]*$");
        break;
    case TYPE_URL_PATH:
    case TYPE_POINTER:
        put_pattern(j, "^/");
        break;
    case TYPE_SOURCE:
        put_pattern(j, "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|json:.+#/.+)$");
        break;
    case TYPE_ENV_PATTERN:
        put_pattern(j, "^[A-Za-z_][A-Za-z0-9_]*\\*?$|^\\*$");
        break;
    default:
        buf_adds(j->out, "\"type\": \"string\"");
        break;
    }
}

static void put_type(struct json *j, const struct schema_key *k)
{
    switch (k->type) {
    case TYPE_MAP:
        put_object(j, k);
        break;
    case TYPE_LIST:
        buf_adds(j->out, "\"type\": \"array\", \"items\": {");
        if (k->element == TYPE_MAP)
            put_object(j, k);
        else
            put_scalar(j, k->element, k->values);
        buf_addc(j->out, '}');
        break;
    case TYPE_DICT:
        buf_adds(j->out,
                 "\"type\": \"object\", \"propertyNames\": {\"pattern\": \"^[A-Za-z_][A-Za-z0-9_]*$\"}, "
                 "\"additionalProperties\": {");
        if (k->element == TYPE_MAP)
            put_object(j, k);
        else
            buf_adds(j->out, "\"type\": [\"string\", \"number\", \"boolean\"]");
        buf_addc(j->out, '}');
        break;
    case TYPE_MATCH:
        buf_adds(j->out,
                 "\"type\": \"array\", \"minItems\": 1, \"items\": {\"anyOf\": [{\"type\": \"string\"}, "
                 "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"string\"}}]}");
        break;
    case TYPE_REVIEWER:
        buf_adds(j->out, "\"anyOf\": [{");
        put_words(j, k->values);
        buf_adds(j->out, "}, {");
        put_object(j, k);
        buf_adds(j->out, "}]");
        break;
    default:
        put_scalar(j, k->type, k->values);
        break;
    }
}

static void put_property(struct json *j, const struct schema_key *k, const char *suffix, bool last)
{
    const char *dot = strrchr(k->path, '.');
    AUTO_FREE char *name = xasprintf("%s%s", dot ? dot + 1 : k->path, suffix);

    new_line(j);
    put_string(j->out, name, strlen(name));
    buf_adds(j->out, ": {\"description\": ");
    put_string(j->out, k->doc, strlen(k->doc));
    buf_adds(j->out, ", ");
    put_type(j, k);
    buf_adds(j->out, last ? "}" : "},");
}

static void put_object(struct json *j, const struct schema_key *key)
{
    const struct schema_key *next;

    buf_adds(j->out, "\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
    j->depth++;
    for (const struct schema_key *k = schema_next(key, NULL); k; k = next) {
        next = schema_next(key, k);
        put_property(j, k, "", !next && k->type != TYPE_LIST);
        if (k->type == TYPE_LIST)
            put_property(j, k, "+", !next);
    }
    j->depth--;
    new_line(j);
    buf_addc(j->out, '}');
}

void schema_write_json(struct buf *ret)
{
    struct json j = {.out = ret};

    buf_adds(ret,
             "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"title\": \"bawn policy\",\n");
    put_object(&j, &schema_root);
    buf_adds(ret, "}\n");
}
