// SPDX-License-Identifier: Apache-2.0
// One table of options. Long ones take their value after "=" or as the next argument; so do short ones.
#include "cli/options.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "policy/schema.h"

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

// LATER: read, and refused as not in this build, or without effect yet; so --help does not name it.
enum listing { LIST_LATER = 0, LIST_ALL, LIST_RUN };

static const struct option {
    const char *name, *value;
    char letter;
    enum value_need need;
    enum option_id id;
    enum listing list;
    const char *help;
} options[] = {
    {"policy", "FILE", 'p', VALUE_NEEDED, OPT_POLICY, LIST_ALL,
     "this policy in place of yours and the workspace's"},
    {"profile", "NAME", 0, VALUE_NEEDED, OPT_PROFILE, LIST_ALL,
     "start from this profile: workspace, read-only, open, mcp, agent:claude, agent:codex …"},
    {"set", "KEY=VALUE", 0, VALUE_NEEDED, OPT_SET, LIST_ALL,
     "set one key of the policy (dotted): limits.memory=2G"},
    {"read", "PATH", 0, VALUE_NEEDED, OPT_READ, LIST_ALL, "let this be read too"},
    {"write", "PATH", 0, VALUE_NEEDED, OPT_WRITE, LIST_ALL, "let this be written too"},
    {"deny", "PATH", 0, VALUE_NEEDED, OPT_DENY, LIST_ALL, "hide this path or glob"},
    {"allow", "HOST[:PORT][,METHOD]", 0, VALUE_NEEDED, OPT_ALLOW, LIST_ALL, "let this host be reached"},
    {"env", "NAME[=VALUE]", 0, VALUE_NEEDED, OPT_ENV, LIST_ALL, "pass or set an environment variable"},
    {"wall", "DURATION", 0, VALUE_NEEDED, OPT_WALL, LIST_ALL, "end it after this time: 90s, 30m"},
    {"overlay", "MODE", 0, VALUE_OPTIONAL, OPT_OVERLAY, LIST_LATER,
     "review, commit or discard what it changes"},
    {"ask", "MODE", 0, VALUE_NEEDED, OPT_ASK, LIST_LATER, "edge, every or never"},
    {"reviewer", "NAME", 0, VALUE_NEEDED, OPT_REVIEWER, LIST_LATER, "who answers: tty or none"},
    {"backend", "NAME", 0, VALUE_NEEDED, OPT_BACKEND, LIST_LATER, "namespaces (the only one in this build)"},
    {"rootfs", "DIR", 0, VALUE_NEEDED, OPT_ROOTFS, LIST_LATER, "another root file system"},
    {"control-fd", "N", 0, VALUE_NEEDED, OPT_CONTROL_FD, LIST_RUN,
     "live policy updates, one JSON object a line"},
    {"json", "FD", 0, VALUE_OPTIONAL, OPT_JSON, LIST_RUN,
     "events as JSON lines on stdout, or on descriptor FD"},
    {"quiet", NULL, 'q', VALUE_NONE, OPT_QUIET, LIST_RUN, "no notes and no list of refusals"},
    {"verbose", NULL, 'v', VALUE_NONE, OPT_VERBOSE, LIST_RUN,
     "also print the policy in force and where the record is"},
    {"directory", "DIR", 'C', VALUE_NEEDED, OPT_DIRECTORY, LIST_ALL,
     "the workspace (default: the current directory)"},
    {"help", NULL, 'h', VALUE_NONE, OPT_HELP, LIST_ALL, "this text"},
};

// Options of the policy for all, those of the run itself for `run`.
static void print_help(const struct verb *verb)
{
    bool run = !strcmp(verb->name, "run");

    printf("usage: bawn %s %s\n%s\n\n", verb->name, verb->synopsis, verb->help);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *o = &options[i];
        char left[64];

        if (o->list == LIST_LATER || (o->list == LIST_RUN && !run))
            continue;
        snprintf(left, sizeof left, "%c%c%c --%s%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? ',' : ' ', o->name,
                 o->need == VALUE_OPTIONAL ? "[="
                 : o->value                ? " "
                                           : "",
                 o->value ? o->value : "", o->need == VALUE_OPTIONAL ? "]" : "");
        printf("  %-32s %s\n", left, o->help);
    }
    if (run)
        puts("\nExit status: the command's; 128+N when signal N ended it; 124 when a limit ended it; 125 "
             "when bawn could\n"
             "not do its part; 126 when the command is not executable; 127 when it was not found.");
}

static bool unknown(const char *arg, struct err *err)
{
    AUTO_BUF struct buf names = {0};
    AUTO_FREE char *near = NULL;

    buf_init(&names, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        buf_addf(&names, "%s%s", i ? " " : "", options[i].name);
    near = words_nearest(buf_cstr(&names), arg + strspn(arg, "-"));
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

bool run_options_parse(int argc, char **argv, const struct verb *verb, struct run_options *ret,
                       struct err *err)
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
            print_help(verb);
            return false;
        }
    }
    ret->argv = argv + i;
    return true;
}

void run_options_deinit(struct run_options *o)
{
    strlist_deinit(&o->policy.set);
    strlist_deinit(&o->policy.live);
    strlist_deinit(&o->policy.read);
    strlist_deinit(&o->policy.write);
    strlist_deinit(&o->policy.deny);
    strlist_deinit(&o->policy.allow);
    strlist_deinit(&o->policy.env);
}
