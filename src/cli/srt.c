// SPDX-License-Identifier: Apache-2.0
// srt: the same program under the name of Anthropic's sandbox-runtime, with its settings file and its
// options, so that one switches by changing a path. The settings become a policy (policy/import.h) that
// stands where that of `bawn run -p` would; the managed policy caps it as any other.
//
// As there, the command runs in bash, the exit status is the command's, and 1 where srt itself fails. Options
// end at the first word that is none.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/utf8.h"
#include "cli/import.h"
#include "cli/run.h"
#include "cli/srt.h"
#include "session/places.h"

#define SRT_FAILED 1

struct srt {
    const char *settings, *line; // -s, -c
    const char *control;
    bool debug;
    char **argv; // what is left

    struct places places;
    struct arena arena;   // of the settings and the policy
    struct arena network; // of the newest line of the control descriptor
    struct arena next;    // of the line at hand
    struct imported made;
    char *file; // of the settings; NULL: there are none
    int control_fd;
    struct strlist command;
};

static int fail(const struct err *err)
{
    AUTO_BUF struct buf line = {0};

    buf_init(&line, 1 << 16);
    utf8_printable(&line, err->msg, strlen(err->msg));
    fprintf(stderr, "srt: %s\n", buf_cstr(&line));
    return SRT_FAILED;
}

static void usage(FILE *to)
{
    fputs("usage: srt [options] COMMAND [ARG…]\n"
          "Runs a command under sandbox-runtime's settings in the envelope of bawn.\n\n"
          "  -s, --settings FILE   the settings (default: ~/.srt-settings.json; without one no network and "
          "no writes)\n"
          "  -c LINE               run this line in bash\n"
          "      --control-fd N    settings to come, one JSON object a line; of these the lists of domains "
          "count\n"
          "  -d, --debug           print the policy that is made of the settings\n"
          "  -V, --version\n"
          "  -h, --help\n\n"
          "`bawn policy import` makes a bawn.yaml of the settings; srt(1) says what maps to what.\n",
          to);
}

// --- options ---

static const struct srt_option {
    const char *name;
    char letter;
    bool value;
} srt_options[] = {{"settings", 's', true}, {"", 'c', true},         {"control-fd", 0, true},
                   {"debug", 'd', false},   {"version", 'V', false}, {"help", 'h', false}};

// The option that the word is; its value, when it stands in the same word.
static const struct srt_option *find(const char *word, const char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(srt_options); i++) {
        const struct srt_option *o = &srt_options[i];
        size_t n = strlen(o->name);

        if (word[1] == '-' ? n && !strncmp(word + 2, o->name, n) && (!word[2 + n] || word[2 + n] == '=')
                           : word[1] == o->letter && (!word[2] || o->value)) {
            const char *rest = word[1] == '-' ? word + 2 + n : word + 2;

            if (*rest)
                *ret_value = word[1] == '-' ? rest + 1 : rest;
            return o;
        }
    }
    return NULL;
}

static void take(struct srt *s, const struct srt_option *o, const char *value)
{
    if (o->letter == 's')
        s->settings = value;
    else if (o->letter == 'c')
        s->line = value;
    else if (o->letter == 'd')
        s->debug = true;
    else
        s->control = value;
}

// -1: go on; else the exit status.
static int parse(struct srt *s, int argc, char **argv, struct err *err)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0; i++) {
        const char *value;
        const struct srt_option *o = find(argv[i], &value);

        if (!o || (value && !o->value)) {
            err_set(err, ERR_INPUT,
                    "unknown option %.100s; options stand before the command, `srt --help` lists them",
                    argv[i]);
            return fail(err);
        }
        if (o->letter == 'h' || o->letter == 'V') {
            o->letter == 'h' ? usage(stdout) : (void)puts("srt of bawn " BAWN_VERSION);
            return 0;
        }
        if (o->value && !value && !(value = argv[++i])) {
            err_set(err, ERR_INPUT, "%s needs a value; `srt --help` says which", argv[i - 1]);
            return fail(err);
        }
        take(s, o, value);
    }
    s->argv = argv + i + (argv[i] && !strcmp(argv[i], "--"));
    if (s->line || s->argv[0])
        return -1;
    err_set(err, ERR_INPUT, "no command; use -c LINE, or name a command and its arguments");
    return fail(err);
}

