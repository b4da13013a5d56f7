// SPDX-License-Identifier: Apache-2.0
// bawn-guard: the network gate of one run. It reads bytes that hostile programs wrote, so it is a process of
// its own and caged before the first of them. Order of start:
//
//   1. prepare the jail: dies with its parent, not traceable, no stray descriptors;
//   2. read the configuration from the control socket, then the files: roots, resolver, /etc/hosts,
//      interfaces;
//   3. make the run's certificate authority;
//   4. enter the jail: no file, no exec, few system calls;
//   5. tell the supervisor it is ready; listeners come only now;
//   6. serve until the control socket ends. When this process dies its listeners close: the run has no
//      network.
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guard/dnsserve.h"
#include "guard/guard.h"
#include "guard/jail.h"
#include "guard/listen.h"
#include "guard/proto.h"
#include "guard/supervise.h"

static bool load(struct guard *g, struct err *err)
{
    // The resolver must not read files of the caller's choice (resolver(5)).
    unsetenv("HOSTALIASES");
    unsetenv("LOCALDOMAIN");
    unsetenv("RES_OPTIONS");
    unsetenv("CARES_HOSTS");
    if (!supervise_configure(g, err) || !resolver_new(&g->loop, &g->resolver, err) ||
        !tls_new(&g->config.ca, &g->tls, err) || !tls_need_authority(g->tls, err) || !supervise_apply(g, err))
        return false;
    g->dialer.loop = &g->loop;
    g->dialer.resolver = g->resolver;
    g->names = dns_names_new(DNS_NAMES_MAX);
    g->dns = dnsserve_new(g);
    g->scratch = xmalloc(GUARD_SCRATCH);
    flows_init(&g->flows);
    return true;
}

static void unload(struct guard *g)
{
    flows_deinit(g);
    listeners_free(g);
    dnsserve_free(g->dns);
    dialer_deinit(&g->dialer);
    resolver_free(g->resolver);
    records_deinit(&g->records);
    tls_free(g->tls);
    net_rules_free(g->rules);
    secrets_free(g->secrets);
    needles_free(g->known);
    paces_deinit(&g->paces);
    dns_names_free(g->names);
    guard_config_deinit(&g->config);
    guard_config_deinit(&g->first);
    watch_del(&g->control_watch);
    loop_deinit(&g->loop);
    free(g->scratch);
}

static bool serve(struct guard *g, struct err *err)
{
    return load(g, err) && jail_enter(err) && supervise_start(g, err) && loop_run(&g->loop, err);
}

int main(void)
{
    static struct guard guard; // large; zeroed
    struct guard *g = &guard;
    struct err err = {0};
    bool ok;

    signal(SIGPIPE, SIG_IGN);
    // Queues of a busy tunnel come and go: their pages are kept rather than given back each time.
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    g->control = GUARD_CONTROL_FD;
    if (!jail_prepare(GUARD_CONTROL_FD, &err) || !loop_init(&g->loop, &err)) {
        supervise_failed(GUARD_CONTROL_FD, &err);
        return 1;
    }
    records_init(&g->records, &g->loop, g->control);
    ok = serve(g, &err);
    if (!ok) {
        err_prefix(&err, "guard");
        records_flush(&g->records);
        supervise_failed(g->control, &err);
    }
    unload(g);
    return ok ? 0 : 1;
}
