// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "sandbox/appearances.h"
#include "sandbox/covers.h"
#include "sandbox/treewatch.h"
#include "tree.h"

struct fixture {
    struct tree tree;
    struct loop loop;
    struct treewatch *watch;
    struct cover_list covers;
    struct strlist appeared, replaced, degraded;
};

static void on_appeared(void *ctx, const char *path, bool is_dir, const struct file_rule *rule)
{
    struct fixture *f = ctx;

    (void)is_dir;
    assert_non_null(rule);
    strlist_add(&f->appeared, path_below(path, f->tree.top));
}

static void on_replaced(void *ctx, const char *path)
{
    struct fixture *f = ctx;

    strlist_add(&f->replaced, path_below(path, f->tree.top));
}

static void on_degraded(void *ctx, const char *why)
{
    struct fixture *f = ctx;

    strlist_add(&f->degraded, why);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    tree_init(&f->tree);
    assert_true(loop_init(&f->loop, NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    treewatch_free(f->watch);
    cover_list_deinit(&f->covers);
    loop_deinit(&f->loop);
    tree_deinit(&f->tree);
    strlist_deinit(&f->appeared);
    strlist_deinit(&f->replaced);
    strlist_deinit(&f->degraded);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    struct treewatch_handler h = {on_appeared, on_replaced, on_degraded, f};
    struct err err = {0};

    tree_default_rules(&f->tree);
    if (!treewatch_new(tree_rules(&f->tree), &f->loop, &h, &f->watch, &err) ||
        !covers_find(tree_rules(&f->tree), f->watch, &f->covers, &err) ||
        !treewatch_start(f->watch, &f->covers, &err))
        fail_msg("%s", err.msg);
}

#define PATIENCE_NS 30000000000u // how long a loaded machine may take; nothing waits that long where it works
#define QUIET_ROUNDS 40          // of 5 ms without anything told: no timer is due any more

static void settle(struct fixture *f)
{
    size_t n = f->appeared.n + f->replaced.n;
    uint64_t end = clock_mono_ns() + PATIENCE_NS;

    for (int quiet = 0; quiet < QUIET_ROUNDS && clock_mono_ns() < end; quiet++) {
        assert_true(loop_step(&f->loop, 5, NULL));
        if (f->appeared.n + f->replaced.n != n)
            quiet = 0;
        n = f->appeared.n + f->replaced.n;
    }
}

static void told(const struct strlist *l, const char *path)
{
    if (!strlist_has(l, path))
        fail_msg("%s was not told", path);
}

static void is_told(struct fixture *f, const struct strlist *l, const char *path)
{
    uint64_t end = clock_mono_ns() + PATIENCE_NS;

    while (!strlist_has(l, path) && clock_mono_ns() < end)
        assert_true(loop_step(&f->loop, 5, NULL));
    told(l, path);
}

static void not_told(const struct strlist *l, const char *path)
{
    if (strlist_has(l, path))
        fail_msg("%s was told", path);
}

static void a_name_that_appears_is_told_while_the_run_lives(void **state)
{
    struct fixture *f = *state;

    tree_dir(&f->tree, "ws/a/b");
    start(f);
    tree_file(&f->tree, "ws/a/b/.env", "x");
    tree_file(&f->tree, "ws/a/b/free", "x");
    tree_file(&f->tree, "ws/.claude/settings.json", "x");
    is_told(f, &f->appeared, "ws/a/b/.env");
    is_told(f, &f->appeared, "ws/.claude");
    not_told(&f->appeared, "ws/a/b/free");
}

static void new_and_moved_in_directories_are_looked_through(void **state)
{
    struct fixture *f = *state;

    start(f);
    tree_file(&f->tree, "ws/n/e/w/.envrc", "x");
    tree_file(&f->tree, "home/deep/er/.vscode/tasks.json", "x");
    tree_move(&f->tree, "home/deep", "ws/in");
    is_told(f, &f->appeared, "ws/n/e/w/.envrc");
    is_told(f, &f->appeared, "ws/in/er/.vscode");
    tree_file(&f->tree, "ws/in/er/.env", "x"); // watched from now on
    is_told(f, &f->appeared, "ws/in/er/.env");
}

static void a_directory_renamed_to_a_protected_name_is_told(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "ws/a/x/hooks/pre-commit", "x");
    start(f);
    tree_move(&f->tree, "ws/a/x", "ws/a/.git");
    is_told(f, &f->appeared, "ws/a/.git/hooks");
}

static void names_below_a_renamed_directory_are_told_by_their_new_path(void **state)
{
    struct fixture *f = *state;

    tree_dir(&f->tree, "ws/a/b/c");
    start(f);
    tree_move(&f->tree, "ws/a", "ws/z");
    settle(f);
    tree_file(&f->tree, "ws/z/b/c/.env", "x");
    is_told(f, &f->appeared, "ws/z/b/c/.env");
}

static void a_bare_repository_is_known_by_what_is_in_it(void **state)
{
    struct fixture *f = *state;

    tree_dir(&f->tree, "ws/m/objects");
    start(f);
    tree_file(&f->tree, "ws/m/config", "x");
    tree_dir(&f->tree, "ws/m/refs");
    settle(f);
    not_told(&f->appeared, "ws/m/config");
    tree_file(&f->tree, "ws/m/HEAD", "ref: refs/heads/a\n");
    is_told(f, &f->appeared, "ws/m/config");
    tree_file(&f->tree, "ws/m/hooks/post-update", "x");
    is_told(f, &f->appeared, "ws/m/hooks");
}

static void git_files_and_links_that_appear_are_told(void **state)
{
    struct fixture *f = *state;

    tree_dir(&f->tree, "ws/a");
    tree_dir(&f->tree, "ws/b");
    start(f);
    tree_file(&f->tree, "ws/a/.git", "gitdir: /elsewhere\n");
    tree_link(&f->tree, "ws/b/.git", "../a");
    is_told(f, &f->appeared, "ws/a/.git");
    is_told(f, &f->appeared, "ws/b/.git");
}

static void missing_places_that_the_configuration_names_are_watched(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree, "git init -q . && git config core.hooksPath .husky && rm -rf .git/hooks");
    start(f);
    tree_file(&f->tree, "ws/.husky/pre-commit", "x");
    tree_file(&f->tree, "ws/.git/hooks/pre-commit", "x");
    tree_file(&f->tree, "ws/.git/config.worktree", "x");
    is_told(f, &f->appeared, "ws/.husky");
    is_told(f, &f->appeared, "ws/.git/hooks");
    is_told(f, &f->appeared, "ws/.git/config.worktree");
}

