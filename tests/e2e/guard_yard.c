// SPDX-License-Identifier: Apache-2.0
// Test program: runs a command in a gated network namespace with the real bawn-guard, without the rest of
// bawn, as root or as an ordinary user. A small supervisor: what it does is what a session does with the
// guard.
//
//   guard_yard GUARD CONFIG RECORDS [option…] -- CMD ARG…
//     CONFIG      the guard's document (src/guard/config.h), "proxy_port" and "hosts_inside" beside it
//     RECORDS     file that gets one JSON object a line
//     --answer V  allow or deny: what the scripted reviewer says; "late:N" waits N seconds, then allows
//     --update F N  sends the document F after N seconds
//     --update-at F P  sends the document F when the file P is there, and removes P when the guard has taken
//     it
//     --bare      without namespaces: CMD runs as it is with only the proxy listener, on 127.0.0.1, port
//     proxy_port
// Inside, BAWN_CA names the run's certificate. Exit status: CMD's; 125 when the yard could not be made.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "guard/config.h"
#include "guard/control.h"
#include "guard/rules.h"
#include "sandbox/gate.h"

struct yard {
    const char *guard, *records, *answer, *update_file, *update_at;
    double update_after;
    bool bare;
    char **command;
    json_t *config;
    uint16_t proxy_port;
    struct guard_control control;
    FILE *log;
    char dir[4096]; // its files, beside the records: whoever has those removed has these removed too
    uint32_t late_id;
    uint64_t late_when;
};

static _Noreturn void die(const char *what, const struct err *err)
{
    fprintf(stderr, "guard_yard: %s: %s\n", what, err && err->msg[0] ? err->msg : strerror(errno));
    exit(125);
}

static json_t *load(const char *path)
{
    AUTO_BUF struct buf b;
    struct err err = {0};
    json_t *j;

    buf_init(&b, GUARD_CONFIG_MAX);
    if (!file_read(AT_FDCWD, path, &b, &err))
        die(path, &err);
    j = json_parse(buf_cstr(&b), b.len, &err);
    if (!j)
        die(path, &err);
    return j;
}

static void parse(struct yard *y, int argc, char **argv)
{
    int i = 4;

    if (argc < 6)
        die("usage: guard_yard GUARD CONFIG RECORDS [option…] -- CMD ARG…", NULL);
    y->guard = argv[1];
    y->config = load(argv[2]);
    y->records = argv[3];
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--answer") == 0 && i + 1 < argc)
            y->answer = argv[++i];
        else if (strcmp(argv[i], "--bare") == 0)
            y->bare = true;
        else if (strcmp(argv[i], "--update") == 0 && i + 2 < argc) {
            y->update_file = argv[++i];
            y->update_after = atof(argv[++i]);
        } else if (strcmp(argv[i], "--update-at") == 0 && i + 2 < argc) {
            y->update_file = argv[++i];
            y->update_at = argv[++i];
        } else
            die(argv[i], NULL);
    }
    y->command = argv + i + 1;
    y->proxy_port = (uint16_t)json_integer_value(json_object_get(y->config, "proxy_port"));
}

// ---- inside

static void write_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die(path, NULL);
}

static void new_user_namespace(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
        die("unshare", NULL);
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_text("/proc/self/gid_map", map);
}

static void cover(const char *dir, const char *name, const char *target)
{
    AUTO_FREE char *from = xasprintf("%s/%s", dir, name);

    if (access(target, F_OK) == 0 && mount(from, target, NULL, MS_BIND, NULL) < 0)
        die(target, NULL);
}

static _Noreturn void inside(struct yard *y, int sock)
{
    AUTO_FREE char *ca = xasprintf("%s/ca.pem", y->dir), *bundle = xasprintf("%s/bundle.pem", y->dir);
    char go;

    if (read(sock, &go, 1) != 1)
        _exit(125);
    if (!y->bare) {
        if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
            die("mount", NULL);
        cover(y->dir, "resolv.conf", "/etc/resolv.conf");
        cover(y->dir, "hosts", "/etc/hosts");
        cover(y->dir, "bundle.pem", "/etc/ssl/certs/ca-certificates.crt");
    }
    setenv("BAWN_CA", ca, 1);
    setenv("NODE_EXTRA_CA_CERTS", ca, 1);
    setenv("REQUESTS_CA_BUNDLE", bundle, 1);
    close(sock);
    execvp(y->command[0], y->command);
    die(y->command[0], NULL);
}

