// SPDX-License-Identifier: Apache-2.0
// What appears, is replaced, is refused or goes through the network while the run lives: onto the record,
// onto the list for the person, and, where that is the answer, under a cover or into quarantine.
#include "session/state.h"

#include "guard/hostpattern.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

void session_close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void session_tell(struct session *s, const char *text)
{
    if (s->options.events.note)
        s->options.events.note(s->options.events.ctx, text);
}

// One line of the record; a record that cannot be written ends the run, as no decision may go unrecorded.
void session_record(struct session *s, enum audit_kind kind, enum verdict verdict, const char *rule,
                    const char *subject, const struct jsontext_object *detail, const char *by)
{
    struct audit_entry e = {
        .kind = kind, .verdict = verdict, .rule = rule, .subject = subject, .detail = detail, .by = by};
    struct err err = {0};

    if (!s->recording || audit_add(&s->audit, &e, &err))
        return;
    session_tell(s, err.msg);
    s->recording = false;
    session_kill(s, "audit");
}

void session_refuse(struct session *s, const struct refusal *texts)
{
    bool is_new;
    const struct refusal *r = refusals_add(&s->refusals, texts, &is_new);

    if (r && is_new && s->options.events.refused)
        s->options.events.refused(s->options.events.ctx, r);
}

// --- what appears, is replaced, or is refused while the run lives ---

static void send_cover(struct session *s, const char *path, bool mask, bool is_dir)
{
    struct init_msg m = {.type = INIT_COVER,
                         .flags = (mask ? INIT_COVER_MASK : 0u) | (is_dir ? INIT_COVER_IS_DIR : 0u)};

    if (s->state != SESSION_OPEN)
        return;
    init_msg_text(&m, path);
    init_send(s->init.sock, &m, NULL, 0);
}

void session_record_quarantined(struct session *s, size_t from)
{
    for (size_t i = from; i < s->quarantine.n; i++) {
        const struct quarantined *q = &s->quarantine.items[i];
        AUTO_JSONTEXT struct jsontext_object detail = {0};
        struct file_verdict v;

        file_rules_explain(&s->rules, q->path, ACCESS_WRITE, &v);
        if (v.rule != q->rule) { // git's own places are found, not named by a pattern
            snprintf(v.rule_text, sizeof v.rule_text, "files.protect: %s", q->rule->text);
            v.remedy[0] = '\0';
        }
        jsontext_text(&detail, "moved_to", q->moved);
        session_record(s, AUDIT_QUARANTINE, VERDICT_DENY, v.rule_text, q->path, &detail, "policy");
        session_refuse(s, &(struct refusal){.kind = "create",
                                            .subject = q->path,
                                            .rule = v.rule_text,
                                            .remedy = v.remedy,
                                            .moved = q->moved});
    }
}

static void take_into_quarantine(struct session *s, const char *path, const struct file_rule *rule)
{
    size_t before = s->quarantine.n;
    struct err err = {0};
    bool moved;

    if (!quarantine_take(&s->quarantine, &s->rules, path, rule, &moved, &err))
        session_tell(s, err.msg);
    session_record_quarantined(s, before);
}

void session_on_appeared(void *ctx, const char *path, bool is_dir, const struct file_rule *rule)
{
    struct session *s = ctx;

    if (rule->grant == GRANT_PROTECT)
        take_into_quarantine(s, path, rule);
    else if (!strlist_has(&s->own_names, path))
        send_cover(s, path, true, is_dir);
}

void session_on_replaced(void *ctx, const char *path)
{
    struct session *s = ctx;
    const struct cover *c = cover_list_find(&s->covers, path);

    if (c && c->kind != COVER_PIN)
        send_cover(s, path, c->kind == COVER_MASK, c->is_dir);
}

void session_on_degraded(void *ctx, const char *why)
{
    struct session *s = ctx;

    session_record(s, AUDIT_NOTE, VERDICT_DENY, NULL, why, NULL, "policy");
}

