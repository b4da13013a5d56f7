// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Opening a session overlaps what can overlap: bawn-init is cloned first and makes its
// namespaces while this process finds what must be covered, makes the plan, the run's directory and the
// record. Nothing of the user's runs before the plan is applied, the record is open, the limits are armed and
// the janitor stands.
//
// Init's messages go through one table: type → permitted when → handler. What is not permitted ends the
// session.
#include "session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "audit/record.h"
#include "audit/rundir.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "policy/load.h"
#include "sandbox/cgroup.h"
#include "sandbox/covers.h"
#include "sandbox/landlock.h"
#include "sandbox/launch.h"
#include "sandbox/layout.h"
#include "sandbox/limitplan.h"
#include "sandbox/notify.h"
#include "sandbox/plan.h"
#include "sandbox/probe.h"
#include "sandbox/proto.h"
#include "sandbox/quarantine.h"
#include "sandbox/sys.h"
#include "sandbox/treewatch.h"
#include "session/environment.h"
#include "session/janitor.h"
#include "session/netrecord.h"
#include "session/network.h"
#include "session/publish.h"

#define POLICY_TEXT_MAX (4u << 20)

enum session_state { SESSION_OPENING = 0, SESSION_OPEN, SESSION_DEAD };

struct session {
    enum session_state state;
    struct loop *loop;
    struct session_options options;
    struct file_rules rules;
    struct cover_list covers;
    struct treewatch *treewatch;
    struct launched init;
    bool launched, killed, reaped, finished;
    bool ready;       // init said so
    bool nobody_left; // the last command left no process behind
    struct watch sock_watch, oom_watch;
    struct timer wall;
    struct rundir rundir;
    struct audit_log audit;
    bool recording;
    struct quarantine quarantine;
    struct cgroup_support cgroup_support;
    struct cgroup cgroup;
    struct limits_plan limits;
    struct janitor janitor;
    struct strlist env, own_names; // names that the run made itself, which deny globs match
    struct command **commands;
    size_t ncommands;
    uint32_t next_id;
    struct network *network; // with network.mode guarded
    struct whois *whois;     // NULL without a gate
    struct publish *publish; // NULL without network.publish
    struct notify *notify;   // NULL until the first command's listener came
    struct refusals refusals;
    const char *limit;
    uint64_t started_ns;
    struct run_end end;
    bool has_result;
};

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void tell(struct session *s, const char *text)
{
    if (s->options.events.note)
        s->options.events.note(s->options.events.ctx, text);
}

// One line of the record; a record that cannot be written ends the run, as no decision may go unrecorded.
static void await_death(struct session *s);

static void record(struct session *s, enum audit_kind kind, enum verdict verdict, const char *rule,
                   const char *subject, const struct jsontext_object *detail, const char *by)
{
    struct audit_entry e = {
        .kind = kind, .verdict = verdict, .rule = rule, .subject = subject, .detail = detail, .by = by};
    struct err err = {0};

    if (!s->recording || audit_add(&s->audit, &e, &err))
        return;
    tell(s, err.msg);
    s->recording = false;
    session_kill(s, "audit");
}

static void refuse(struct session *s, const char *kind, const char *subject, const char *rule,
                   const char *remedy)
{
    bool is_new;
    const struct refusal *r = refusals_add(&s->refusals, kind, subject, rule, remedy, &is_new);

    if (r && is_new && s->options.events.refused)
        s->options.events.refused(s->options.events.ctx, r);
}

// --- what appears, is replaced, or is refused while the run lives ---

static void send_cover(struct session *s, const char *path, bool mask, bool is_dir)
{
    struct init_msg m = {.type = INIT_COVER,
                         .flags = (mask ? INIT_COVER_MASK : 0u) | (is_dir ? INIT_COVER_IS_DIR : 0u)};

    if (s->state != SESSION_OPEN)
        return;
    init_msg_text(&m, path);
    init_send(s->init.sock, &m, NULL, 0);
}

static void record_quarantined(struct session *s, size_t from)
{
    for (size_t i = from; i < s->quarantine.n; i++) {
        const struct quarantined *q = &s->quarantine.items[i];
        AUTO_JSONTEXT struct jsontext_object detail = {0};
        struct file_verdict v;

        file_rules_explain(&s->rules, q->path, ACCESS_WRITE, &v);
        if (v.rule != q->rule) { // git's own places are found, not named by a pattern
            snprintf(v.rule_text, sizeof v.rule_text, "files.protect: %s", q->rule->text);
            v.remedy[0] = '\0';
        }
        jsontext_text(&detail, "moved_to", q->moved);
        record(s, AUDIT_QUARANTINE, VERDICT_DENY, v.rule_text, q->path, &detail, "policy");
        refuse(s, "create", q->path, v.rule_text, v.remedy);
    }
}

