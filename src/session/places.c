// SPDX-License-Identifier: Apache-2.0
#include "session/places.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "guard/rules.h"

// An XDG variable counts when it is absolute (XDG Base Directory Specification); else HOME's default.
static char *xdg_dir(const char *variable, const char *home, const char *below)
{
    const char *value = getenv(variable);

    if (value && value[0] == '/')
        return path_normal(value, "bawn");
    return xasprintf("%s/%s/bawn", home, below);
}

static char *real_dir(const char *path, struct err *err)
{
    char *real = realpath(path, NULL);
    struct stat st;

    if (real && stat(real, &st) == 0 && S_ISDIR(st.st_mode))
        return real;
    if (real)
        err_set(err, ERR_INPUT, "%s is not a directory", path);
    else
        err_sys(err, errno, "cannot use %s as the workspace", path);
    free(real);
    return NULL;
}

bool places_find(const char *directory, struct places *ret, struct err *err)
{
    const char *home = getenv("HOME"), *path = getenv("PATH");
    struct places p = {.managed_file = BAWN_MANAGED_POLICY};

    if (!home || home[0] != '/')
        return err_set(
            err, ERR_INPUT,
            "HOME is not set to an absolute path: bawn keeps its record and configuration below it");
    p.workspace = real_dir(directory ? directory : ".", err);
    if (!p.workspace)
        return false;
    p.home = realpath(home, NULL);
    if (!p.home)
        p.home = path_normal("/", home);
    p.config_dir = xdg_dir("XDG_CONFIG_HOME", p.home, ".config");
    p.state_dir = xdg_dir("XDG_STATE_HOME", p.home, ".local/state");
    p.path_env = path ? xstrdup(path) : NULL;
    *ret = p;
    return true;
}

void places_deinit(struct places *p)
{
    free(p->workspace);
    free(p->home);
    free(p->config_dir);
    free(p->state_dir);
    free(p->path_env);
    *p = (struct places){0};
}

// What the policy's own look at itself does not tell, as it knows hosts by their text only. A rule that
// cannot be used is an error where it is used.
static void add_network_risks(const struct policy *p, struct buf *notes)
{
    struct net_rules *rules;
    AUTO_BUF struct buf lines = {0};

    buf_init(&lines, 1 << 16);
    if (p->network.mode != NET_GUARDED || !net_rules_make(p, NULL, &rules, NULL))
        return;
    net_rules_address_risks(rules, &lines);
    net_rules_free(rules);
    for (size_t at = 0; at < lines.len;) {
        const char *end = memchr(lines.ptr + at, '\n', lines.len - at);
        size_t n = (size_t)(end - lines.ptr) - at + 1;

        buf_adds(notes, "risk: ");
        buf_add(notes, lines.ptr + at, n);
        at += n;
    }
}

bool places_load_policy(const struct places *p, const struct policy_options *options, struct policy **ret,
                        struct buf *notes, struct err *err)
{
    struct policy_places where = {p->workspace, p->home, p->config_dir, p->state_dir, p->managed_file};

    if (!policy_load(&where, options, ret, notes, err))
        return false;
    if (notes)
        add_network_risks(*ret, notes);
    return true;
}
