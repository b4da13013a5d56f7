// SPDX-License-Identifier: Apache-2.0
// bawn policy import FILE: settings of sandbox-runtime or Claude Code as a bawn.yaml, to read and to keep.
// What is printed has been read back and checked as `bawn policy check` would.
#include "cli/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/utf8.h"
#include "cli/fail.h"
#include "policy/files.h"
#include "session/places.h"

#define OUTPUT_MAX (16u << 20)
#define SYNOPSIS "bawn policy import [-C DIR] [-o FILE] SETTINGS"

static enum import_kind kind(void *ctx, const char *path)
{
    struct stat st;

    (void)ctx;
    if (stat(path, &st) < 0)
        return IMPORT_NOTHING;
    return S_ISDIR(st.st_mode) ? IMPORT_DIRECTORY : IMPORT_FILE;
}

static char *real(void *ctx, const char *path)
{
    (void)ctx;
    return realpath(path, NULL);
}

static bool list(void *ctx, const char *dir, struct strlist *ret, struct err *err)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    (void)ctx;
    if (!d)
        return err_sys(err, errno, "cannot list %s, to grant what lies beside a denied directory in it", dir);
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            strlist_add(ret, e->d_name);
    closedir(d);
    return true;
}

static bool variable(void *ctx, const char *name)
{
    const char *value = getenv(name);

    (void)ctx;
    return value && *value;
}

const struct import_eyes import_eyes = {NULL, kind, real, list, variable};

struct import_options {
    const char *directory, *out, *file;
};

struct job {
    struct import_options options;
    struct places places;
    struct arena arena;
    struct imported made;
    struct buf text;
    char *path; // of the settings, absolute
};

static bool parse(int argc, char **argv, struct import_options *ret, bool *ret_help, struct err *err)
{
    static const struct option longs[] = {{"directory", required_argument, NULL, 'C'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int c;

    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":C:o:h", longs, NULL)) != -1) {
        if (c == 'h')
            *ret_help = true;
        else if (c == 'C')
            ret->directory = optarg;
        else if (c == 'o')
            ret->out = optarg;
        else
            return err_set(err, ERR_INPUT, "policy import: %s %.100s; usage: " SYNOPSIS,
                           c == ':' ? "a value is missing after" : "unknown option", argv[optind - 1]);
    }
    ret->file = argv[optind];
    if (!*ret_help && (!ret->file || argv[optind + 1]))
        return err_set(err, ERR_INPUT,
                       "policy import: name one file, as ~/.srt-settings.json or .claude/settings.json; "
                       "usage: " SYNOPSIS);
    return true;
}

static bool translate(struct job *j, struct err *err)
{
    struct import_place place = {.workspace = j->places.workspace,
                                 .home = j->places.home,
                                 .file = j->path,
                                 .for_keeps = true,
                                 .eyes = import_eyes};
    struct yaml_node *settings = NULL;
    AUTO_BUF struct buf text = {0};
    enum import_source source;
    bool ok;

    buf_init(&text, POLICY_FILE_MAX);
    if (!file_read(AT_FDCWD, j->path, &text, err))
        return false;
    ok = import_read(&j->arena, text.len ? text.ptr : "", text.len, &settings, &source, err) &&
         (source == IMPORT_SRT ? import_srt : import_claude)(&j->arena, settings, &place, &j->made, err);
    if (!ok && err->kind == ERR_INPUT) { // "LINE:COLUMN: what"
        AUTO_FREE char *msg = xasprintf("%s:%s", j->options.file, err->msg);

        err_clear(err);
        err_set(err, ERR_INPUT, "%s", msg);
    }
    return ok;
}

// As `policy check` reads it: through the text, so that what is printed is what was checked.
static bool check(struct job *j, struct err *err)
{
    struct file_place place = {.workspace = j->places.workspace,
                               .home = j->places.home,
                               .config_dir = j->places.config_dir,
                               .state_dir = j->places.state_dir,
                               .path_env = j->places.path_env};
    struct policy_options o = {.file = j->path};
    struct yaml_node *tree = NULL;
    struct policy *p = NULL;
    struct file_rules rules;
    bool ok = yaml_parse(&j->arena, j->text.ptr, j->text.len, &tree, err);

    o.tree = tree;
    ok = ok && places_load_policy(&j->places, &o, &p, NULL, err) && file_rules_make(p, &place, &rules, err);
    if (ok)
        file_rules_deinit(&rules);
    policy_free(p);
    return ok || err_prefix(err, "the policy that was made does not hold, so nothing is written");
}

static bool deliver(const struct job *j, struct err *err)
{
    AUTO_CLOSE int fd = -1;

    if (!j->options.out) {
        fwrite(j->text.ptr, 1, j->text.len, stdout);
        return true;
    }
    fd = open(j->options.out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, ERR_INPUT, "%s is there already; remove it first, or name another",
                       j->options.out);
    if (fd < 0)
        return err_sys(err, errno, "cannot write %s", j->options.out);
    return fd_write_all(fd, j->text.ptr, j->text.len, err);
}

static void summarise(const struct job *j)
{
    for (size_t i = 0; i < j->made.notes.n; i++) {
        AUTO_BUF struct buf line = {0};

        buf_init(&line, 1 << 16);
        utf8_printable(&line, j->made.notes.items[i], strlen(j->made.notes.items[i]));
        fprintf(stderr, "bawn: %s\n", buf_cstr(&line));
    }
}

int import_main(int argc, char **argv)
{
    struct job j = {0};
    struct err err = {0};
    bool help = false, ok;

    ok = parse(argc, argv, &j.options, &help, &err);
    if (help) {
        puts("usage: " SYNOPSIS "\n"
             "A bawn.yaml from the settings of sandbox-runtime (srt) or Claude Code, on standard output or "
             "in FILE.\n"
             "Each line says where it came from; what has no equal is listed, there and on standard error.");
        return cli_done(0);
    }
    buf_init(&j.text, OUTPUT_MAX);
    if (ok) {
        AUTO_FREE char *cwd = getcwd(NULL, 0);

        j.path = path_normal(cwd ? cwd : "/", j.options.file);
        ok = places_find(j.options.directory, &j.places, &err) && translate(&j, &err);
    }
    if (ok) {
        import_write(&j.made, j.path, &j.text);
        ok = check(&j, &err) && deliver(&j, &err);
    }
    if (ok)
        summarise(&j);
    imported_deinit(&j.made);
    places_deinit(&j.places);
    buf_deinit(&j.text);
    arena_deinit(&j.arena);
    free(j.path);
    return ok ? cli_done(0) : cli_fail(&err);
}
