// SPDX-License-Identifier: Apache-2.0
// Credentials, of which sandbox-runtime and Claude Code say the same: files and variables that are denied, or
// masked and put in by the proxy on the way to their hosts. A masked variable is one of the policy's
// `secrets`. A file with placeholders in it has no equal: it is hidden.
#include <string.h>

#include "policy/import_parts.h"

static const struct shape credential_shapes[] = {
    {"files", SHAPE_MAPS, FATE_TAKEN, false, NULL},
    {"files[].path", SHAPE_TEXT, FATE_TAKEN, true, NULL},
    {"files[].mode", SHAPE_TEXT, FATE_TAKEN, true, NULL},
    {"files[].extract", SHAPE_TEXT, FATE_NOTHING, false, NULL}, // the whole file is hidden
    {"files[].onExtractNoMatch", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"files[].decode", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"files[].maskClaims", SHAPE_TEXTS, FATE_NOTHING, false, NULL},
    {"files[].maskDuplicates", SHAPE_BOOL, FATE_NOTHING, false, NULL},
    {"files[].injectHosts", SHAPE_TEXTS, FATE_NOTHING, false, NULL},
    {"envVars", SHAPE_MAPS, FATE_TAKEN, false, NULL},
    {"envVars[].name", SHAPE_TEXT, FATE_TAKEN, true, NULL},
    {"envVars[].mode", SHAPE_TEXT, FATE_TAKEN, true, NULL},
    {"envVars[].extract", SHAPE_TEXT, FATE_TAKEN, false, NULL},
    {"envVars[].onExtractNoMatch", SHAPE_TEXT, FATE_NOTHING, false, NULL},
    {"envVars[].decode", SHAPE_TEXT, FATE_TAKEN, false, NULL},
    {"envVars[].maskClaims", SHAPE_TEXTS, FATE_NOTHING, false, NULL},
    {"envVars[].injectHosts", SHAPE_TEXTS, FATE_TAKEN, false, NULL},
    {"allowPlaintextInject", SHAPE_BOOL, FATE_TAKEN, false, NULL},
    {"awsPairs", SHAPE_MAPS, FATE_NOTED, false,
     "requests are not signed anew, so a signature made with a placeholder is refused by the service"},
    {"sigv4", SHAPE_DICT, FATE_NOTHING, false, NULL},
};

static bool mode_of(const struct yaml_node *entry, bool *ret_mask, struct err *err)
{
    const struct yaml_node *mode = import_get(entry, "mode");

    *ret_mask = !strcmp(mode->text, "mask");
    if (*ret_mask || !strcmp(mode->text, "deny"))
        return true;
    return err_set(err, ERR_INPUT, "%d:%d: mode: is \"deny\" or \"mask\"", mode->line, mode->column);
}

static bool take_files(struct importer *m, const struct yaml_node *files, const char *key, struct err *err)
{
    for (const struct yaml_node *c = files ? files->first : NULL; c; c = c->next) {
        const struct yaml_node *path = import_get(c, "path");
        struct import_item item = {.text = path->text, .key = key, .at = path};
        bool mask;

        if (!mode_of(c, &mask, err))
            return false;
        if (mask)
            import_note(m, "%s: %s cannot be shown with placeholders in it; it is hidden",
                        import_where(m, &item), path->text);
        import_add(m, &m->rules.deny_read, &item);
    }
    return true;
}

static bool take_variables(struct importer *m, const struct yaml_node *variables, const char *key,
                           struct err *err)
{
    for (const struct yaml_node *c = variables ? variables->first : NULL; c; c = c->next) {
        const struct yaml_node *name = import_get(c, "name"), *hosts = import_get(c, "injectHosts");
        struct import_item item = {.text = name->text, .key = key, .at = name};
        bool mask, whole = !import_get(c, "extract") && !import_get(c, "decode");

        if (!mode_of(c, &mask, err))
            return false;
        if (mask && !whole)
            import_note(m, "%s: %s is masked in parts there, which has no equal; it is not let in",
                        import_where(m, &item), name->text);
        if (mask && whole) {
            if (m->rules.masked.n == IMPORT_MASKED_MAX)
                return import_error(&item, err, "is one variable too many to mask; 64 can be");
            import_add_all(m, &m->rules.masked_hosts[m->rules.masked.n], hosts, "injectHosts");
        }
        import_add(m, mask && whole ? &m->rules.masked : &m->rules.hidden, &item);
    }
    return true;
}

bool import_credentials(struct importer *m, const struct yaml_node *credentials, const char *key,
                        struct err *err)
{
    AUTO_FREE char *root = xasprintf("%s.", key);
    const struct shapes form = {credential_shapes, ARRAY_LEN(credential_shapes), root, true};

    if (!credentials)
        return true;
    m->rules.masked_cleartext = import_true(credentials, "allowPlaintextInject");
    return import_shapes(m, &form, credentials, err) &&
           take_files(m, import_get(credentials, "files"), arena_printf(m->arena, "%s.files", key), err) &&
           take_variables(m, import_get(credentials, "envVars"), arena_printf(m->arena, "%s.envVars", key),
                          err);
}
