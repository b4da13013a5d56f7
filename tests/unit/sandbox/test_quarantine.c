// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "sandbox/quarantine.h"
#include "tree.h"

struct fixture {
    struct tree tree;
    struct quarantine q;
    struct cover_list before;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    AUTO_FREE char *dir = NULL;

    tree_init(&f->tree);
    tree_default_rules(&f->tree);
    dir = tree_path(&f->tree, "state/quarantine");
    quarantine_init(&f->q, dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    quarantine_deinit(&f->q);
    cover_list_deinit(&f->before);
    tree_deinit(&f->tree);
    free(f);
    return 0;
}

static const struct file_rule *rule_for(struct fixture *f, const char *path)
{
    const struct file_rules *rules = tree_rules(&f->tree);

    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].hook && !strcmp(path_base(rules->rules[i].path), path_base(path)))
            return &rules->rules[i];
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].hook)
            return &rules->rules[i];
    return NULL;
}

static bool take(struct fixture *f, const char *path)
{
    AUTO_FREE char *full = tree_path(&f->tree, path);
    struct err err = {0};
    bool moved = true;
    bool keeps = quarantine_keeps(&f->q, tree_rules(&f->tree), full, rule_for(f, path));

    if (!quarantine_take(&f->q, tree_rules(&f->tree), full, rule_for(f, path), &moved, &err))
        fail_msg("%s", err.msg);
    if (moved && keeps)
        fail_msg("%s was said to stay and was taken", path);
    return moved;
}

static void find(struct fixture *f)
{
    struct err err = {0};

    if (!covers_find(tree_rules(&f->tree), NULL, &f->before, &err))
        fail_msg("%s", err.msg);
}

static void sweep(struct fixture *f)
{
    struct err err = {0};

    if (!quarantine_sweep(&f->q, tree_rules(&f->tree), &f->before, &err))
        fail_msg("%s", err.msg);
}

static char *moved_text(struct fixture *f, size_t i)
{
    assert_true(i < f->q.n);
    return tree_read(&f->tree, f->q.items[i].moved);
}

static void an_entry_is_moved_with_its_contents(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *text = NULL, *manifest = NULL;

    tree_file(&f->tree, "ws/a/.envrc", "content");
    assert_true(take(f, "ws/a/.envrc"));
    assert_false(tree_has(&f->tree, "ws/a/.envrc"));
    text = moved_text(f, 0);
    assert_string_equal(text, "content");
    manifest = tree_read(&f->tree, "state/quarantine/manifest.jsonl");
    assert_non_null(strstr(manifest, f->q.items[0].path));
    assert_non_null(strstr(manifest, f->q.items[0].moved));
    assert_false(take(f, "ws/a/.envrc")); // gone already
    assert_false(take(f, "ws/never/was"));
}

static void a_link_is_moved_itself_and_none_is_followed_on_the_way(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "home/.vscode/mine", "x");
    tree_link(&f->tree, "ws/.vscode", "../home/.vscode");
    tree_link(&f->tree, "ws/way", "../home");
    assert_true(take(f, "ws/.vscode"));
    assert_true(tree_has(&f->tree, "home/.vscode/mine"));
    assert_false(tree_has(&f->tree, "ws/.vscode"));
    assert_false(take(f, "ws/way/.vscode"));
    assert_true(tree_has(&f->tree, "home/.vscode/mine"));
}

static void hostile_contents_are_moved_all_the_same(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree,
             "mkdir -p .claude/x/y a; mkfifo .claude/fifo a/.envrc; : > .claude/x/f; chmod 000 .claude/x; "
             "truncate -s 1T .claude/huge; chmod 000 .claude");
    assert_true(take(f, "ws/.claude"));
    assert_true(take(f, "ws/a/.envrc"));
    assert_false(tree_has(&f->tree, "ws/.claude"));
    assert_false(tree_has(&f->tree, "ws/a/.envrc"));
}

