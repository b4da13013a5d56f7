// SPDX-License-Identifier: Apache-2.0
#include "policy/scalar.h"

#include <ctype.h>
#include <string.h>

#include "base/path.h"
#include "policy/hosts.h"

#define DURATION_MAX_MS (UINT64_C(10) * 366 * 86400 * 1000) // ten years: far below what overflows a timer
#define COUNT_MAX (UINT64_C(1) << 31)
#define CPU_MAX 4096.0

static const char READ_SETS[] = "@system @toolchains @program @caches";
static const char WRITE_SETS[] = "@tmp @home @caches";
static const char REFUSE_SETS[] = "@secrets @hooks @toolchains @caches @system";

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}};
static const struct unit size_units[] = {{"", 1},
                                         {"K", UINT64_C(1) << 10},
                                         {"M", UINT64_C(1) << 20},
                                         {"G", UINT64_C(1) << 30},
                                         {"T", UINT64_C(1) << 40}};

// Digits with a unit from the table, above zero and at most `most`.
static bool amount(const char *text, const struct unit *units, size_t nunits, uint64_t most, const char *form,
                   uint64_t *ret, struct err *err)
{
    uint64_t value = 0;
    const char *p = text;

    if (!strcmp(text, "none")) {
        *ret = 0;
        return true;
    }
    for (; isdigit((unsigned char)*p); p++) {
        if (value > most / 10)
            return err_set(err, ERR_INPUT, "\"%.40s\" is too large", text);
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return err_set(err, ERR_INPUT, "\"%.40s\" is not %s", text, form);
    for (size_t i = 0; i < nunits; i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (!value)
            return err_set(err, ERR_INPUT, "\"%.40s\" must be above 0; \"none\" sets no limit", text);
        if (value > most / units[i].factor)
            return err_set(err, ERR_INPUT, "\"%.40s\" is too large", text);
        *ret = value * units[i].factor;
        return true;
    }
    return err_set(err, ERR_INPUT, "\"%.40s\" is not %s", text, form);
}

bool scalar_duration(const char *text, uint64_t *ret_ms, struct err *err)
{
    return amount(text, duration_units, ARRAY_LEN(duration_units), DURATION_MAX_MS,
                  "a duration; write a whole number with ms, s, m, h or d, like 30m", ret_ms, err);
}

bool scalar_size(const char *text, uint64_t *ret_bytes, struct err *err)
{
    return amount(text, size_units, ARRAY_LEN(size_units), INT64_MAX,
                  "a size; write a whole number of bytes or with K, M, G or T, like 4G", ret_bytes, err);
}

bool scalar_count(const char *text, uint64_t *ret, struct err *err)
{
    return amount(text, size_units, 1, COUNT_MAX, "a whole number, like 512", ret, err);
}

// By hand: strtod would follow the locale and take "inf", "nan" and hexadecimal.
bool scalar_number(const char *text, double *ret, struct err *err)
{
    double value = 0, place = 1;
    const char *p = text;
    int digits = 0;

    if (!strcmp(text, "none")) {
        *ret = 0;
        return true;
    }
    for (; isdigit((unsigned char)*p) && digits < 9; p++, digits++)
        value = value * 10 + (*p - '0');
    if (*p == '.' && digits)
        for (p++; isdigit((unsigned char)*p) && digits < 15; p++, digits++)
            value += (*p - '0') * (place /= 10);
    if (!digits || *p || p[-1] == '.')
        return err_set(err, ERR_INPUT, "\"%.40s\" is not a number, like 2 or 0.5", text);
    if (value <= 0 || value > CPU_MAX)
        return err_set(err, ERR_INPUT, "\"%.40s\" must be above 0 and at most %.0f; \"none\" sets no limit",
                       text, CPU_MAX);
    *ret = value;
    return true;
}

bool scalar_bool(const char *text, bool *ret, struct err *err)
{
    static const char like_true[] = "yes on y True TRUE 1", like_false[] = "no off n False FALSE 0";

    if (!strcmp(text, "true") || !strcmp(text, "false")) {
        *ret = text[0] == 't';
        return true;
    }
    return err_set(err, ERR_INPUT, "\"%.40s\" is neither true nor false%s", text,
                   words_find(like_true, text, NULL)    ? "; did you mean true?"
                   : words_find(like_false, text, NULL) ? "; did you mean false?"
                                                        : "");
}

bool scalar_port(const char *text, uint16_t *ret, struct err *err)
{
    unsigned value = 0;
    size_t n = strlen(text);

    for (size_t i = 0; i < n && i < 6; i++) {
        if (!isdigit((unsigned char)text[i])) {
            value = 0;
            break;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (!n || n > 5 || text[0] == '0' || !value || value > 65535)
        return err_set(err, ERR_INPUT, "\"%.40s\" is not a port; write a number from 1 to 65535", text);
    *ret = (uint16_t)value;
    return true;
}

static bool word_of(const char *words, const char *text, const char *what, struct err *err)
{
    AUTO_FREE char *near = NULL, *all = NULL;

    if (words_find(words, text, NULL) && *text)
        return true;
    near = words_nearest(words, text);
    all = words_commas(words);
    if (near)
        return err_set(err, ERR_INPUT, "unknown %s \"%.60s\"; did you mean \"%s\"? allowed: %s", what, text,
                       near, all);
    return err_set(err, ERR_INPUT, "unknown %s \"%.60s\"; allowed: %s", what, text, all);
}

static bool path_check(const char *text, const char *sets, bool glob, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_INPUT, "an empty path");
    if (strlen(text) >= 4096)
        return err_set(err, ERR_INPUT, "a path of more than 4095 bytes");
    if (text[0] == '@' && sets) {
        static const char all[] = "@system @toolchains @program @tmp @home @caches @secrets @hooks";
        AUTO_FREE char *here = NULL;

        if (words_find(sets, text, NULL))
            return true;
        if (!words_find(all, text, NULL))
            return word_of(sets, text, "set", err);
        here = words_commas(sets);
        return err_set(err, ERR_INPUT, "the set %s has no meaning here; allowed: paths%s and %s", text,
                       glob ? ", globs" : "", here);
    }
    if (text[0] == '~' && text[1] && text[1] != '/')
        return err_set(err, ERR_INPUT,
                       "\"%.80s\": only ~ and ~/… are known; write another user's home in full", text);
    if (!glob && glob_is(text))
        return err_set(err, ERR_INPUT, "\"%.80s\" has a glob character; globs are for deny and protect only",
                       text);
    if (glob)
        for (const char *p = text; *p;) {
            size_t n = strcspn(p, "/");

            for (size_t i = 0; i + 1 < n; i++)
                if (p[i] == '*' && p[i + 1] == '*' && n != 2)
                    return err_set(err, ERR_INPUT, "\"%.80s\": ** must be a whole component, like **/%.40s",
                                   text, "*.pem");
            p += n;
            p += *p == '/';
        }
    return true;
}

static bool token_check(const char *text, const char *what, const char *more, struct err *err)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(more, *p))
            return err_set(err, ERR_INPUT, "\"%.60s\" is not %s", text, what);
    if (!*text || strlen(text) > 128)
        return err_set(err, ERR_INPUT, "\"%.60s\" is not %s", text, what);
    return true;
}

