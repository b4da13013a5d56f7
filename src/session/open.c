// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Opening a session overlaps what can overlap: bawn-init is cloned first (by `bawn run`
// even before that, sandbox/headstart.h) and makes its namespaces while this process makes the base of the
// plan; it builds that while this process finds what must be covered, makes the run's directory and the
// record. Nothing of the user's runs before the plan is applied, the record is open, the limits are armed and
// the janitor stands.
#include "session/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define POLICY_TEXT_MAX (4u << 20)

static void on_wall(struct timer *t)
{
    session_kill(t->ctx, "wall");
}

void session_limit_wall(struct session *s, uint64_t ms)
{
    uint64_t end = s->wall_from + ms * 1000000u, now = clock_mono_ns(), left = end > now ? end - now : 0;

    if (!ms && !s->wall.slot)
        return; // there was none
    timer_del(&s->wall);
    if (ms)
        timer_set(s->loop, &s->wall, left, on_wall, s);
    janitor_set_wall(&s->janitor, ms ? left : UINT64_MAX / 4);
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
    struct file_place place = {p->workspace, p->home,     p->config_dir,
                               p->state_dir, p->path_env, s->options.program};

    // At the first run of all the record's place would come after the search for what must be covered, and
    // nothing above it would be pinned.
    if (access(p->state_dir, F_OK) < 0 && !mkdir_parents(AT_FDCWD, p->state_dir, 0700, err))
        return err_prefix(err, "cannot keep a record of the run (XDG_STATE_HOME can name another place)");
    return file_rules_make(s->options.policy, &place, &s->rules, err);
}

