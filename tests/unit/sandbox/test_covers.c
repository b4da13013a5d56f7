// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/covers.h"
#include "tree.h"

struct fixture {
    struct tree tree;
    struct cover_list list;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    tree_init(&f->tree);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cover_list_deinit(&f->list);
    tree_deinit(&f->tree);
    free(f);
    return 0;
}

static void find(struct fixture *f)
{
    struct err err = {0};

    if (!covers_find(tree_rules(&f->tree), NULL, &f->list, &err))
        fail_msg("%s", err.msg);
}

static const struct cover *at(struct fixture *f, const char *path)
{
    AUTO_FREE char *full = tree_path(&f->tree, path);

    return cover_list_find(&f->list, full);
}

static void is(struct fixture *f, const char *path, enum cover_kind kind)
{
    const struct cover *c = at(f, path);

    if (!c)
        fail_msg("%s is not covered", path);
    if (c->kind != kind)
        fail_msg("%s is covered as %d, not %d", path, (int)c->kind, (int)kind);
}

static void is_not(struct fixture *f, const char *path)
{
    if (at(f, path))
        fail_msg("%s is covered", path);
}

static void a_glob_covers_at_every_depth_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_file(&f->tree, "ws/.env", "x");
    tree_file(&f->tree, "ws/a/b/c/d/e/.env", "x");
    tree_file(&f->tree, "ws/a/x.env", "x");
    tree_file(&f->tree, "home/.env", "x");
    find(f);
    is(f, "ws/.env", COVER_MASK);
    is(f, "ws/a/b/c/d/e/.env", COVER_MASK);
    is_not(f, "ws/a/x.env");
    is_not(f, "home/.env");
}

static void ancestors_below_the_root_are_pinned_once(void **state)
{
    struct fixture *f = *state;
    size_t pins = 0;

    tree_default_rules(&f->tree);
    tree_file(&f->tree, "ws/a/b/.env", "x");
    tree_file(&f->tree, "ws/a/b/.envrc", "x");
    find(f);
    is(f, "ws/a", COVER_PIN);
    is(f, "ws/a/b", COVER_PIN);
    is_not(f, "ws");
    for (size_t i = 0; i < f->list.n; i++)
        pins += f->list.items[i].kind == COVER_PIN;
    assert_int_equal(pins, 2);
    for (size_t i = 1; i < f->list.n; i++)
        assert_true(strcmp(f->list.items[i - 1].path, f->list.items[i].path) < 0);
}

static void gits_places_are_read_only_in_every_repository(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_run(&f->tree, "git init -q . && git init -q deep/a/b/c/nested && git init -q --bare mirror");
    find(f);
    is(f, "ws/.git", COVER_PIN);
    is(f, "ws/.git/hooks", COVER_READONLY);
    is(f, "ws/.git/config", COVER_READONLY);
    is(f, "ws/deep/a/b/c/nested/.git/hooks", COVER_READONLY);
    is(f, "ws/deep/a/b/c/nested/.git/config", COVER_READONLY);
    is(f, "ws/mirror/hooks", COVER_READONLY);
    is(f, "ws/mirror/config", COVER_READONLY);
    is(f, "ws/mirror", COVER_PIN);
    assert_string_equal(at(f, "ws/.git/config")->rule->path + strlen(f->tree.root), "/**/.git/config");
    is_not(f, "ws/.git/objects");
    is_not(f, "ws/.git/HEAD");
}

static void a_repository_without_hooks_and_config_is_still_pinned(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_dir(&f->tree, "ws/a/.git");
    find(f);
    is(f, "ws/a/.git", COVER_PIN);
    is(f, "ws/a", COVER_PIN);
}

static void worktrees_and_submodules_are_protected_with_their_git_files(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_run(
        &f->tree,
        "git init -q main && cd main && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a && "
        "git worktree add -q ../side && git -c protocol.file.allow=always submodule --quiet add ../main sub");
    find(f);
    is(f, "ws/side/.git", COVER_READONLY);
    is(f, "ws/main/.git/worktrees/side/commondir", COVER_READONLY);
    is(f, "ws/main/.git/worktrees/side/gitdir", COVER_READONLY);
    is(f, "ws/main/sub/.git", COVER_READONLY);
    is(f, "ws/main/.git/modules/sub/config", COVER_READONLY);
    is(f, "ws/main/.git/modules/sub/hooks", COVER_READONLY);
    is(f, "ws/main/.gitmodules", COVER_READONLY);
}

