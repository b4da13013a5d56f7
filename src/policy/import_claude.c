// SPDX-License-Identifier: Apache-2.0
// Claude Code's settings: what `sandbox` says of its commands, and the permission rules that it adds to that
// (Read and Edit by path, WebFetch by domain). Rules about the text of commands are no wall and have no
// equal.
//
// Its sandbox reads everything but what is denied, and writes the working directory and what is added to it.
// Where it would ask, nobody is asked here: what `ask` names is refused.
#include <string.h>

#include "base/path.h"
#include "policy/import_parts.h"

#define PROXY_GONE                                                                                           \
    "the gate connects itself and cannot send what it lets through to another proxy, which may filter; "     \
    "remove the key to be filtered by the lists alone"

static const struct shape sandbox_shapes[] = {
    {"enabled", SHAPE_BOOL, FATE_TAKEN, false, NULL},
    {"autoAllowBashIfSandboxed", SHAPE_BOOL, FATE_NOTHING, false,
     NULL}, // what the envelope holds is not asked about
    {"failIfUnavailable", SHAPE_BOOL, FATE_NOTHING, false, NULL}, // bawn always does
    {"enabledPlatforms", SHAPE_TEXTS, FATE_NOTHING, false, NULL},
    {"excludedCommands", SHAPE_TEXTS, FATE_NOTED, false,
     "no command runs outside; start those yourself, or grant what they need"},
    {"allowUnsandboxedCommands", SHAPE_BOOL, FATE_NOTED, false, "no command runs outside"},
    {"allowNestedUserNamespaces", SHAPE_BOOL, FATE_NOTED, false,
     "nested: true in a bawn.yaml is the equal; it is a choice of its own"},
    {"ignoreViolations", SHAPE_DICT, FATE_NOTED, false, "all refusals are listed; it changes none of them"},
    {"enableWeakerNestedSandbox", SHAPE_BOOL, FATE_NOTED, false,
     "there is no weaker mode; `bawn doctor` says what a container must allow"},
    {"enableWeakerNetworkIsolation", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"allowAppleEvents", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"ripgrep", SHAPE_DICT, FATE_NOTHING, false, NULL},
    {"bwrapPath", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"socatPath", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"credentials", SHAPE_DICT, FATE_TAKEN, false, NULL},
    {"network", SHAPE_MAP, FATE_TAKEN, false, NULL},
    {"network.allowedDomains", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"network.deniedDomains", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"network.deniedResolvedAddresses", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"network.allowManagedDomainsOnly", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"network.strictAllowlist", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"network.allowUnixSockets", SHAPE_TEXTS, FATE_NOTED, false,
     "has no effect on Linux there; network.sockets of the policy lets a socket in by its path"},
    {"network.allowAllUnixSockets", SHAPE_BOOL, FATE_NOTED, false,
     "has no equal; network.sockets of the policy lets a socket of this machine in by its path"},
    {"network.allowLocalBinding", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"network.allowMachLookup", SHAPE_TEXTS, FATE_NOTHING, false, NULL},
    {"network.httpProxyPort", SHAPE_NUMBER, FATE_REFUSED, false, PROXY_GONE},
    {"network.socksProxyPort", SHAPE_NUMBER, FATE_REFUSED, false, PROXY_GONE},
    {"network.mitmProxy", SHAPE_DICT, FATE_REFUSED, false, PROXY_GONE},
    {"network.parentProxy", SHAPE_DICT, FATE_REFUSED, false, PROXY_GONE},
    {"network.tlsTerminate", SHAPE_DICT, FATE_NOTED, false, "TLS is looked into only where a rule needs it"},
    {"filesystem", SHAPE_MAP, FATE_TAKEN, false, NULL},
    {"filesystem.disabled", SHAPE_BOOL, FATE_TAKEN, false, NULL},
    {"filesystem.allowWrite", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"filesystem.denyWrite", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"filesystem.denyRead", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"filesystem.allowRead", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"filesystem.allowManagedReadPathsOnly", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"filesystem.allowGitConfig", SHAPE_BOOL, FATE_NOTED, false, ".git/config stays protected"},
};
static const struct shapes sandbox_form = {sandbox_shapes, ARRAY_LEN(sandbox_shapes), "sandbox.", false};