static void take_into_quarantine(struct session *s, const char *path, const struct file_rule *rule)
{
    size_t before = s->quarantine.n;
    struct err err = {0};
    bool moved;

    if (!quarantine_take(&s->quarantine, &s->rules, path, rule, &moved, &err))
        tell(s, err.msg);
    record_quarantined(s, before);
}

static void on_appeared(void *ctx, const char *path, bool is_dir, const struct file_rule *rule)
{
    struct session *s = ctx;

    if (rule->grant == GRANT_PROTECT)
        take_into_quarantine(s, path, rule);
    else if (!strlist_has(&s->own_names, path))
        send_cover(s, path, true, is_dir);
}

static void on_replaced(void *ctx, const char *path)
{
    struct session *s = ctx;
    const struct cover *c = cover_list_find(&s->covers, path);

    if (c && c->kind != COVER_PIN)
        send_cover(s, path, c->kind == COVER_MASK, c->is_dir);
}

static void on_degraded(void *ctx, const char *why)
{
    struct session *s = ctx;

    record(s, AUDIT_NOTE, VERDICT_DENY, NULL, why, NULL, "policy");
}

static void on_refused(void *ctx, const struct notify_report *r)
{
    struct session *s = ctx;
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    AUTO_FREE char *remedy = NULL;
    const char *rule = r->file ? r->file->rule_text : "network.mode: off";

    if (!strcmp(r->kind, "more")) {
        record(s, AUDIT_NOTE, VERDICT_DENY, NULL, "further refusals are not recorded one by one", NULL,
               "policy");
        return;
    }
    // A look-up names the host or, where the question was not seen, only the server that was asked.
    if (!r->file && r->detail && !strcmp(r->detail, "name look-up"))
        remedy = xstrdup("--allow HOST, with the name that was looked up there");
    else if (!r->file)
        remedy = xasprintf("--allow %s", r->subject);
    jsontext_number(&detail, "pid", r->pid);
    jsontext_text(&detail, "access", r->kind);
    if (r->detail)
        jsontext_text(&detail, "what", r->detail);
    record(s, r->file ? AUDIT_FILE_ACCESS : AUDIT_NETWORK, VERDICT_DENY, rule, r->subject, &detail, "kernel");
    refuse(s, r->kind, r->subject, rule, r->file ? r->file->remedy : remedy);
}

static void on_creates(void *ctx, const char *path)
{
    struct session *s = ctx;

    if (s->own_names.n < 65536 && !strlist_has(&s->own_names, path))
        strlist_add(&s->own_names, path);
}

// --- messages of init ---

static struct command *command_by_id(struct session *s, uint32_t id)
{
    for (size_t i = 0; i < s->ncommands; i++)
        if (s->commands[i]->id == id)
            return s->commands[i];
    return NULL;
}

static void note_limit(struct session *s, const char *limit);

static void end_command(struct command *c, int status)
{
    if (c->state == COMMAND_ENDED)
        return;
    c->state = COMMAND_ENDED;
    c->status = status;
    if (c->failure.kind == ERR_NONE)
        c->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    // By the signal itself, or as a shell tells of it.
    if (c->session->options.policy->limits.disk && c->failure.kind == ERR_NONE &&
        c->exit_code == 128 + SIGXFSZ)
        note_limit(c->session, "disk");
    if (c->options.ended)
        c->options.ended(c);
}

static bool on_ready(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    (void)m;
    (void)fds;
    (void)nfds;
    s->ready = true;
    return true;
}

static bool on_gate(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    struct err err = {0};

    (void)c;
    if (s->network && nfds == 1 && network_listener(s->network, m->id, (uint16_t)m->number, fds[0], &err))
        return true;
    tell(s, err.kind != ERR_NONE ? err.msg : "bawn-init sent a listener that nobody asked for");
    return false;
}

static bool on_diagnose(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    (void)m;
    if (!s->network || s->whois || nfds != 1)
        return false;
    s->whois = whois_new(s->init.pid, TAKE_FD(fds[0]));
    return true;
}

static bool on_connected(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    publish_connected(s->publish, m->id, nfds ? TAKE_FD(fds[0]) : -1);
    return true;
}

static bool on_started(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)s;
    c->pid = m->number;
    if (c->state == COMMAND_STARTING)
        c->state = COMMAND_RUNNING;
    if (c->options.started)
        c->options.started(c, nfds ? TAKE_FD(fds[0]) : -1);
    return true;
}

static bool on_exited(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)fds;
    (void)nfds;
    s->nobody_left = m->flags & EXITED_LAST;
    end_command(c, m->number);
    return true;
}

