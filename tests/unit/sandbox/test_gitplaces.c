// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "sandbox/gitconfig.h"
#include "sandbox/githarmless.h"
#include "sandbox/gitplaces.h"
#include "tree.h"

static bool add_line(void *ctx, const struct gitconfig_entry *e)
{
    struct strlist *l = ctx;

    if (e->subsection)
        strlist_addf(l, "%s.%s.%s=%s", e->section, e->subsection, e->key, e->value ? e->value : "(true)");
    else
        strlist_addf(l, "%s.%s=%s", e->section, e->key, e->value ? e->value : "(true)");
    return true;
}

static void reads(const char *text, const char *want)
{
    AUTO_STRLIST struct strlist l = {0};
    struct err err = {0};

    if (!gitconfig_parse(text, strlen(text), add_line, &l, &err))
        fail_msg("%s: %s", text, err.msg);
    if (!strlist_has(&l, want))
        fail_msg("%s: no %s (first: %s)", text, want, l.n ? l.items[0] : "nothing");
}

static void refuses(const char *text)
{
    AUTO_STRLIST struct strlist l = {0};

    if (gitconfig_parse(text, strlen(text), add_line, &l, NULL))
        fail_msg("read: %s", text);
}

static void values_are_read_as_git_reads_them(void **state)
{
    (void)state;
    reads("[core]\n\thooksPath = a b  # comment\n", "core.hookspath=a b");
    reads("[core]hooksPath=x", "core.hookspath=x");
    reads("[core] bare\n", "core.bare=(true)");
    reads("[core]\nx = \"a ; b\" ; c\n", "core.x=a ; b");
    reads("[core]\nx = a\\\n b\n", "core.x=a b");
    reads("[core]\nx = a\\tb\\\\\\\"\n", "core.x=a\tb\\\"");
    reads("[CORE]\r\nX = y\r\n", "core.x=y");
    reads("[remote \"Or\\\"i]g\"]\nurl = u\n", "remote.Or\"i]g.url=u");
    reads("[branch.Main]\nmerge = m\n", "branch.main.merge=m");
    reads("\xef\xbb\xbf[a]\nb = c\n", "a.b=c");
    reads("[a]\n; x = y\n# z\nb = c", "a.b=c");
    reads("[a]\nb =\n", "a.b=");
}

static void what_git_refuses_is_refused(void **state)
{
    (void)state;
    refuses("x = y\n");
    refuses("[a\n");
    refuses("[a]\nb = \"c\n");
    refuses("[a]\nb = c\\d\n");
    refuses("[a]\n1b = c\n");
    refuses("[a]\nb c = d\n");
    refuses("[a \"b]\nc = d\n");
    refuses("[a b]\nc = d\n");
    refuses("[]\nc = d\n");
    refuses("[a]\nb = c\\");
    assert_false(gitconfig_parse("[a]\nb=\0", 8, add_line, &(struct strlist){0}, NULL));
}

// The positive control of the reader: git itself, on the same files.
static void it_agrees_with_git(void **state)
{
    static const char *const texts[] = {
        "[core]\n\tx = a b  # c\n", "[core]x=\"a  \"b\n",      "[core]\nx = a\\\nb\n",
        "[a \"b\\\\c\"]\nx = 1\n",  "[a.B]\nx = \"\\n\"\n",    "[core] ; c\n x\n",
        "[core]\nx = a\\q\n",       "[core]\nx y\n",           "[core]\nx = \"\n",
        "[co re]\nx = 1\n",         "[a]\nx = 1 [b]\ny = 2\n", "[a]x=1\n[b]y\n",
        "[a \"b\"]x = #\n",         "[a]\n\tx = y \\\n z\n",   "[a]\nx-y = 1\n_z = 2\n",
    };
    struct tree t;

    (void)state;
    tree_init(&t);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        AUTO_STRLIST struct strlist ours = {0};
        AUTO_FREE char *theirs = NULL, *ok = NULL;
        struct buf all;
        bool parsed;

        tree_file(&t, "ws/c", texts[i]);
        tree_run(&t, "if git config -f c -z --list >out 2>/dev/null; then echo yes; else echo no; fi > ok");
        theirs = tree_read(&t, "ws/out");
        ok = tree_read(&t, "ws/ok");
        parsed = gitconfig_parse(texts[i], strlen(texts[i]), add_line, &ours, NULL);
        if (parsed != !strcmp(ok, "yes\n"))
            fail_msg("git says %s on: %s", ok, texts[i]);
        if (!parsed)
            continue;
        buf_init(&all, 1u << 16);
        for (size_t k = 0; k < ours.n; k++) {
            AUTO_FREE char *line = xstrdup(ours.items[k]);
            char *eq = strchr(line, '=');

            if (!strcmp(eq, "=(true)"))
                *eq = '\0';
            else
                *eq = '\n';
            buf_adds(&all, line);
        }
        // git's -z form: KEY LF VALUE NUL; a first NUL ends what tree_read gives, and the texts have one
        // entry mostly
        if (strncmp(buf_cstr(&all), theirs, strlen(theirs)) != 0)
            fail_msg("git reads <%s>, we <%s>", theirs, buf_cstr(&all));
        buf_deinit(&all);
    }
    tree_deinit(&t);
}

