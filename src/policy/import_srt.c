// SPDX-License-Identifier: Apache-2.0
// sandbox-runtime's settings, by its published schema (0.0.78). The table says what becomes of each key.
#include <string.h>

#include "policy/import_parts.h"

#define MACOS FATE_NOTHING
#define PROXY_GONE                                                                                           \
    "the gate connects itself and cannot send what it lets through to another proxy, which may filter; "     \
    "remove the key to be filtered by the lists alone"

static const struct shape srt_shapes[] = {
    {"$schema", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"network", SHAPE_MAP, FATE_TAKEN, true, NULL},
    {"network.allowedDomains", SHAPE_TEXTS, FATE_TAKEN, true, NULL},
    {"network.deniedDomains", SHAPE_TEXTS, FATE_TAKEN, true, NULL},
    {"network.deniedDomainReasons", SHAPE_DICT, FATE_TAKEN, false, NULL},
    {"network.deniedResolvedAddresses", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"network.strictAllowlist", SHAPE_BOOL, FATE_NOTHING, false, NULL}, // nobody is asked
    {"network.allowUnixSockets", SHAPE_TEXTS, FATE_NOTED, false,
     "has no effect on Linux, as in sandbox-runtime; network.sockets of a bawn.yaml lets a socket in by its "
     "path"},
    {"network.allowAllUnixSockets", SHAPE_BOOL, FATE_NOTED, false,
     "has no equal; programs inside have sockets among themselves, and network.sockets of a bawn.yaml lets "
     "one "
     "of this machine in by its path"},
    {"network.allowLocalBinding", SHAPE_BOOL, FATE_NOTHING, false,
     NULL}, // the loopback inside is the run's own
    {"network.allowMachLookup", SHAPE_TEXTS, MACOS, false, NULL},
    {"network.httpProxyPort", SHAPE_NUMBER, FATE_REFUSED, false, PROXY_GONE},
    {"network.socksProxyPort", SHAPE_NUMBER, FATE_REFUSED, false, PROXY_GONE},
    {"network.mitmProxy", SHAPE_DICT, FATE_REFUSED, false, PROXY_GONE},
    {"network.parentProxy", SHAPE_DICT, FATE_REFUSED, false, PROXY_GONE},
    {"network.filterRequest", SHAPE_ANY, FATE_REFUSED, false,
     "write methods and paths of network.allow in a bawn.yaml instead"},
    {"network.tlsTerminate", SHAPE_MAP, FATE_TAKEN, false, NULL},
    {"network.tlsTerminate.caCertPath", SHAPE_TEXT, FATE_NOTED, false,
     "the authority is one made for the run, which programs inside trust"},
    {"network.tlsTerminate.caKeyPath", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"network.tlsTerminate.excludeDomains", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"network.tlsTerminate.extraCaCertPaths", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"filesystem", SHAPE_MAP, FATE_TAKEN, true, NULL},
    {"filesystem.disabled", SHAPE_BOOL, FATE_TAKEN, false, NULL},
    {"filesystem.denyRead", SHAPE_TEXTS, FATE_TAKEN, true, NULL},
    {"filesystem.allowRead", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"filesystem.allowWrite", SHAPE_TEXTS, FATE_TAKEN, true, NULL},
    {"filesystem.denyWrite", SHAPE_TEXTS, FATE_TAKEN, true, NULL},
    {"filesystem.allowGitConfig", SHAPE_BOOL, FATE_NOTED, false,
     ".git/config stays protected, since it can make git run programs; leave @hooks out of files.protect in "
     "a "
     "bawn.yaml to change that"},
    {"credentials", SHAPE_DICT, FATE_TAKEN, false, NULL}, // import_credentials.c
    {"ignoreViolations", SHAPE_DICT, FATE_NOTED, false, "all refusals are listed; it changes none of them"},
    {"enableWeakerNestedSandbox", SHAPE_BOOL, FATE_NOTED, false,
     "there is no weaker mode; `bawn doctor` says what a container must allow"},
    {"enableWeakerNetworkIsolation", SHAPE_BOOL, MACOS, false, NULL},
    {"allowAppleEvents", SHAPE_BOOL, MACOS, false, NULL},
    {"allowPty", SHAPE_BOOL, MACOS, false, NULL},
    {"ripgrep", SHAPE_DICT, FATE_NOTHING, false, NULL},
    {"mandatoryDenySearchDepth", SHAPE_NUMBER, FATE_NOTHING, false, NULL}, // any depth here
    {"seccomp", SHAPE_DICT, FATE_NOTHING, false, NULL},
    {"bwrapPath", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"socatPath", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"javaAgentJarPath", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"windows", SHAPE_DICT, FATE_NOTHING, false, NULL},
    {"git", SHAPE_MAP, FATE_TAKEN, false, NULL},
    {"git.safeDirectories", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
};

static const struct shapes srt_form = {srt_shapes, ARRAY_LEN(srt_shapes), "", true};

// The environment is taken over whole, as there.
static void put_environment(struct importer *m, struct yaml_node *policy, const struct yaml_node *safe)
{
    static const struct import_item
        all = {.key = "sandbox-runtime passes every variable; name those that are needed"},
        same = {.key = "as in sandbox-runtime"}, git = {.key = "git.safeDirectories"};
    struct yaml_node *env = import_put(policy, "env", import_map(m)), *set;
    size_t n = 0;

    import_put(import_put(env, "pass", import_seq(m, NULL)), NULL, import_text(m, "*", false, &all));
    set = import_put(env, "set", import_map(m));
    import_put(set, "SANDBOX_RUNTIME", import_text(m, "1", false, &same));
    import_put(set, "TMPDIR", import_text(m, "/tmp", false, &same));
    for (const struct yaml_node *c = safe ? safe->first : NULL; c; c = c->next, n++) {
        import_put(set, arena_printf(m->arena, "GIT_CONFIG_KEY_%zu", n),
                   import_text(m, "safe.directory", false, &git));
        import_put(set, arena_printf(m->arena, "GIT_CONFIG_VALUE_%zu", n),
                   import_text(m, c->text, false, &git));
    }
    if (n)
        import_put(set, "GIT_CONFIG_COUNT", import_text(m, arena_printf(m->arena, "%zu", n), false, &git));
}

static void take_reasons(struct importer *m, const struct yaml_node *reasons)
{
    for (size_t i = 0; i < m->rules.deny_hosts.n; i++) {
        const struct yaml_node *why = import_get(reasons, m->rules.deny_hosts.items[i].text);

        if (why && why->kind == YAML_SCALAR)
            m->rules.deny_hosts.items[i].because = why->text;
    }
}

static bool take(struct importer *m, const struct yaml_node *s, struct err *err)
{
    const struct {
        struct import_list *list;
        const char *key;
    } lists[] = {
        {&m->rules.deny_read, "filesystem.denyRead"},
        {&m->rules.allow_read, "filesystem.allowRead"},
        {&m->rules.allow_write, "filesystem.allowWrite"},
        {&m->rules.deny_write, "filesystem.denyWrite"},
        {&m->rules.allow_hosts, "network.allowedDomains"},
        {&m->rules.deny_hosts, "network.deniedDomains"},
        {&m->rules.deny_addresses, "network.deniedResolvedAddresses"},
        {&m->rules.pass_tls, "network.tlsTerminate.excludeDomains"},
        {&m->rules.roots, "network.tlsTerminate.extraCaCertPaths"},
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        import_add_all(m, lists[i].list, import_at(s, lists[i].key), lists[i].key);
    m->rules.files_off = import_true(s, "filesystem.disabled");
    take_reasons(m, import_at(s, "network.deniedDomainReasons"));
    return import_credentials(m, import_get(s, "credentials"), "credentials", err);
}

bool import_srt(struct arena *arena, const struct yaml_node *settings, const struct import_place *place,
                struct imported *ret, struct err *err)
{
    struct importer *m = arena_alloc(arena, sizeof *m);

    *ret = (struct imported){.source = IMPORT_SRT};
    *m = (struct importer){.arena = arena, .place = place, .out = ret};
    ret->policy = import_policy(m);
    put_environment(m, ret->policy, import_at(settings, "git.safeDirectories"));
    if (import_shapes(m, &srt_form, settings, err) && take(m, settings, err) &&
        import_files(m, ret->policy, err) && import_network(m, ret->policy, err))
        return true;
    imported_deinit(ret);
    return false;
}