static bool env_name_check(const char *text, bool star, struct err *err)
{
    size_t n = strlen(text);

    if (star && n && text[n - 1] == '*')
        n--;
    for (size_t i = 0; i < n; i++)
        if (!(isalpha((unsigned char)text[i]) || text[i] == '_' || (i && isdigit((unsigned char)text[i]))))
            return err_set(err, ERR_INPUT, "\"%.60s\" is not a variable's name%s", text,
                           strchr(text, '=') ? "; values go into env.set" : "");
    if (!*text)
        return err_set(err, ERR_INPUT, "an empty name");
    return true;
}

static bool method_check(const char *text, struct err *err)
{
    for (const char *p = text; *p; p++)
        if (islower((unsigned char)*p))
            return err_set(err, ERR_INPUT, "\"%.40s\": methods are written in capitals, like GET", text);
    return token_check(text, "an HTTP method, like GET", "-_", err);
}

static const char *beside(const struct scalar_context *c, const char *path)
{
    AUTO_FREE char *full = NULL;

    if (path[0] == '~' && c->home)
        full = path_normal(c->home, path[1] ? path + 2 : "");
    else
        full = path_normal(c->dir ? c->dir : "/", path);
    return arena_strdup(c->arena, full);
}

static bool pointer_check(const char *text, struct err *err)
{
    return text[0] == '/' ||
           err_set(err, ERR_INPUT, "\"%.100s\" is not a JSON pointer, like /tokens/access", text);
}

