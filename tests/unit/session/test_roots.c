// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "session/roots.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nZGVy\n-----END CERTIFICATE-----\n"

static const struct layout_file *file_at(const struct inside_files *f, const char *path)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->items[i].path, path))
            return &f->items[i];
    return NULL;
}

static void one_file_is_there_once_whatever_it_is_called(void **state)
{
    struct inside_files f = {0};
    char dir[] = "/tmp/roots.XXXXXX";
    AUTO_FREE char *link = NULL, *real = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    link = xasprintf("%s/link", dir);
    real = xasprintf("%s/real", dir);
    assert_int_equal(close(open(real, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(symlink(real, link), 0);
    inside_files_add(&f, link, "a", 1);
    inside_files_add(&f, real, "b", 1);
    inside_files_add(&f, "/nowhere/at all", "c", 1);
    assert_int_equal(f.n, 2);
    assert_string_equal(f.items[0].path, real);
    assert_string_equal(f.items[0].content, "a");
    assert_string_equal(f.items[1].path, "/nowhere/at all");
    inside_files_deinit(&f);
    unlink(link);
    unlink(real);
    rmdir(dir);
}

static void without_an_authority_nothing_is_replaced(void **state)
{
    AUTO_STRLIST struct strlist env = {0};
    struct inside_files f = {0};
    struct roots r;

    (void)state;
    roots_init(&r);
    assert_true(roots_place(&r, &f, &env, NULL));
    assert_int_equal(f.n, 0);
    assert_int_equal(env.n, 0);
    roots_deinit(&r);
}

static void variables_name_a_file_that_has_the_authority(void **state)
{
    AUTO_STRLIST struct strlist env = {0};
    struct inside_files f = {0};
    struct roots r;

    (void)state;
    roots_init(&r);
    roots_read(&r, NULL, NULL, 1);
    buf_adds(&r.authority, CERTIFICATE);
    assert_true(roots_place(&r, &f, &env, NULL));
    assert_true(env.n >= 8);
    for (size_t i = 0; i < env.n; i++) {
        const char *path = strchr(env.items[i], '=') + 1;
        AUTO_FREE char *real = realpath(path, NULL);
        const struct layout_file *file = file_at(&f, real ? real : path);

        assert_non_null(file);
        assert_non_null(memmem(file->content, file->size, CERTIFICATE, strlen(CERTIFICATE)));
        assert_int_equal(strlen(file->content), file->size);
    }
    inside_files_deinit(&f);
    roots_deinit(&r);
}

static void a_java_at_the_end_of_path_gets_its_store(void **state)
{
    AUTO_STRLIST struct strlist env = {0};
    struct inside_files f = {0};
    char dir[] = "/tmp/roots.XXXXXX";
    AUTO_FREE char *bin = NULL, *java = NULL, *store = NULL, *path = NULL, *security = NULL;
    const struct layout_file *file;
    struct roots r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    bin = xasprintf("%s/jdk/bin", dir);
    security = xasprintf("%s/jdk/lib/security", dir);
    java = xasprintf("%s/java", bin);
    store = xasprintf("%s/cacerts", security);
    path = xasprintf("/nowhere::relative:%s", bin);
    assert_true(mkdir_parents(AT_FDCWD, bin, 0700, NULL) && mkdir_parents(AT_FDCWD, security, 0700, NULL));
    assert_true(file_replace(AT_FDCWD, java, "#!", 2, 0755, NULL));
    assert_true(file_replace(AT_FDCWD, store, "0\x82PKCS12", 8, 0644, NULL));
    roots_init(&r);
    roots_read(&r, NULL, path, 1);
    buf_adds(&r.authority, CERTIFICATE);
    assert_true(roots_place(&r, &f, &env, NULL));
    file = file_at(&f, store);
    assert_non_null(file);
    assert_true(file->size > 40);
    assert_memory_equal(file->content, "\xfe\xed\xfe\xed", 4);
    inside_files_deinit(&f);
    roots_deinit(&r);
    unlink(java);
    unlink(store);
    rmdir(security);
    rmdir(bin);
    security[strlen(security) - strlen("/security")] = '\0';
    rmdir(security);
    bin[strlen(bin) - strlen("/bin")] = '\0';
    rmdir(bin);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_is_there_once_whatever_it_is_called),
        cmocka_unit_test(without_an_authority_nothing_is_replaced),
        cmocka_unit_test(variables_name_a_file_that_has_the_authority),
        cmocka_unit_test(a_java_at_the_end_of_path_gets_its_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
