# SPDX-License-Identifier: Apache-2.0
"""git works inside with @hooks on, and a repository is the same before and after for who looks from outside."""
import os

from yard import check, need, test

IDENTITY = ("export GIT_AUTHOR_NAME=i GIT_AUTHOR_EMAIL=i@example.org GIT_COMMITTER_NAME=i "
            "GIT_COMMITTER_EMAIL=i@example.org; set -e; ")


def repository(yard):
    need("git")
    yard.git("init", "-q", "-b", "main")
    for i in range(5):
        yard.write("f%d" % i, "%d\n" % i)
    yard.write(".gitignore", "*.o\n")
    yard.git("add", "-A")
    yard.git("commit", "-q", "-m", "one")


def works(yard, line, *options):
    r = yard.run(IDENTITY + line, *options, timeout=60)
    check(r.rc == 0, "git inside: %s" % line, r)
    check(yard.git("fsck", "--strict") is not None and yard.git("status", "--porcelain") == "",
          "the repository is not clean after: %s" % line, r)
    return r


@test
def status_is_clean_inside_and_after(yard):
    repository(yard)
    os.utime(yard.path("f1"))
    for options in ((), ("--deny", "**/.env", "--deny", "secrets"), ("--read", "/"), ("--set", "files.strict=true"),
                    ("--profile", "read-only")):
        r = yard.run("git status --porcelain --ignored; git diff --stat; git stash list", *options)
        check(r.rc == 0 and r.out == "", "status inside with %s" % list(options), r)
        check(yard.git("status", "--porcelain", "--ignored") == "", "status after with %s" % list(options))


@test
def commits_are_made(yard):
    repository(yard)
    works(yard, "echo new > new; git add new; git commit -q -m two; git commit -q --amend -m three; git log --oneline "
          "| wc -l")
    check(yard.git("log", "--format=%s", "-1") == "three\n", "the commit is not on the host")


@test
def branches_merges_and_rebases_work(yard):
    repository(yard)
    works(yard, "git checkout -q -b topic; echo t > t; git add t; git commit -q -m t; git checkout -q main; echo m > "
          "m; git add m; git commit -q -m m; git merge -q --no-edit topic; "
          "git checkout -q -b again main~1; echo r > r; git add r; git commit -q -m r; git rebase -q main; git tag v1; "
          "git tag -a -m note v2; git cherry-pick main~1 --allow-empty >/dev/null 2>&1 || git cherry-pick --abort; "
          "git reset -q --hard main; git branch -D topic >/dev/null; git reflog >/dev/null; git bisect start "
          ">/dev/null; git bisect reset >/dev/null 2>&1")


@test
def stash_clean_and_restore_work(yard):
    repository(yard)
    works(yard, "echo x >> f1; git stash -q; test \"$(cat f1)\" = 1; git stash pop -q; git restore f1; echo y > junk; "
          "git clean -fdq; git mv f2 g2; git rm -q f3; git commit -q -m moved")


@test
def worktrees_work(yard):
    repository(yard)
    works(yard, "git worktree add -q wt -b w; cd wt; echo w > w; git add w; git commit -q -m w; git status "
          "--porcelain; cd ..; git worktree list >/dev/null; git worktree remove wt; git worktree prune")


@test
def collecting_garbage_works(yard):
    repository(yard)
    works(yard, "for i in 1 2 3 4 5; do echo $i > f0; git commit -q -a -m $i; done; git gc -q --prune=now; git repack "
          "-adq; git fsck; git pack-refs --all; git maintenance run --quiet || true")


@test
def a_clone_of_a_local_repository_works(yard):
    repository(yard)
    yard.write(".gitignore", "copy/\n")
    yard.git("commit", "-q", "-a", "-m", "ignore")
    works(yard, "git clone -q . copy; cd copy; echo c > c; git add c; git commit -q -m c; git log --oneline | wc -l; "
          "git pull -q; git fetch -q")
    check(yard.git("-C", "copy", "log", "-1", "--format=%s") == "c\n", "the clone is not usable from outside")
    check(yard.git("-C", "copy", "remote", "-v") != "", "the clone lost its configuration")


@test
def a_new_repository_made_inside_stays_usable(yard):
    r = yard.run(IDENTITY + "git init -q -b main; echo a > a; git add a; git commit -q -m a; git status --porcelain")
    check(r.rc == 0 and r.out == "", "git init inside", r)
    check(yard.git("log", "--format=%s") == "a\n" and yard.git("status", "--porcelain") == "",
          "the new repository is not usable from outside")


@test
def a_commit_of_the_hosts_during_a_run_is_seen_inside(yard):
    """The host's git replaces files by renaming; what is covered must not show old content for ever."""
    import threading
    repository(yard)
    t = threading.Timer(0.4, lambda: (yard.write("late", "x"), yard.git("add", "late"), yard.git("commit", "-q", "-m",
        "late"), yard.git("config", "a.b", "c")))
    t.start()
    r = yard.run("sleep 1.5; git log --format=%s -1; git config a.b; git status --porcelain")
    t.join()
    check(r.out == "late\nc\n", "the host's commit", r)
    r = yard.run("git config a.b d; echo x >> .git/config; true")
    check(yard.git("config", "a.b") == "c\n", "the configuration was changed", r)


@test
def submodules_work(yard):
    repository(yard)
    yard.git("init", "-q", "-b", "main", "lib")
    yard.git("-C", "lib", "commit", "-q", "--allow-empty", "-m", "l")
    yard.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./lib", "sub")
    yard.write(".gitignore", "lib/\n")
    yard.git("add", "-A")
    yard.git("commit", "-q", "-m", "sub")
    works(yard, "git submodule status >/dev/null; cd sub; git checkout -q main 2>/dev/null || true; echo s > s; git "
          "add s; git commit -q -m s; cd ..; git add sub; git commit -q -m bump")


@test
def hooks_that_the_person_has_run_inside(yard):
    repository(yard)
    yard.write(".git/hooks/pre-commit", "#!/bin/sh\ntouch ran\n", 0o755)
    r = yard.run(IDENTITY + "echo x > x; git add x; git commit -q -m x; rm ran && echo RAN")
    check("RAN" in r.out, "the person's own hook does not run", r)
