// SPDX-License-Identifier: Apache-2.0
// What the file rules say about one path, in the order in which the sandbox applies them: denied, the yard's
// own places, protected, granted; and nothing grants it.
#include "policy/files.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "policy/sets.h"
#include "policy/value.h"

static const char *grant_name(enum file_grant g)
{
    static const char *const names[] = {"files.read", "files.write", "files.protect", "files.deny"};

    return names[g];
}

static char *lowered(const char *text)
{
    char *copy = xstrdup(text);

    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

// A glob covers what it matches and everything below that. Hooks compare without case, as they are covered:
// where the file system folds case, `.GIT` is `.git`.
static bool covers(const struct file_rule *rule, const char *path)
{
    AUTO_FREE char *at = NULL, *pattern = NULL;

    if (!rule->glob)
        return path_within(path, rule->path);
    at = rule->hook ? lowered(path) : xstrdup(path);
    pattern = rule->hook ? lowered(rule->path) : xstrdup(rule->path);
    for (;;) {
        char *slash;

        if (glob_match(pattern, at))
            return true;
        slash = strrchr(at, '/');
        if (!slash || slash == at)
            return false;
        *slash = '\0';
    }
}

static const struct file_rule *find(const struct file_rules *r, enum file_grant grant, const char *path)
{
    const struct file_rule *best = NULL;

    for (size_t i = 0; i < r->n; i++)
        if (r->rules[i].grant == grant && covers(&r->rules[i], path) &&
            (!best || strlen(r->rules[i].path) > strlen(best->path)))
            best = &r->rules[i];
    return best;
}

__attribute__((format(printf, 4, 5))) static void say(struct file_verdict *v, enum verdict verdict,
                                                      const char *remedy, const char *reason, ...)
{
    va_list ap;

    v->verdict = verdict;
    snprintf(v->remedy, sizeof v->remedy, "%s", remedy ? remedy : "");
    va_start(ap, reason);
    vsnprintf(v->reason, sizeof v->reason, reason, ap);
    va_end(ap);
}

static void name_rule(struct file_verdict *v, const struct file_rule *rule)
{
    AUTO_FREE char *from = origin_text(&rule->from);

    v->rule = rule;
    if (rule->always)
        snprintf(v->rule_text, sizeof v->rule_text, "built in: %s", rule->text);
    else
        snprintf(v->rule_text, sizeof v->rule_text, "%s: %s (%s)", grant_name(rule->grant), rule->text, from);
}

static void explain_refusal(struct file_verdict *v, const struct file_rule *rule)
{
    AUTO_FREE char *remedy = NULL, *from = origin_text(&rule->from);
    const char *how =
        rule->grant == GRANT_DENY ? "cannot be read, written, listed or seen" : "can be read, not written";

    name_rule(v, rule);
    if (rule->always) {
        say(v, VERDICT_DENY, NULL, "%s: %s, whatever the policy says", rule->text, how);
        return;
    }
    remedy = rule->text[0] == '@'
                 ? xasprintf("leave %s out of %s, and list there what is still to be covered", rule->text,
                             grant_name(rule->grant))
                 : xasprintf("remove %s from %s (%s)", rule->text, grant_name(rule->grant), from);
    if (rule->hook && rule->grant == GRANT_PROTECT)
        say(v, VERDICT_DENY, remedy, "a file by which a program outside runs code; it %s", how);
    else
        say(v, VERDICT_DENY, remedy, "%s covers it; it %s", rule->path, how);
}

// A place that the yard makes itself: what the host has there is not inside.
struct yard {
    const char *dir, *what, *rule;
    bool there; // in this run
    bool read, write;
};

static bool device(const char *path)
{
    static const char *const names[] = {"null", "zero", "full",   "random", "urandom", "tty",    "ptmx",
                                        "pts",  "shm",  "mqueue", "fd",     "stdin",   "stdout", "stderr"};
    const char *below = path_below(path, "/dev");
    size_t n = below ? strcspn(below, "/") : 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == n && !memcmp(names[i], below, n))
            return true;
    return false;
}

