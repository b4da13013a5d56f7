// SPDX-License-Identifier: Apache-2.0
#include "policy/check.h"

#include <string.h>

#include "base/path.h"
#include "policy/read.h"

static bool at(const struct value *v, struct err *err, const char *what)
{
    AUTO_FREE char *where = origin_text(&v->from);

    return err_set(err, ERR_INPUT, "%s: %s", where, what);
}

static bool in_key(const struct value *v, struct err *err, const char *key, const char *what)
{
    AUTO_FREE char *where = origin_text(&v->from);

    return err_set(err, ERR_INPUT, "%s: %s: %s", where, key, what);
}

// Lists of a rule that admit nothing when empty, though absent they admit all.
static bool rule_lists(const struct value *rule, const char *key, struct err *err)
{
    static const char *const lists[] = {"ports", "methods", "paths"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct value *v = value_get(rule, lists[i]);

        if (v && !v->first) {
            AUTO_FREE char *path = xasprintf("%s.%s", key, lists[i]);

            return in_key(v, err, path, "an empty list would admit nothing; remove it to admit the default");
        }
    }
    return true;
}

static bool net_rule_check(const struct value *rule, const char *key, bool allow, struct err *err)
{
    const char *host = value_text(rule, "host"), *preset = value_text(rule, "preset");
    const char *protocol = value_text(rule, "protocol"), *tls = value_text(rule, "tls");
    bool inside = value_get(rule, "methods") || value_get(rule, "paths") || value_get(rule, "max_upload");

    if (allow && !host == !preset)
        return in_key(rule, err, key,
                      host ? "has both host and preset; write one" : "needs a host or a preset");
    if (!allow && !host)
        return in_key(rule, err, key, "needs a host");
    if (!rule_lists(rule, key, err))
        return false;
    if (protocol && !strcmp(protocol, "tcp") && (inside || value_get(rule, "upgrade")))
        return in_key(
            rule, err, key,
            "protocol tcp has no methods, paths, max_upload or upgrade; remove them, or the protocol");
    if (tls && !strcmp(tls, "pass") && inside)
        return in_key(rule, err, key,
                      "tls: pass hides methods, paths and sizes; use tls: auto, or remove them");
    return true;
}

// Plain first words: enough for like and unlike, which are tests of the rule and no shell scripts.
static bool match_line(const struct value *match, const char *line)
{
    for (const struct value *m = match->first; m; m = m->next) {
        size_t n = strcspn(line, " ");
        bool hit = false;

        for (const struct value *a = m->kind == VALUE_LIST ? m->first : m; a;
             a = m->kind == VALUE_LIST ? a->next : NULL)
            hit |= strlen(a->text) == n && !memcmp(a->text, line, n);
        if (!hit)
            return false;
        line += n;
        line += strspn(line, " ");
    }
    return true;
}

static bool command_check(const struct value *rule, const char *key, struct err *err)
{
    const struct value *match = value_get(rule, "match"), *like = value_get(rule, "like");
    const struct value *unlike = value_get(rule, "unlike");

    if (!match || !value_get(rule, "decision"))
        return in_key(rule, err, key, match ? "needs a decision: deny, ask or allow" : "needs a match");
    for (const struct value *v = like ? like->first : NULL; v; v = v->next)
        if (!match_line(match, v->text))
            return in_key(v, err, key, "the rule does not match this line, which `like` says it must");
    for (const struct value *v = unlike ? unlike->first : NULL; v; v = v->next)
        if (match_line(match, v->text))
            return in_key(v, err, key, "the rule matches this line, which `unlike` says it must not");
    return true;
}

static bool inside_check(const struct value *entry, const char *key, struct err *err)
{
    bool members = value_get(entry, "keep") || value_get(entry, "fake") || value_get(entry, "put");

    if (!value_get(entry, "path"))
        return in_key(entry, err, key, "needs a path");
    if (value_get(entry, "text") && (members || value_get(entry, "head")))
        return in_key(entry, err, key,
                      "text is the whole file; remove keep, fake, put and head, or the text");
    if (members && value_get(entry, "head"))
        return in_key(entry, err, key,
                      "head is for files of lines, keep, fake and put are for JSON; remove one of them");
    return true;
}

static bool entries_check(const struct value *layer, struct err *err)
{
    static const char *const lists[] = {"network.allow", "network.deny", "commands", "files.inside",
                                        "network.quiet"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct value *list = value_at(layer, lists[i]);
        int n = 0;

        for (const struct value *v = list ? list->first : NULL; v; v = v->next, n++) {
            AUTO_FREE char *key = xasprintf("%s[%d]", lists[i], n);

            if (i == 3   ? !inside_check(v, key, err)
                : i == 2 ? !command_check(v, key, err)
                         : !net_rule_check(v, key, i == 0, err))
                return false;
        }
    }
    return true;
}