static bool open_control(struct srt *s, struct err *err)
{
    struct stat st;
    int flags;

    s->control_fd = -1;
    if (!s->control)
        return true;
    if (strspn(s->control, "0123456789") != strlen(s->control) || strlen(s->control) > 6 ||
        atoi(s->control) < 3)
        return err_set(err, ERR_INPUT, "--control-fd %.40s: must be the number of a descriptor, 3 or above",
                       s->control);
    s->control_fd = atoi(s->control);
    flags = fcntl(s->control_fd, F_GETFL);
    if (flags < 0 || fstat(s->control_fd, &st) < 0)
        return err_sys(err, errno, "--control-fd %d cannot be read, so the command is not run",
                       s->control_fd);
    if ((flags & O_ACCMODE) == O_WRONLY)
        return err_set(err, ERR_INPUT,
                       "--control-fd %d is open for writing only, so the command is not run; give srt "
                       "the end that is read",
                       s->control_fd);
    return fcntl(s->control_fd, F_SETFL, flags | O_NONBLOCK) == 0 ||
           err_sys(err, errno, "--control-fd %d cannot be made not to block", s->control_fd);
}

// --- settings ---

static const char defaults[] = "{\"network\": {\"allowedDomains\": [], \"deniedDomains\": []},"
                               " \"filesystem\": {\"denyRead\": [], \"allowWrite\": [], \"denyWrite\": []}}";

// A pipe is as good as a file, so this waits for what comes.
static bool read_all(const char *path, struct buf *ret, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_MISSING, "%s does not exist", path);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    return fd_read_all(fd, ret, err) || err_prefix(err, "%s", path);
}

// Sandbox-runtime's rule: only a file that nobody named may be missing, and none may be empty.
static bool read_settings(struct srt *s, struct buf *ret, struct err *err)
{
    AUTO_FREE char *usual = xasprintf("%s/.srt-settings.json", s->places.home), *cwd = getcwd(NULL, 0);
    AUTO_FREE char *path = path_normal(cwd ? cwd : "/", s->settings ? s->settings : usual);

    if (!read_all(path, ret, err)) {
        if (!s->settings && err->kind == ERR_MISSING) {
            err_clear(err);
            return buf_adds(ret, defaults);
        }
        return err_prefix(err, "nothing is run without the settings");
    }
    for (size_t i = 0; i < ret->len; i++)
        if (!strchr(" \t\r\n", ret->ptr[i])) {
            s->file = TAKE_PTR(path);
            return true;
        }
    return err_set(err, ERR_INPUT, "%s is empty; remove it to run with the defaults, or put settings into it",
                   path);
}

static bool translate(struct srt *s, struct arena *arena, const char *text, size_t n, struct imported *ret,
                      struct err *err)
{
    struct import_place place = {.workspace = s->places.workspace,
                                 .home = s->places.home,
                                 .file = s->file,
                                 .keep_network = s->control_fd >= 0,
                                 .eyes = import_eyes};
    struct yaml_node *settings = NULL;
    enum import_source source;

    if (!import_read(arena, text, n, &settings, &source, err))
        return false;
    if (source != IMPORT_SRT)
        return err_set(err, ERR_INPUT,
                       "1:1: these are settings of Claude Code; `bawn policy import` reads them");
    return import_srt(arena, settings, &place, ret, err);
}

static bool make_policy(struct srt *s, struct err *err)
{
    AUTO_BUF struct buf text = {0};

    buf_init(&text, POLICY_FILE_MAX);
    if (!places_find(NULL, &s->places, err) || !read_settings(s, &text, err))
        return false;
    if (translate(s, &s->arena, text.ptr, text.len, &s->made, err))
        return true;
    if (err->kind == ERR_INPUT && s->file) {
        AUTO_FREE char *msg = xasprintf("%s:%s", s->file, err->msg);

        err_clear(err);
        err_set(err, ERR_INPUT, "%s", msg);
    }
    return false;
}