static const struct shape permission_shapes[] = {
    {"allow", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"deny", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"ask", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"additionalDirectories", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"defaultMode", SHAPE_TEXT, FATE_TAKEN, false, NULL},
    {"disableBypassPermissionsMode", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"disableAutoMode", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"skipDangerousModePermissionPrompt", SHAPE_BOOL, FATE_NOTHING, false, NULL},
};
static const struct shapes permission_form = {permission_shapes, ARRAY_LEN(permission_shapes), "permissions.",
                                              false};

enum decision { DECIDE_DENY = 0, DECIDE_ASK, DECIDE_ALLOW };

struct claude {
    struct importer m;
    char *root;                   // what paths of the settings are relative to
    size_t commands[3], tools[3]; // rules without an equal, by decision
    bool writes;                  // the working directory can be written
};

// The project of .claude/settings.json; of the user's own settings ~/.claude. Elsewhere the working
// directory.
static char *settings_root(const struct import_place *place)
{
    AUTO_FREE char *dir = place->file ? path_parent(place->file) : NULL;
    char *project;

    if (!dir || strcmp(path_base(dir), ".claude") != 0)
        return xstrdup(place->workspace);
    project = path_parent(dir);
    if (place->home && !strcmp(project, place->home)) {
        free(project);
        return TAKE_PTR(dir);
    }
    return project;
}

static const char *below_root(struct claude *c, const char *path)
{
    AUTO_FREE char *whole = NULL;

    if (!strcmp(c->root, c->m.place->workspace))
        return arena_strdup(c->m.arena, *path ? path : ".");
    whole = path_normal(c->root, *path ? path : ".");
    return arena_strdup(c->m.arena, whole);
}

// Of a permission rule: //absolute, ~/home, /from the settings' root, and from the working directory; one
// name alone holds at any depth (gitignore(5)).
static const char *rule_path(struct claude *c, const char *text)
{
    size_t n = strlen(text);

    if (!strncmp(text, "//", 2))
        return arena_strdup(c->m.arena, text + 1);
    if (text[0] == '~')
        return arena_strdup(c->m.arena, text);
    if (text[0] == '/')
        return below_root(c, text + 1);
    if (!strncmp(text, "./", 2))
        return arena_strdup(c->m.arena, text[2] ? text + 2 : ".");
    if (memchr(text, '/', n ? n - 1 : 0) || !strcmp(text, "**") || !strcmp(text, "."))
        return arena_strdup(c->m.arena, text);
    return arena_printf(c->m.arena, "**/%s", text);
}

// Of sandbox.filesystem: absolute (also with //), ~/home, and from the settings' root.
static const char *sandbox_path(struct claude *c, const char *text)
{
    if (text[0] == '/')
        return arena_strdup(c->m.arena, text + (text[1] == '/'));
    if (text[0] == '~')
        return arena_strdup(c->m.arena, text);
    return below_root(c, !strncmp(text, "./", 2) ? text + 2 : text);
}

static void take_paths(struct claude *c, const struct yaml_node *settings, const char *key,
                       struct import_list *list)
{
    const struct yaml_node *node = import_at(settings, key);

    for (const struct yaml_node *e = node ? node->first : NULL; e; e = e->next)
        import_add(&c->m, list, &(struct import_item){.text = sandbox_path(c, e->text), .key = key, .at = e});
}

// --- permission rules ---

static const char *decision_key(enum decision d)
{
    static const char *const keys[] = {"permissions.deny", "permissions.ask", "permissions.allow"};

    return keys[d];
}

static bool tool_is(const char *text, size_t n, const char *words)
{
    for (const char *w = words; *w;) {
        size_t len = strcspn(w, " ");

        if (len == n && !memcmp(w, text, n))
            return true;
        w += len;
        w += *w == ' ';
    }
    return false;
}

static void take_path_rule(struct claude *c, enum decision d, bool edit, const struct import_item *item)
{
    if (d != DECIDE_ALLOW)
        import_add(&c->m, edit ? &c->m.rules.deny_write : &c->m.rules.deny_read, item);
    else if (edit) // reads need no grant: what is not denied can be read
        import_add(&c->m, &c->m.rules.allow_write, item);
    if (d == DECIDE_ASK)
        import_note(&c->m, "%s: %s is asked about there; here it is refused", import_where(&c->m, item),
                    item->text);
}

