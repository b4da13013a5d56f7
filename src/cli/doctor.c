// SPDX-License-Identifier: Apache-2.0
// bawn doctor: what this machine lets bawn do, and how to get what is missing.
//
// Two looks: every feature by itself (probe.h), which tells what is missing and why; and `bawn run -- true`
// itself, in a scratch workspace with a record that is thrown away, which tells whether the whole works. Exit
// status 0 when it does, else 1; the first line says so.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/jsontext.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/utf8.h"
#include "cli/fail.h"
#include "cli/statedir.h"
#include "sandbox/probe.h"

#define RUN_SECONDS 30
#define SAID_MAX 4096u

struct trial {
    bool works;
    uint64_t took_ns;
    char *said; // what it wrote on stderr; printable
};

struct examination {
    struct probe_report probe;
    struct trial trial;
    bool works;
};

static _Noreturn void become_run(const char *dir, int out)
{
    char *argv[] = {(char *)(uintptr_t) "bawn", (char *)(uintptr_t) "run",  (char *)(uintptr_t) "-q",
                    (char *)(uintptr_t) "--",   (char *)(uintptr_t) "true", NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    AUTO_FREE char *state = xasprintf("%s/state", dir);
    AUTO_FREE char *config = xasprintf("%s/config", dir);

    // Its own configuration and record, so that neither a policy of the user's nor a trace of this counts.
    setenv("XDG_STATE_HOME", state, 1);
    setenv("XDG_CONFIG_HOME", config, 1);
    if (chdir(dir) < 0 || mkdir("workspace", 0700) < 0 || chdir("workspace") < 0 || dup2(null, 0) < 0 ||
        dup2(null, 1) < 0 || dup2(out, 2) < 0)
        _exit(EXIT_FAILURE);
    alarm(RUN_SECONDS);
    execv("/proc/self/exe", argv);
    _exit(EXIT_FAILURE);
}

static void collect(int from, struct trial *ret)
{
    AUTO_BUF struct buf said = {0};
    AUTO_BUF struct buf shown = {0};

    buf_init(&said, SAID_MAX);
    buf_init(&shown, 8 * SAID_MAX);
    if (!fd_read_all(from, &said, NULL))
        buf_adds(&said, "…");
    while (said.len && said.ptr[said.len - 1] == '\n')
        said.len--;
    utf8_printable(&shown, said.ptr ? said.ptr : "", said.len);
    ret->said = buf_take(&shown);
}

static void try_run(const char *dir, struct trial *ret)
{
    uint64_t start = clock_mono_ns();
    int pipes[2], status = -1;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0) {
        ret->said = xasprintf("cannot make a pipe: %s", strerror(errno));
        return;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        become_run(dir, pipes[1]);
    close(pipes[1]);
    collect(pipes[0], ret);
    close(pipes[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return;
    ret->took_ns = clock_mono_ns() - start;
    ret->works = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!ret->works && !ret->said[0]) {
        free(ret->said);
        ret->said = WIFSIGNALED(status) ? xasprintf("ended by SIG%s", sigabbrev_np(WTERMSIG(status)))
                                        : xasprintf("exit status %d and no word", WEXITSTATUS(status));
    }
}

// What a run leaves in the scratch directory: removed as it was made, without following links.
static void remove_tree(int parent, const char *name)
{
    AUTO_CLOSEDIR DIR *dir = NULL;
    struct dirent *e;
    int fd;

    if (unlinkat(parent, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    while (dir && (e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_tree(dirfd(dir), e->d_name);
    unlinkat(parent, name, AT_REMOVEDIR);
}

// Beside the runs when the state directory can be made, so that the overlay is tried where it would lie.
static bool make_scratch(char **ret, struct err *err)
{
    AUTO_FREE char *state = NULL;
    AUTO_FREE char *dir = NULL;

    if (cli_state_dir(&state, NULL) && mkdir_parents(AT_FDCWD, state, 0700, NULL)) {
        dir = xasprintf("%s/doctor-XXXXXX", state);
        if (mkdtemp(dir)) {
            *ret = TAKE_PTR(dir);
            return true;
        }
        free(dir);
    }
    dir = xstrdup("/tmp/bawn-doctor-XXXXXX");
    if (!mkdtemp(dir))
        return err_sys(err, errno,
                       "cannot make a directory to try things in, neither where runs are kept nor in /tmp");
    *ret = TAKE_PTR(dir);
    return true;
}

static bool examine(struct examination *x, struct err *err)
{
    AUTO_FREE char *dir = NULL;

    if (!make_scratch(&dir, err))
        return false;
    probe_all(dir, &x->probe);
    probe_cgroups(&x->probe);
    try_run(dir, &x->trial);
    remove_tree(AT_FDCWD, dir);
    x->works = x->trial.works;
    return true;
}

static void print_indented(const char *label, const char *text)
{
    const char *indent = label;

    while (*text) {
        size_t n = strcspn(text, "\n");

        printf("    %-7s %.*s\n", indent, (int)n, text);
        text += n + (text[n] == '\n');
        indent = "";
    }
}

static void print_feature(const struct probe_result *f)
{
    printf("%-28s %-8s %s\n", f->title, probe_state_name(f->state), f->keys);
    if (f->found[0])
        print_indented("found:", f->found);
    if (f->remedy[0])
        print_indented("remedy:", f->remedy);
}

static void print_summary(const struct examination *x)
{
    size_t missing = 0;

    for (int f = 0; f < PROBE_FEATURES; f++)
        missing += x->probe.features[f].state != PROBE_WORKS;
    if (x->works)
        printf("bawn run works here with the default policy (%.1f ms)%s\n", (double)x->trial.took_ns / 1e6,
               missing ? "; what is missing below bears on other policies" : "; nothing is missing");
    else
        printf("bawn run does not work here: %s\n", x->trial.said);
    printf("%s, %s\n\n", x->probe.kernel, x->probe.arch);
}

static void print_table(const struct examination *x)
{
    print_summary(x);
    printf("%-28s %-8s %s\n", "FEATURE", "STATE", "WHAT RESTS ON IT");
    for (int f = 0; f < PROBE_FEATURES; f++)
        print_feature(&x->probe.features[f]);
}

static void print_json(const struct examination *x)
{
    AUTO_JSONTEXT struct jsontext_object o = {0};
    AUTO_JSONTEXT struct jsontext_object features = {0};
    AUTO_BUF struct buf text = {0};

    buf_init(&text, 4 * JSONTEXT_OBJECT_MAX);
    for (int i = 0; i < PROBE_FEATURES; i++) {
        const struct probe_result *f = &x->probe.features[i];
        AUTO_JSONTEXT struct jsontext_object one = {0};

        jsontext_text(&one, "state", probe_state_name(f->state));
        jsontext_flag(&one, "needed", f->needed);
        jsontext_text(&one, "keys", f->keys);
        jsontext_text(&one, "found", f->found[0] ? f->found : NULL);
        jsontext_text(&one, "remedy", f->remedy[0] ? f->remedy : NULL);
        text.len = 0;
        jsontext_object(&text, &one);
        jsontext_raw(&features, f->name, buf_cstr(&text));
    }
    jsontext_flag(&o, "works", x->works);
    jsontext_text(&o, "why_not", x->works ? NULL : x->trial.said);
    jsontext_number(&o, "run_us", (int64_t)(x->trial.took_ns / 1000));
    jsontext_text(&o, "kernel", x->probe.kernel);
    jsontext_text(&o, "arch", x->probe.arch);
    text.len = 0;
    jsontext_object(&text, &features);
    jsontext_raw(&o, "features", buf_cstr(&text));
    text.len = 0;
    jsontext_object(&text, &o);
    puts(buf_cstr(&text));
}

static int doctor_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct examination *x;
    struct err err = {0};
    bool as_json = false;
    int c, status;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (c == 'h')
            return cli_help(&verb_doctor);
        if (c != 'j')
            return cli_bad_option(&verb_doctor, c, argv);
        as_json = true;
    }
    if (optind < argc)
        return cli_bad_usage(&verb_doctor, "takes no argument (%s)", argv[optind]);
    x = xcalloc(1, sizeof *x);
    if (!examine(x, &err)) {
        free(x);
        return cli_fail(&err);
    }
    if (as_json)
        print_json(x);
    else
        print_table(x);
    status = x->works ? 0 : 1;
    free(x->trial.said);
    free(x);
    return cli_done(status);
}

const struct verb verb_doctor = {
    .name = "doctor",
    .synopsis = "[--json]",
    .help = "try what this machine lets bawn do, and say how to get what is missing",
    .main = doctor_main,
};