static void say(const struct srt *s)
{
    AUTO_BUF struct buf policy = {0};

    for (size_t i = 0; i < s->made.notes.n; i++) {
        AUTO_BUF struct buf line = {0};

        buf_init(&line, 1 << 16);
        utf8_printable(&line, s->made.notes.items[i], strlen(s->made.notes.items[i]));
        fprintf(stderr, "srt: %s\n", buf_cstr(&line));
    }
    if (!s->debug)
        return;
    buf_init(&policy, 16u << 20);
    import_write(&s->made, s->file ? s->file : "(none: the defaults)", &policy);
    fputs(buf_cstr(&policy), stderr);
}

// --- the control descriptor ---

// Each line is whole settings, of which the network counts: it takes the place of that in the policy.
static bool read_line(void *ctx, const char *line, size_t n, struct policy_options *with, struct err *err)
{
    struct srt *s = ctx;
    struct imported made = {0};
    struct yaml_node *root;
    bool ok;

    arena_deinit(&s->next);
    if (strspn(line, " \t\r") >= n)
        return true;
    ok = translate(s, &s->next, line, n, &made, err);
    if (!ok)
        return false;
    root = arena_alloc(&s->next, sizeof *root);
    root->kind = YAML_MAP;
    for (const struct yaml_node *c = s->made.policy->first; c; c = c->next) {
        const struct yaml_node *from = c;
        struct yaml_node *copy = arena_alloc(&s->next, sizeof *copy);

        for (const struct yaml_node *o = made.policy->first; o && !strcmp(c->key, "network"); o = o->next)
            if (!strcmp(o->key, "network"))
                from = o;
        *copy = *from;
        yaml_append(root, copy);
    }
    imported_deinit(&made);
    with->tree = root;
    return true;
}

static void line_taken(void *ctx, bool yes)
{
    struct srt *s = ctx;

    if (!yes || !s->next.chunks)
        return;
    arena_deinit(&s->network);
    s->network = s->next;
    s->next = (struct arena){0};
}

static const struct live_form whole_settings = {
    read_line, line_taken, "invalid settings on the control descriptor: ignored, the previous ones hold"};

// --- the command ---

static bool assignment(const char *word)
{
    size_t n = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

    return n && word[n] == '=' && !(word[0] >= '0' && word[0] <= '9');
}

// A line of bash, or words that bash takes as they are: builtins and assignments work as they would there.
// One word with blanks that is no program is a line, as in sandbox-runtime's manual.
static char *const *command(struct srt *s)
{
    const char *line = s->line;

    if (!line && !s->argv[1] && strpbrk(s->argv[0], " \t\n") && access(s->argv[0], X_OK) < 0)
        line = s->argv[0];
    strlist_add(&s->command, "bash");
    strlist_add(&s->command, "-c");
    strlist_add(&s->command, line ? line : "\"$@\"");
    if (line)
        return strlist_argv(&s->command);
    strlist_add(&s->command, "bash");
    if (assignment(s->argv[0]))
        strlist_add(&s->command, "env");
    for (char **a = s->argv; *a; a++)
        strlist_add(&s->command, *a);
    return strlist_argv(&s->command);
}

int srt_main(int argc, char **argv)
{
    struct srt *s = xcalloc(1, sizeof *s);
    struct run_options o = {.json_fd = -1, .brief = true, .failed = SRT_FAILED};
    struct err err = {0};
    int status = parse(s, argc, argv, &err);

    if (status >= 0)
        return status;
    if (!open_control(s, &err) || !make_policy(s, &err))
        return fail(&err);
    say(s);
    o.policy.tree = s->made.policy;
    o.policy.file = s->file;
    o.control_fd = s->control_fd;
    o.argv = command(s);
    run_command(&o, &whole_settings, s);
}
