// SPDX-License-Identifier: Apache-2.0
// bawn explain: what the policy says about one subject, and which rule says so.
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/fail.h"
#include "cli/options.h"
#include "session/places.h"
#include "policy/files.h"

struct subject {
    enum file_access access;
    char *path;     // normal, as it was named
    char *resolved; // with its links followed as far as it exists
};

// Links resolved as far as there is something; the rest is appended, as it would be created there.
static char *follow(const char *path)
{
    AUTO_FREE char *at = xstrdup(path);

    for (;;) {
        char real[PATH_MAX];
        AUTO_FREE char *parent = NULL;

        if (realpath(at, real))
            return path_normal(real, path[strlen(at)] ? path + strlen(at) + (at[1] != '\0') : "");
        parent = path_parent(at);
        free(at);
        at = TAKE_PTR(parent);
    }
}

static bool read_subject(char *const *argv, const struct places *places, struct subject *ret, struct err *err)
{
    const char *path = argv[0];

    ret->access = ACCESS_READ;
    if (path && argv[1]) {
        if (strcmp(path, "read") != 0 && strcmp(path, "write") != 0)
            return err_set(err, ERR_INPUT, "explain path: \"%.60s\" is neither read nor write", path);
        ret->access = path[0] == 'w' ? ACCESS_WRITE : ACCESS_READ;
        path = argv[1];
        if (argv[2])
            return err_set(err, ERR_INPUT, "explain path: one path at a time, not also %.100s", argv[2]);
    }
    if (!path || !*path)
        return err_set(err, ERR_INPUT, "usage: bawn explain %s", verb_explain.synopsis);
    if (path[0] == '~' && (path[1] == '/' || !path[1]))
        ret->path = path_normal(places->home, path[1] ? path + 2 : "");
    else
        ret->path = path_normal(places->workspace, path);
    ret->resolved = follow(ret->path);
    return true;
}

void explain_line(const char *label, const char *text)
{
    AUTO_BUF struct buf out = {0};

    if (!*text)
        return;
    buf_init(&out, 1 << 16);
    if (label)
        buf_addf(&out, "  %-7s ", label);
    utf8_printable(&out, text, strlen(text));
    puts(buf_cstr(&out));
}

static void print_person(const struct subject *s, const struct file_verdict *v)
{
    AUTO_FREE char *line = xasprintf("%s: %s %s", verdict_name(v->verdict),
                                     s->access == ACCESS_WRITE ? "write" : "read", s->resolved);

    explain_line(NULL, line);
    if (strcmp(s->path, s->resolved) != 0)
        explain_line("named", s->path);
    explain_line("rule", v->rule_text);
    explain_line("reason", v->reason);
    explain_line("to allow it:", v->remedy);
}

static void print_json(const struct subject *s, const struct file_verdict *v)
{
    AUTO_JSON json_t *o = json_object();
    AUTO_FREE char *line = NULL;

    json_object_set_new(o, "kind", json_string("path"));
    json_object_set_new(o, "subject", json_text(s->path));
    json_object_set_new(o, "resolved", json_text(s->resolved));
    json_object_set_new(o, "access", json_string(s->access == ACCESS_WRITE ? "write" : "read"));
    json_object_set_new(o, "verdict", json_string(verdict_name(v->verdict)));
    json_object_set_new(o, "rule", json_text(v->rule_text));
    json_object_set_new(o, "reason", json_text(v->reason));
    json_object_set_new(o, "remedy", json_text(v->remedy));
    line = json_line(o);
    puts(line);
}

// The name that was given may be denied though what it leads to is not.
static void judge(const struct file_rules *rules, const struct subject *s, struct file_verdict *ret)
{
    file_rules_explain(rules, s->path, s->access, ret);
    if (!ret->rule || ret->rule->grant != GRANT_DENY)
        file_rules_explain(rules, s->resolved, s->access, ret);
}

static bool explain_path(const struct run_options *o, const struct places *places, struct err *err)
{
    struct file_place place = {.workspace = places->workspace,
                               .home = places->home,
                               .config_dir = places->config_dir,
                               .state_dir = places->state_dir,
                               .path_env = places->path_env};
    struct subject s = {0};
    struct file_rules rules = {0};
    struct file_verdict v;
    struct policy *p = NULL;
    AUTO_BUF struct buf notes = {0};
    bool ok;

    buf_init(&notes, 1 << 16);
    ok = read_subject(o->argv + 1, places, &s, err) &&
         places_load_policy(places, &o->policy, &p, &notes, err) && file_rules_make(p, &place, &rules, err);
    if (ok) {
        judge(&rules, &s, &v);
        if (o->json)
            print_json(&s, &v);
        else
            print_person(&s, &v);
    }
    file_rules_deinit(&rules);
    policy_free(p);
    free(s.path);
    free(s.resolved);
    return ok;
}

static bool explain(const struct run_options *o, struct err *err)
{
    static const char *const later[] = {"command", "package"};
    const char *kind = o->argv[0] ? o->argv[0] : "";
    struct places places = {0};
    bool ok;

    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (!strcmp(kind, later[i]))
            return err_set(err, ERR_UNSUPPORTED, "explain %s is not in this build; it explains: path, url",
                           kind);
    if (strcmp(kind, "path") != 0 && strcmp(kind, "url") != 0)
        return err_set(err, ERR_INPUT, "usage: bawn explain %s; as in `bawn explain path write ~/.bashrc`",
                       verb_explain.synopsis);
    ok = places_find(o->directory, &places, err) &&
         (!strcmp(kind, "url") ? explain_url : explain_path)(o, &places, err);
    places_deinit(&places);
    return ok;
}

static int verb_main(int argc, char **argv)
{
    struct run_options o = {0};
    struct err err = {0};
    bool ok = run_options_parse(argc, argv, &verb_explain, &o, &err) && explain(&o, &err);

    ok |= o.help;
    run_options_deinit(&o);
    return ok ? cli_done(0) : cli_fail(&err);
}

const struct verb verb_explain = {"explain", "[--json] [options] path [read|write] PATH | url [METHOD] URL",
                                  "say whether a path or a URL is allowed, and which rule says so",
                                  verb_main};