static void locked_directories_do_not_hold_an_entry(void **state)
{
    struct fixture *f = *state;
    pid_t pid;
    int status;

    tree_run(&f->tree, "mkdir -p a/b/.claude/c; chmod 000 a/b/.claude a/b a");
    if (getuid() == 0)
        tree_run(&f->tree, "cd .. && chown -R 65534:65534 . && chmod 755 .");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { // as an ordinary user: modes mean nothing to root
        struct err err = {0};
        bool moved = false, ok;
        AUTO_FREE char *full = tree_path(&f->tree, "ws/a/b/.claude");

        if (getuid() == 0 && setuid(65534) < 0)
            _exit(3);
        ok = quarantine_take(&f->q, tree_rules(&f->tree), full, rule_for(f, ".claude"), &moved, &err);
        if (!ok)
            fprintf(stderr, "%s\n", err.msg);
        _exit(ok && moved ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(tree_has(&f->tree, "ws/a/b/.claude"));
}

static bool write_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool own_mounts(void)
{
    AUTO_FREE char *uids = xasprintf("%u %u 1", (unsigned)getuid(), (unsigned)getuid());
    AUTO_FREE char *gids = xasprintf("%u %u 1", (unsigned)getgid(), (unsigned)getgid());

    if (unshare(CLONE_NEWNS) == 0)
        return true;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", uids) && write_text("/proc/self/gid_map", gids);
}

// Gives the child a quarantine on another file system; returns its exit status.
static int across(struct fixture *f, void (*body)(struct fixture *f))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        AUTO_FREE char *dir = tree_path(&f->tree, "state");

        tree_dir(&f->tree, "state");
        if (!own_mounts() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", dir, "tmpfs", 0, "size=64m") < 0)
            _exit(77);
        body(f);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must(bool ok, int code)
{
    if (!ok)
        _exit(code);
}

static bool taken_plainly(struct fixture *f, const char *path)
{
    AUTO_FREE char *full = tree_path(&f->tree, path);
    struct err err = {0};
    bool moved = false;

    if (!quarantine_take(&f->q, tree_rules(&f->tree), full, rule_for(f, path), &moved, &err))
        fprintf(stderr, "%s\n", err.msg);
    return moved;
}

static void body_copies(struct fixture *f)
{
    AUTO_FREE char *text = NULL;

    tree_run(&f->tree,
             "mkdir -p .claude/d/e; echo deep > .claude/d/e/f; ln -s /nowhere .claude/l; mkfifo .claude/p; "
             "chmod 000 .claude/d/e/f .claude/d");
    must(taken_plainly(f, "ws/.claude"), 1);
    must(!tree_has(&f->tree, "ws/.claude") && !tree_has(&f->tree, "ws/bawn-quarantined-1-claude"), 2);
    must(tree_has(&f->tree, "state/quarantine/0001/.claude/l"), 3);
    text = tree_read(&f->tree, "state/quarantine/0001/.claude/d/e/f");
    must(!strcmp(text, "deep\n"), 4);
}

static void body_too_large(struct fixture *f)
{
    tree_run(&f->tree,
             "mkdir .claude a; truncate -s 1T .claude/huge; cd a; i=0; p=.claude; while [ $i -lt 100 ]; do "
             "p=$p/d; i=$((i+1)); done; mkdir -p $p; echo x > $p/f");
    must(taken_plainly(f, "ws/.claude"), 1);
    must(taken_plainly(f, "ws/a/.claude"), 2);
    must(!tree_has(&f->tree, "ws/.claude") && !tree_has(&f->tree, "ws/a/.claude"), 3);
    must(tree_has(&f->tree, "ws/bawn-quarantined-1-claude/huge"), 4);
    must(tree_has(&f->tree, "ws/a/bawn-quarantined-1-claude/d/d/d"), 5);
    must(!tree_has(&f->tree, "state/quarantine/0001/.claude"), 6);
    must(f->q.n == 2 && strstr(f->q.items[0].moved, "/ws/bawn-quarantined-1-claude"), 7);
}

static void across_file_systems_it_copies(void **state)
{
    int r = across(*state, body_copies);

    if (r == 77)
        skip(); // no mount namespaces here
    assert_int_equal(r, 0);
}

static void what_is_too_large_to_copy_is_renamed_where_it_stands(void **state)
{
    int r = across(*state, body_too_large);

    if (r == 77)
        skip();
    assert_int_equal(r, 0);
}

static void a_repository_that_git_made_is_kept(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree,
             "git init -q src && git -C src -c user.name=a -c user.email=a@b commit -q --allow-empty -m a && "
             "git clone -q src copy && git clone -q --bare src bare.git && "
             "git -C src worktree add -q ../side && "
             "git -C copy config user.name a && "
             "git -C copy -c protocol.file.allow=always submodule --quiet add \"$PWD/src\" sub");
    assert_false(take(f, "ws/src/.git/config"));
    assert_false(take(f, "ws/src/.git/hooks"));
    assert_false(take(f, "ws/copy/.git/config"));
    assert_false(take(f, "ws/copy/.git/modules/sub/config"));
    assert_false(take(f, "ws/copy/.git/modules/sub/hooks"));
    assert_false(take(f, "ws/copy/sub/.git"));
    assert_false(take(f, "ws/bare.git/config"));
    assert_false(take(f, "ws/bare.git/hooks"));
    assert_false(take(f, "ws/side/.git"));
    assert_false(take(f, "ws/src/.git/worktrees/side/commondir"));
    assert_false(take(f, "ws/src/.git/worktrees/side/gitdir"));
    assert_true(take(f, "ws/copy/.gitmodules"));
    tree_run(&f->tree, "git -C copy status -s && git -C side log -1");
}

static void a_configuration_that_runs_code_is_taken(void **state)
{
    static const char *const bad[] = {
        "core.fsmonitor=touch x",
        "core.hooksPath=e",
        "core.sshCommand=x",
        "include.path=../x",
        "alias.st=!x",
        "remote.o.url=ext::sh -c x",
        "remote.o.vcs=x",
        "remote.o.uploadpack=x",
        "filter.f.clean=x",
        "diff.external=x",
        "credential.helper=x",
        "core.worktree=../../..",
        "remote.o.url=-u./pwn",
        "branch.a.remote=ext::x",
        "submodule.s.update=!x",
        "url.ext::x.insteadOf=h",
        "core.gitProxy=x",
        "branch.a.mergeOptions=-s x",
        "core.attributesFile=x",
        "gpg.program=x",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_FREE char *key = xstrndup(bad[i], strcspn(bad[i], "="));
        AUTO_FREE char *command =
            xasprintf("git init -q r && git -C r config '%s' '%s'", key, bad[i] + strlen(key) + 1);

        tree_run(&f->tree, command);
        if (!take(f, "ws/r/.git/config"))
            fail_msg("kept: %s", bad[i]);
        tree_remove(&f->tree, "ws/r");
    }
}

static void a_configuration_that_cannot_be_read_as_git_does_is_taken(void **state)
{
    static const char *const bad[] = {"[core\n",
                                      "[core]\n\tbare = \"x\n",
                                      "[core]bare\\=1\n",
                                      "x = 1\n",
                                      "[core]\n bare = fal\\se\n",
                                      "[core]bare=false\n[core]fsmonitor=x\n",
                                      "[core] bare = a \\\n[core] fsmonitor=x\n[alias]x=y\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tree_run(&f->tree, "git init -q r");
        tree_file(&f->tree, "ws/r/.git/config", bad[i]);
        if (!take(f, "ws/r/.git/config"))
            fail_msg("kept: %s", bad[i]);
        tree_remove(&f->tree, "ws/r");
    }
}

static void real_hooks_are_taken_and_samples_stay(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree, "git init -q r");
    tree_file(&f->tree, "ws/r/.git/hooks/pre-commit", "#!/bin/sh\n");
    tree_file(&f->tree, "ws/r/.git/hooks/post-commit", "#!/bin/sh\n");
    tree_file(&f->tree, "ws/r/.git/hooks/pre-commit.sample", "#!/bin/sh\n");
    assert_true(take(f, "ws/r/.git/hooks"));
    assert_int_equal(f->q.n, 2);
    assert_true(tree_has(&f->tree, "ws/r/.git/hooks/pre-commit.sample"));
    assert_false(tree_has(&f->tree, "ws/r/.git/hooks/pre-commit"));
    assert_false(tree_has(&f->tree, "ws/r/.git/hooks/post-commit"));
    tree_link(&f->tree, "ws/s/.git/hooks", "../../evil");
    assert_true(take(f, "ws/s/.git/hooks")); // a link in its place is taken as a whole
    assert_false(tree_has(&f->tree, "ws/s/.git/hooks"));
}

static void a_git_file_may_only_lead_to_a_judged_repository(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree, "git init -q --bare home && git init -q --bare fine && git init -q --bare evil && "
                       "git -C evil config core.fsmonitor x && git init -q r && mkdir ../home/out && "
                       "git init -q --bare ../home/out");
    tree_file(&f->tree, "ws/a/.git", "gitdir: ../../home/out\n");
    tree_file(&f->tree, "ws/b/.git", "gitdir: ../evil\n");
    tree_file(&f->tree, "ws/c/.git", "gitdir: ../fine\n");
    tree_file(&f->tree, "ws/d/.git", "gitdir: ../r/.git\n");
    tree_file(&f->tree, "ws/e/.git", "gitdir: ../nothing\n");
    tree_link(&f->tree, "ws/g/.git", "../r/.git");
    assert_true(take(f, "ws/a/.git"));
    assert_true(take(f, "ws/b/.git"));
    assert_false(take(f, "ws/c/.git"));
    assert_false(take(f, "ws/d/.git"));
    assert_true(take(f, "ws/e/.git"));
    assert_true(take(f, "ws/g/.git"));
}