// `allow` without `mode` means guarded; with another mode in the same place somebody is mistaken about one of
// them.
static bool network_finish(struct arena *arena, struct value *layer, struct err *err)
{
    struct value *network = value_get(layer, "network"), *allow = value_get(network, "allow");
    const char *mode = value_text(network, "mode");
    struct value *implied;

    if (!allow || !allow->first)
        return true;
    if (mode && !strcmp(mode, "off"))
        return in_key(
            allow, err, "network.allow",
            "has entries beside network.mode: off, which lets nothing through; remove one of the two");
    if (mode && !strcmp(mode, "open"))
        return in_key(
            allow, err, "network.allow",
            "has entries beside network.mode: open, which lets everything through; remove one of the two");
    if (!mode) {
        implied = value_new(arena, VALUE_SCALAR, schema_child(network->schema, "mode"), "mode", &allow->from);
        implied->text = "guarded";
        value_append(network, implied);
    }
    return true;
}

static char *place(const struct read_source *s, const char *path)
{
    if (path[0] == '@' || (path[0] == '~' && !s->home))
        return NULL;
    if (path[0] == '~')
        return path_normal(s->home, path[1] ? path + 2 : "");
    return s->workspace || path[0] == '/' ? path_normal(s->workspace, path) : NULL;
}

// A write root at or below a path that the same layer denies can never be written.
static bool files_finish(const struct read_source *source, const struct value *layer, struct err *err)
{
    const struct value *write = value_at(layer, "files.write"), *deny = value_at(layer, "files.deny");

    for (const struct value *w = write ? write->first : NULL; w; w = w->next) {
        AUTO_FREE char *wp = place(source, w->text);

        for (const struct value *d = deny && wp ? deny->first : NULL; d; d = d->next) {
            AUTO_FREE char *dp = glob_is(d->text) ? NULL : place(source, d->text);

            if (dp && path_within(wp, dp)) {
                AUTO_FREE char *what = xasprintf("\"%.200s\" lies in \"%.200s\", which files.deny names; "
                                                 "deny is stronger, so remove one of the two",
                                                 w->text, d->text);

                return in_key(w, err, "files.write", what);
            }
        }
    }
    return true;
}

bool read_finish(struct arena *arena, const struct read_source *source, struct value *layer, struct err *err)
{
    const struct value *reviewer = value_at(layer, "approval.reviewer");

    if (!entries_check(layer, err) || !network_finish(arena, layer, err) || !files_finish(source, layer, err))
        return false;
    if (reviewer && reviewer->kind == VALUE_MAP && !value_count(value_get(reviewer, "command")))
        return in_key(reviewer, err, "approval.reviewer", "needs a command: [PROGRAM, ARG…]");
    return true;
}

static bool secrets_check(const struct value *root, struct err *err)
{
    const struct value *secrets = value_get(root, "secrets");

    for (const struct value *s = secrets ? secrets->first : NULL; s; s = s->next) {
        const char *missing = !value_get(s, "from") ? "from: env:NAME, file:PATH or json:PATH#POINTER"
                              : !value_count(value_get(s, "hosts")) ? "hosts: the list of where it may go"
                              : !value_get(s, "header") && !value_get(s, "query") && !value_get(s, "body")
                                  ? "header, query or body: where it may stand in a request"
                                  : NULL;

        if (missing) {
            AUTO_FREE char *key = xasprintf("secrets.%s", s->key), *what = xasprintf("needs %s", missing);

            return in_key(s, err, key, what);
        }
    }
    return true;
}

bool check_merged(const struct value *root, struct err *err)
{
    const struct value *mode = value_at(root, "network.mode"), *deny = value_at(root, "network.deny");
    const struct value *monitor = value_get(root, "monitor");

    // Nothing would look at the list, and whoever wrote it counts on it.
    if (mode && !strcmp(mode->text, "open") && value_count(deny))
        return in_key(
            deny->first, err, "network.deny",
            "has entries, but network.mode is open, which refuses nothing; set network.mode: guarded");
    if (monitor && !value_get(monitor, "model"))
        return in_key(monitor, err, "monitor", "needs a model");
    return secrets_check(root, err) && (root->kind == VALUE_MAP || at(root, err, "not a mapping"));
}
