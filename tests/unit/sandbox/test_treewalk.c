// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "sandbox/treewalk.h"
#include "tree.h"

struct visit {
    struct tree *tree;
    struct strlist entered, left;
    size_t names;
    bool swap;
};

static bool on_enter(void *ctx, struct walk_dir *dir)
{
    struct visit *v = ctx;

    strlist_add(&v->entered, path_below(dir->path, v->tree->top));
    return true;
}

static bool on_entry(void *ctx, struct walk_dir *dir, const struct walk_entry *e)
{
    struct visit *v = ctx;

    (void)dir;
    v->names++;
    return e->type == DT_DIR;
}

static void on_listed(void *ctx, struct walk_dir *dir)
{
    struct visit *v = ctx;

    if (!v->swap || strcmp(path_base(dir->path), "ws") != 0)
        return;
    tree_move(v->tree, "ws/d", "ws/e"); // after it was listed, before it is entered
    tree_link(v->tree, "ws/d", "../home");
}

static void on_left(void *ctx, struct walk_dir *dir)
{
    struct visit *v = ctx;

    strlist_add(&v->left, path_below(dir->path, v->tree->top));
}

static const struct walk_visitor visitor = {
    .enter = on_enter, .entry = on_entry, .listed = on_listed, .left = on_left};

static void walk(struct visit *v, uint64_t until)
{
    struct treewalk w;
    bool done = false;
    int steps = 0;

    treewalk_init(&w, &visitor, v);
    assert_true(treewalk_start(&w, v->tree->root, "", 0, NULL));
    while (!done && steps++ < 100000)
        assert_true(treewalk_step(&w, until, &done, NULL));
    assert_true(done);
    treewalk_deinit(&w);
}

static void visit_deinit(struct visit *v)
{
    strlist_deinit(&v->entered);
    strlist_deinit(&v->left);
    tree_deinit(v->tree);
}

static void a_directory_swapped_for_a_link_is_not_entered(void **state)
{
    struct tree t;
    struct visit v = {.tree = &t, .swap = true};

    (void)state;
    tree_init(&t);
    tree_dir(&t, "ws/d");
    tree_dir(&t, "home/inner");
    walk(&v, 0);
    assert_int_equal(v.entered.n, 1);
    visit_deinit(&v);
}

static void a_walk_in_slices_sees_all_of_it(void **state)
{
    struct tree t;
    struct visit v = {.tree = &t};

    (void)state;
    tree_init(&t);
    tree_run(&t, "for i in 1 2 3 4 5; do mkdir -p a$i/b/c; : > a$i/b/c/f; done; mkdir many; cd many; seq 1 "
                 "5000 | xargs touch");
    walk(&v, 1); // a clock that has passed: one buffer or directory a step
    assert_int_equal(v.entered.n, 17);
    assert_int_equal(v.left.n, 17);
    assert_int_equal(v.names, 5 * 4 + 1 + 5000);
    visit_deinit(&v);
}

static void levels_without_a_descriptor_are_opened_again(void **state)
{
    struct tree t;
    struct visit v = {.tree = &t};

    (void)state;
    tree_init(&t);
    // Two branches at each of 100 levels, so the walk comes back to every level.
    tree_run(&t, "i=0; while [ $i -lt 100 ]; do mkdir x y; mkdir y/z; cd x; i=$((i+1)); done");
    walk(&v, 0);
    assert_int_equal(v.entered.n, 1 + 3 * 100);
    visit_deinit(&v);
}

static void a_path_below_the_root_is_reached_without_links(void **state)
{
    struct tree t;
    struct visit v = {.tree = &t};
    struct treewalk w;
    bool done;

    (void)state;
    tree_init(&t);
    tree_dir(&t, "ws/a/b/c");
    tree_link(&t, "ws/l", "a");
    treewalk_init(&w, &visitor, &v);
    assert_true(treewalk_start(&w, t.root, "a/b", 0, NULL));
    assert_true(treewalk_step(&w, 0, &done, NULL));
    assert_int_equal(v.entered.n, 2);
    assert_string_equal(v.entered.items[0], "ws/a/b");
    assert_true(treewalk_start(&w, t.root, "l/b", 0, NULL));
    assert_true(treewalk_step(&w, 0, &done, NULL));
    assert_true(treewalk_start(&w, t.root, "../home", 0, NULL));
    assert_true(treewalk_step(&w, 0, &done, NULL));
    assert_true(done);
    assert_int_equal(v.entered.n, 2);
    treewalk_deinit(&w);
    visit_deinit(&v);
}

static void too_many_entries_is_an_error(void **state)
{
    struct tree t;
    struct visit v = {.tree = &t};
    struct treewalk w;
    struct err err = {0};
    bool done;

    (void)state;
    tree_init(&t);
    tree_run(&t, "seq 1 100 | xargs touch");
    treewalk_init(&w, &visitor, &v);
    w.entries_max = 50;
    assert_true(treewalk_start(&w, t.root, "", 0, &err));
    assert_false(treewalk_step(&w, 0, &done, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    treewalk_deinit(&w);
    visit_deinit(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_swapped_for_a_link_is_not_entered),
        cmocka_unit_test(a_walk_in_slices_sees_all_of_it),
        cmocka_unit_test(levels_without_a_descriptor_are_opened_again),
        cmocka_unit_test(a_path_below_the_root_is_reached_without_links),
        cmocka_unit_test(too_many_entries_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