static void pointers_elsewhere_are_taken(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree, "git init -q r; mkdir -p r/.git/worktrees/w");
    tree_file(&f->tree, "ws/r/.git/commondir", "../../evil\n");
    tree_file(&f->tree, "ws/r/.git/worktrees/w/commondir", "../../../../evil\n");
    tree_file(&f->tree, "ws/r/.git/worktrees/w/gitdir", "/etc/passwd\n");
    assert_true(take(f, "ws/r/.git/commondir"));
    assert_true(take(f, "ws/r/.git/worktrees/w/commondir"));
    assert_true(take(f, "ws/r/.git/worktrees/w/gitdir"));
}

static void the_sweep_takes_what_was_not_there_and_only_that(void **state)
{
    struct fixture *f = *state;

    tree_run(&f->tree,
             "git init -q . && git config core.hooksPath .husky && mkdir .vscode && echo x > .vscode/a");
    find(f);
    tree_file(&f->tree, "ws/.envrc", "x");
    tree_file(&f->tree, "ws/n/e/w/.claude/settings.json", "x");
    tree_file(&f->tree, "ws/.husky/pre-commit", "x");
    tree_file(&f->tree, "ws/.env", "the run's own");
    tree_file(&f->tree, "ws/.vscode/b", "the host's");
    tree_file(&f->tree, "ws/.git/commondir", "../n\n");
    tree_file(&f->tree, "ws/bare/HEAD", "ref: refs/heads/a\n");
    tree_dir(&f->tree, "ws/bare/objects");
    tree_dir(&f->tree, "ws/bare/refs");
    tree_file(&f->tree, "ws/bare/config", "[core]\n fsmonitor = x\n");
    sweep(f);
    assert_false(tree_has(&f->tree, "ws/.envrc"));
    assert_false(tree_has(&f->tree, "ws/n/e/w/.claude"));
    assert_false(tree_has(&f->tree, "ws/.husky"));
    assert_false(tree_has(&f->tree, "ws/.git/commondir"));
    assert_false(tree_has(&f->tree, "ws/bare/config"));
    assert_true(tree_has(&f->tree, "ws/.env"));
    assert_true(tree_has(&f->tree, "ws/.vscode/b"));
    assert_true(tree_has(&f->tree, "ws/.git/config"));
    assert_int_equal(f->q.n, 5);
}

