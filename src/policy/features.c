// SPDX-License-Identifier: Apache-2.0
// What this build does not have yet. Such keys are read and checked like all others and then refused, never
// ignored: a policy that asks for something must get it or not run. When a feature arrives, its line goes.
#include "policy/check.h"

#include <string.h>

struct feature {
    const char *key;
    const char *value; // the value that needs it; NULL: any list or map that is not empty
    const char *instead;
};

static const struct feature missing[] = {
    {"as_root", "true", "run as yourself: as_root: false"},
    {"files.ask", NULL, "grant the path in files.write, or leave it out"},
    {"commands", NULL, "remove it"},
    {"packages", NULL, "remove it"},
    {"flow", NULL, "remove it"},
    {"approval.reviewer", "web", "use tty or none"},
    {"approval.reviewer", "model", "use tty or none"},
    {"approval.reviewer", NULL, "use tty or none"},
    {"monitor", NULL, "remove it"},
    {"overlay", "review", "set overlay: off, so that writes go to the files themselves"},
    {"overlay", "commit", "set overlay: off, so that writes go to the files themselves"},
    {"overlay", "discard", "set overlay: off, so that writes go to the files themselves"},
};

static bool needs(const struct feature *f, const struct value *v)
{
    if (v->kind == VALUE_SCALAR)
        return f->value && !strcmp(f->value, v->text);
    return !f->value && v->first;
}

bool check_features(const struct value *root, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        const struct feature *f = &missing[i];
        const struct value *v = value_at(root, f->key);
        AUTO_FREE char *where = NULL;

        if (!v || !needs(f, v))
            continue;
        where = origin_text(&v->from);
        return err_set(err, ERR_UNSUPPORTED, "%s: %s%s%s is not in this build; %s", where, f->key,
                       v->kind == VALUE_SCALAR ? ": " : "", v->kind == VALUE_SCALAR ? v->text : "",
                       f->instead);
    }
    return true;
}