static void a_later_file_in_a_directory_that_appeared_tells_the_directory_again(void **state)
{
    struct fixture *f = *state;
    size_t n;

    start(f);
    tree_run(&f->tree, "git init -q new");
    is_told(f, &f->appeared, "ws/new/.git/hooks");
    is_told(f, &f->appeared, "ws/new/.git/config");
    settle(f);
    n = f->appeared.n;
    tree_file(&f->tree, "ws/new/.git/hooks/pre-commit", "x");
    settle(f);
    assert_int_equal(f->appeared.n, n + 1);
    assert_string_equal(f->appeared.items[n], "ws/new/.git/hooks");
}

static void drain_tells_everything_that_is_still_there(void **state)
{
    struct fixture *f = *state;

    start(f);
    tree_run(&f->tree,
             "mkdir -p a/b/c/d; echo x > a/b/c/d/.envrc; echo x > a/.env; echo x > gone; mv gone .envrc; "
             "rm .envrc");
    treewatch_drain(f->watch);
    told(&f->appeared, "ws/a/b/c/d/.envrc");
    told(&f->appeared, "ws/a/.env");
    not_told(&f->appeared, "ws/.envrc");
    assert_false(treewatch_incomplete(f->watch));
}

static void a_replaced_file_is_told_and_one_that_stays_is_not(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "ws/a/.env", "x");
    tree_file(&f->tree, "ws/b/.env", "x");
    start(f);
    tree_file(&f->tree, "ws/a/new", "y");
    tree_move(&f->tree, "ws/a/new", "ws/a/.env"); // an editor's save
    tree_file(&f->tree, "ws/b/.env", "changed in place");
    settle(f);
    assert_int_equal(f->replaced.n, 1);
    assert_string_equal(f->replaced.items[0], "ws/a/.env");
    assert_int_equal(f->appeared.n, 0);
}

