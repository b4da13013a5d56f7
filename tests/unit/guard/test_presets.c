// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "guard/hostpattern.h"
#include "guard/presets.h"

static void every_pattern_of_a_preset_is_well_formed(void **state)
{
    static const char *const names[] = {"none", "dependencies", "documentation"};
    size_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct preset_host *hosts = preset_find(names[i], &n);

        assert_non_null(hosts);
        assert_true(i ? n > 30 : n == 0);
        for (size_t j = 0; j < n; j++) {
            struct host_pattern p;

            assert_true(host_pattern_parse(hosts[j].pattern, &p, NULL));
            assert_true(p.kind == PATTERN_NAME || p.kind == PATTERN_TREE);
            for (size_t k = 0; k < j; k++)
                assert_string_not_equal(hosts[k].pattern, hosts[j].pattern);
        }
    }
    assert_null(preset_find("dependency", &n));
}

static char root[] = "/tmp/bawn-presets-XXXXXX";

static void write_file(const char *path, const char *text)
{
    AUTO_FREE char *whole = xasprintf("%s%s", root, path),
                   *dir = xstrndup(whole, (size_t)(strrchr(whole, '/') - whole));
    struct err err = {0};

    if (!mkdir_parents(AT_FDCWD, dir, 0700, &err) ||
        !file_replace(AT_FDCWD, whole, text, strlen(text), 0600, &err))
        fail_msg("%s", err.msg);
}

static int make_root(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    write_file("/home/u/.npmrc",
               "; registry=http://comment.test\nregistry = https://user:pw@npm.test:4873/path/\n"
               "@corp:registry=http://scope.test/\n//npm.test/:_authToken=http://token.test\n");
    write_file("/home/u/.config/pip/pip.conf",
               "[global]\nindex-url = https://pip.test/simple\nextra-index-url =\n"
               "    https://extra.test/simple\n    http://10.0.0.7:8080/x\nproxy = http://proxy.test\n");
    write_file("/home/u/.cargo/config.toml",
               "[source.mirror]\nregistry = \"sparse+https://cargo.test/index/\"\n");
    write_file("/home/u/.config/go/env",
               "GOPROXY=https://go1.test,https://go2.test|direct\nGONOSUMDB=https://no.test\n");
    write_file("/home/u/.m2/settings.xml",
               "<settings><!-- <url>http://comment.test</url> --><mirror>\n"
               "<url>https://maven.test/m2</url></mirror><x>http://x.test</x></settings>");
    write_file("/etc/apt/sources.list",
               "# deb http://comment.test/ x\ndeb [arch=amd64] http://apt.test/debian x main\n");
    write_file("/etc/apt/sources.list.d/a.sources",
               "Types: deb\nURIs: https://deb822.test/debian\n http://second.test/d\n");
    write_file("/etc/apt/sources.list.d/b.sources.disabled", "URIs: https://disabled.test/\n");
    write_file("/home/u/work/.npmrc", "registry=https://workspace.test/\n");
    write_file(
        "/etc/npmrc",
        "registry=https://127.1/\nregistry=https://a_b.test/\nregistry=ftp://f.test/\nregistry=https:///\n");
    return 0;
}

static int remove_root(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf %s", root);

    (void)state;
    return system(command);
}

static void registries_come_from_the_machines_own_configuration(void **state)
{
    static const char *const expected[] = {
        "npm.test:4873",   "scope.test:80",  "pip.test:443", "extra.test:443", "10.0.0.7:8080",
        "cargo.test:443",  "go1.test:443",   "go2.test:443", "maven.test:443", "apt.test:80",
        "deb822.test:443", "second.test:80", "env.test:443",
    };
    char *variables[] = {(char[]){"PATH=/bin"}, (char[]){"PIP_INDEX_URL=https://env.test/simple"}, NULL};
    const struct preset_place place = {.root = root, .home = "/home/u", .environ = variables};
    struct preset_registries found;
    char text[300];

    (void)state;
    preset_registries_read(&place, &found);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        bool there = false;

        for (size_t j = 0; j < found.n; j++) {
            snprintf(text, sizeof text, "%s:%u", found.items[j].host, found.items[j].port);
            there |= !strcmp(text, expected[i]);
        }
        if (!there)
            fail_msg("%s was not found", expected[i]);
    }
    if (found.n != ARRAY_LEN(expected))
        for (size_t j = 0; j < found.n; j++)
            print_message("%s from %s\n", found.items[j].host, found.items[j].source);
    assert_int_equal(found.n, ARRAY_LEN(expected));
    preset_registries_deinit(&found);
}

static void a_machine_without_configuration_has_none(void **state)
{
    const struct preset_place place = {.root = "/nonexistent"};
    struct preset_registries found;

    (void)state;
    preset_registries_read(&place, &found);
    assert_int_equal(found.n, 0);
    preset_registries_deinit(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_of_a_preset_is_well_formed),
        cmocka_unit_test_setup_teardown(registries_come_from_the_machines_own_configuration, make_root,
                                        remove_root),
        cmocka_unit_test(a_machine_without_configuration_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
