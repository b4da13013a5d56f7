// SPDX-License-Identifier: Apache-2.0
// One table of options. Long ones take their value after "=" or as the next argument; so do short ones.
#include "cli/options.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum option_id {
    OPT_POLICY,
    OPT_PROFILE,
    OPT_SET,
    OPT_READ,
    OPT_WRITE,
    OPT_DENY,
    OPT_ALLOW,
    OPT_ENV,
    OPT_OVERLAY,
    OPT_BACKEND,
    OPT_ROOTFS,
    OPT_ASK,
    OPT_REVIEWER,
    OPT_WALL,
    OPT_CONTROL_FD,
    OPT_JSON,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_DIRECTORY,
    OPT_HELP
};

enum value_need { VALUE_NONE = 0, VALUE_NEEDED, VALUE_OPTIONAL };

static const struct option {
    const char *name, *value;
    char letter;
    enum value_need need;
    enum option_id id;
    const char *help;
} options[] = {
    {"policy", "FILE", 'p', VALUE_NEEDED, OPT_POLICY, "this policy in place of yours and the workspace's"},
    {"profile", "NAME", 0, VALUE_NEEDED, OPT_PROFILE, "built-in profile: workspace, read-only, open"},
    {"set", "KEY=VALUE", 0, VALUE_NEEDED, OPT_SET, "set one key of the policy (dotted): limits.memory=2G"},
    {"read", "PATH", 0, VALUE_NEEDED, OPT_READ, "let this be read too"},
    {"write", "PATH", 0, VALUE_NEEDED, OPT_WRITE, "let this be written too"},
    {"deny", "PATH", 0, VALUE_NEEDED, OPT_DENY, "hide this path or glob"},
    {"allow", "HOST[:PORT][,METHOD…]", 0, VALUE_NEEDED, OPT_ALLOW, "let this host be reached"},
    {"env", "NAME[=VALUE]", 0, VALUE_NEEDED, OPT_ENV, "pass or set an environment variable"},
    {"wall", "DURATION", 0, VALUE_NEEDED, OPT_WALL, "end it after this time: 90s, 30m"},
    {"overlay", "MODE", 0, VALUE_OPTIONAL, OPT_OVERLAY, "review, commit or discard what it changes"},
    {"ask", "MODE", 0, VALUE_NEEDED, OPT_ASK, "edge, every or never"},
    {"reviewer", "NAME", 0, VALUE_NEEDED, OPT_REVIEWER, "who answers: tty or none"},
    {"backend", "NAME", 0, VALUE_NEEDED, OPT_BACKEND, "namespaces (the only one in this build)"},
    {"rootfs", "DIR", 0, VALUE_NEEDED, OPT_ROOTFS, "another root file system"},
    {"control-fd", "N", 0, VALUE_NEEDED, OPT_CONTROL_FD, "live policy updates, one JSON object a line"},
    {"json", "FD", 0, VALUE_OPTIONAL, OPT_JSON, "events as JSON lines on stdout, or on descriptor FD"},
    {"quiet", NULL, 'q', VALUE_NONE, OPT_QUIET, "no notes and no list of refusals"},
    {"verbose", NULL, 'v', VALUE_NONE, OPT_VERBOSE, "also say what is in force"},
    {"directory", "DIR", 'C', VALUE_NEEDED, OPT_DIRECTORY, "the workspace (default: the current directory)"},
    {"help", NULL, 'h', VALUE_NONE, OPT_HELP, "this text"},
};

static void print_help(const char *verb)
{
    printf("usage: bawn %s [options] [--] CMD ARG…\n\n", verb);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        char left[64];

        snprintf(left, sizeof left, "%s%c%s--%s%s%s%s", options[i].letter ? "-" : "  ",
                 options[i].letter ? options[i].letter : ' ', options[i].letter ? ", " : " ", options[i].name,
                 options[i].need == VALUE_OPTIONAL ? "[="
                 : options[i].value                ? " "
                                                   : "",
                 options[i].value ? options[i].value : "", options[i].need == VALUE_OPTIONAL ? "]" : "");
        printf("  %-38s %s\n", left, options[i].help);
    }
    puts("\nExit status: the command's; 128+N when signal N ended it; 124 a limit did; 125 bawn could not do "
         "its part;\n"
         "126 not executable; 127 not found.");
}

static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);

    if (n >= ARRAY_LEN(row))
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (*a != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static bool unknown(const char *arg, struct err *err)
{
    const char *name = arg + strspn(arg, "-"), *near = NULL;
    size_t best = 4;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        size_t d = distance(name, options[i].name);

        if (d < best) {
            best = d;
            near = options[i].name;
        }
    }
    return near
               ? err_set(err, ERR_INPUT, "unknown option %s; did you mean --%s? --help lists them", arg, near)
               : err_set(err, ERR_INPUT, "unknown option %s; --help lists them", arg);
}