static void the_sweep_does_not_move_what_a_made_repository_points_at(void **state)
{
    struct fixture *f = *state;

    tree_file(&f->tree, "ws/app/config", "mine");
    tree_file(&f->tree, "ws/app/hooks/use.js", "mine");
    find(f);
    tree_file(&f->tree, "ws/trap/HEAD", "ref: refs/heads/a\n");
    tree_file(&f->tree, "ws/trap/commondir", "../app\n");
    sweep(f);
    assert_true(tree_has(&f->tree, "ws/app/config"));
    assert_true(tree_has(&f->tree, "ws/app/hooks/use.js"));
    assert_false(tree_has(&f->tree, "ws/trap/commondir"));
}

static void the_sweep_puts_links_back(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *a = tree_path(&f->tree, "ws/.vscode"), *b = tree_path(&f->tree, "ws/.envrc");
    char target[64] = {0};

    tree_dir(&f->tree, "ws/settings");
    tree_link(&f->tree, "ws/.vscode", "settings");
    tree_link(&f->tree, "ws/.envrc", "settings/rc");
    find(f);
    assert_int_equal(f->before.nlinks, 2);
    tree_remove(&f->tree, "ws/.vscode");
    tree_file(&f->tree, "ws/.vscode/tasks.json", "x");
    tree_remove(&f->tree, "ws/.envrc");
    sweep(f);
    assert_true(readlink(a, target, sizeof target - 1) > 0);
    assert_string_equal(target, "settings");
    assert_true(readlink(b, target, sizeof target - 1) > 0);
    assert_int_equal(f->q.n, 1);
}