static void take_domain(struct claude *c, enum decision d, const struct import_item *item)
{
    if (d == DECIDE_ASK)
        import_note(&c->m, "%s: %s is asked about there; here it is refused", import_where(&c->m, item),
                    item->text);
    else
        import_add(&c->m, d == DECIDE_ALLOW ? &c->m.rules.allow_hosts : &c->m.rules.deny_hosts, item);
}

// TOOL or TOOL(SPECIFIER).
static void take_rule(struct claude *c, enum decision d, const struct yaml_node *at)
{
    size_t tool = strcspn(at->text, "("), n = strlen(at->text);
    bool specific = at->text[tool] && at->text[n - 1] == ')';
    char *inside = specific ? arena_strndup(c->m.arena, at->text + tool + 1, n - tool - 2) : NULL;
    struct import_item item = {.key = decision_key(d), .at = at};
    bool edit = tool_is(at->text, tool, "Edit Write MultiEdit NotebookEdit");

    if (tool_is(at->text, tool, "Bash PowerShell Monitor")) {
        c->commands[d]++;
    } else if (inside && *inside && (edit || tool_is(at->text, tool, "Read Glob Grep LS"))) {
        item.text = rule_path(c, inside);
        take_path_rule(c, d, edit, &item);
    } else if (inside && tool_is(at->text, tool, "WebFetch") && !strncmp(inside, "domain:", 7)) {
        item.text = inside + 7;
        take_domain(c, d, &item);
    } else if (!inside && edit && d == DECIDE_DENY) {
        c->writes = false;
    } else if (!(d == DECIDE_ALLOW &&
                 tool_is(at->text, tool, "Read Glob Grep LS Edit Write MultiEdit NotebookEdit"))) {
        c->tools[d]++;
    }
}

static void take_rules(struct claude *c, const struct yaml_node *settings)
{
    for (enum decision d = DECIDE_DENY; d <= DECIDE_ALLOW; d++) {
        const struct yaml_node *list = import_at(settings, decision_key(d));

        for (const struct yaml_node *e = list ? list->first : NULL; e; e = e->next)
            take_rule(c, d, e);
        if (c->commands[d])
            import_note(
                &c->m,
                "%s: %zu rule%s about commands: no equal here, where it is files and hosts that are held",
                decision_key(d), c->commands[d], c->commands[d] == 1 ? "" : "s");
        if (c->tools[d])
            import_note(&c->m, "%s: %zu rule%s about the agent's own tools: no equal", decision_key(d),
                        c->tools[d], c->tools[d] == 1 ? "" : "s");
    }
}

static void take_mode(struct claude *c, const struct yaml_node *settings)
{
    const struct yaml_node *mode = import_at(settings, "permissions.defaultMode");

    if (!mode)
        return;
    if (!strcmp(mode->text, "plan")) {
        c->writes = false;
        import_note(&c->m,
                    "permissions.defaultMode (line %d): plan: the working directory can be read, not written",
                    mode->line);
    } else {
        import_note(
            &c->m,
            "permissions.defaultMode (line %d): %s says when to ask; here what is not allowed is refused "
            "unasked",
            mode->line, mode->text);
    }
}