static void only_urls_that_run_nothing_are_harmless(void **state)
{
    static const char *const good[] = {"https://h/x", "ssh://git@h/x", "git@h:x",  "/srv/x",
                                       "../x",        "file:///x",     "git://h/x"};
    static const char *const bad[] = {
        "", "-u./pwn", "ext::sh -c x", "fd::17", "foo://h/x", "ssh://-oProxyCommand=x/y", "https::x", "a\nb"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!githarmless_url(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (githarmless_url(bad[i]))
            fail_msg("passed: %s", bad[i]);
}

static bool has(const struct gitplace_list *l, const struct tree *t, const char *path, bool fixed)
{
    for (size_t i = 0; i < l->n; i++)
        if (path_within(l->items[i].path, t->top) && !strcmp(path_below(l->items[i].path, t->top), path))
            return l->items[i].fixed == fixed;
    return false;
}

static void includes_are_followed_and_loops_end(void **state)
{
    struct tree t;
    struct gitplaces g;
    struct gitplace_list l = {0};
    AUTO_FREE char *gitdir = NULL;

    (void)state;
    tree_init(&t);
    tree_default_rules(&t);
    tree_file(&t, "ws/r/.git/HEAD", "x");
    tree_file(&t, "ws/r/.git/config",
              "[includeIf \"gitdir:x\"]\n path = ../inc\n[include]\n path = ~/user.cfg\n");
    tree_file(&t, "ws/r/inc", "[include]\n path = inc\n path = .git/config\n[core]\n hooksPath = h\n");
    gitdir = tree_path(&t, "ws/r/.git");
    gitplaces_init(&g, tree_rules(&t));
    gitplaces_find(&g, gitdir, &l);
    assert_true(has(&l, &t, "ws/r/inc", false));
    assert_true(has(&l, &t, "ws/r/h", false));
    assert_true(has(&l, &t, "home/user.cfg", false));
    assert_true(has(&l, &t, "ws/r/.git/hooks", true));
    assert_true(has(&l, &t, "ws/r/.git/info/attributes", true));
    gitplace_list_deinit(&l);
    gitplaces_deinit(&g);
    tree_deinit(&t);
}

static void a_worktrees_hooks_start_from_its_own_top(void **state)
{
    struct tree t;
    struct gitplaces g;
    struct gitplace_list l = {0};
    AUTO_FREE char *gitdir = NULL;

    (void)state;
    tree_init(&t);
    tree_default_rules(&t);
    tree_run(&t, "git init -q r && git -C r -c user.name=a -c user.email=a@b commit -q --allow-empty -m a && "
                 "git -C r worktree add -q ../side && git -C r config core.hooksPath .husky");
    gitdir = tree_path(&t, "ws/r/.git/worktrees/side");
    gitplaces_init(&g, tree_rules(&t));
    gitplaces_find(&g, gitdir, &l);
    assert_true(has(&l, &t, "ws/side/.husky", false));
    gitplace_list_deinit(&l);
    gitplaces_deinit(&g);
    tree_deinit(&t);
}

static void a_fifo_in_place_of_a_file_does_not_hang(void **state)
{
    struct tree t;
    struct gitplaces g;
    struct gitplace_list l = {0};
    AUTO_FREE char *gitdir = NULL;

    (void)state;
    tree_init(&t);
    tree_default_rules(&t);
    tree_run(&t, "mkdir -p r/.git && mkfifo r/.git/config r/.git/commondir");
    gitdir = tree_path(&t, "ws/r/.git");
    gitplaces_init(&g, tree_rules(&t));
    gitplaces_find(&g, gitdir, &l);
    assert_true(l.n > 0);
    gitplace_list_deinit(&l);
    gitplaces_deinit(&g);
    tree_deinit(&t);
}

static void without_hook_rules_git_is_left_alone(void **state)
{
    struct tree t;
    struct gitplaces g;

    (void)state;
    tree_init(&t);
    tree_rule(&t, GRANT_WRITE, "ws", false);
    gitplaces_init(&g, tree_rules(&t));
    assert_null(g.any);
    gitplaces_deinit(&g);
    tree_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_as_git_reads_them),
        cmocka_unit_test(what_git_refuses_is_refused),
        cmocka_unit_test(it_agrees_with_git),
        cmocka_unit_test(only_urls_that_run_nothing_are_harmless),
        cmocka_unit_test(includes_are_followed_and_loops_end),
        cmocka_unit_test(a_worktrees_hooks_start_from_its_own_top),
        cmocka_unit_test(a_fifo_in_place_of_a_file_does_not_hang),
        cmocka_unit_test(without_hook_rules_git_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