// The sandbox could not be set up: every command fails with that reason, and the session is over.
static bool set_up_failed(struct session *s, const struct init_msg *m)
{
    for (size_t i = 0; i < s->ncommands; i++) {
        struct command *c = s->commands[i];

        c->exit_code = 125;
        err_set(&c->failure, ERR_SYSTEM, "%s", m->text);
        end_command(c, 125 << 8);
    }
    return false;
}

static bool on_failed(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    const char *what;

    (void)fds;
    (void)nfds;
    if (!m->id)
        return set_up_failed(s, m);
    if (!c)
        return false;
    what = c->options.argv[0];
    switch (m->flags) {
    case STAGE_EXEC:
        c->exit_code = m->number == ENOENT ? 127 : 126;
        err_set(&c->failure, ERR_INPUT,
                m->number == ENOENT ? "%s: command not found in the sandbox" : "%s: %s", what,
                strerror(m->number));
        break;
    case STAGE_CWD:
        c->exit_code = 125;
        err_set(&c->failure, ERR_INPUT, "cannot enter %s in the sandbox: %s; grant it with --read or --write",
                m->text, strerror(m->number));
        break;
    default:
        c->exit_code = 125;
        err_set(&c->failure, ERR_SYSTEM, "%s", m->text);
    }
    // The child's own death follows as EXITED, unless it never came to be.
    if (c->state == COMMAND_STARTING)
        end_command(c, 125 << 8);
    return true;
}

static bool on_listener(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    struct notify_wants wants = {.rules = &s->rules,
                                 .strict = s->options.policy->files.strict,
                                 .network_off = s->options.policy->network.mode == NET_OFF,
                                 .init_pid = s->init.pid};
    struct notify_handler handler = {on_refused, on_creates, s};
    struct err err = {0};

    (void)m;
    (void)c;
    if (!nfds)
        return false;
    if (s->notify ? notify_add(s->notify, TAKE_FD(fds[0]), &err)
                  : notify_new(s->loop, TAKE_FD(fds[0]), &wants, &handler, &s->notify, &err))
        return true;
    tell(s, err.msg);
    return false;
}

static bool on_covered(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds)
{
    (void)c;
    (void)fds;
    (void)nfds;
    // ENOENT: gone again. Anything else leaves a denied name in the open, which ends the run.
    if (m->number == 0)
        record(s, AUDIT_FILE_ACCESS, VERDICT_DENY, "covered while running", m->text, NULL, "policy");
    else if (m->number != ENOENT && m->number != ELOOP && m->number != ENOTDIR) {
        AUTO_FREE char *text =
            xasprintf("cannot cover %s: %s; the run is ended", m->text, strerror(m->number));

        tell(s, text);
        return false;
    }
    return true;
}

// when: before READY only the outcome of the set-up may come, and nothing may follow it twice.
enum when { BEFORE_READY = 1, WHEN_READY = 2 };

static const struct handler {
    unsigned when;
    bool needs_command;
    bool (*fn)(struct session *s, struct command *c, struct init_msg *m, int *fds, size_t nfds);
} handlers[INIT_TYPES] = {
    [INIT_GATE] = {BEFORE_READY, false, on_gate},
    [INIT_DIAGNOSE] = {BEFORE_READY, false, on_diagnose},
    [INIT_READY] = {BEFORE_READY, false, on_ready},
    [INIT_FAILED] = {BEFORE_READY | WHEN_READY, false, on_failed},
    [INIT_STARTED] = {WHEN_READY, true, on_started},
    [INIT_LISTENER] = {WHEN_READY, true, on_listener},
    [INIT_EXITED] = {WHEN_READY, true, on_exited},
    [INIT_COVERED] = {WHEN_READY, false, on_covered},
    [INIT_CONNECTED] = {WHEN_READY, false, on_connected},
};

static void init_died(struct session *s)
{
    for (size_t i = 0; i < s->ncommands; i++)
        if (s->commands[i]->state != COMMAND_ENDED && s->commands[i]->failure.kind == ERR_NONE) {
            err_set(&s->commands[i]->failure, ERR_PROTOCOL,
                    "the sandbox's first process (bawn-init) was killed from outside, and all inside with "
                    "it: out of "
                    "memory on the host, or somebody's kill");
            s->commands[i]->exit_code = 125;
        }
    session_kill(s, NULL);
    await_death(s);
}

