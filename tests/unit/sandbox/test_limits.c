// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "sandbox/limitplan.h"

static const struct limits all = {.wall_ms = 1000,
                                  .cpu = 2,
                                  .memory = 1 << 30,
                                  .disk = 1 << 20,
                                  .output = 4096,
                                  .processes = 64,
                                  .open_files = 256};

static struct cgroup_support groups(int memory, int pids, int cpu)
{
    struct cgroup_support s = {.version = {memory, pids, cpu}};

    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (!s.version[c])
            strcpy(s.why_not[c], "REASON AND REMEDY");
    return s;
}

static struct limits_plan plan(const struct limits *l, struct cgroup_support s, enum degrade d)
{
    struct limits_plan p;
    struct err err = {0};

    if (!limits_plan(l, &s, 1000, d, &p, &err))
        fail_msg("%s", err.msg);
    return p;
}

static void no_limits_arm_nothing(void **state)
{
    struct limits none = {0};
    struct limits_plan p = plan(&none, groups(0, 0, 0), DEGRADE_REFUSE);

    (void)state;
    for (int k = 0; k < LIMIT_KEYS; k++)
        assert_int_equal(p.means[k], MEANS_NONE);
    assert_false(p.uses_cgroup || p.pin_cpus);
    assert_int_equal(p.rlimit_processes + p.rlimit_open_files + p.rlimit_file_size + p.tmpfs_size, 0);
    limits_plan_deinit(&p);
}

static void with_groups_they_hold_memory_processes_and_cpu(void **state)
{
    struct limits_plan p = plan(&all, groups(2, 2, 1), DEGRADE_REFUSE);

    (void)state;
    assert_true(p.uses_cgroup);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        assert_true(p.need_cgroup[c]);
    // Otherwise the resource limit refuses first, and unrecorded.
    assert_int_equal(p.rlimit_processes, 0);
    assert_false(p.pin_cpus);
    assert_int_equal(p.means[LIMIT_WALL], MEANS_TIMER);
    assert_int_equal(p.means[LIMIT_OUTPUT], MEANS_COUNTER);
    assert_int_equal(p.rlimit_open_files, 256);
    assert_int_equal(p.rlimit_file_size, 1 << 20);
    assert_int_equal(p.tmpfs_size, 1 << 20);
    limits_plan_deinit(&p);
}

static void memory_without_a_group_refuses_with_key_and_remedy(void **state)
{
    struct cgroup_support s = groups(0, 2, 2);
    struct limits_plan p = {.affinity_cpus = 77};
    struct err err = {0};

    (void)state;
    assert_false(limits_plan(&all, &s, 1000, DEGRADE_REFUSE, &p, &err));
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "limits.memory"));
    assert_non_null(strstr(err.msg, "REASON AND REMEDY"));
    assert_non_null(strstr(err.msg, "degrade"));
    assert_int_equal(p.affinity_cpus, 77);
}

static void degraded_the_missing_limit_is_named(void **state)
{
    struct limits_plan p = plan(&all, groups(0, 0, 0), DEGRADE_ALLOW);

    (void)state;
    assert_int_equal(p.means[LIMIT_MEMORY], MEANS_MISSING);
    assert_int_equal(p.missing.n, 1);
    assert_non_null(strstr(p.missing.items[0], "limits.memory"));
    assert_false(p.uses_cgroup);
    // The others still hold.
    assert_int_equal(p.rlimit_processes, 64);
    assert_int_equal(p.means[LIMIT_PROCESSES], MEANS_RLIMIT);
    assert_int_equal(p.means[LIMIT_CPU], MEANS_AFFINITY);
    limits_plan_deinit(&p);
}

static void whole_processors_are_pinned_without_a_group(void **state)
{
    struct limits l = {.cpu = 3};
    struct limits_plan p = plan(&l, groups(0, 0, 0), DEGRADE_REFUSE);

    (void)state;
    assert_int_equal(p.means[LIMIT_CPU], MEANS_AFFINITY);
    assert_int_equal(p.affinity_cpus, 3);
    assert_true(p.pin_cpus);
    limits_plan_deinit(&p);
}

static void a_fraction_of_a_processor_needs_a_group(void **state)
{
    struct limits l = {.cpu = 1.5};
    struct cgroup_support s = groups(0, 0, 0);
    struct limits_plan p;
    struct err err = {0};

    (void)state;
    assert_false(limits_plan(&l, &s, 1000, DEGRADE_REFUSE, &p, &err));
    assert_non_null(strstr(err.msg, "limits.cpu"));
    p = plan(&l, groups(0, 0, 0), DEGRADE_ALLOW);
    assert_int_equal(p.means[LIMIT_CPU], MEANS_MISSING);
    assert_int_equal(p.affinity_cpus, 2);
    assert_int_equal(p.missing.n, 1);
    limits_plan_deinit(&p);
    p = plan(&l, groups(0, 0, 2), DEGRADE_REFUSE);
    assert_int_equal(p.means[LIMIT_CPU], MEANS_CGROUP);
    limits_plan_deinit(&p);
}

static void root_has_its_processes_limited_by_a_group_or_not_at_all(void **state)
{
    struct limits l = {.processes = 64};
    struct cgroup_support without = groups(2, 0, 2), with = groups(0, 1, 0);
    struct limits_plan p;
    struct err err = {0};

    (void)state;
    assert_false(limits_plan(&l, &without, 0, DEGRADE_REFUSE, &p, &err));
    assert_non_null(strstr(err.msg, "limits.processes"));
    assert_non_null(strstr(err.msg, "REASON AND REMEDY"));
    assert_true(limits_plan(&l, &without, 0, DEGRADE_ALLOW, &p, NULL));
    assert_int_equal(p.means[LIMIT_PROCESSES], MEANS_MISSING);
    assert_int_equal(p.missing.n, 1);
    limits_plan_deinit(&p);
    assert_true(limits_plan(&l, &with, 0, DEGRADE_REFUSE, &p, NULL));
    assert_int_equal(p.means[LIMIT_PROCESSES], MEANS_CGROUP);
    limits_plan_deinit(&p);
    assert_true(limits_plan(&l, &without, 1000, DEGRADE_REFUSE, &p, NULL));
    assert_int_equal(p.means[LIMIT_PROCESSES], MEANS_RLIMIT);
    limits_plan_deinit(&p);
}

static void every_key_and_means_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(limit_key_name(LIMIT_OUTPUT), "limits.output");
    assert_string_equal(limit_key_name(LIMIT_OPEN_FILES), "limits.open_files");
    assert_string_equal(limit_means_name(MEANS_COUNTER), "counter");
    assert_string_equal(limit_means_name(MEANS_AFFINITY), "affinity");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limits_arm_nothing),
        cmocka_unit_test(with_groups_they_hold_memory_processes_and_cpu),
        cmocka_unit_test(memory_without_a_group_refuses_with_key_and_remedy),
        cmocka_unit_test(degraded_the_missing_limit_is_named),
        cmocka_unit_test(whole_processors_are_pinned_without_a_group),
        cmocka_unit_test(a_fraction_of_a_processor_needs_a_group),
        cmocka_unit_test(root_has_its_processes_limited_by_a_group_or_not_at_all),
        cmocka_unit_test(every_key_and_means_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