static void the_sweep_looks_into_shut_directories_and_shuts_them_again(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *shut = tree_path(&f->tree, "ws/shut");
    struct stat st;
    pid_t pid;
    int status;

    find(f);
    tree_file(&f->tree, "ws/shut/in/.envrc", "x");
    assert_int_equal(chmod(shut, 0), 0);
    if (getuid() == 0)
        tree_run(&f->tree, "cd .. && chown -R 65534:65534 .");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (getuid() == 0 && setuid(65534) < 0)
            _exit(3);
        _exit(quarantine_sweep(&f->q, tree_rules(&f->tree), &f->before, NULL) && f->q.n == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(stat(shut, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0);
}

static void the_sweep_ends_on_very_deep_trees(void **state)
{
    struct fixture *f = *state;
    uint64_t begun = clock_mono_ns();

    find(f);
    assert_int_equal(chdir(f->tree.root), 0);
    for (int i = 0; i < 2500; i++) { // deeper than a walk goes
        assert_int_equal(mkdir("d", 0755), 0);
        assert_int_equal(chdir("d"), 0);
    }
    assert_int_equal(mkdir(".vscode", 0755), 0);
    assert_int_equal(chdir("/"), 0);
    sweep(f);
    assert_int_equal(f->q.n, 1); // cut off with everything below it
    assert_true(clock_mono_ns() - begun < 20000000000u);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_entry_is_moved_with_its_contents),
        T(a_link_is_moved_itself_and_none_is_followed_on_the_way),
        T(hostile_contents_are_moved_all_the_same),
        T(locked_directories_do_not_hold_an_entry),
        T(across_file_systems_it_copies),
        T(what_is_too_large_to_copy_is_renamed_where_it_stands),
        T(a_repository_that_git_made_is_kept),
        T(a_configuration_that_runs_code_is_taken),
        T(a_configuration_that_cannot_be_read_as_git_does_is_taken),
        T(real_hooks_are_taken_and_samples_stay),
        T(a_git_file_may_only_lead_to_a_judged_repository),
        T(pointers_elsewhere_are_taken),
        T(the_sweep_takes_what_was_not_there_and_only_that),
        T(the_sweep_does_not_move_what_a_made_repository_points_at),
        T(the_sweep_puts_links_back),
        T(the_sweep_looks_into_shut_directories_and_shuts_them_again),
        T(the_sweep_ends_on_very_deep_trees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