static bool find_covers(struct session *s, struct err *err)
{
    struct treewatch_handler h = {session_on_appeared, session_on_replaced, session_on_degraded, s};

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
                                .started = o->program && o->program->argv.n ? o->program->argv.items : NULL,
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

static bool watch_janitor(struct session *s, struct err *err);

// Killed from outside: without one nothing would be cleaned up after a supervisor that is killed next.
static void on_janitor_gone(struct watch *w, uint32_t events)
{
    struct session *s = w->ctx;
    uint64_t now = clock_mono_ns(), left = s->wall.slot && s->wall.when > now ? s->wall.when - now : 0;
    struct err err = {0};

    (void)events;
    watch_del(w);
    janitor_dismiss(&s->janitor);
    janitor_await(&s->janitor);
    if (start_janitor(s, &err) && watch_janitor(s, &err)) {
        if (s->wall.slot)
            janitor_set_wall(&s->janitor, left);
        return;
    }
    session_tell(s, err.msg);
    session_kill(s, NULL);
}

// Its end of the pipe is open as long as it lives; nothing is ever read from ours.
static bool watch_janitor(struct session *s, struct err *err)
{
    return watch_add(s->loop, &s->janitor_watch, s->janitor.life, 0, on_janitor_gone, s, err);
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

static unsigned plan_flags(const struct session *s, bool own_net)
{
    const struct policy *p = s->options.policy;
    unsigned flags = (own_net ? (unsigned)PLAN_OWN_NET : 0u) | (p->nested ? (unsigned)PLAN_NESTED : 0u) |
                     (p->files.strict ? (unsigned)PLAN_STRICT
                      : p->nested     ? 0u
                                      : (unsigned)PLAN_OBSERVE) |
                     (s->limits.pin_cpus ? (unsigned)PLAN_PIN_CPUS : 0u);

    // Abstract sockets belong to the network namespace: with the host's, Landlock scopes (ABI 6) hold them
    // off.
    if (!own_net && landlock_abi() >= 6)
        flags |= PLAN_SCOPE_ABSTRACT;
    if (landlock_abi() > 0 && (!p->nested || (flags & PLAN_SCOPE_ABSTRACT)))
        flags |= PLAN_LANDLOCK;
    return flags;
}

static void tell_lines(struct session *s, struct buf *lines)
{
    char *save = NULL;

    for (char *line = strtok_r((char *)(uintptr_t)buf_cstr(lines), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        session_tell(s, line);
}

// The network's, the policy's, and the guide. Owned by the caller; what they show is not.
static struct layout_file *gather_files(struct session *s, size_t *ret_n)
{
    const struct layout_file *network = NULL;
    size_t nnetwork = s->network ? network_files(s->network, &network) : 0, n = 0;
    struct layout_file *files = xcalloc(nnetwork + s->inside.nfiles + 1, sizeof *files);

    for (size_t i = 0; i < nnetwork; i++)
        files[n++] = network[i];
    for (size_t i = 0; i < s->inside.nfiles; i++)
        files[n++] = s->inside.files[i];
    buf_init(&s->guide, GUIDE_MAX);
    guide_write(s->options.policy, &s->rules, &s->guide);
    files[n++] = (struct layout_file){.path = GUIDE_PATH, .content = s->guide.ptr, .size = s->guide.len};
    *ret_n = n;
    return files;
}

static bool make_base(struct session *s, struct layout *layout, bool own_net, struct buf *block,
                      struct err *err)
{
    AUTO_BUF struct buf notes = {0};
    struct plan plan;
    bool ok;

    buf_init(&notes, 1 << 20);
    plan_init(&plan);
    plan.head.flags = plan_flags(s, own_net);
    if (s->network) {
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
    ok = layout_base(layout, &plan, &notes, err) && plan_encode(&plan, block, err);
    plan_deinit(&plan);
    tell_lines(s, &notes);
    return ok;
}

char *session_path(const struct session_places *places, const char *text)
{
    if (text[0] == '~')
        return places->home ? path_normal(places->home, text[1] ? text + 2 : "") : NULL;
    return path_normal(places->workspace, text);
}

// The sockets of network.sockets. Deny wins over them as over any other grant.
static void find_let_in(struct session *s, struct strlist *ret)
{
    const struct policy_list *named = &s->options.policy->network.sockets;

    for (size_t i = 0; i < named->n; i++) {
        AUTO_FREE char *path = session_path(&s->options.places, named->items[i].text), *line = NULL,
                       *real = path ? realpath(path, NULL) : NULL;
        struct file_verdict v = {0};

        if (real)
            file_rules_explain(&s->rules, real, ACCESS_READ, &v);
        if (!real)
            line = xasprintf("network.sockets: %s does not exist", named->items[i].text);
        else if (v.rule && v.rule->grant == GRANT_DENY)
            line = xasprintf("network.sockets: %s is not let in, as %s hides it", named->items[i].text,
                             v.rule_text);
        else
            strlist_take(ret, TAKE_PTR(real));
        if (line)
            session_tell(s, line);
    }
}

static bool make_top(struct session *s, struct layout *layout, struct buf *block, struct err *err)
{
    AUTO_STRLIST struct strlist sockets = {0};
    AUTO_STRLIST struct strlist let_in = {0};
    AUTO_FREE struct layout_file *files = NULL;
    struct layout_tops tops = {.covers = &s->covers, .sockets = &sockets, .let_in = &let_in};
    struct plan plan;
    bool ok;

    layout_host_sockets(&sockets);
    find_let_in(s, &let_in);
    tops.files = files = gather_files(s, &tops.nfiles);
    tops.kept = s->inside.kept;
    tops.nkept = s->inside.nkept;
    plan_init(&plan);
    ok = layout_top(layout, &tops, &plan, err) && plan_encode(&plan, block, err);
    plan_deinit(&plan);
    return ok;
}

int session_block_fd(const struct buf *block, struct err *err)
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

bool session_init_failed(const struct init_msg *m, struct err *err)
{
    if (m->flags == STAGE_BIRTH) // said without a C library, so without the reason
        return err_sys(err, m->number, "%s", m->text);
    return err_set(err, ERR_SYSTEM, "%s", m->text);
}

// Init does not take messages any more: what it said before it died is the reason.
bool session_why_gone(struct session *s, struct err *err)
{
    int fds[FD_PASS_MAX];
    size_t nfds = FD_PASS_MAX;
    struct init_msg m;

    while (init_recv(s->init.sock, &m, fds, &nfds, MSG_DONTWAIT) == 1) {
        while (nfds)
            close(fds[--nfds]);
        if (m.type == INIT_FAILED)
            return session_init_failed(&m, err);
        nfds = FD_PASS_MAX;
    }
    return err_set(err, ERR_PROTOCOL, "the sandbox's first process (bawn-init) was killed from outside");
}

// READY is not waited for: a START may follow at once, init takes them in order.
static bool send_part(struct session *s, enum init_type part, const struct buf *block, struct err *err)
{
    struct init_msg m = {.type = part};
    int fds[1 + CGROUP_CONTROLLERS] = {-1, -1, -1, -1};
    size_t n = 1;
    bool ok;

    if (part == INIT_PLAN && s->limits.uses_cgroup && !cgroup_open_tasks(&s->cgroup, fds + 1, err))
        return false;
    fds[0] = session_block_fd(block, err);
    while (n < ARRAY_LEN(fds) && fds[n] >= 0)
        n++;
    ok = fds[0] >= 0 && (init_send(s->init.sock, &m, fds, n) || session_why_gone(s, err));
    for (size_t i = 0; i < n; i++)
        session_close_fd(fds[i]);
    return ok;
}

// Secrets are read where something of theirs is shown inside: by the guard, or in a file's copy.
static bool open_network(struct session *s, struct strlist *env, struct err *err)
{
    const struct policy *p = s->options.policy;
    bool guarded = p->network.mode == NET_GUARDED;

    if ((guarded || p->files.ninside) && !credentials_read(p, &s->options.places, &s->credentials, err))
        return false;
    if (guarded)
        credentials_environment(&s->credentials, env);
    return publish_new(p, &s->publish, err) &&
           (!guarded || network_new(p, &s->options.places, &s->credentials, env, &s->network, err));
}

static bool make_inside(struct session *s, struct err *err)
{
    const struct policy *p = s->options.policy;
    AUTO_BUF struct buf notes = {0};

    if (!p->files.ninside && !p->files.state.n)
        return true;
    buf_init(&notes, 1 << 16);
    if (!inside_make(p, &s->options.places, &s->credentials, &s->inside, &notes, err))
        return false;
    tell_lines(s, &notes);
    return true;
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
    session_record(ctx, AUDIT_NETWORK, VERDICT_ALLOW, "network.publish", subject, &detail, "policy");
}

static bool start_network(struct session *s, struct err *err)
{
    struct network_handler h = {session_on_network, session_on_guard_gone, session_on_policy_updated, s};

    const struct publish_handler inward = {connect_inside, on_visit, s};

    return (!s->network || network_start(s->network, s->loop, &h, err)) &&
           (!s->publish || publish_start(s->publish, s->loop, &inward, err));
}

// What must stand before anything of the user's runs.
static bool make_guardians(struct session *s, struct err *err)
{
    return make_record(s, err) && start_janitor(s, err) && arm_limits(s, err);
}

// Each part of the plan goes to init as soon as it is made, except where init must wait: it takes its control
// group namespace when it has the plan, so it must be in the run's group by then.
static bool set_up(struct session *s, struct strlist *network_env, struct err *err)
{
    const bool at_once = !s->limits.uses_cgroup, own_net = s->options.policy->network.mode != NET_OPEN;
    AUTO_STRLIST struct strlist more_read = {0};
    struct layout_wants wants = {.rules = &s->rules,
                                 .uid = geteuid(),
                                 .own_net = own_net,
                                 .tmpfs_size = s->limits.tmpfs_size,
                                 .more_read = &more_read};
    AUTO_BUF struct buf base = {0};
    AUTO_BUF struct buf top = {0};
    struct layout *layout = layout_new(&wants);
    bool ok;

    if (!own_net)
        show_resolver(&more_read);
    buf_init(&base, PLAN_MAX);
    buf_init(&top, PLAN_MAX);
    // The guard has been starting all the while.
    ok = make_base(s, layout, own_net, &base, err) && (!at_once || send_part(s, INIT_PLAN, &base, err)) &&
         find_covers(s, err) && make_inside(s, err) &&
         (!s->network || network_wait(s->network, &s->options.places, network_env, err)) &&
         make_top(s, layout, &top, err) && (!at_once || send_part(s, INIT_TOP, &top, err)) &&
         make_guardians(s, err) &&
         (at_once || (send_part(s, INIT_PLAN, &base, err) && send_part(s, INIT_TOP, &top, err)));
    layout_free(layout);
    return ok;
}

// One that was launched ahead, or a new one.
static bool take_init(struct session *s, struct err *err)
{
    struct launched *ahead = s->options.launched;

    if (!ahead || ahead->pid <= 0)
        return launch_init(&s->init, err);
    s->init = *ahead;
    *ahead = (struct launched){0};
    return true;
}

static bool open_all(struct session *s, struct err *err)
{
    const struct policy *p = s->options.policy;
    AUTO_STRLIST struct strlist network_env = {0};

    if (p->limits.memory || p->limits.cpu > 0 || p->limits.processes)
        cgroup_probe("", &s->cgroup_support);
    if (!limits_plan(&p->limits, &s->cgroup_support, geteuid(), p->degrade, &s->limits, err) ||
        !open_network(s, &network_env, err))
        return false;
    if (!take_init(s, err)) {
        struct err why = {0};

        // Only now, as it costs time: what exactly is missing here, and how to get it.
        if (err && err->kind == ERR_UNSUPPORTED && !probe_can_sandbox(&why))
            *err = why;
        return false;
    }
    s->launched = true;
    for (size_t i = 0; i < p->notes.n; i++)
        session_tell(s, p->notes.items[i].text);
    for (size_t i = 0; i < s->limits.missing.n; i++)
        session_tell(s, s->limits.missing.items[i]);
    if (!make_rules(s, err) || !set_up(s, &network_env, err))
        return false;
    environment_make(p, &s->options.places, &s->env);
    for (size_t i = 0; i < network_env.n; i++)
        environment_set(&s->env, network_env.items[i]);
    s->state = SESSION_OPEN;
    for (size_t i = 0; i < s->covers.notes.n; i++)
        session_tell(s, s->covers.notes.items[i]);
    if (!start_network(s, err))
        return false;
    if (!treewatch_start(s->treewatch, &s->covers, err) || !watch_janitor(s, err) ||
        !watch_add(s->loop, &s->sock_watch, s->init.sock, EPOLLIN, session_on_init, s, err))
        return false;
    s->wall_from = clock_mono_ns();
    session_limit_wall(s, p->limits.wall_ms);
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
        s->janitor.life = s->root = -1;
    s->end.exit_status = -1;
    if (!open_all(s, err)) {
        session_close(s, NULL);
        return false;
    }
    *ret = s;
    return true;
}
