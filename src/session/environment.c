// SPDX-License-Identifier: Apache-2.0
#include "session/environment.h"

#include <string.h>

#include "session/guide.h"
#include "session/session.h"

static const char *lookup(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; env && *env; env++)
        if (!strncmp(*env, name, n) && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

void environment_set(struct strlist *l, const char *entry)
{
    size_t n = strcspn(entry, "=") + 1;

    for (size_t i = 0; i < l->n; i++)
        if (!strncmp(l->items[i], entry, n)) {
            free(l->items[i]);
            l->items[i] = xstrdup(entry);
            return;
        }
    strlist_add(l, entry);
}

static bool passes(const struct policy_list *pass, const char *entry)
{
    size_t name = strcspn(entry, "=");

    for (size_t i = 0; i < pass->n; i++) {
        const char *p = pass->items[i].text;
        size_t n = strlen(p);

        if (n && p[n - 1] == '*' ? name >= n - 1 && !strncmp(p, entry, n - 1)
                                 : n == name && !strncmp(p, entry, n))
            return true;
    }
    return false;
}

// A secret's value must not come in by the name under which it lies outside.
static bool is_secret(const struct policy *p, const char *entry)
{
    for (size_t i = 0; i < p->nsecrets; i++) {
        const char *from = p->secrets[i].from;
        size_t n = from ? strlen(from) : 0;

        if (n > 4 && !strncmp(from, "env:", 4) && !strncmp(entry, from + 4, n - 4) && entry[n - 4] == '=')
            return true;
    }
    return false;
}

static void set_value(struct strlist *l, const char *name, const char *value)
{
    char *entry;

    if (!value)
        return;
    entry = xasprintf("%s=%s", name, value);
    environment_set(l, entry);
    free(entry);
}

void environment_make(const struct policy *p, const struct session_places *places, struct strlist *ret)
{
    static const char *const always[] = {"USER", "LOGNAME", "SHELL",     "LANG",    "LANGUAGE",
                                         "TZ",   "TERM",    "COLORTERM", "NO_COLOR"};
    char *runtime = xasprintf("/run/user/%u", (unsigned)geteuid());

    set_value(ret, "PATH",
              places->path_env && *places->path_env ? places->path_env : "/usr/local/bin:/usr/bin:/bin");
    set_value(ret, "HOME", places->home ? places->home : "/");
    set_value(ret, "XDG_RUNTIME_DIR", runtime);
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        set_value(ret, always[i], lookup(places->environ, always[i]));
    for (char *const *e = places->environ; e && *e; e++)
        if ((!strncmp(*e, "LC_", 3) || passes(&p->env.pass, *e)) && !is_secret(p, *e))
            environment_set(ret, *e);
    for (size_t i = 0; i < p->env.set.n; i++)
        environment_set(ret, p->env.set.items[i].text);
    environment_set(ret, "BAWN=1");
    environment_set(ret, "BAWN_GUIDE=" GUIDE_PATH);
    free(runtime);
}
