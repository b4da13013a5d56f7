// SPDX-License-Identifier: Apache-2.0
#include "cli/liveline.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"

static bool add_key(const char *key, const json_t *value, struct strlist *ret, struct err *err)
{
    static const char *const whole[] = {"network", "approval"};
    AUTO_FREE char *text = NULL;
    const char *inner;
    json_t *part;

    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (!strcmp(key, whole[i])) {
            text = json_line(value);
            strlist_addf(ret, "%s=%s", key, text);
            return true;
        }
    if (strcmp(key, "limits") != 0 || !json_is_object(value))
        return err_set(err, ERR_INPUT,
                       "%s cannot change while the run lives; these can: network, approval, limits.wall",
                       key);
    json_object_foreach((json_t *)(uintptr_t)value, inner, part)
    {
        AUTO_FREE char *limit = json_line(part);

        if (strcmp(inner, "wall") != 0)
            return err_set(err, ERR_INPUT, "limits.%s cannot change while the run lives; limits.wall can",
                           inner);
        strlist_addf(ret, "limits.wall=%s", limit);
    }
    return true;
}

bool live_line_parse(const char *line, size_t n, struct strlist *ret, struct err *err)
{
    AUTO_JSON json_t *o = json_parse(line, n, err);
    const char *key;
    json_t *value;

    if (!o)
        return false;
    if (!json_is_object(o))
        return err_set(err, ERR_INPUT, "not a JSON object");
    json_object_foreach(o, key, value) if (!add_key(key, value, ret, err)) return false;
    return true;
}
