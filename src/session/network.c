// SPDX-License-Identifier: Apache-2.0
#include "session/network.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/companion.h"
#include "base/path.h"
#include "guard/config.h"
#include "guard/control.h"
#include "guard/rules.h"
#include "sandbox/gate.h"
#include "session/credentials.h"
#include "session/roots.h"
#include "session/session.h"

#define CA_FILE_MAX (4u << 20)

struct network {
    const struct policy *policy;
    struct guard_control control;
    struct watch watch;
    struct network_handler handler;
    const struct credentials *credentials;
    struct strlist known, ca;
    struct preset_registries registries;
    struct buf ports;
    struct roots roots;
    struct inside_files files;
    bool gone;
};

// --- what the guard is told ---

// Values of the caller's environment that look like credentials by their names: they are not inside, and the
// scan looks for them in what leaves all the same (a file may hold them).
static void find_known(struct network *n, const struct session_places *places)
{
    static const char *const words[] = {"TOKEN",  "SECRET",     "PASSWORD",    "PASSWD",    "API_KEY",
                                        "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL"};

    for (char *const *e = places->environ; e && *e; e++) {
        const char *eq = strchr(*e, '=');

        if (!eq || strlen(eq + 1) < 8)
            continue;
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            const char *hit = strcasestr(*e, words[i]);

            if (hit && hit < eq) {
                strlist_add(&n->known, *e);
                break;
            }
        }
    }
}

static bool read_roots(struct network *n, const struct session_places *places, struct err *err)
{
    for (size_t i = 0; i < n->policy->network.ca.n; i++) {
        const struct policy_item *item = &n->policy->network.ca.items[i];
        AUTO_FREE char *dir = item->from.file && item->from.file[0] == '/' ? path_parent(item->from.file)
                                                                           : xstrdup(places->workspace);
        AUTO_FREE char *path = path_normal(dir, item->text);
        struct buf pem;

        buf_init(&pem, CA_FILE_MAX);
        if (!file_read(AT_FDCWD, path, &pem, err)) {
            buf_deinit(&pem);
            return err_prefix(err, "network.ca");
        }
        strlist_take(&n->ca, buf_take(&pem));
    }
    return true;
}

static void read_registries(struct network *n, const struct session_places *places)
{
    struct preset_place place = {"", places->home, places->environ};

    for (size_t i = 0; i < n->policy->network.nallow; i++)
        if (n->policy->network.allow[i].preset &&
            !strcmp(n->policy->network.allow[i].preset, "dependencies")) {
            preset_registries_read(&place, &n->registries);
            return;
        }
}

static bool make_ports(struct network *n, struct err *err)
{
    struct net_rules *rules;
    const uint16_t *ports;
    size_t nports;

    if (!net_rules_make(n->policy, &n->registries, &rules, err))
        return false;
    nports = net_rules_ports(rules, &ports);
    for (size_t i = 0; i < nports; i++)
        buf_addf(&n->ports, "%s%u", i ? "," : "", ports[i]);
    net_rules_free(rules);
    return true;
}

static bool make_document(const struct network *n, const struct policy *p, json_t **ret, struct err *err)
{
    struct guard_extras x = {.secrets = n->credentials->items,
                             .nsecrets = n->credentials->n,
                             .known = &n->known,
                             .ca = &n->ca,
                             .registries = &n->registries};

    return guard_config_write(p, &x, ret, err);
}

// --- what the sandbox gets ---