static void a_removed_name_that_is_made_anew_has_appeared(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "ws/.envrc", "x");
    start(f);
    tree_remove(&f->tree, "ws/.envrc");
    settle(f);
    tree_file(&f->tree, "ws/.envrc", "y");
    is_told(f, &f->appeared, "ws/.envrc");
    assert_int_equal(f->replaced.n, 0);
}

static void a_covered_link_that_is_replaced_has_appeared(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "ws/real/x", "x");
    tree_link(&f->tree, "ws/.vscode", "real");
    start(f);
    treewatch_drain(f->watch);
    not_told(&f->appeared, "ws/.vscode");
    tree_remove(&f->tree, "ws/.vscode");
    tree_file(&f->tree, "ws/.vscode/tasks.json", "x");
    is_told(f, &f->appeared, "ws/.vscode");
}

static void a_flood_of_names_is_bounded_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    clock_t begun;

    start(f);
    tree_run(&f->tree, "seq 0 299 | sed 's,.*,f&/a f&/b,' | xargs mkdir -p; "
                       "i=0; while [ $i -lt 300 ]; do : > f$i/.env; : > f$i/a/x; i=$((i+1)); done");
    for (int i = 0; i < 300; i++) {
        char from[32], to[32];

        snprintf(from, sizeof from, "ws/f%d/a/x", i);
        snprintf(to, sizeof to, "ws/f%d/b/y", i);
        tree_move(&f->tree, from, to);
    }
    tree_file(&f->tree, "ws/1", "x");
    for (int i = 0; i < 9000; i++) { // two events at least
        tree_move(&f->tree, "ws/1", "ws/2");
        tree_move(&f->tree, "ws/2", "ws/1");
    }
    begun = clock();
    treewatch_drain(f->watch); // the queue of 16384 has overflowed: nobody looked meanwhile
    begun = clock() - begun;
    for (int i = 0; i < 300; i++) {
        char path[32];

        snprintf(path, sizeof path, "ws/f%d/.env", i);
        told(&f->appeared, path);
    }
    assert_int_equal(f->degraded.n, 1);
    assert_true(begun < 2 * CLOCKS_PER_SEC); // of work: how long others had the processor does not count
}

static void one_name_made_over_and_over_is_not_told_each_time(void **state)
{
    struct fixture *f = *state;
    uint64_t begun;

    start(f);
    begun = clock_mono_ns();
    for (int i = 0; i < 200; i++) {
        tree_file(&f->tree, "ws/.env", "x");
        assert_true(loop_step(&f->loop, 0, NULL));
        tree_remove(&f->tree, "ws/.env");
    }
    assert_true(f->appeared.n <= 2 + (clock_mono_ns() - begun) / APPEARANCES_QUIET_NS);
}

static bool write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

// A user namespace has its own limit on instances, which other programs of this user do not touch.
static bool own_limits(void)
{
    char map[64];

    snprintf(map, sizeof map, "%u %u 1", geteuid(), geteuid());
    return unshare(CLONE_NEWUSER) == 0 && write_proc("/proc/self/setgroups", "deny") &&
           write_proc("/proc/self/uid_map", map);
}