static void what_the_configuration_names_is_protected(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_run(
        &f->tree,
        "git init -q r; mkdir -p r/.husky/_ outside; "
        "git -C r config core.hooksPath .husky/_; "
        "git -C r config include.path ../extra.cfg; "
        "printf '[include]\\n path = more.cfg\\n[core]\\n fsmonitor = %s/mon\\n' \"$PWD\" > r/extra.cfg; "
        "echo > r/more.cfg; echo > mon");
    find(f);
    is(f, "ws/r/.husky/_", COVER_READONLY);
    is(f, "ws/r/.husky", COVER_PIN);
    is(f, "ws/r/extra.cfg", COVER_READONLY);
    is(f, "ws/r/more.cfg", COVER_READONLY);
    is(f, "ws/mon", COVER_READONLY);
    is_not(f, "ws/outside");
}

static void the_users_hooks_path_holds_in_every_repository(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_file(&f->tree, "home/.gitconfig", "[core]\n\thooksPath = .githooks\n");
    tree_run(&f->tree, "git init -q r && mkdir r/.githooks");
    find(f);
    is(f, "ws/r/.githooks", COVER_READONLY);
}

static void hooks_path_of_the_root_does_not_freeze_the_root(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_run(&f->tree, "git init -q . && git config core.hooksPath .");
    find(f);
    is_not(f, "ws");
    assert_true(f->list.notes.n > 0);
}

static void a_linked_git_directory_is_protected_where_it_really_is(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *link = tree_path(&f->tree, "ws/r/.git");

    tree_default_rules(&f->tree);
    tree_run(&f->tree, "git init -q r && mv r/.git store && ln -s ../store r/.git");
    find(f);
    is(f, "ws/store/hooks", COVER_READONLY);
    is(f, "ws/store/config", COVER_READONLY);
    assert_non_null(cover_list_link(&f->list, link));
}

static void a_covered_link_covers_what_it_leads_to(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *link = tree_path(&f->tree, "ws/.env");

    tree_default_rules(&f->tree);
    tree_file(&f->tree, "home/real", "x");
    tree_link(&f->tree, "ws/.env", "mid");
    tree_link(&f->tree, "ws/mid", "../home/real");
    find(f);
    is(f, "home/real", COVER_MASK);
    is_not(f, "ws/.env");
    assert_non_null(cover_list_link(&f->list, link));
    assert_int_equal(f->list.nlinks, 2);
    assert_true(f->list.notes.n > 0);
}

static void a_planted_link_cannot_take_away_a_granted_tree(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_rule(&f->tree, GRANT_READ, "/usr", false);
    tree_link(&f->tree, "ws/a/.env", "/usr");
    tree_link(&f->tree, "ws/b/.env", "../..");
    find(f);
    assert_null(cover_list_find(&f->list, "/usr"));
    is_not(f, "ws");
}

static void plain_paths_are_masked_where_they_exist(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_rule(&f->tree, GRANT_DENY, "home/.ssh", false);
    tree_rule(&f->tree, GRANT_DENY, "home/.aws", false);
    tree_rule(&f->tree, GRANT_PROTECT, "ws/Makefile", false);
    tree_rule(&f->tree, GRANT_PROTECT, "home/.bashrc", false);
    tree_file(&f->tree, "home/.ssh/id", "x");
    tree_file(&f->tree, "home/.bashrc", "x");
    tree_file(&f->tree, "ws/Makefile", "x");
    find(f);
    is(f, "home/.ssh", COVER_MASK);
    assert_true(at(f, "home/.ssh")->is_dir);
    is_not(f, "home/.aws");
    is(f, "ws/Makefile", COVER_READONLY);
    is_not(f, "home/.bashrc"); // not writable anyway
}

static void nothing_is_covered_below_a_mask_and_only_masks_below_a_read_only_directory(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_rule(&f->tree, GRANT_DENY, "ws/private", false);
    tree_file(&f->tree, "ws/private/.vscode/x", "x");
    tree_file(&f->tree, "ws/.vscode/.envrc", "x");
    tree_file(&f->tree, "ws/.vscode/sub/.env", "x");
    find(f);
    is(f, "ws/private", COVER_MASK);
    is_not(f, "ws/private/.vscode");
    is(f, "ws/.vscode", COVER_READONLY);
    is_not(f, "ws/.vscode/.envrc");
    is_not(f, "ws/.vscode/sub");
    is(f, "ws/.vscode/sub/.env", COVER_MASK);
}

static void a_protected_directory_above_a_root_makes_the_root_read_only(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_rule(&f->tree, GRANT_PROTECT, f->tree.top, false);
    find(f);
    is(f, "ws", COVER_READONLY);
}