static void make_gate(struct yard *y, int sock, const uint16_t *ports, size_t nports)
{
    struct gate_wants wants = {.ports = ports, .nports = nports, .proxy_port = y->proxy_port};
    struct gate gate;
    struct err err = {0};
    uint64_t start;

    if (y->bare)
        return;
    start = clock_mono_ns();
    new_user_namespace();
    if (!gate_make(&wants, &gate, &err))
        die("gate", &err);
    if (getenv("YARD_TIMES"))
        fprintf(stderr, "namespaces and gate: %llu us\n",
                (unsigned long long)(clock_mono_ns() - start) / 1000);
    for (size_t i = 0; i < gate.n; i++)
        if (fd_send(sock, &gate.fds[i], sizeof gate.fds[i], &gate.fds[i].fd, 1, 0) < 0)
            die("pass a listener", NULL);
    if (fd_send(sock, "end", 3, NULL, 0, 0) < 0)
        die("pass listeners", NULL);
    gate_close(&gate);
}

// ---- outside

static void remove_files(const struct yard *y)
{
    static const char *const names[] = {"ca.pem", "bundle.pem", "resolv.conf", "hosts"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = xasprintf("%s/%s", y->dir, names[i]);

        unlink(path);
    }
    rmdir(y->dir);
}

static void on_record(void *ctx, const json_t *event)
{
    struct yard *y = ctx;
    AUTO_FREE char *line = json_line(event);

    fprintf(y->log, "%s\n", line);
    fflush(y->log);
}

static void on_decide(void *ctx, uint32_t id, const json_t *question)
{
    struct yard *y = ctx;

    (void)question;
    if (!y->answer)
        return; // nobody is there: the guard's own time runs out
    if (strncmp(y->answer, "late:", 5) == 0) {
        y->late_id = id;
        y->late_when = clock_mono_ns() + (uint64_t)(atof(y->answer + 5) * 1e9);
        return;
    }
    if (!guard_answer(&y->control, id, strcmp(y->answer, "allow") == 0 ? VERDICT_ALLOW : VERDICT_DENY, NULL))
        fprintf(stderr, "guard_yard: no answer could be given\n");
}

static void on_updated(void *ctx, const char *error)
{
    struct yard *y = ctx;

    fprintf(y->log, "{\"event\":\"updated\",\"error\":\"%s\"}\n", error);
    fflush(y->log);
    if (y->update_at)
        unlink(y->update_at);
}

static void write_file(const struct yard *y, const char *name, const struct buf *b)
{
    AUTO_FREE char *path = xasprintf("%s/%s", y->dir, name);
    struct err err = {0};

    if (!file_replace(AT_FDCWD, path, b->ptr ? b->ptr : "", b->len, 0644, &err))
        die(path, &err);
}

static void write_inside_files(struct yard *y, const struct buf *ca)
{
    AUTO_BUF struct buf b;
    const char *hosts = json_string_value(json_object_get(y->config, "hosts_inside"));

    write_file(y, "ca.pem", ca);
    buf_init(&b, 8u << 20);
    if (!file_read(AT_FDCWD, "/etc/ssl/certs/ca-certificates.crt", &b, NULL))
        b.len = 0;
    buf_add(&b, ca->ptr, ca->len);
    write_file(y, "bundle.pem", &b);
    b.len = 0;
    buf_adds(&b, "nameserver " GATE_ADDR4 "\noptions timeout:2 attempts:2\n");
    write_file(y, "resolv.conf", &b);
    b.len = 0;
    buf_adds(&b, "127.0.0.1 localhost\n::1 localhost\n");
    buf_adds(&b, hosts ? hosts : "");
    write_file(y, "hosts", &b);
}

static void give_listener(struct yard *y, int kind, uint16_t port, int fd)
{
    struct guard_listener l = {.kind = (uint16_t)kind, .port = port};
    struct err err = {0};

    if (!guard_send_listeners(&y->control, &l, &fd, 1, &err))
        die("listener", &err);
    close(fd);
}

