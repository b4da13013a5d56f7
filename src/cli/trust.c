// SPDX-License-Identifier: Apache-2.0
// bawn trust: lets the workspace's own policy loosen, for exactly the content that was shown.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/fail.h"
#include "session/places.h"
#include "policy/load.h"
#include "policy/trust.h"

enum action { TRUST_ASK = 0, TRUST_YES, TRUST_REVOKE, TRUST_LIST };

struct arguments {
    enum action action;
    const char *directory; // -C
    const char *file;      // FILE: its directory is the workspace
    bool help;
};

static void print_text(FILE *to, const char *text)
{
    AUTO_BUF struct buf out = {0};

    buf_init(&out, 1 << 20);
    utf8_printable(&out, text, strlen(text));
    fprintf(to, "%s\n", buf_cstr(&out));
}

static bool parse(int argc, char **argv, struct arguments *ret, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];

        if (!strcmp(a, "--yes") || !strcmp(a, "-y"))
            ret->action = TRUST_YES;
        else if (!strcmp(a, "--revoke"))
            ret->action = TRUST_REVOKE;
        else if (!strcmp(a, "--list"))
            ret->action = TRUST_LIST;
        else if (!strcmp(a, "--help") || !strcmp(a, "-h"))
            ret->help = true;
        else if (!strcmp(a, "-C") && i + 1 < argc)
            ret->directory = argv[++i];
        else if (a[0] != '-' && !ret->file)
            ret->file = a;
        else
            return err_set(err, ERR_INPUT, "unknown argument %.100s; usage: bawn trust %s", a,
                           verb_trust.synopsis);
    }
    return true;
}

static bool list(const struct places *places, struct err *err)
{
    AUTO_STRLIST struct strlist lines = {0};

    if (!trust_list(places->state_dir, &lines, err))
        return false;
    for (size_t i = 0; i < lines.n; i++)
        print_text(stdout, lines.items[i]);
    return true;
}

static bool revoke_trust(const struct places *places, struct err *err)
{
    static const char *const names[] = {"bawn.yaml", "bawn.json"};
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = path_normal(places->workspace, names[i]);
        bool was = false;

        if (!trust_remove(places->state_dir, path, &was, err))
            return false;
        any |= was;
    }
    if (!any)
        return err_set(err, ERR_MISSING, "nothing in %s was trusted", places->workspace);
    puts("revoked");
    return true;
}

// Asks on the terminal itself: what is piped into bawn is not an answer.
static bool confirmed(struct err *err)
{
    AUTO_CLOSE int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    static const char question[] = "Trust exactly this content? [y/N] ";
    char answer[64];
    ssize_t n;

    if (tty < 0)
        return err_set(err, ERR_INPUT, "there is no terminal to ask on; look at the file and say --yes");
    if (write(tty, question, sizeof question - 1) < 0)
        return err_sys(err, errno, "cannot ask on the terminal");
    n = read(tty, answer, sizeof answer);
    if (n > 0 && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    return err_set(err, ERR_REFUSED, "not trusted");
}

static void show(const char *path, const struct strlist *loosens)
{
    print_text(stdout, path);
    if (!loosens->n)
        puts("  loosens nothing: it narrows the same without trust");
    for (size_t i = 0; i < loosens->n; i++) {
        AUTO_FREE char *line = xasprintf("  loosens: %s", loosens->items[i]);

        print_text(stdout, line);
    }
    fflush(stdout);
}

// What is hashed are the bytes that were judged, not the file as it is when the answer comes.
static bool trust(const struct places *places, bool ask, struct err *err)
{
    struct policy_places where = {places->workspace, places->home, places->config_dir, places->state_dir,
                                  places->managed_file};
    AUTO_STRLIST struct strlist loosens = {0};
    AUTO_FREE char *path = NULL;
    AUTO_BUF struct buf text = {0};
    bool trusted = false;

    if (!policy_workspace_file(&where, &path, &text, &trusted, &loosens, err))
        return false;
    show(path, &loosens);
    if (trusted) {
        puts("trusted already");
        return true;
    }
    if (ask && !confirmed(err))
        return false;
    if (!trust_add(places->state_dir, path, text.len ? text.ptr : "", text.len, err))
        return false;
    puts("trusted");
    return true;
}

static bool run(const struct arguments *a, struct err *err)
{
    AUTO_FREE char *cwd = a->file ? getcwd(NULL, 0) : NULL, *full = NULL, *dir = NULL;
    struct places places = {0};
    bool ok;

    if (a->file) {
        full = path_normal(cwd ? cwd : "/", a->file);
        dir = path_parent(full);
        if (strcmp(path_base(full), "bawn.yaml") != 0 && strcmp(path_base(full), "bawn.json") != 0)
            return err_set(err, ERR_INPUT,
                           "%.200s: only a workspace's bawn.yaml or bawn.json needs trust; a file named "
                           "by -p has it",
                           a->file);
    }
    ok = places_find(dir ? dir : a->directory, &places, err);
    if (ok)
        ok = a->action == TRUST_LIST     ? list(&places, err)
             : a->action == TRUST_REVOKE ? revoke_trust(&places, err)
                                         : trust(&places, a->action == TRUST_ASK, err);
    places_deinit(&places);
    return ok;
}

static int verb_main(int argc, char **argv)
{
    struct arguments a = {0};
    struct err err = {0};

    if (parse(argc, argv, &a, &err) && a.help)
        return cli_help(&verb_trust);
    if (err.kind || !run(&a, &err))
        return err.kind == ERR_REFUSED ? (cli_fail(&err), 1) : cli_fail(&err);
    return cli_done(0);
}

const struct verb verb_trust = {"trust", "[-C DIR] [--yes|--revoke|--list] [FILE]",
                                "let this very content of the workspace's bawn.yaml do more than narrow",
                                verb_main};
