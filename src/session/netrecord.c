// SPDX-License-Identifier: Apache-2.0
#include "session/netrecord.h"

#include <string.h>

static const char *text_of(const json_t *e, const char *key)
{
    return json_string_value(json_object_get(e, key));
}

char *netrecord_subject(const json_t *e)
{
    const char *method = text_of(e, "method"), *path = text_of(e, "path");
    const char *host = text_of(e, "host"), *address = text_of(e, "address");
    long port = (long)json_integer_value(json_object_get(e, "port"));
    const char *name = host ? host : address ? address : "?", *tls = text_of(e, "tls");
    const char *open = strchr(name, ':') ? "[" : "", *close = *open ? "]" : "";

    if (method)
        return xasprintf("%s %s://%s%s%s:%ld%s", method, tls && strcmp(tls, "none") != 0 ? "https" : "http",
                         open, name, close, port, path ? path : "");
    return port ? xasprintf("%s%s%s:%ld", open, name, close, port) : xstrdup(name);
}

// A connection's first use and every refusal are worth a look; the requests between have what is known from
// these.
static bool find_who(const json_t *e, struct whois *w, struct whois_answer *ret)
{
    const char *event = text_of(e, "event"), *client = text_of(e, "client"), *verdict = text_of(e, "verdict");
    bool found;

    if (!event || !client)
        return false;
    if (!strcmp(event, "connection") || (verdict && strcmp(verdict, "allow") != 0))
        return whois_find(w, client, text_of(e, "to"), ret);
    found = whois_known(w, client, ret);
    if (!strcmp(event, "closed"))
        whois_forget(w, client);
    return found;
}

void netrecord_detail(const json_t *e, struct whois *w, struct jsontext_object *ret)
{
    struct whois_answer who;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)e, key, value)
    {
        if (!strcmp(key, "rule") || !strcmp(key, "verdict") || !strcmp(key, "to"))
            continue;
        if (json_is_string(value))
            jsontext_text(ret, key, json_string_value(value));
        else if (json_is_integer(value))
            jsontext_number(ret, key, json_integer_value(value));
        else if (json_is_boolean(value))
            jsontext_flag(ret, key, json_is_true(value));
    }
    if (!find_who(e, w, &who))
        return;
    jsontext_number(ret, "pid", who.pid);
    if (who.program[0])
        jsontext_text(ret, "program", who.program);
}
