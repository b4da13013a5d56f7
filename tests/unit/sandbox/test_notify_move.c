// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "sandbox/notify_move.h"
#include "tree.h"

struct yard {
    struct tree tree;
    struct rulematch match;
};

static void start(struct yard *y, enum file_grant grant, const char *pattern, bool hook)
{
    *y = (struct yard){0};
    tree_init(&y->tree);
    tree_rule(&y->tree, GRANT_WRITE, "ws", false);
    tree_rule(&y->tree, grant, pattern, hook);
    rulematch_init(&y->match, tree_rules(&y->tree));
}

static bool changes(struct yard *y, const char *from, const char *to)
{
    AUTO_FREE char *a = tree_path(&y->tree, from);
    AUTO_FREE char *b = tree_path(&y->tree, to);

    return move_changes_cover(&y->match, a, b);
}

static void end(struct yard *y)
{
    rulematch_deinit(&y->match);
    tree_deinit(&y->tree);
}

static void a_name_denied_everywhere_stays_denied(void **state)
{
    struct yard y;

    (void)state;
    start(&y, GRANT_DENY, "ws/**/.env", false);
    assert_false(changes(&y, "ws/a", "ws/b"));
    assert_false(changes(&y, "ws/a/b/c", "ws/d"));
    assert_true(changes(&y, "ws/a", "elsewhere"));
    assert_false(changes(&y, "elsewhere", "ws/a"));
    end(&y);
}

static void a_directory_that_a_deny_rule_names_cannot_lose_its_name(void **state)
{
    struct yard y;

    (void)state;
    start(&y, GRANT_DENY, "ws/**/conf/*.key", false);
    assert_true(changes(&y, "ws/x/conf", "ws/x/other"));
    assert_false(changes(&y, "ws/x/conf", "ws/y/conf"));
    assert_false(changes(&y, "ws/x/other", "ws/x/conf"));
    assert_false(changes(&y, "ws/x", "ws/y"));
    end(&y);
    start(&y, GRANT_DENY, "ws/*/conf/a.key", false);
    assert_true(changes(&y, "ws/x", "ws/x/deeper"));
    assert_false(changes(&y, "ws/x", "ws/y"));
    end(&y);
    start(&y, GRANT_DENY, "ws/a/b/secret", false);
    assert_true(changes(&y, "ws/a", "ws/c"));
    assert_true(changes(&y, "ws/a/b", "ws/c"));
    assert_false(changes(&y, "ws/c", "ws/a"));
    end(&y);
}

static void a_prepared_tree_cannot_become_a_protected_one(void **state)
{
    struct yard y;

    (void)state;
    start(&y, GRANT_PROTECT, "ws/**/.git/hooks", true);
    assert_true(changes(&y, "ws/evil", "ws/.git"));
    assert_true(changes(&y, "ws/evil", "ws/a/.GIT"));
    assert_false(changes(&y, "ws/a/.git", "ws/b/.git"));
    assert_false(changes(&y, "ws/a", "ws/b"));
    assert_true(changes(&y, "elsewhere", "ws/b"));
    end(&y);
    start(&y, GRANT_PROTECT, "ws/**/.git/modules/**/hooks", true);
    assert_true(changes(&y, "ws/evil", "ws/.git"));
    assert_true(changes(&y, "ws/evil", "ws/.git/modules"));
    assert_true(changes(&y, "ws/evil", "ws/.git/modules/x"));
    assert_false(changes(&y, "ws/.git/modules/x", "ws/.git/modules/y"));
    assert_false(changes(&y, "ws/a", "ws/b"));
    end(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_denied_everywhere_stays_denied),
        cmocka_unit_test(a_directory_that_a_deny_rule_names_cannot_lose_its_name),
        cmocka_unit_test(a_prepared_tree_cannot_become_a_protected_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