// A private place can be written, and what the run wrote there it can read; but the question is about the
// host's path, and nothing that the host has there is inside. HOME stands first: it may lie below one of the
// others.
static bool explain_yard(const struct file_rules *r, const char *path, enum file_access access,
                         struct file_verdict *v)
{
    bool node = device(path), tmp = r->private_tmp;
    bool hidden = !r->workspace_shown && !(r->home && path_within(r->home, r->workspace));
    const struct yard places[] = {
        {r->workspace, "an empty directory in the workspace's place: the policy does not show the workspace",
         "none", hidden, false, false},
        {r->home, "a private home that starts empty and ends with the run: the host's files are not in it",
         "files.write: @home", r->private_home, false, true},
        {"/proc", "the run's own /proc: its processes and no others", "built in: /proc", true, true, false},
        {"/sys", "the run's own /sys, read-only", "built in: /sys", true, true, false},
        {"/dev", "the yard's own /dev has only null, zero, random, tty and their like", "built in: /dev",
         true, node, node},
        {"/run", "the yard's own /run: the host's sockets are not in it", "built in: /run", true, false,
         false},
        {"/tmp", "a private /tmp that starts empty and ends with the run: the host's files are not in it",
         "files.write: @tmp", tmp, false, true},
        {"/tmp", "an empty /tmp: @tmp is not in files.write", "built in: /tmp", !tmp, false, false},
        {"/var/tmp",
         "a private /var/tmp that starts empty and ends with the run: the host's files are not in it",
         "files.write: @tmp", tmp, false, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const struct yard *y = &places[i];
        bool ok = access == ACCESS_WRITE ? y->write : y->read || !strcmp(path, y->dir);
        AUTO_FREE char *remedy = NULL;

        if (!y->there || !path_within(path, y->dir))
            continue;
        if (!ok && (y->write || y == &places[0]))
            remedy = xasprintf("%s %s", access == ACCESS_WRITE ? "--write" : "--read", path);
        snprintf(v->rule_text, sizeof v->rule_text, "%s", y->rule);
        say(v, ok ? VERDICT_ALLOW : VERDICT_DENY, remedy, "%s", y->what);
        return true;
    }
    return false;
}

// A read grant of "/" does not reach /var/tmp when that is private; of HOME there is none when it is.
static bool private_place(const struct file_rules *r, const struct file_rule *grant, const char *path)
{
    const char *dir = r->private_home && path_within(path, r->home)     ? r->home
                      : r->private_tmp && path_within(path, "/var/tmp") ? "/var/tmp"
                                                                        : NULL;

    return dir && (!grant || !path_within(grant->path, dir));
}

// Inside, the place is the yard's own and no grant reaches into it.
static bool is_yard(const struct file_rules *r, const struct file_rule *grant, const char *path)
{
    return yards_own(grant ? grant->path : NULL, path) || private_place(r, grant, path);
}

bool file_rules_private(const struct file_rules *r, const char *path)
{
    const struct file_rule *write, *read;

    if (!private_place(r, NULL, path))
        return false;
    write = find(r, GRANT_WRITE, path);
    read = find(r, GRANT_READ, path);
    return private_place(r, write, path) && private_place(r, read, path);
}

void file_rules_explain(const struct file_rules *r, const char *path, enum file_access access,
                        struct file_verdict *ret)
{
    const struct file_rule *deny = find(r, GRANT_DENY, path), *protect = find(r, GRANT_PROTECT, path);
    const struct file_rule *write = find(r, GRANT_WRITE, path), *read = find(r, GRANT_READ, path);
    const struct file_rule *grant = write ? write : read;
    AUTO_FREE char *remedy = NULL;

    *ret = (struct file_verdict){0};
    if (deny) {
        explain_refusal(ret, deny);
        return;
    }
    if (write && read && is_yard(r, write, path))
        grant = read;
    if (is_yard(r, grant, path) && explain_yard(r, path, access, ret))
        return;
    if (access == ACCESS_WRITE && protect) {
        explain_refusal(ret, protect);
        return;
    }
    remedy = xasprintf("%s %s", access == ACCESS_WRITE ? "--write" : "--read", path);
    if (!grant) {
        snprintf(ret->rule_text, sizeof ret->rule_text, "none");
        say(ret, VERDICT_DENY, remedy, "nothing in files.read or files.write grants it");
        return;
    }
    name_rule(ret, grant);
    if (access == ACCESS_WRITE && grant->grant == GRANT_READ)
        say(ret, VERDICT_DENY, remedy, "%s can be read, not written", grant->path);
    else
        say(ret, VERDICT_ALLOW, NULL, "%s can be %s", grant->path,
            grant->grant == GRANT_WRITE ? "written" : "read");
}
