// SPDX-License-Identifier: Apache-2.0
// What a person should see before a run, though it is allowed: one line each, naming where it was written.
#include "policy/check.h"

#include <string.h>

#include "base/path.h"

static void rule_risks(const struct value *rule, struct buf *notes)
{
    const char *host = value_text(rule, "host"), *tls = value_text(rule, "tls");
    const struct value *methods = value_get(rule, "methods");
    const char *protocol = value_text(rule, "protocol");
    AUTO_FREE char *where = origin_text(&rule->from);
    AUTO_BUF struct buf what = {0};
    bool upload = false;

    buf_init(&what, 1024);
    if (rule->from.layer == LAYER_BUILTIN && rule->from.file[0] != '/')
        return; // a profile of this build: its page in docs says what it opens
    if (!host)
        return; // presets are reads only, unless methods say otherwise
    for (const struct value *m = methods ? methods->first : NULL; m; m = m->next)
        upload |= !words_find("GET HEAD OPTIONS", m->text, NULL);
    if (host[0] == '*')
        buf_adds(&what, "any host of the domain, ");
    if (protocol && !strcmp(protocol, "tcp"))
        buf_adds(&what, "any bytes in both directions, ");
    else if (!methods)
        buf_adds(&what, "any method, so uploads too, ");
    else if (upload)
        buf_adds(&what, "accepts uploads, ");
    if (tls && !strcmp(tls, "pass"))
        buf_adds(&what, "never looked into, ");
    if (what.len)
        buf_addf(notes, "risk: network.allow %s (%s): %.*s\n", host, where, (int)what.len - 2, what.ptr);
}

static void preset_risks(const struct value *rule, struct buf *notes)
{
    const struct value *methods = value_get(rule, "methods");
    AUTO_FREE char *where = origin_text(&rule->from);

    for (const struct value *m = methods ? methods->first : NULL; m; m = m->next)
        if (!words_find("GET HEAD OPTIONS", m->text, NULL)) {
            buf_addf(notes, "risk: network.allow preset %s (%s): accepts uploads\n",
                     value_text(rule, "preset"), where);
            return;
        }
}

static void file_risks(const struct value *root, const char *workspace, const char *home, struct buf *notes)
{
    const struct value *write = value_at(root, "files.write"), *pass = value_at(root, "env.pass");

    for (const struct value *w = write ? write->first : NULL; w; w = w->next) {
        AUTO_FREE char *where = origin_text(&w->from);
        bool whole_home = !strcmp(w->text, "~") || (home && w->text[0] == '/' && path_within(home, w->text));

        if (whole_home || !strcmp(w->text, "/"))
            buf_addf(notes, "risk: files.write %s (%s): start-up files of your shell can be changed\n",
                     w->text, where);
        else if (!strcmp(w->text, ".") && home && path_within(home, workspace))
            buf_addf(
                notes,
                "risk: files.write . (%s): the workspace %s holds your whole home; name a project with -C\n",
                where, workspace);
    }
    for (const struct value *p = pass ? pass->first : NULL; p; p = p->next) {
        AUTO_FREE char *where = origin_text(&p->from);

        if (!strcmp(p->text, "*"))
            buf_addf(notes, "risk: env.pass * (%s): every variable, with what secrets they hold\n", where);
    }
}

void check_risks(const struct value *root, const char *workspace, const char *home, struct buf *notes)
{
    const struct value *mode = value_at(root, "network.mode"), *allow = value_at(root, "network.allow");

    if (mode && !strcmp(mode->text, "open")) {
        AUTO_FREE char *where = origin_text(&mode->from);

        buf_addf(notes, "risk: network.mode open (%s): what can be read can be sent anywhere\n", where);
    }
    for (const struct value *r = mode && !strcmp(mode->text, "guarded") && allow ? allow->first : NULL; r;
         r = r->next) {
        rule_risks(r, notes);
        if (value_get(r, "preset"))
            preset_risks(r, notes);
    }
    file_risks(root, workspace, home, notes);
}
