// SPDX-License-Identifier: Apache-2.0
// Control groups, as a run would use them. Apart from the rest, since it asks the code that makes the groups.
#include <stdio.h>

#include "sandbox/cgroup.h"
#include "sandbox/probe.h"

void probe_cgroups(struct probe_report *r)
{
    struct cgroup_support s = {0};

    cgroup_probe("", &s);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        struct probe_result *f = &r->features[PROBE_CGROUP_MEMORY + c];

        f->state = s.version[c] ? PROBE_WORKS : PROBE_MISSING;
        f->remedy[0] = '\0';
        if (s.version[c]) {
            snprintf(f->found, sizeof f->found, "version %d, %s", s.version[c], s.parent[c]);
        } else {
            snprintf(f->found, sizeof f->found, "not usable by this user");
            snprintf(f->remedy, sizeof f->remedy, "%s", s.why_not[c]);
        }
    }
    cgroup_support_deinit(&s);
}