static void on_init(struct watch *w, uint32_t events)
{
    struct session *s = w->ctx;
    int fds[FD_PASS_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};
    size_t nfds = FD_PASS_MAX;
    struct init_msg m;
    const struct handler *h;
    struct command *c;
    int r;

    (void)events;
    r = init_recv(s->init.sock, &m, fds, &nfds, MSG_DONTWAIT);
    if (r < 0 && errno == EAGAIN)
        return;
    if (r <= 0) {
        init_died(s);
        return;
    }
    h = &handlers[m.type];
    c = command_by_id(s, m.id);
    if (!h->fn || !(h->when & (s->ready ? WHEN_READY : BEFORE_READY)) || (h->needs_command && !c) ||
        !h->fn(s, c, &m, fds, nfds))
        init_died(s);
    for (size_t i = 0; i < nfds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void on_wall(struct timer *t)
{
    session_kill(t->ctx, "wall");
}

// --- the guarded network ---

static void on_network(void *ctx, const json_t *e)
{
    struct session *s = ctx;
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    AUTO_FREE char *subject = netrecord_subject(e);
    const char *word = json_string_value(json_object_get(e, "verdict"));
    const char *rule = json_string_value(json_object_get(e, "rule"));
    const char *remedy = json_string_value(json_object_get(e, "allow_with"));
    enum verdict verdict = word && !strcmp(word, "allow") ? VERDICT_ALLOW : VERDICT_DENY;

    netrecord_detail(e, s->whois, &detail);
    record(s, word ? AUDIT_NETWORK : AUDIT_NOTE, verdict, rule, subject, &detail, "guard");
    if (word && verdict == VERDICT_DENY)
        refuse(s, "network", subject, rule, remedy);
}

static void on_guard_gone(void *ctx, const char *why)
{
    struct session *s = ctx;

    record(s, AUDIT_GUARD, VERDICT_DENY, "network.mode: guarded", why, NULL, "guard");
    tell(s, why);
}

static void on_policy_updated(void *ctx, const char *error)
{
    struct session *s = ctx;
    AUTO_FREE char *text =
        *error ? xasprintf("the new policy was not taken, the old one stays: %s", error) : NULL;

    record(s, AUDIT_POLICY, *error ? VERDICT_DENY : VERDICT_ALLOW, "control-fd",
           text ? text : "network rules replaced", NULL, "control-fd");
    if (text)
        tell(s, text);
}

bool session_update(struct session *s, const struct policy *p, struct err *err)
{
    if (p->limits.wall_ms)
        timer_set(s->loop, &s->wall, p->limits.wall_ms * 1000000u, on_wall, s);
    if (!s->network)
        return p->network.mode == NET_OFF ||
               err_set(err, ERR_UNSUPPORTED,
                       "the network is %s in this run; it cannot become guarded while it runs",
                       s->options.policy->network.mode == NET_OPEN ? "open" : "off");
    return network_update(s->network, p, err);
}

// --- limits ---

static void on_oom(struct watch *w, uint32_t events)
{
    struct session *s = w->ctx;
    char drop[4096];

    (void)events;
    if (read(w->fd, drop, sizeof drop) <= 0)
        watch_del(w);
    if (cgroup_oom_killed(&s->cgroup))
        session_kill(s, "memory");
}

// --- opening ---

static bool make_rules(struct session *s, struct err *err)
{
    const struct session_places *p = &s->options.places;
    struct file_place place = {p->workspace, p->home, p->config_dir, p->state_dir, p->path_env};

    return file_rules_make(s->options.policy, &place, &s->rules, err);
}

static bool find_covers(struct session *s, struct err *err)
{
    struct treewatch_handler h = {on_appeared, on_replaced, on_degraded, s};

    return treewatch_new(&s->rules, s->loop, &h, &s->treewatch, err) &&
           covers_find(&s->rules, s->treewatch, &s->covers, err);
}

static bool make_record(struct session *s, struct err *err)
{
    const struct session_options *o = &s->options;
    char hash[SHA256_HEX_SIZE];
    AUTO_FREE char *quarantine = NULL;
    AUTO_BUF struct buf policy = {0};
    struct audit_start start = {.version = BAWN_VERSION,
                                .workspace = o->places.workspace,
                                .argv = o->argv,
                                .policy_hash = hash,
                                .backend = "namespaces"};

    if (!rundir_make(o->places.state_dir, &s->rundir, err))
        return false;
    quarantine = xasprintf("%s/quarantine", s->rundir.path);
    quarantine_init(&s->quarantine, quarantine);
    buf_init(&policy, POLICY_TEXT_MAX);
    policy_write(o->policy, false, &policy);
    sha256_hex(buf_cstr(&policy), policy.len, hash);
    if (!audit_log_open(&s->audit, s->rundir.fd, s->rundir.id, err) ||
        !audit_run_start(&s->audit, &start, err) ||
        !rundir_write_policy(&s->rundir, buf_cstr(&policy), policy.len, err))
        return false;
    s->recording = true;
    return true;
}

static bool start_janitor(struct session *s, struct err *err)
{
    struct janitor_work work = {
        s->init.pidfd, treewatch_fd(s->treewatch), &s->rundir, &s->cgroup_support, &s->rules, &s->covers};

    return janitor_start(&work, &s->janitor, err);
}

static bool has_v2(const struct cgroup *g)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (g->version[i] == 2)
            return true;
    return false;
}

static bool arm_limits(struct session *s, struct err *err)
{
    if (!s->limits.uses_cgroup)
        return true;
    if (!cgroup_make(&s->cgroup_support, &s->options.policy->limits, s->rundir.id, s->limits.need_cgroup,
                     &s->cgroup, err))
        return false;
    return (!has_v2(&s->cgroup) || cgroup_enter(&s->cgroup, s->init.pid, err)) &&
           (s->cgroup.oom_fd < 0 ||
            watch_add(s->loop, &s->oom_watch, s->cgroup.oom_fd, EPOLLIN, on_oom, s, err));
}

// With the host's network, names are resolved by the host's configuration, which often lies below /run.
static void show_resolver(struct strlist *ret)
{
    char *real = realpath("/etc/resolv.conf", NULL);

    if (real)
        strlist_take(ret, real);
}

static bool make_plan(struct session *s, struct buf *block, struct err *err)
{
    const struct policy *p = s->options.policy;
    AUTO_STRLIST struct strlist sockets = {0};
    AUTO_STRLIST struct strlist more = {0};
    AUTO_STRLIST struct strlist let_in = {0};
    AUTO_BUF struct buf notes = {0};
    struct layout_wants w = {.rules = &s->rules,
                             .covers = &s->covers,
                             .uid = geteuid(),
                             .own_net = p->network.mode != NET_OPEN,
                             .tmpfs_size = s->limits.tmpfs_size,
                             .sockets = &sockets,
                             .let_in = &let_in,
                             .more_read = &more};
    struct plan plan;
    bool ok;

    buf_init(&notes, 1 << 20);
    plan_init(&plan);
    layout_host_sockets(&sockets);
    for (size_t i = 0; i < p->network.sockets.n; i++) {
        char *real = realpath(p->network.sockets.items[i].text, NULL);

        if (real)
            strlist_take(&let_in, real);
    }
    if (!w.own_net)
        show_resolver(&more);
    plan.head.flags = (w.own_net ? (unsigned)PLAN_OWN_NET : 0u) | (p->nested ? (unsigned)PLAN_NESTED : 0u) |
                      (p->files.strict ? (unsigned)PLAN_STRICT
                       : p->nested     ? 0u
                                       : (unsigned)PLAN_OBSERVE) |
                      (s->limits.pin_cpus ? (unsigned)PLAN_PIN_CPUS : 0u);
    // Abstract sockets belong to the network namespace: with the host's, Landlock scopes (ABI 6) hold them
    // off.
    if (!w.own_net && landlock_abi() >= 6)
        plan.head.flags |= PLAN_SCOPE_ABSTRACT;
    if (landlock_abi() > 0 && (!p->nested || (plan.head.flags & PLAN_SCOPE_ABSTRACT)))
        plan.head.flags |= PLAN_LANDLOCK;
    if (s->network) {
        w.nfiles = network_files(s->network, &w.files);
        plan.head.flags |= PLAN_GATE;
        plan.head.gate_ports = plan_string(&plan, network_ports(s->network));
        plan.head.proxy_port = NETWORK_PROXY_PORT;
    }
    plan.head.hostname = plan_string(&plan, "bawn");
    plan.head.cwd = plan_string(&plan, s->options.places.workspace);
    plan.head.processes = s->limits.rlimit_processes;
    plan.head.open_files = s->limits.rlimit_open_files;
    plan.head.file_size = s->limits.rlimit_file_size;
    plan.head.cpus = s->limits.affinity_cpus;
    ok = layout_make(&w, &plan, &notes, err) && plan_encode(&plan, block, err);
    plan_deinit(&plan);
    for (char *line = strtok((char *)(uintptr_t)buf_cstr(&notes), "\n"); line; line = strtok(NULL, "\n"))
        tell(s, line);
    return ok;
}

static int block_fd(const struct buf *block, struct err *err)
{
    AUTO_CLOSE int fd = memfd_create("bawn", MFD_CLOEXEC);

    if (fd < 0) {
        err_sys(err, errno, "cannot make a memory file");
        return -1;
    }
    if (!fd_write_all(fd, block->ptr, block->len, err))
        return -1;
    return TAKE_FD(fd);
}

// Init does not take messages any more: what it said before it died is the reason.
static bool why_gone(struct session *s, struct err *err)
{
    int fds[FD_PASS_MAX];
    size_t nfds = FD_PASS_MAX;
    struct init_msg m;

    while (init_recv(s->init.sock, &m, fds, &nfds, MSG_DONTWAIT) == 1) {
        while (nfds)
            close(fds[--nfds]);
        if (m.type == INIT_FAILED)
            return err_set(err, ERR_SYSTEM, "%s", m.text);
        nfds = FD_PASS_MAX;
    }
    return err_set(err, ERR_PROTOCOL, "the sandbox's first process (bawn-init) was killed from outside");
}

// READY is not waited for: a START may follow at once, init takes them in order.
static bool send_plan(struct session *s, const struct buf *block, struct err *err)
{
    struct init_msg m = {.type = INIT_PLAN};
    int fds[1 + CGROUP_CONTROLLERS] = {-1, -1, -1, -1};
    size_t n = 1;
    bool ok;

    if (s->limits.uses_cgroup && !cgroup_open_tasks(&s->cgroup, fds + 1, err))
        return false;
    fds[0] = block_fd(block, err);
    while (n < ARRAY_LEN(fds) && fds[n] >= 0)
        n++;
    ok = fds[0] >= 0 && (init_send(s->init.sock, &m, fds, n) || why_gone(s, err));
    for (size_t i = 0; i < n; i++)
        close_fd(fds[i]);
    return ok;
}

static bool open_network(struct session *s, struct strlist *env, struct err *err)
{
    const struct policy *p = s->options.policy;

    return publish_new(p, &s->publish, err) &&
           (p->network.mode != NET_GUARDED || network_new(p, &s->options.places, env, &s->network, err));
}

static bool connect_inside(void *ctx, uint32_t id, uint16_t port)
{
    struct session *s = ctx;
    struct init_msg m = {.type = INIT_CONNECT, .id = id, .number = port};

    return s->state == SESSION_OPEN && init_send(s->init.sock, &m, NULL, 0);
}

static void on_visit(void *ctx, uint16_t port, const char *from)
{
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    AUTO_FREE char *subject = xasprintf("localhost:%u", port);

    jsontext_text(&detail, "event", "published");
    jsontext_text(&detail, "from", from);
    record(ctx, AUDIT_NETWORK, VERDICT_ALLOW, "network.publish", subject, &detail, "policy");
}

static bool start_network(struct session *s, struct err *err)
{
    struct network_handler h = {on_network, on_guard_gone, on_policy_updated, s};

    const struct publish_handler inward = {connect_inside, on_visit, s};

    return (!s->network || network_start(s->network, s->loop, &h, err)) &&
           (!s->publish || publish_start(s->publish, s->loop, &inward, err));
}

// What must stand before anything of the user's runs is made while init builds, except where init needs it
// first: it takes its control group namespace when it has the plan, so it must be in the run's group by then.
static bool set_up(struct session *s, const struct buf *plan, struct err *err)
{
    bool early = s->limits.uses_cgroup;

    if (!early && !send_plan(s, plan, err))
        return false;
    if (!make_record(s, err) || !start_janitor(s, err) || !arm_limits(s, err))
        return false;
    return !early || send_plan(s, plan, err);
}

static bool open_all(struct session *s, struct err *err)
{
    const struct policy *p = s->options.policy;
    AUTO_STRLIST struct strlist network_env = {0};
    AUTO_BUF struct buf block = {0};

    buf_init(&block, PLAN_MAX);
    if (p->limits.memory || p->limits.cpu > 0 || p->limits.processes)
        cgroup_probe("", &s->cgroup_support);
    if (!limits_plan(&p->limits, &s->cgroup_support, p->degrade, &s->limits, err) ||
        !open_network(s, &network_env, err))
        return false;
    if (!launch_init(p->network.mode != NET_OPEN, &s->init, err)) {
        struct err why = {0};

        // Only now, as it costs time: what exactly is missing here, and how to get it.
        if (err && err->kind == ERR_UNSUPPORTED && !probe_can_sandbox(&why))
            *err = why;
        return false;
    }
    s->launched = true;
    for (size_t i = 0; i < s->limits.missing.n; i++)
        tell(s, s->limits.missing.items[i]);
    // The guard has been starting all the while.
    if (!make_rules(s, err) || !find_covers(s, err) ||
        (s->network && !network_wait(s->network, &network_env, err)) || !make_plan(s, &block, err) ||
        !set_up(s, &block, err))
        return false;
    environment_make(p, &s->options.places, &s->env);
    for (size_t i = 0; i < network_env.n; i++)
        environment_set(&s->env, network_env.items[i]);
    s->state = SESSION_OPEN;
    for (size_t i = 0; i < s->covers.notes.n; i++)
        tell(s, s->covers.notes.items[i]);
    if (!start_network(s, err))
        return false;
    if (!treewatch_start(s->treewatch, &s->covers, err) ||
        !watch_add(s->loop, &s->sock_watch, s->init.sock, EPOLLIN, on_init, s, err))
        return false;
    if (p->limits.wall_ms)
        timer_set(s->loop, &s->wall, p->limits.wall_ms * 1000000u, on_wall, s);
    return true;
}

bool session_open(struct loop *loop, const struct session_options *options, struct session **ret,
                  struct err *err)
{
    struct session *s = xcalloc(1, sizeof *s);

    s->loop = loop;
    s->options = *options;
    s->next_id = 1;
    s->started_ns = clock_wall_ns();
    s->rundir.fd = s->rundir.result = s->audit.fd = s->init.sock = s->init.pidfd = s->cgroup.oom_fd =
        s->janitor.life = -1;
    s->end.exit_status = -1;
    if (!open_all(s, err)) {
        session_close(s, NULL);
        return false;
    }
    *ret = s;
    return true;
}

// --- commands ---

static bool argument_block(const struct session *s, char *const *argv, struct buf *ret, struct err *err)
{
    uint32_t counts[2] = {0, (uint32_t)s->env.n};

    while (argv[counts[0]])
        counts[0]++;
    buf_init(ret, 15u << 20);
    buf_add(ret, counts, sizeof counts);
    for (uint32_t i = 0; i < counts[0]; i++)
        buf_add(ret, argv[i], strlen(argv[i]) + 1);
    for (size_t i = 0; i < s->env.n; i++)
        buf_add(ret, s->env.items[i], strlen(s->env.items[i]) + 1);
    return !ret->full || err_set(err, ERR_LIMIT, "arguments and environment are larger than 15 MiB");
}

bool session_start(struct session *s, const struct command_options *o, struct command **ret, struct err *err)
{
    bool pty[3] = {o->pty_stdin, o->pty_stdout, o->pty_stderr};
    struct init_msg m = {.type = INIT_START, .id = s->next_id, .rows = o->rows, .cols = o->cols};
    int fds[4], nfds = 1;
    AUTO_CLOSE int fd = -1;
    AUTO_BUF struct buf block = {0};
    struct command *c;

    if (s->state != SESSION_OPEN)
        return err_set(err, ERR_PROTOCOL, "the session has ended");
    if (!argument_block(s, o->argv, &block, err) || (fd = block_fd(&block, err)) < 0)
        return false;
    fds[0] = fd;
    for (int i = 0; i < 3; i++)
        if (pty[i])
            m.flags |= START_PTY | (unsigned)START_PTY_STDIN << i;
        else
            fds[nfds++] = o->std[i];
    init_msg_text(&m, o->cwd ? o->cwd : "");
    if (!init_send(s->init.sock, &m, fds, (size_t)nfds))
        return why_gone(s, err);
    c = xcalloc(1, sizeof *c);
    *c = (struct command){.id = s->next_id++, .options = *o, .session = s};
    s->commands = xrealloc(s->commands, (s->ncommands + 1) * sizeof *s->commands);
    s->commands[s->ncommands++] = c;
    *ret = c;
    return true;
}

void session_signal(struct session *s, uint32_t command_id, int sig)
{
    struct init_msg m = {.type = INIT_SIGNAL, .id = command_id, .number = sig};

    if (s->state == SESSION_OPEN)
        init_send(s->init.sock, &m, NULL, 0);
}

// --- ending ---

// The reason goes on record before anything dies of it.
static void note_limit(struct session *s, const char *limit)
{
    if (!limit || s->limit)
        return;
    s->limit = limit;
    record(s, AUDIT_LIMIT, VERDICT_DENY, limit, limit, NULL, "policy");
    if (s->options.events.limit)
        s->options.events.limit(s->options.events.ctx, limit);
}

static void send_kill(struct session *s)
{
    if (!s->launched || s->killed)
        return;
    s->killed = true;
    s->state = SESSION_DEAD;
    watch_del(&s->sock_watch);
    // Our child and not reaped yet, so its pid cannot be another's.
    if (sys_pidfd_send_signal(s->init.pidfd, SIGKILL) < 0)
        kill(s->init.pid, SIGKILL);
}

// Init's death is that of everything in its pid namespace: it is reaped after all others.
static void await_death(struct session *s)
{
    siginfo_t info;

    if (!s->killed || s->reaped)
        return;
    while (waitid(P_PIDFD, (id_t)s->init.pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    s->reaped = true;
    for (size_t i = 0; i < s->ncommands; i++)
        end_command(s->commands[i], SIGKILL);
}

void session_kill(struct session *s, const char *limit)
{
    note_limit(s, limit);
    send_kill(s);
    // Taking the namespaces down takes a while; when nobody is left inside there is no need to wait for it
    // yet.
    if (!s->nobody_left)
        await_death(s);
}

void session_set_result(struct session *s, const struct command *c)
{
    s->has_result = true;
    s->end = (struct run_end){.exit_status = -1};
    if (s->limit)
        s->end.limit = s->limit;
    else if (c->failure.kind == ERR_NONE && WIFSIGNALED(c->status))
        s->end.signal = WTERMSIG(c->status);
    else
        s->end.exit_status = c->exit_code;
}

// After the last process inside is dead.
static void sweep(struct session *s)
{
    struct err err = {0};
    size_t before;
    bool ok = true;

    if (s->treewatch)
        treewatch_drain(s->treewatch);
    before = s->quarantine.n;
    if (s->treewatch && treewatch_incomplete(s->treewatch))
        ok = quarantine_sweep(&s->quarantine, &s->rules, &s->covers, &err);
    else if (s->covers.nlinks)
        ok = quarantine_restore_links(&s->quarantine, &s->rules, &s->covers, &err);
    if (!ok)
        tell(s, err.msg);
    record_quarantined(s, before);
}

static bool write_result(struct session *s, struct err *err)
{
    struct run_result r = {.state = RUN_ENDED, .workspace = xstrdup(s->options.places.workspace)};
    bool ok;

    if (s->limit)
        s->end = (struct run_end){.exit_status = -1, .limit = s->limit};
    else if (!s->has_result)
        s->end.exit_status = 125;
    ok = !s->recording || audit_run_end(&s->audit, &s->end, err);
    memcpy(r.id, s->rundir.id, sizeof r.id);
    for (char *const *a = s->options.argv; a && *a; a++)
        strlist_add(&r.command, *a);
    r.started = s->started_ns;
    r.ended = clock_wall_ns();
    r.exit_status = s->end.exit_status;
    r.signal = s->end.signal;
    r.limit = s->end.limit ? xstrdup(s->end.limit) : NULL;
    r.refused = s->audit.refused;
    r.log = s->audit.chain;
    ok = rundir_write_result(&s->rundir, &r, err) && ok;
    run_result_deinit(&r);
    return ok;
}

bool session_finish(struct session *s, struct err *err)
{
    bool ok = true;

    if (s->finished)
        return true;
    s->finished = true;
    timer_del(&s->wall);
    session_kill(s, NULL);
    if (s->limits.uses_cgroup && !s->limit && cgroup_oom_killed(&s->cgroup)) {
        s->limit = "memory";
        record(s, AUDIT_LIMIT, VERDICT_DENY, "limits.memory", "memory", NULL, "kernel");
    }
    if (s->limits.uses_cgroup && cgroup_pids_hit(&s->cgroup)) {
        record(s, AUDIT_LIMIT, VERDICT_DENY, "limits.processes", "processes", NULL, "kernel");
        refuse(s, "limit", "more processes", "limits.processes", "raise limits.processes");
    }
    if (s->network)
        network_drain(s->network);
    publish_free(TAKE_PTR(s->publish));
    sweep(s);
    watch_del(&s->oom_watch);
    if (s->limits.uses_cgroup && !cgroup_remove(&s->cgroup))
        tell(s, "a control group could not be removed: a process is still in it");
    treewatch_free(TAKE_PTR(s->treewatch));
    janitor_dismiss(&s->janitor);
    if (s->rundir.fd >= 0)
        ok = write_result(s, err);
    if (!s->options.leaving)
        janitor_await(&s->janitor);
    // Not left to the kernel, though nobody is in there any more: who comes after may want to unmount or
    // remove what was shown inside.
    await_death(s);
    return ok;
}

bool session_close(struct session *s, struct err *err)
{
    bool ok;

    if (!s)
        return true;
    ok = session_finish(s, err);
    notify_free(s->notify);
    whois_free(s->whois);
    network_free(s->network);
    if (s->options.leaving) // what is left are memory and descriptors: the kernel is faster at that
        return ok;
    treewatch_free(s->treewatch);
    audit_log_close(&s->audit);
    rundir_deinit(&s->rundir);
    quarantine_deinit(&s->quarantine);
    cover_list_deinit(&s->covers);
    file_rules_deinit(&s->rules);
    limits_plan_deinit(&s->limits);
    cgroup_support_deinit(&s->cgroup_support);
    strlist_deinit(&s->env);
    strlist_deinit(&s->own_names);
    refusals_deinit(&s->refusals);
    for (size_t i = 0; i < s->ncommands; i++)
        free(s->commands[i]);
    free(s->commands);
    close_fd(s->init.sock);
    close_fd(s->init.pidfd);
    free(s);
    return ok;
}

const struct refusals *session_refusals(const struct session *s)
{
    return &s->refusals;
}

const char *session_id(const struct session *s)
{
    return s->rundir.id;
}

const char *session_limit(const struct session *s)
{
    return s->limit;
}
