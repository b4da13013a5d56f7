// SPDX-License-Identifier: Apache-2.0
// bawn policy: check, show, schema, and import (import.c). `show` and `check` take the options of `run`, so
// that they answer for the very run that would follow.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/fail.h"
#include "cli/import.h"
#include "cli/options.h"
#include "session/places.h"
#include "policy/files.h"
#include "policy/schema.h"

#define OUTPUT_MAX (8u << 20)

// Notes hold names that a project's author chose.
static void print_lines(const struct buf *text)
{
    for (size_t i = 0; i < text->len;) {
        const char *end = memchr(text->ptr + i, '\n', text->len - i);
        size_t n = end ? (size_t)(end - text->ptr) - i : text->len - i;
        AUTO_BUF struct buf out = {0};

        buf_init(&out, OUTPUT_MAX);
        utf8_printable(&out, text->ptr + i, n);
        puts(buf_cstr(&out));
        i += n + 1;
    }
}

static void note_missing(const struct file_rules *r, struct buf *notes)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct file_rule *rule = &r->rules[i];
        struct stat st;

        if (rule->grant == GRANT_READ && rule->text[0] != '@' && rule->from.layer != LAYER_BUILTIN &&
            stat(rule->path, &st) < 0)
            buf_addf(notes, "note: files.read: %s does not exist now\n", rule->path);
    }
}

static void note_commands(const struct policy *p, struct buf *notes)
{
    for (size_t i = 0; i < p->ncommands; i++)
        if (p->commands[i].nmatch > 1)
            buf_addf(
                notes,
                "note: commands[%zu]: a rule of more than one word binds an agent's tools; under `run` only "
                "one-word denials do\n",
                i);
}

static bool load(struct run_options *o, struct places *places, struct policy **ret, struct buf *notes,
                 struct err *err)
{
    if (o->argv[0] && o->argv[1])
        return err_set(err, ERR_INPUT, "one file at most, not also %s", o->argv[1]);
    if (o->argv[0] && o->policy.file)
        return err_set(err, ERR_INPUT, "a file and -p; name it once");
    if (o->argv[0])
        o->policy.file = o->argv[0];
    return places_find(o->directory, places, err) && places_load_policy(places, &o->policy, ret, notes, err);
}

static bool check(const struct policy *p, const struct places *places, struct buf *notes, struct err *err)
{
    struct file_place place = {.workspace = places->workspace,
                               .home = places->home,
                               .config_dir = places->config_dir,
                               .state_dir = places->state_dir,
                               .path_env = places->path_env};
    struct file_rules rules;

    if (!file_rules_make(p, &place, &rules, err))
        return false;
    note_missing(&rules, notes);
    note_commands(p, notes);
    file_rules_deinit(&rules);
    puts("ok");
    print_lines(notes);
    return true;
}

static bool run_verb(const char *verb, struct run_options *o, struct err *err)
{
    struct places places = {0};
    struct policy *p = NULL;
    AUTO_BUF struct buf notes = {0};
    AUTO_BUF struct buf text = {0};
    bool ok;

    buf_init(&notes, OUTPUT_MAX);
    buf_init(&text, OUTPUT_MAX);
    ok = load(o, &places, &p, &notes, err);
    if (ok && !strcmp(verb, "check")) {
        ok = check(p, &places, &notes, err);
    } else if (ok) {
        policy_write(p, true, &text);
        fputs(buf_cstr(&text), stdout);
    }
    policy_free(p);
    places_deinit(&places);
    return ok;
}

static void print_schema(void)
{
    AUTO_BUF struct buf text = {0};

    buf_init(&text, OUTPUT_MAX);
    schema_write_json(&text);
    fputs(buf_cstr(&text), stdout);
}

static int verb_main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    struct run_options o = {0};
    struct err err = {0};
    bool ok;

    if (!strcmp(verb, "schema") && argc == 2) {
        print_schema();
        return cli_done(0);
    }
    if (!strcmp(verb, "schema") && argc == 3 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
        puts("usage: bawn policy schema\nThe JSON Schema of bawn.yaml, for editors, on standard output.");
        return cli_done(0);
    }
    if (!strcmp(verb, "--help") || !strcmp(verb, "-h"))
        return run_options_parse(argc, argv, &verb_policy, &o, &err) || o.help ? cli_done(0) : cli_fail(&err);
    if (!strcmp(verb, "import"))
        return import_main(argc - 1, argv + 1);
    if (strcmp(verb, "check") != 0 && strcmp(verb, "show") != 0) {
        err_set(&err, ERR_INPUT, "usage: bawn policy %s", verb_policy.synopsis);
        return cli_fail(&err);
    }
    ok = run_options_parse(argc - 1, argv + 1, &verb_policy, &o, &err) && run_verb(verb, &o, &err);
    ok |= o.help;
    run_options_deinit(&o);
    return ok ? cli_done(0) : cli_fail(&err);
}

const struct verb verb_policy = {"policy", "check|show [options] [FILE] | schema | import FILE",
                                 "check, show or import a policy, or print its JSON Schema", verb_main};