static void trailing_double_stars_cover_the_directory_itself(void **state)
{
    struct fixture *f = *state;

    tree_rule(&f->tree, GRANT_WRITE, "ws", false);
    tree_rule(&f->tree, GRANT_DENY, "ws/**/keys/**", false);
    tree_rule(&f->tree, GRANT_DENY, "ws/one/**", false);
    tree_file(&f->tree, "ws/a/keys/deep/k", "x");
    tree_file(&f->tree, "ws/one/k", "x");
    find(f);
    is(f, "ws/a/keys", COVER_MASK);
    is_not(f, "ws/a/keys/deep");
    is(f, "ws/one", COVER_MASK);
}

static void globs_in_the_last_component_and_in_the_middle_work(void **state)
{
    struct fixture *f = *state;

    tree_rule(&f->tree, GRANT_WRITE, "ws", false);
    tree_rule(&f->tree, GRANT_DENY, "ws/**/*.pem", false);
    tree_rule(&f->tree, GRANT_DENY, "ws/**/id_[a-z]*", false);
    tree_rule(&f->tree, GRANT_DENY, "ws/*/secret?/key", false);
    tree_file(&f->tree, "ws/a/k.pem", "x");
    tree_file(&f->tree, "ws/a/id_rsa", "x");
    tree_file(&f->tree, "ws/a/id_1", "x");
    tree_file(&f->tree, "ws/a/secret1/key", "x");
    tree_file(&f->tree, "ws/a/b/secret1/key", "x");
    find(f);
    is(f, "ws/a/k.pem", COVER_MASK);
    is(f, "ws/a/id_rsa", COVER_MASK);
    is_not(f, "ws/a/id_1");
    is(f, "ws/a/secret1/key", COVER_MASK);
    is_not(f, "ws/a/b/secret1/key");
}

static void deny_globs_reach_into_trees_that_are_only_read(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_rule(&f->tree, GRANT_READ, "lib", false);
    tree_rule(&f->tree, GRANT_DENY, f->tree.top, false);
    free(f->tree.rules[f->tree.file_rules.n - 1].path);
    f->tree.rules[f->tree.file_rules.n - 1].path = tree_path(&f->tree, "**/*.key");
    f->tree.rules[f->tree.file_rules.n - 1].glob = true;
    tree_file(&f->tree, "lib/a/x.key", "x");
    tree_file(&f->tree, "lib/a/.envrc", "x");
    tree_file(&f->tree, "other/x.key", "x"); // nothing lets the sandbox see it
    tree_file(&f->tree, "ws/x.key", "x");
    find(f);
    is(f, "lib/a/x.key", COVER_MASK);
    is_not(f, "lib/a/.envrc");
    is_not(f, "lib/a");
    is_not(f, "other/x.key");
    is(f, "ws/x.key", COVER_MASK);
}

static void other_names_of_a_covered_file_are_covered(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_run(&f->tree,
             "mkdir a .git .git/hooks; echo x > .env; ln .env a/copy; echo y > .git/hooks/pre-commit; "
             "ln .git/hooks/pre-commit a/hook; echo z > a/free");
    find(f);
    is(f, "ws/a/copy", COVER_MASK);
    is(f, "ws/a/hook", COVER_READONLY);
    is_not(f, "ws/a/free");
}

static void hook_names_compare_without_case_and_others_with(void **state)
{
    struct fixture *f = *state;

    tree_default_rules(&f->tree);
    tree_file(&f->tree, "ws/a/.GIT/Hooks/pre-commit", "x");
    tree_file(&f->tree, "ws/.VSCode/tasks.json", "x");
    tree_file(&f->tree, "ws/.ENV", "x");
    find(f);
    is(f, "ws/a/.GIT/Hooks", COVER_READONLY);
    is(f, "ws/.VSCode", COVER_READONLY);
    is_not(f, "ws/.ENV");
}

static void a_root_whose_name_is_a_glob_is_taken_literally(void **state)
{
    struct fixture *f = *state;

    tree_rule(&f->tree, GRANT_WRITE, "[old] *", false);
    tree_rule(&f->tree, GRANT_DENY, "[old] */**/.env", false);
    tree_file(&f->tree, "[old] */a/.env", "x");
    find(f);
    is(f, "[old] */a/.env", COVER_MASK);
}

static void a_rule_through_a_link_covers_the_real_path(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "real/ws/.env", "x");
    tree_file(&f->tree, "real/plain/key", "x");
    tree_link(&f->tree, "via", "real");
    tree_rule(&f->tree, GRANT_WRITE, "via/ws", false);
    tree_rule(&f->tree, GRANT_DENY, "via/ws/**/.env", false);
    tree_rule(&f->tree, GRANT_DENY, "via/plain/key", false);
    find(f);
    is(f, "real/ws/.env", COVER_MASK);
    is(f, "real/plain/key", COVER_MASK);
}