static const struct option *find(const char *arg, const char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *o = &options[i];
        size_t n = strlen(o->name);

        if (o->letter && arg[1] == o->letter && arg[1] != '-') {
            if (arg[2])
                *ret_value = arg + 2;
            return o;
        }
        if (arg[1] == '-' && !strncmp(arg + 2, o->name, n) && (arg[2 + n] == '\0' || arg[2 + n] == '=')) {
            if (arg[2 + n] == '=')
                *ret_value = arg + 3 + n;
            return o;
        }
    }
    return NULL;
}

static bool take_fd(const struct option *o, const char *value, int *ret, struct err *err)
{
    char *end;
    long fd = strtol(value, &end, 10);

    if (!*value || *end || fd < 0 || fd > 1 << 20 || fcntl((int)fd, F_GETFD) < 0)
        return err_set(err, ERR_INPUT,
                       "--%s %s: not an open descriptor; open it first, as in `3>file` or `3<file`", o->name,
                       value);
    *ret = (int)fd;
    return true;
}

static bool take_json(const struct option *o, struct run_options *r, const char *value, struct err *err)
{
    r->json = true;
    r->json_on_stdout = !value;
    r->json_fd = 1;
    return !value || take_fd(o, value, &r->json_fd, err);
}

static bool take(const struct option *o, const char *value, struct run_options *r, struct err *err)
{
    struct policy_options *p = &r->policy;

    switch (o->id) {
    case OPT_POLICY:
        p->file = value;
        break;
    case OPT_PROFILE:
        p->profile = value;
        break;
    case OPT_SET:
        strlist_add(&p->set, value);
        break;
    case OPT_READ:
        strlist_add(&p->read, value);
        break;
    case OPT_WRITE:
        strlist_add(&p->write, value);
        break;
    case OPT_DENY:
        strlist_add(&p->deny, value);
        break;
    case OPT_ALLOW:
        strlist_add(&p->allow, value);
        break;
    case OPT_ENV:
        strlist_add(&p->env, value);
        break;
    case OPT_OVERLAY:
        p->overlay = value ? value : "review";
        break;
    case OPT_ASK:
        p->ask = value;
        break;
    case OPT_REVIEWER:
        p->reviewer = value;
        break;
    case OPT_WALL:
        p->wall = value;
        break;
    case OPT_JSON:
        return take_json(o, r, value, err);
    case OPT_QUIET:
        r->quiet = true;
        break;
    case OPT_VERBOSE:
        r->verbose = true;
        break;
    case OPT_DIRECTORY:
        r->directory = value;
        break;
    case OPT_BACKEND:
        if (strcmp(value, "namespaces") != 0)
            return err_set(err, ERR_UNSUPPORTED, "--backend %s is not in this build; it has: namespaces",
                           value);
        break;
    case OPT_CONTROL_FD:
        return take_fd(o, value, &r->control_fd, err);
    case OPT_ROOTFS:
        return err_set(err, ERR_UNSUPPORTED, "--%s is not in this build", o->name);
    case OPT_HELP:
        r->help = true;
        break;
    }
    return true;
}

bool run_options_parse(int argc, char **argv, bool needs_command, struct run_options *ret, struct err *err)
{
    int i = 1;

    *ret = (struct run_options){.json_fd = -1, .control_fd = -1};
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char *value;
        const struct option *o;

        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        }
        o = find(argv[i], &value);
        if (!o)
            return unknown(argv[i], err);
        if (value && o->need == VALUE_NONE)
            return err_set(err, ERR_INPUT, "--%s takes no value", o->name);
        if (!value && o->need == VALUE_NEEDED) {
            if (i + 1 >= argc)
                return err_set(err, ERR_INPUT, "%s needs a value: --%s %s", argv[i], o->name, o->value);
            value = argv[++i];
        }
        if (!take(o, value, ret, err))
            return false;
        if (ret->help) {
            print_help(argv[0]);
            return false;
        }
    }
    ret->argv = argv + i;
    if (needs_command && i >= argc)
        return err_set(err, ERR_INPUT, "no command: bawn %s [options] [--] CMD ARG…", argv[0]);
    return true;
}

void run_options_deinit(struct run_options *o)
{
    strlist_deinit(&o->policy.set);
    strlist_deinit(&o->policy.read);
    strlist_deinit(&o->policy.write);
    strlist_deinit(&o->policy.deny);
    strlist_deinit(&o->policy.allow);
    strlist_deinit(&o->policy.env);
}