void session_on_refused(void *ctx, const struct notify_report *r)
{
    struct session *s = ctx;
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    AUTO_FREE char *remedy = NULL;
    const char *rule = r->file ? r->file->rule_text : "network.mode: off";

    if (!strcmp(r->kind, "more")) {
        session_record(s, AUDIT_NOTE, VERDICT_DENY, NULL, "further refusals are not recorded one by one",
                       NULL, "policy");
        return;
    }
    // A look-up names the host or, where the question was not seen, only the server that was asked.
    if (!r->file && r->detail && !strcmp(r->detail, "name look-up"))
        remedy = xstrdup("--allow HOST, with the name that was looked up there");
    else if (!r->file)
        remedy = xasprintf("--allow %s", r->subject);
    jsontext_number(&detail, "pid", r->pid);
    jsontext_text(&detail, "access", r->kind);
    if (r->detail)
        jsontext_text(&detail, "what", r->detail);
    session_record(s, r->file ? AUDIT_FILE_ACCESS : AUDIT_NETWORK, VERDICT_DENY, rule, r->subject, &detail,
                   "kernel");
    session_refuse(s, &(struct refusal){.kind = r->kind,
                                        .subject = r->subject,
                                        .rule = rule,
                                        .remedy = r->file ? r->file->remedy : remedy});
}

void session_on_creates(void *ctx, const char *path)
{
    struct session *s = ctx;

    if (s->own_names.n < 65536 && !strlist_has(&s->own_names, path))
        strlist_add(&s->own_names, path);
}

// --- the guarded network ---

static bool has_path(const struct net_rule *r, const char *path)
{
    for (size_t i = 0; i < r->paths.n; i++)
        if (path && glob_match(r->paths.items[i].text, path))
            return true;
    return !r->paths.n;
}

// What a program asks for each time and the policy means to refuse.
static bool is_quiet(const struct session *s, const json_t *e)
{
    const struct policy *p = s->options.policy;
    const char *name = json_string_value(json_object_get(e, "host"));
    const char *path = json_string_value(json_object_get(e, "path"));
    struct host host;

    if (!p->network.nquiet || !name || !host_parse(name, strlen(name), &host, NULL))
        return false;
    for (size_t i = 0; i < p->network.nquiet; i++) {
        const struct net_rule *r = &p->network.quiet[i];
        struct host_pattern pattern;

        if (host_pattern_parse(r->host, &pattern, NULL) && host_pattern_match(&pattern, &host) &&
            has_path(r, path))
            return true;
    }
    return false;
}

void session_on_network(void *ctx, const json_t *e)
{
    struct session *s = ctx;
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    AUTO_FREE char *subject = netrecord_subject(e), *why = NULL;
    const char *word = json_string_value(json_object_get(e, "verdict"));
    const char *rule = json_string_value(json_object_get(e, "rule"));
    const char *remedy = json_string_value(json_object_get(e, "allow_with"));
    const char *reason = json_string_value(json_object_get(e, "reason"));
    enum verdict verdict = word && !strcmp(word, "allow") ? VERDICT_ALLOW : VERDICT_DENY;

    netrecord_detail(e, s->whois, &detail);
    session_record(s, word ? AUDIT_NETWORK : AUDIT_NOTE, verdict, rule, subject, &detail, "guard");
    if (!word || verdict != VERDICT_DENY || is_quiet(s, e))
        return;
    // Where nothing would allow it, the rule alone may be one that does: the name did not resolve, say.
    if (rule && reason && (!remedy || !*remedy))
        why = xasprintf("%s: %s", rule, reason);
    session_refuse(s, &(struct refusal){
                          .kind = "network", .subject = subject, .rule = why ? why : rule, .remedy = remedy});
}

void session_on_guard_gone(void *ctx, const char *why)
{
    struct session *s = ctx;

    session_record(s, AUDIT_GUARD, VERDICT_DENY, "network.mode: guarded", why, NULL, "guard");
    session_tell(s, why);
}

void session_on_policy_updated(void *ctx, const char *error)
{
    struct session *s = ctx;
    AUTO_FREE char *text =
        *error ? xasprintf("the new policy was not taken, the old one stays: %s", error) : NULL;

    session_record(s, AUDIT_POLICY, *error ? VERDICT_DENY : VERDICT_ALLOW, "control-fd",
                   text ? text : "network rules replaced", NULL, "control-fd");
    if (text)
        session_tell(s, text);
}

bool session_update(struct session *s, const struct policy *p, struct err *err)
{
    static const char *const modes[] = {"off", "guarded", "open"};
    enum net_mode mode = s->network ? NET_GUARDED : s->options.policy->network.mode;

    // A guarded network can be switched off and on again; a way in or out that the start did not make is not
    // there.
    if (s->network ? p->network.mode == NET_OPEN : p->network.mode != mode)
        return err_set(err, ERR_UNSUPPORTED,
                       "the network is %s in this run; it cannot become %s while it runs", modes[mode],
                       modes[p->network.mode]);
    if (s->network && !network_update(s->network, p, err))
        return false;
    session_limit_wall(s, p->limits.wall_ms);
    return true;
}