// The last of all tests: the process stays in that namespace.
static void without_inotify_it_polls(void **state)
{
    struct fixture *f = *state;
    static const char limit[] = "/proc/sys/user/max_inotify_instances";

    if (!own_limits() || !write_proc(limit, "0")) {
        print_message("skip: no user namespace, to be without inotify in\n");
        skip();
    }
    tree_file(&f->tree, "ws/a/.env", "x");
    start(f);
    assert_true(write_proc(limit, "128"));
    tree_file(&f->tree, "ws/b/c/.envrc", "x");
    tree_file(&f->tree, "ws/a/new", "y");
    tree_move(&f->tree, "ws/a/new", "ws/a/.env");
    tree_run(&f->tree, "git init -q r");
    is_told(f, &f->appeared, "ws/b/c/.envrc");
    is_told(f, &f->appeared, "ws/r/.git/hooks");
    is_told(f, &f->replaced, "ws/a/.env");
    assert_int_equal(f->degraded.n, 1);
    tree_file(&f->tree, "ws/later/.envrc", "x");
    treewatch_drain(f->watch);
    told(&f->appeared, "ws/later/.envrc");
}

// Nothing is unreadable to root.
static void be_nobody(struct fixture *f)
{
    if (getuid() != 0)
        return;
    assert_int_equal(chown(f->tree.top, 65534, 65534), 0);
    assert_int_equal(chown(f->tree.root, 65534, 65534), 0);
    assert_int_equal(seteuid(65534), 0);
}

static void end_incomplete(struct fixture *f)
{
    treewatch_drain(f->watch);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_true(treewatch_incomplete(f->watch));
    assert_int_equal(f->degraded.n, 1);
}

static void a_directory_that_cannot_be_read_makes_it_incomplete(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *shut = tree_path(&f->tree, "ws/shut");

    be_nobody(f);
    start(f);
    assert_int_equal(mkdir(shut, 0), 0);
    settle(f);
    end_incomplete(f);
}

static void a_name_in_a_directory_that_is_closed_later_makes_it_incomplete(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *above = tree_path(&f->tree, "ws/p");

    be_nobody(f);
    start(f);
    tree_file(&f->tree, "ws/p/q/.envrc", "x");
    is_told(f, &f->appeared, "ws/p/q/.envrc");
    assert_false(treewatch_incomplete(f->watch));
    assert_int_equal(chmod(above, 0), 0);
    end_incomplete(f);
    assert_int_equal(chmod(above, 0700), 0);
}

static void a_directory_that_cannot_be_read_stays_so_when_one_above_is_closed(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *above = tree_path(&f->tree, "ws/p"), *shut = tree_path(&f->tree, "ws/p/q/r/shut");

    be_nobody(f);
    tree_dir(&f->tree, "ws/p/q/r");
    start(f);
    assert_int_equal(mkdir(shut, 0300), 0);
    settle(f);
    assert_int_equal(chmod(above, 0), 0);
    end_incomplete(f);
    assert_int_equal(chmod(above, 0700), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_name_that_appears_is_told_while_the_run_lives),
        T(new_and_moved_in_directories_are_looked_through),
        T(a_directory_renamed_to_a_protected_name_is_told),
        T(names_below_a_renamed_directory_are_told_by_their_new_path),
        T(a_bare_repository_is_known_by_what_is_in_it),
        T(git_files_and_links_that_appear_are_told),
        T(missing_places_that_the_configuration_names_are_watched),
        T(a_later_file_in_a_directory_that_appeared_tells_the_directory_again),
        T(drain_tells_everything_that_is_still_there),
        T(a_replaced_file_is_told_and_one_that_stays_is_not),
        T(a_removed_name_that_is_made_anew_has_appeared),
        T(a_covered_link_that_is_replaced_has_appeared),
        T(a_flood_of_names_is_bounded_and_nothing_is_lost),
        T(one_name_made_over_and_over_is_not_told_each_time),
        T(a_directory_that_cannot_be_read_makes_it_incomplete),
        T(a_name_in_a_directory_that_is_closed_later_makes_it_incomplete),
        T(a_directory_that_cannot_be_read_stays_so_when_one_above_is_closed),
        T(without_inotify_it_polls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