static void take_listeners(struct yard *y, int sock)
{
    for (;;) {
        struct gate_fd l;
        int fd;
        size_t n = 1;
        ssize_t r = fd_recv(sock, &l, sizeof l, &fd, &n, 0);

        if (r == 3)
            return;
        if (r != sizeof l || n != 1)
            die("listeners", NULL);
        give_listener(y, l.kind, l.port, fd);
    }
}

static void bare_listener(struct yard *y)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(y->proxy_port)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (void *)&a, sizeof a) < 0 || listen(fd, 512) < 0)
        die("proxy port", NULL);
    give_listener(y, GUARD_PROXY, y->proxy_port, fd);
}

static bool update_is_due(const struct yard *y, uint64_t passed)
{
    return y->update_at ? access(y->update_at, F_OK) == 0 : (double)passed * 1e-9 >= y->update_after;
}

static void tick(struct yard *y, uint64_t start)
{
    uint64_t now = clock_mono_ns();

    if (y->update_file && update_is_due(y, now - start)) {
        AUTO_JSON json_t *doc = load(y->update_file);

        y->update_file = NULL;
        if (!guard_update(&y->control, doc, NULL))
            fprintf(stderr, "guard_yard: the update could not be sent\n");
    }
    if (y->late_id && now >= y->late_when) {
        if (!guard_answer(&y->control, y->late_id, VERDICT_ALLOW, NULL))
            fprintf(stderr, "guard_yard: no answer could be given\n");
        y->late_id = 0;
    }
}

static int serve(struct yard *y, pid_t child)
{
    struct guard_handler h = {.record = on_record, .decide = on_decide, .updated = on_updated, .ctx = y};
    uint64_t start = clock_mono_ns();
    struct err err = {0};
    bool alive = true, ended = false;
    int status = 0;

    while (!ended) {
        struct pollfd p = {.fd = alive ? y->control.fd : -1, .events = POLLIN};

        ended = waitpid(child, &status, WNOHANG) == child;
        poll(&p, 1, ended ? 100 : 20);
        if (alive && !guard_receive(&y->control, &h, &err)) {
            fprintf(y->log, "{\"event\":\"guard-gone\"}\n");
            fflush(y->log);
            fprintf(stderr, "guard_yard: %s\n", err.msg);
            alive = false;
        }
        tick(y, start);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    struct yard y = {0};
    struct guard_config config;
    struct net_rules *rules;
    const uint16_t *ports;
    AUTO_BUF struct buf ca;
    struct err err = {0};
    size_t nports;
    int pair[2], status;
    uint64_t start;
    pid_t child;

    parse(&y, argc, argv);
    {
        AUTO_FREE char *text = json_line(y.config);

        if (!guard_config_read(text, strlen(text), &config, &err) ||
            !net_rules_make(&config.policy, &config.registries, &rules, &err))
            die("config", &err);
    }
    nports = net_rules_ports(rules, &ports);
    snprintf(y.dir, sizeof y.dir, "%s.files", y.records);
    if (mkdir(y.dir, 0755) < 0 && errno != EEXIST)
        die(y.dir, NULL);
    y.log = fopen(y.records, "we");
    if (!y.log || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        die(y.records, NULL);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        make_gate(&y, pair[1], ports, nports);
        inside(&y, pair[1]);
    }
    close(pair[1]);
    buf_init(&ca, 65536);
    start = clock_mono_ns();
    if (!guard_spawn(y.guard, y.config, &y.control, &err) || !guard_wait_ready(&y.control, &ca, &err))
        die("guard", &err);
    if (getenv("YARD_TIMES"))
        fprintf(stderr, "guard ready: %llu us\n", (unsigned long long)(clock_mono_ns() - start) / 1000);
    if (y.bare)
        bare_listener(&y);
    else
        take_listeners(&y, pair[0]);
    write_inside_files(&y, &ca);
    if (write(pair[0], "g", 1) != 1)
        die("start", NULL);
    status = serve(&y, child);
    guard_stop(&y.control);
    remove_files(&y);
    fclose(y.log);
    net_rules_free(rules);
    guard_config_deinit(&config);
    json_decref(y.config);
    return status;
}
