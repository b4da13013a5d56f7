// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "session/credentials.h"
#include "session/session.h"

#define TOKEN "sk-R3alValueOfTheToken12345"

static char *variables[] = {(char[]){"KEY=" TOKEN}, (char[]){"SHORT=none"}, (char[]){"EMPTY="}, NULL};
static const struct session_places places = {.environ = variables};

static struct secret secret_from(const char *from, bool optional, bool only)
{
    return (struct secret){.name = (char *)(uintptr_t) "NAME",
                           .from = (char *)(uintptr_t)from,
                           .optional = optional,
                           .only = only};
}

static bool reads(const char *from, bool optional, bool only, struct credentials *ret, struct err *err)
{
    static struct secret s;
    struct policy p = {.secrets = &s, .nsecrets = 1};

    s = secret_from(from, optional, only);
    return credentials_read(&p, &places, ret, err);
}

static void a_value_gets_a_placeholder(void **state)
{
    struct credentials c;
    struct strlist env = {0};

    (void)state;
    assert_true(reads("env:KEY", false, false, &c, NULL));
    assert_int_equal(c.n, 1);
    assert_string_equal(c.items[0].value, TOKEN);
    assert_string_not_equal(c.items[0].placeholder, TOKEN);
    credentials_environment(&c, &env);
    assert_int_equal(env.n, 1);
    assert_memory_equal(env.items[0], "NAME=sk-", 8);
    assert_null(strstr(env.items[0], TOKEN));
    strlist_deinit(&env);
    credentials_deinit(&c);
}

static void what_is_missing_stops_the_run_unless_it_is_optional(void **state)
{
    static const char *const missing[] = {"env:NONE", "env:EMPTY", "file:/nonexistent/x",
                                          "json:/nonexistent/x#/a"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        struct credentials c;
        struct err err = {0};

        assert_false(reads(missing[i], false, false, &c, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.msg, "secrets.NAME"));
        assert_true(reads(missing[i], true, false, &c, NULL));
        assert_int_equal(c.n, 1);
        assert_null(c.items[0].value);
        credentials_deinit(&c);
    }
}

static void a_value_that_is_none_is_an_error_or_left_out(void **state)
{
    struct credentials c;
    struct err err = {0};

    (void)state;
    assert_false(reads("env:SHORT", false, false, &c, &err));
    assert_non_null(strstr(err.msg, "too short"));
    assert_true(reads("env:SHORT", true, false, &c, NULL));
    assert_null(c.items[0].value);
    credentials_deinit(&c);
}

static void a_member_of_a_json_file_is_read(void **state)
{
    char path[] = "/tmp/bawn-credentials-XXXXXX";
    static const char text[] = "{\"a\": {\"b/c\": \"" TOKEN "\", \"n\": 1, \"~x\": null}}";
    AUTO_FREE char *good = NULL, *number = NULL, *deeper = NULL;
    struct credentials c;
    struct strlist env = {0};
    struct err err = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0 && fd_write_all(fd, text, sizeof text - 1, NULL));
    close(fd);
    good = xasprintf("json:%s#/a/b~1c", path);
    number = xasprintf("json:%s#/a/n", path);
    deeper = xasprintf("json:%s#/a/b~1c/d", path);
    assert_true(reads(good, false, false, &c, NULL));
    assert_string_equal(c.items[0].value, TOKEN);
    credentials_environment(&c, &env); // it stands in the file's copy, not in a variable
    assert_int_equal(env.n, 0);
    credentials_deinit(&c);
    assert_false(reads(number, false, false, &c, NULL));
    assert_false(reads(deeper, false, false, &c, NULL));
    assert_true(file_replace(AT_FDCWD, path, "{\"a\": ", 6, 0600, NULL));
    assert_false(reads(good, true, false, &c, &err)); // broken is not missing
    assert_non_null(strstr(err.msg, path));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_gets_a_placeholder),
        cmocka_unit_test(what_is_missing_stops_the_run_unless_it_is_optional),
        cmocka_unit_test(a_value_that_is_none_is_an_error_or_left_out),
        cmocka_unit_test(a_member_of_a_json_file_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