// PATH#POINTER; the last # parts them, as a path may have one.
static bool json_source_check(const struct scalar_context *c, const char *text, const char **ret,
                              struct err *err)
{
    const char *hash = strrchr(text, '#');
    char *path = hash ? arena_strndup(c->arena, text, (size_t)(hash - text)) : NULL;

    if (!path || !pointer_check(hash + 1, err))
        return err_set(err, ERR_INPUT, "json:%.100s has no #POINTER, like json:~/.tool/auth.json#/token",
                       text);
    if (!path_check(path, NULL, false, err))
        return false;
    *ret = arena_printf(c->arena, "json:%s%s", beside(c, path), hash);
    return true;
}

static bool source_check(const struct scalar_context *c, const char *text, const char **ret, struct err *err)
{
    if (!strncmp(text, "env:", 4))
        return env_name_check(text + 4, false, err);
    if (!strncmp(text, "file:", 5)) {
        if (!path_check(text + 5, NULL, false, err))
            return false;
        *ret = arena_printf(c->arena, "file:%s", beside(c, text + 5));
        return true;
    }
    if (!strncmp(text, "json:", 5))
        return json_source_check(c, text + 5, ret, err);
    return err_set(err, ERR_INPUT,
                   "a secret comes from env:NAME, file:PATH or json:PATH#POINTER, it is not written here");
}

static bool measure_check(enum schema_type type, const char *text, struct err *err)
{
    uint64_t n;
    uint16_t port;
    double d;
    bool b;

    switch (type) {
    case TYPE_BOOL:
        return scalar_bool(text, &b, err);
    case TYPE_COUNT:
        return scalar_count(text, &n, err);
    case TYPE_NUMBER:
        return scalar_number(text, &d, err);
    case TYPE_SIZE:
        return scalar_size(text, &n, err);
    case TYPE_DURATION:
        return scalar_duration(text, &n, err);
    default:
        return scalar_port(text, &port, err);
    }
}

static bool profile_check(const char *values, const char *text, struct err *err)
{
    AUTO_FREE char *words = NULL;

    if (!strncmp(text, "agent:", 6) && text[6])
        return token_check(text + 6, "an agent's name", "-_.", err);
    words = xasprintf("%s agent:NAME", values);
    return word_of(words, text, "profile", err);
}

bool scalar_check(const struct scalar_context *c, enum schema_type type, const char *values, const char *text,
                  const char **ret, struct err *err)
{
    *ret = text;
    switch (type) {
    case TYPE_VERSION:
        return !strcmp(text, "1") ||
               err_set(err, ERR_INPUT, "version \"%.20s\" is not known to this build; it reads version 1",
                       text);
    case TYPE_PROFILE:
        return profile_check(values, text, err);
    case TYPE_ENUM:
    case TYPE_REVIEWER:
        return word_of(values, text, "value", err);
    case TYPE_READ_PATH:
        return path_check(text, READ_SETS, false, err);
    case TYPE_WRITE_PATH:
        return path_check(text, WRITE_SETS, false, err);
    case TYPE_PATTERN:
        return path_check(text, REFUSE_SETS, true, err);
    case TYPE_PATH:
        return path_check(text, NULL, false, err);
    case TYPE_BESIDE:
        if (!path_check(text, NULL, false, err))
            return false;
        *ret = beside(c, text);
        return true;
    case TYPE_HOST:
        return host_check(c->arena, text, ret, err);
    case TYPE_HOST_PATTERN:
        return !strcmp(text, "**") || host_check(c->arena, text, ret, err);
    case TYPE_ADDRESS:
        return address_check(c->arena, text, ret, err);
    case TYPE_METHOD:
        return method_check(text, err);
    case TYPE_URL_PATH:
        return text[0] == '/' ||
               err_set(err, ERR_INPUT, "\"%.80s\" is not a path; it starts with /, like /pub/**", text);
    case TYPE_TOKEN:
        return token_check(text, "a header or field name", "!#$%&'*+-.^_`|~[]", err);
    case TYPE_ENV_NAME:
        return env_name_check(text, false, err);
    case TYPE_ENV_PATTERN:
        return env_name_check(text, true, err);
    case TYPE_SOURCE:
        return source_check(c, text, ret, err);
    case TYPE_POINTER:
        return pointer_check(text, err);
    case TYPE_BOOL:
    case TYPE_COUNT:
    case TYPE_NUMBER:
    case TYPE_SIZE:
    case TYPE_DURATION:
    case TYPE_PORT:
        return measure_check(type, text, err);
    default:
        return true; // TYPE_TEXT; collections never come here
    }
}
