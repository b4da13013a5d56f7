// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "caller.h"
#include "tree.h"

struct yard {
    struct tree tree;
    struct caller_run run;
};

static int setup(void **state)
{
    struct yard *y = xcalloc(1, sizeof *y);

    tree_init(&y->tree);
    tree_default_rules(&y->tree);
    // The tree lies in /tmp, which is the yard's own unless a rule says otherwise.
    tree_rule(&y->tree, GRANT_READ, y->tree.top, false);
    for (size_t i = 0; i < y->tree.file_rules.n; i++)
        y->tree.rules[i].from.file = "the test";
    y->run.rules = tree_rules(&y->tree);
    *state = y;
    return 0;
}

static int teardown(void **state)
{
    struct yard *y = *state;

    caller_run_deinit(&y->run);
    tree_deinit(&y->tree);
    free(y);
    return 0;
}

static bool refused(struct yard *y, const char *kind, const char *path)
{
    AUTO_FREE char *whole = tree_path(&y->tree, path);
    AUTO_FREE char *line = xasprintf("%s %s", kind, whole);

    return strlist_has(&y->run.refused, line);
}

static int writes_inside(void *ctx)
{
    struct yard *y = ctx;
    int fd;

    EXPECT(chdir(y->tree.root) == 0);
    fd = open("a.txt", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    EXPECT(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
    EXPECT(mkdir("d", 0755) == 0 && rename("a.txt", "d/b.txt") == 0 && unlink("d/b.txt") == 0);
    EXPECT(open("/dev/null", O_WRONLY) >= 0);
    EXPECT(rmdir("d") == 0);
    return 0;
}

static void what_the_rules_allow_is_not_reported(void **state)
{
    struct yard *y = *state;

    assert_int_equal(caller_run(&y->run, writes_inside, y), 0);
    assert_int_equal(y->run.refused.n, 0);
}

static int writes_outside(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    // Nothing but notify stands behind these: they succeed, which shows that observing does not refuse them.
    EXPECT(open("../out.txt", O_WRONLY | O_CREAT, 0644) >= 0);
    EXPECT(open("link/two.txt", O_WRONLY | O_CREAT, 0644) >= 0);
    EXPECT(unlink("../out.txt") == 0);
    EXPECT(open("../out.txt", O_WRONLY | O_CREAT, 0644) >= 0);
    EXPECT(mkdir("../missing/x", 0755) < 0 && errno == ENOENT);
    EXPECT(mkdir("..", 0755) < 0 && errno == EEXIST);
    return 0;
}

static void a_write_outside_is_reported_once_at_its_resolved_path(void **state)
{
    struct yard *y = *state;

    tree_dir(&y->tree, "other");
    tree_link(&y->tree, "ws/link", "../other");
    assert_int_equal(caller_run(&y->run, writes_outside, y), 0);
    assert_true(refused(y, "write", "out.txt"));
    assert_true(refused(y, "write", "other/two.txt"));
    assert_int_equal(y->run.refused.n, 2);
}

static int writes_in_the_yard(void *ctx)
{
    (void)ctx;
    EXPECT(open("/run/bawn-test/x", O_WRONLY | O_CREAT, 0644) < 0);
    EXPECT(open("/proc/sys/kernel/ostype", O_WRONLY) < 0 || geteuid() == 0);
    EXPECT(mkdir("/sys/x", 0755) < 0);
    return 0;
}

static void the_yards_own_places_are_not_reported(void **state)
{
    struct yard *y = *state;

    assert_int_equal(caller_run(&y->run, writes_in_the_yard, y), 0);
    assert_int_equal(y->run.refused.n, 0);
}

static int makes_hooks(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(mkdir("repo/.git/hooks", 0755) < 0 && errno == EACCES);
    EXPECT(open("repo/.git/config", O_WRONLY | O_CREAT, 0644) < 0 && errno == EACCES);
    EXPECT(symlink("x", "repo/.git/config") < 0 && errno == EACCES);
    EXPECT(rename("repo/x", "repo/.git/config") < 0 && errno == EACCES);
    EXPECT(link("repo/x", "repo/.git/config") < 0 && errno == EACCES);
    EXPECT(open("repo/.git/index", O_WRONLY | O_CREAT, 0644) >= 0);
    return 0;
}

static void making_a_protected_name_is_answered_at_once(void **state)
{
    struct yard *y = *state;

    tree_file(&y->tree, "ws/repo/x", "x");
    tree_dir(&y->tree, "ws/repo/.git");
    assert_int_equal(caller_run(&y->run, makes_hooks, y), 0);
    assert_true(refused(y, "write", "ws/repo/.git/hooks"));
    assert_true(refused(y, "write", "ws/repo/.git/config"));
    assert_int_equal(y->run.refused.n, 2);
}

static int makes_repository(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(mkdir("own", 0755) == 0 && mkdir("own/.git", 0755) == 0 && mkdir("own/.git/hooks", 0755) == 0);
    EXPECT(open("own/.git/config", O_WRONLY | O_CREAT, 0644) >= 0);
    return 0;
}

static void a_repository_that_the_run_makes_can_be_made(void **state)
{
    struct yard *y = *state;

    assert_int_equal(caller_run(&y->run, makes_repository, y), 0);
    assert_int_equal(y->run.refused.n, 0);
}

static int makes_env(void *ctx)
{
    struct yard *y = ctx;

    EXPECT(chdir(y->tree.root) == 0);
    EXPECT(open(".env", O_WRONLY | O_CREAT, 0644) >= 0);
    EXPECT(open(".env", O_WRONLY) >= 0);
    EXPECT(open("theirs/.env", O_WRONLY) >= 0);
    return 0;
}

static void a_denied_name_is_told_before_it_is_made_and_is_the_runs_own(void **state)
{
    struct yard *y = *state;
    AUTO_FREE char *path = tree_path(&y->tree, "ws/.env");

    tree_file(&y->tree, "ws/theirs/.env", "secret");
    assert_int_equal(caller_run(&y->run, makes_env, y), 0);
    assert_true(strlist_has(&y->run.created, path));
    assert_int_equal(y->run.created.n, 1);
    assert_true(refused(y, "write", "ws/theirs/.env"));
    assert_int_equal(y->run.refused.n, 1);
}

static int floods(void *ctx)
{
    struct yard *y = ctx;
    char name[32];

    EXPECT(chdir(y->tree.top) == 0);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "f%d", i);
        EXPECT(open(name, O_WRONLY | O_CREAT, 0644) >= 0);
    }
    return 0;
}

