// SPDX-License-Identifier: Apache-2.0
// One function a limit that needs thought; the rest is a line. What holds what, and what does not:
//
// memory       only a control group sees a whole tree, with its tmpfs and memfd pages. RLIMIT_AS counts
//              addresses, not memory, breaks JVM, Go, node and sanitizers, and counts each process alone: no
//              substitute.
// processes    a control group when there is one, as it reports refusals; else RLIMIT_NPROC in the run's own
//              user namespace. Not both: the resource limit would refuse first and nothing would be on
//              record. The kernel does not hold root to the resource limit (copy_process exempts the user 0,
//              whatever its capabilities), so a run that root started has the control group or nothing.
// cpu          a control group; else, for a whole number, as many processors by affinity: the run may then
//              not use more, but must share those with whoever else is on them. It is no substitute for a
//              fraction.
// disk         the largest file (RLIMIT_FSIZE), and the size of each private tmpfs.
#include "sandbox/limitplan.h"

#include <stdio.h>

const char *limit_key_name(enum limit_key k)
{
    static const char *const names[] = {"limits.wall",      "limits.cpu",        "limits.memory",
                                        "limits.processes", "limits.disk",       "limits.open_files",
                                        "limits.output",    "limits.after_input"};

    return names[k];
}

const char *limit_means_name(enum limit_means m)
{
    static const char *const names[] = {"none",     "missing", "cgroup", "rlimit",
                                        "affinity", "timer",   "counter"};

    return names[m];
}

static void by_cgroup(struct limits_plan *p, enum limit_key k, enum cgroup_controller c)
{
    p->means[k] = MEANS_CGROUP;
    p->uses_cgroup = true;
    p->need_cgroup[c] = true;
}

// Either the run is refused, or this is what the person is told.
static bool cannot(struct limits_plan *p, enum limit_key k, enum degrade degrade, const char *why,
                   struct err *err)
{
    if (degrade == DEGRADE_REFUSE)
        return err_set(
            err, ERR_UNSUPPORTED,
            "%s cannot be held here: %s; or remove the limit, or set degrade: allow to run without it",
            limit_key_name(k), why);
    strlist_addf(&p->missing, "%s is not held: %s", limit_key_name(k), why);
    p->means[k] = MEANS_MISSING;
    return true;
}

static bool plan_memory(const struct cgroup_support *s, enum degrade degrade, struct limits_plan *p,
                        struct err *err)
{
    if (!s->version[CGROUP_MEMORY])
        return cannot(p, LIMIT_MEMORY, degrade, s->why_not[CGROUP_MEMORY], err);
    by_cgroup(p, LIMIT_MEMORY, CGROUP_MEMORY);
    return true;
}

static void pin(struct limits_plan *p, uint32_t cpus)
{
    p->affinity_cpus = cpus;
    p->pin_cpus = true;
}

static bool plan_cpu(double cpus, const struct cgroup_support *s, enum degrade degrade, struct limits_plan *p,
                     struct err *err)
{
    char why[sizeof s->why_not[CGROUP_CPU] + 128];
    uint32_t whole = cpus < UINT32_MAX ? (uint32_t)cpus : UINT32_MAX;

    if (s->version[CGROUP_CPU]) {
        by_cgroup(p, LIMIT_CPU, CGROUP_CPU);
        return true;
    }
    if (whole >= cpus) {
        pin(p, whole);
        p->means[LIMIT_CPU] = MEANS_AFFINITY;
        return true;
    }
    snprintf(why, sizeof why, "a fraction (%g) needs a control group, a whole number does not; %s", cpus,
             s->why_not[CGROUP_CPU]);
    if (!cannot(p, LIMIT_CPU, degrade, why, err))
        return false;
    pin(p, whole + 1); // the next best, though not what was asked for
    return true;
}

static bool plan_processes(uint64_t n, const struct cgroup_support *s, uid_t uid, enum degrade degrade,
                           struct limits_plan *p, struct err *err)
{
    char why[sizeof s->why_not[CGROUP_PIDS] + 128];

    if (s->version[CGROUP_PIDS]) {
        by_cgroup(p, LIMIT_PROCESSES, CGROUP_PIDS);
        return true;
    }
    p->rlimit_processes = n;
    p->means[LIMIT_PROCESSES] = MEANS_RLIMIT;
    if (uid != 0)
        return true;
    snprintf(why, sizeof why, "the kernel holds root to no other limit of processes than a control group; %s",
             s->why_not[CGROUP_PIDS]);
    return cannot(p, LIMIT_PROCESSES, degrade, why, err);
}

bool limits_plan(const struct limits *l, const struct cgroup_support *s, uid_t uid, enum degrade degrade,
                 struct limits_plan *ret, struct err *err)
{
    struct limits_plan p = {0};

    if ((l->memory && !plan_memory(s, degrade, &p, err)) ||
        (l->cpu > 0 && !plan_cpu(l->cpu, s, degrade, &p, err)) ||
        (l->processes && !plan_processes(l->processes, s, uid, degrade, &p, err))) {
        limits_plan_deinit(&p);
        return false;
    }
    if (l->disk) {
        p.rlimit_file_size = p.tmpfs_size = l->disk;
        p.means[LIMIT_DISK] = MEANS_RLIMIT;
    }
    if (l->open_files) {
        p.rlimit_open_files = l->open_files;
        p.means[LIMIT_OPEN_FILES] = MEANS_RLIMIT;
    }
    if (l->wall_ms)
        p.means[LIMIT_WALL] = MEANS_TIMER;
    if (l->after_input_ms)
        p.means[LIMIT_AFTER_INPUT] = MEANS_TIMER;
    if (l->output)
        p.means[LIMIT_OUTPUT] = MEANS_COUNTER;
    *ret = p;
    return true;
}

void limits_plan_deinit(struct limits_plan *p)
{
    strlist_deinit(&p->missing);
}
