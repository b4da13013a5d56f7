// SPDX-License-Identifier: Apache-2.0
// Made at every start, so from what is there: no file is looked at, and nothing is sorted or searched.
#include "session/guide.h"

#include <string.h>

#define LIST_SHOWN 24u // entries of one list

struct list {
    struct buf *out;
    unsigned n, left; // written, left out
};

static void begin(struct list *l, struct buf *out, const char *title)
{
    *l = (struct list){.out = out};
    buf_addf(out, "%s:", title);
}

static bool next(struct list *l)
{
    if (l->n == LIST_SHOWN) {
        l->left++;
        return false;
    }
    buf_adds(l->out, l->n++ ? ", " : " ");
    return true;
}

// A path of the policy may have any character but NUL; the text is one line a list.
static void add_plain(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_addc(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void item(struct list *l, const char *text)
{
    if (next(l))
        add_plain(l->out, text);
}

static void end(struct list *l, const char *none)
{
    if (l->left)
        buf_addf(l->out, " and %u more", l->left);
    else if (!l->n)
        buf_addf(l->out, " %s", none);
    buf_addc(l->out, '\n');
}

static void add_list(struct buf *out, const char *title, const struct policy_list *list,
                     const struct file_rules *rules)
{
    struct list l;

    begin(&l, out, title);
    for (size_t i = 0; i < list->n; i++) {
        const char *text = list->items[i].text;

        item(&l, !strcmp(text, ".")       ? rules->workspace
                 : !strcmp(text, "@tmp")  ? "/tmp (private, gone after the run)"
                 : !strcmp(text, "@home") ? "HOME (private, gone after the run)"
                                          : text);
    }
    end(&l, "nothing");
}

// Sets by name, and how many others: what somebody hides one by one may be hidden for its name.
static void add_hidden(struct buf *out, const struct policy_list *deny)
{
    struct list l;
    size_t others = 0;

    begin(&l, out, "hidden");
    for (size_t i = 0; i < deny->n; i++)
        if (deny->items[i].text[0] == '@')
            item(&l, deny->items[i].text);
        else
            others++;
    if (others && next(&l))
        buf_addf(out, "%zu names of the policy's own", others);
    end(&l, "nothing");
}

static void add_files(const struct policy *p, const struct file_rules *rules, struct buf *out)
{
    add_list(out, "can be written", &p->files.write, rules);
    add_list(out, "can be read", &p->files.read, rules);
    add_list(out, "can be read, never written or made, wherever they lie", &p->files.protect, rules);
    add_hidden(out, &p->files.deny);
    if (p->files.deny.n || p->files.protect.n)
        buf_adds(out,
                 "  (@system: /usr, /etc and the like. @toolchains: what PATH names. @secrets: keys, logins "
                 "and histories. @hooks: git hooks and configuration, settings of editors and agents such as "
                 ".vscode, .claude and .codex, .envrc, bawn.yaml)\n");
}

static void add_rule(const struct net_rule *r, struct buf *out)
{
    buf_adds(out, "  ");
    add_plain(out, r->host ? r->host : r->preset);
    if (r->preset)
        buf_adds(out, " (a list of hosts, for reading)");
    for (size_t i = 0; i < r->nports; i++)
        buf_addf(out, "%s%u", i ? "," : ":", r->ports[i]);
    for (size_t i = 0; i < r->methods.n; i++)
        buf_addf(out, "%c%s", i ? ',' : ' ', r->methods.items[i].text);
    for (size_t i = 0; i < r->paths.n; i++) {
        buf_addc(out, ' ');
        add_plain(out, r->paths.items[i].text);
    }
    if (r->protocol == PROTOCOL_TCP)
        buf_adds(out, " (any protocol)");
    buf_addc(out, '\n');
}

static void add_network(const struct policy *p, struct buf *out)
{
    if (p->network.mode != NET_GUARDED) {
        buf_addf(out, "network: %s\n", p->network.mode == NET_OFF ? "none" : "open");
        return;
    }
    buf_addf(out, "network: these hosts and no others%s\n", p->network.nallow ? "" : " (none)");
    for (size_t i = 0; i < p->network.nallow && i < LIST_SHOWN; i++)
        add_rule(&p->network.allow[i], out);
    if (p->network.nallow > LIST_SHOWN)
        buf_addf(out, "  and %zu more\n", p->network.nallow - LIST_SHOWN);
    if (p->nsecrets)
        buf_adds(out, "  credentials here are placeholders; they become real on the way to their hosts\n");
}

static void add_limits(const struct limits *l, struct buf *out)
{
    const struct {
        const char *name, *unit;
        uint64_t value;
    } rows[] = {{"time", " s", l->wall_ms / 1000}, {"memory", " bytes", l->memory},
                {"processes", "", l->processes},   {"disk", " bytes", l->disk},
                {"open files", "", l->open_files}, {"output", " bytes", l->output}};
    struct list list;

    begin(&list, out, "limits");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].value && next(&list))
            buf_addf(out, "%s %llu%s", rows[i].name, (unsigned long long)rows[i].value, rows[i].unit);
    if (l->cpu > 0 && next(&list))
        buf_addf(out, "processors %g", l->cpu);
    end(&list, "none");
}

void guide_write(const struct policy *p, const struct file_rules *rules, struct buf *ret)
{
    buf_addf(
        ret,
        "You are inside bawn, a yard that the kernel enforces (profile %s). What it refuses stays refused: "
        "another tool, sudo or a second try changes nothing. Refusals look like \"Permission denied\", "
        "\"Read-only file system\", \"No such file\", a host name that does not exist, or HTTP status 403 "
        "with "
        "the rule and the remedy in its body.\n\n",
        p->profile);
    add_files(p, rules, ret);
    add_network(p, ret);
    add_limits(&p->limits, ret);
    buf_adds(
        ret,
        "\nIf the work needs more, stop and tell the person what you need and why. They can start the run "
        "again with one of these options of `bawn run`, or write the key into bawn.yaml:\n"
        "  a file or directory to read       --read PATH            files.read+: [PATH]\n"
        "  one to write                      --write PATH           files.write+: [PATH]\n"
        "  a host                            --allow HOST,GET       network.allow+: [{host: HOST}]\n"
        "  a variable of their environment   --env NAME             env.pass+: [NAME]\n"
        "  a name of @hooks or @secrets      files.protect, files.deny: the list without that set\n"
        "  more time, memory, processes      --set limits.KEY=VALUE\n"
        "What was refused so far is on record: they see it at the end, or with `bawn log`.\n");
}