static void add_proxy_variables(struct strlist *env)
{
    static const char *const http[] = {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"};
    static const char *const all[] = {"ALL_PROXY", "all_proxy"};

    for (size_t i = 0; i < ARRAY_LEN(http); i++)
        strlist_addf(env, "%s=http://" GATE_ADDR4 ":%d", http[i], NETWORK_PROXY_PORT);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        strlist_addf(env, "%s=socks5h://" GATE_ADDR4 ":%d", all[i], NETWORK_PROXY_PORT);
    strlist_add(env, "NO_PROXY=localhost,127.0.0.1,::1");
    strlist_add(env, "no_proxy=localhost,127.0.0.1,::1");
}

bool network_new(const struct policy *p, const struct session_places *places, const struct credentials *c,
                 struct strlist *env, struct network **ret, struct err *err)
{
    struct network *n = xcalloc(1, sizeof *n);
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *path = companion_path("bawn-guard", err);

    n->policy = p;
    n->credentials = c;
    n->control = (struct guard_control){.fd = -1};
    buf_init(&n->ports, 4096);
    roots_init(&n->roots);
    find_known(n, places);
    if (!path || !read_roots(n, places, err) || (read_registries(n, places), !make_ports(n, err)) ||
        !make_document(n, p, &doc, err) || !guard_spawn(path, doc, &n->control, err)) {
        network_free(n);
        return false;
    }
    if (p->network.proxy_env)
        add_proxy_variables(env);
    *ret = n;
    return true;
}

bool network_wait(struct network *n, const struct session_places *places, struct strlist *env,
                  struct err *err)
{
    // The host's entries would lead past the names that policy speaks of; the guard reads them on its side.
    static const char resolver[] = "nameserver " GATE_ADDR4 "\noptions timeout:2 attempts:2\n",
                      hosts[] = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 bawn\n";

    // While the guard starts. Where TLS is passed through, programs inside meet the certificates of
    // network.ca themselves.
    for (size_t i = 0; i < n->ca.n; i++)
        buf_addf(&n->roots.authority, "%s\n", n->ca.items[i]);
    roots_read(&n->roots, places->environ, places->path_env, roots_count(buf_cstr(&n->roots.authority)) + 1);
    if (!guard_wait_ready(&n->control, &n->roots.authority, err))
        return false;
    inside_files_add(&n->files, "/etc/resolv.conf", resolver, sizeof resolver - 1);
    inside_files_add(&n->files, "/etc/hosts", hosts, sizeof hosts - 1);
    return roots_place(&n->roots, &n->files, env, err);
}

const char *network_ports(const struct network *n)
{
    return n->ports.ptr ? buf_cstr((struct buf *)(uintptr_t)&n->ports) : "";
}

size_t network_files(const struct network *n, const struct layout_file **ret)
{
    *ret = n->files.items;
    return n->files.n;
}

// --- while it runs ---

static void on_record(void *ctx, const json_t *event)
{
    struct network *n = ctx;

    n->handler.record(n->handler.ctx, event);
}

// No reviewer answers in this build; the guard is told so and does not ask. Should it all the same: no.
static void on_decide(void *ctx, uint32_t id, const json_t *question)
{
    struct network *n = ctx;

    (void)question;
    if (!guard_answer(&n->control, id, VERDICT_DENY, NULL))
        n->gone = true;
}

static void on_updated(void *ctx, const char *error)
{
    struct network *n = ctx;

    n->handler.updated(n->handler.ctx, error);
}

static void on_readable(struct watch *w, uint32_t events)
{
    struct network *n = w->ctx;
    struct guard_handler h = {on_record, on_decide, on_updated, n};
    struct err err = {0};

    (void)events;
    if (guard_receive(&n->control, &h, &err))
        return;
    n->gone = true;
    watch_del(&n->watch);
    n->handler.gone(n->handler.ctx, err.msg);
}

bool network_start(struct network *n, struct loop *loop, const struct network_handler *h, struct err *err)
{
    n->handler = *h;
    return watch_add(loop, &n->watch, n->control.fd, EPOLLIN, on_readable, n, err);
}

bool network_listeners(struct network *n, const void *listeners, const int *fds, size_t nfds, struct err *err)
{
    _Static_assert(sizeof(struct gate_listener) == sizeof(struct guard_listener), "the same on both ways");

    return guard_send_listeners(&n->control, listeners, fds, nfds, err);
}

bool network_update(struct network *n, const struct policy *p, struct err *err)
{
    AUTO_JSON json_t *doc = NULL;
    struct net_rules *rules;

    // Here already, so that a wrong line is known to be wrong while the old policy still stands.
    if (!net_rules_make(p, &n->registries, &rules, err))
        return false;
    net_rules_free(rules);
    return make_document(n, p, &doc, err) && guard_update(&n->control, doc, err);
}

void network_dismiss(struct network *n)
{
    watch_del(&n->watch);
    guard_dismiss(&n->control);
}

void network_finish(struct network *n)
{
    struct guard_handler h = {on_record, on_decide, on_updated, n};

    if (!n->gone)
        guard_finish(&n->control, &h);
    n->gone = true;
}

void network_free(struct network *n)
{
    if (!n)
        return;
    watch_del(&n->watch);
    if (n->control.fd >= 0)
        guard_stop(&n->control);
    strlist_deinit(&n->known);
    strlist_deinit(&n->ca);
    preset_registries_deinit(&n->registries);
    buf_deinit(&n->ports);
    roots_deinit(&n->roots);
    inside_files_deinit(&n->files);
    free(n);
}