static void reports_are_capped_and_the_last_one_says_so(void **state)
{
    struct yard *y = *state;

    assert_int_equal(caller_run(&y->run, floods, y), 0);
    assert_int_equal(y->run.refused.n, NOTIFY_SUBJECTS_MAX + 1);
    assert_string_equal(y->run.refused.items[NOTIFY_SUBJECTS_MAX], "more further refusals");
}

static int connect_to(int family, int type, const char *address, unsigned port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int s = socket(family, type, 0), r;

    inet_pton(family, address, family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
    r = family == AF_INET ? connect(s, (struct sockaddr *)&v4, sizeof v4)
                          : connect(s, (struct sockaddr *)&v6, sizeof v6);
    r = r < 0 ? errno : 0;
    close(s);
    return r;
}

static int uses_network(void *ctx)
{
    static const char query[] =
        "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\3wWw\7example\3org\0\0\1\0\1";
    struct sockaddr_in dns = {.sin_family = AF_INET, .sin_port = htons(53)};
    int s;

    (void)ctx;
    EXPECT(connect_to(AF_INET, SOCK_STREAM, "192.0.2.7", 443) == ENETUNREACH);
    EXPECT(connect_to(AF_INET6, SOCK_STREAM, "2001:db8::7", 8443) == ENETUNREACH);
    EXPECT(connect_to(AF_INET6, SOCK_STREAM, "::ffff:192.0.2.8", 80) == ENETUNREACH);
    EXPECT(connect_to(AF_INET, SOCK_DGRAM, "127.0.0.53", 53) == ENETUNREACH);
    EXPECT(connect_to(AF_INET, SOCK_STREAM, "127.0.0.1", 1) == ECONNREFUSED);
    EXPECT(connect_to(AF_INET6, SOCK_STREAM, "::ffff:127.0.0.1", 1) == ECONNREFUSED);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, "192.0.2.53", &dns.sin_addr);
    EXPECT(sendto(s, query, sizeof query - 1, 0, (struct sockaddr *)&dns, sizeof dns) < 0);
    EXPECT(errno == ENETUNREACH);
    return 0;
}

static void traffic_to_elsewhere_is_refused_and_named(void **state)
{
    static const char *const want[] = {"network 192.0.2.7:443", "network [2001:db8::7]:8443",
                                       "network [::ffff:192.0.2.8]:80", "network 127.0.0.53:53",
                                       "network www.example.org"};
    struct yard *y = *state;

    y->run.network_off = true;
    assert_int_equal(caller_run(&y->run, uses_network, y), 0);
    assert_int_equal(y->run.refused.n, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(y->run.refused.items[i], want[i]);
    assert_string_equal(y->run.details.items[4], "name look-up by 192.0.2.53:53");
}

static int times_opens(void *ctx)
{
    struct yard *y = ctx;
    struct timespec a, b;
    int best = 1000000;

    EXPECT(chdir(y->tree.root) == 0);
    for (int round = 0; round < 20; round++) {
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 0; i < 500; i++)
            close(open("f", O_WRONLY | O_CREAT, 0644));
        clock_gettime(CLOCK_MONOTONIC, &b);
        if ((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < best * 500L)
            best = (int)(((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec) / 500);
    }
    return best;
}

static void cost_of_an_observed_open(void **state)
{
    struct yard *y = *state;
    struct caller_run bare = {.rules = y->run.rules, .unsupervised = true};

    print_message("open and close: bare %d ns, observed %d ns\n", caller_run(&bare, times_opens, y),
                  caller_run(&y->run, times_opens, y));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(what_the_rules_allow_is_not_reported),
        T(a_write_outside_is_reported_once_at_its_resolved_path),
        T(the_yards_own_places_are_not_reported),
        T(making_a_protected_name_is_answered_at_once),
        T(a_repository_that_the_run_makes_can_be_made),
        T(a_denied_name_is_told_before_it_is_made_and_is_the_runs_own),
        T(reports_are_capped_and_the_last_one_says_so),
        T(traffic_to_elsewhere_is_refused_and_named),
        T(cost_of_an_observed_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