static bool credential_like(const char *name)
{
    static const char *const words[] = {"TOKEN", "SECRET", "PASSW", "KEY", "CREDENTIAL"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

static void put_environment(struct claude *c, const struct yaml_node *settings)
{
    static const struct import_item all = {
        .key = "commands there get every variable; name those that are needed"};
    struct importer *m = &c->m;
    const struct yaml_node *own = import_get(settings, "env");
    struct yaml_node *env = import_put(m->out->policy, "env", import_map(m)), *set;

    import_put(import_put(env, "pass", import_seq(m, NULL)), NULL, import_text(m, "*", false, &all));
    set = import_put(env, "set", import_map(m));
    import_put(set, "TMPDIR", import_text(m, "/tmp", false, NULL));
    for (const struct yaml_node *e = own && own->kind == YAML_MAP ? own->first : NULL; e; e = e->next) {
        struct import_item item = {.key = "env", .at = e};

        if (e->kind != YAML_SCALAR || !strcmp(e->key, "TMPDIR"))
            continue;
        if (credential_like(e->key))
            import_note(m, "env (line %d): the value of %s is not written here; put it into secrets", e->line,
                        e->key);
        else
            import_put(set, e->key, import_text(m, e->text, false, &item));
    }
}

// What is not about the sandbox is named once, so that nobody looks for it.
static void note_rest(struct claude *c, const struct yaml_node *settings)
{
    AUTO_BUF struct buf names = {0};

    buf_init(&names, 1024);
    for (const struct yaml_node *e = settings->first; e; e = e->next)
        if (!tool_is(e->key, strlen(e->key), "permissions sandbox env $schema"))
            buf_addf(&names, "%s%.60s", names.len ? ", " : "", e->key);
    if (names.len)
        import_note(&c->m, "not about the sandbox, so not here: %s", buf_cstr(&names));
    if (!import_true(settings, "sandbox.enabled"))
        import_note(
            &c->m,
            "sandbox.enabled is not true: commands run without a sandbox there; this policy is what its "
            "sandbox would hold");
}

static bool check_forms(struct claude *c, const struct yaml_node *settings, struct err *err)
{
    const struct {
        const char *key;
        const struct shapes *form;
    } parts[] = {{"permissions", &permission_form}, {"sandbox", &sandbox_form}};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct yaml_node *n = import_get(settings, parts[i].key);

        if (n && n->kind != YAML_MAP)
            return err_set(err, ERR_INPUT, "%d:%d: %s: must be an object", n->line, n->column, parts[i].key);
        if (n && !import_shapes(&c->m, parts[i].form, n, err))
            return false;
    }
    return true;
}

static void take_all(struct claude *c, const struct yaml_node *settings)
{
    static const struct import_item dot = {.text = ".", .key = "the working directory"};
    struct import_rules *r = &c->m.rules;

    take_rules(c, settings);
    take_mode(c, settings);
    if (c->writes)
        import_add(&c->m, &r->allow_write, &dot);
    take_paths(c, settings, "permissions.additionalDirectories", &r->allow_write);
    take_paths(c, settings, "sandbox.filesystem.allowWrite", &r->allow_write);
    take_paths(c, settings, "sandbox.filesystem.denyWrite", &r->deny_write);
    take_paths(c, settings, "sandbox.filesystem.denyRead", &r->deny_read);
    take_paths(c, settings, "sandbox.filesystem.allowRead", &r->allow_read);
    import_add_all(&c->m, &r->allow_hosts, import_at(settings, "sandbox.network.allowedDomains"),
                   "sandbox.network.allowedDomains");
    import_add_all(&c->m, &r->deny_hosts, import_at(settings, "sandbox.network.deniedDomains"),
                   "sandbox.network.deniedDomains");
    import_add_all(&c->m, &r->deny_addresses, import_at(settings, "sandbox.network.deniedResolvedAddresses"),
                   "sandbox.network.deniedResolvedAddresses");
    r->files_off = import_true(settings, "sandbox.filesystem.disabled");
}

bool import_claude(struct arena *arena, const struct yaml_node *settings, const struct import_place *place,
                   struct imported *ret, struct err *err)
{
    struct claude *c = arena_alloc(arena, sizeof *c);
    bool ok;

    *ret = (struct imported){.source = IMPORT_CLAUDE};
    *c = (struct claude){.m = {.arena = arena, .place = place, .out = ret}, .writes = true};
    c->root = settings_root(place);
    ret->policy = import_policy(&c->m);
    put_environment(c, settings);
    ok = check_forms(c, settings, err);
    if (ok) {
        take_all(c, settings);
        ok = import_credentials(&c->m, import_at(settings, "sandbox.credentials"), "sandbox.credentials",
                                err) &&
             import_files(&c->m, ret->policy, err) && import_network(&c->m, ret->policy, err);
    }
    note_rest(c, settings);
    free(c->root);
    if (!ok)
        imported_deinit(ret);
    return ok;
}