static void plain_hook_rules_hold_where_they_say_only(void **state)
{
    struct fixture *f = *state;

    tree_rule(&f->tree, GRANT_WRITE, "ws", false);
    tree_rule(&f->tree, GRANT_PROTECT, "ws/bin", true);
    tree_file(&f->tree, "ws/bin/x", "x");
    tree_file(&f->tree, "ws/a/bin/x", "x");
    find(f);
    is(f, "ws/bin", COVER_READONLY);
    is_not(f, "ws/a/bin");
}

static void denied_hooks_are_masked_in_bare_repositories_too(void **state)
{
    struct fixture *f = *state;

    tree_rule(&f->tree, GRANT_WRITE, "ws", false);
    tree_rule(&f->tree, GRANT_DENY, "ws/**/.git/hooks", true);
    tree_run(&f->tree, "git init -q --bare b");
    find(f);
    is(f, "ws/b/hooks", COVER_MASK);
}

static void very_deep_trees_are_walked_to_the_end(void **state)
{
    struct fixture *f = *state;
    bool masked = false;

    tree_default_rules(&f->tree);
    // Longer than PATH_MAX and deeper than the descriptors that a walk keeps.
    tree_run(&f->tree,
             "i=0; while [ $i -lt 120 ]; do d=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; mkdir $d b; "
             "cd -P ./$d; i=$((i+1)); done; echo x > .env");
    find(f);
    // Its path is longer than a system call takes, so nothing can be mounted on it: the part above is masked.
    for (size_t i = 0; i < f->list.n; i++)
        masked = masked || f->list.items[i].kind == COVER_MASK;
    assert_true(masked);
    assert_true(f->list.notes.n > 0);
}

static void a_directory_that_cannot_be_read_is_masked_as_a_whole(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *shut = tree_path(&f->tree, "ws/shut");

    tree_default_rules(&f->tree);
    if (getuid() == 0) { // nothing is unreadable to root
        assert_int_equal(chown(f->tree.top, 65534, 65534), 0);
        assert_int_equal(chown(f->tree.root, 65534, 65534), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    tree_dir(&f->tree, "ws/shut");
    assert_int_equal(chmod(shut, 0), 0);
    find(f);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    is(f, "ws/shut", COVER_MASK);
}

static void the_cost_stays_near_its_target(void **state)
{
    struct fixture *f = *state;
    uint64_t best = UINT64_MAX;

    tree_default_rules(&f->tree);
    tree_run(&f->tree, "for i in 0 1 2 3 4 5 6 7 8 9; do for k in 0 1 2 3 4 5 6 7 8 9; do mkdir -p d$i/e$k; "
                       "(cd d$i/e$k; touch f0 f1 f2 f3 f4 f5 f6 f7 f8 f9); done; done");
    for (int i = 0; i < 5; i++) {
        uint64_t start = clock_mono_ns(), took;

        cover_list_deinit(&f->list);
        find(f);
        took = clock_mono_ns() - start;
        best = took < best ? took : best;
    }
    printf("111 directories, 1110 names: %llu us\n", (unsigned long long)best / 1000);
    assert_true(best < 20000000); // ten times what is expected, so that only a wrong algorithm fails
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_glob_covers_at_every_depth_and_nothing_else),
        T(ancestors_below_the_root_are_pinned_once),
        T(gits_places_are_read_only_in_every_repository),
        T(a_repository_without_hooks_and_config_is_still_pinned),
        T(worktrees_and_submodules_are_protected_with_their_git_files),
        T(what_the_configuration_names_is_protected),
        T(the_users_hooks_path_holds_in_every_repository),
        T(hooks_path_of_the_root_does_not_freeze_the_root),
        T(a_linked_git_directory_is_protected_where_it_really_is),
        T(a_covered_link_covers_what_it_leads_to),
        T(a_planted_link_cannot_take_away_a_granted_tree),
        T(plain_paths_are_masked_where_they_exist),
        T(nothing_is_covered_below_a_mask_and_only_masks_below_a_read_only_directory),
        T(a_protected_directory_above_a_root_makes_the_root_read_only),
        T(trailing_double_stars_cover_the_directory_itself),
        T(globs_in_the_last_component_and_in_the_middle_work),
        T(deny_globs_reach_into_trees_that_are_only_read),
        T(other_names_of_a_covered_file_are_covered),
        T(hook_names_compare_without_case_and_others_with),
        T(a_root_whose_name_is_a_glob_is_taken_literally),
        T(a_rule_through_a_link_covers_the_real_path),
        T(plain_hook_rules_hold_where_they_say_only),
        T(denied_hooks_are_masked_in_bare_repositories_too),
        T(very_deep_trees_are_walked_to_the_end),
        T(a_directory_that_cannot_be_read_is_masked_as_a_whole),
        T(the_cost_stays_near_its_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
