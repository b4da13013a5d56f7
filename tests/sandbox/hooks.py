# SPDX-License-Identifier: Apache-2.0
"""@hooks: files that make someone else's program run code are not changed, and those that were not there before are not
there after the run.

Where git is what would run the code, the test asks git itself: after the attack the host works in the repository
(status, commit, checkout, diff), and the mark that the attacker's code makes outside must not be there."""
import os
import subprocess

from probe import SEE_ALL, escapes, fill, named, python, wait_until
from yard import check, need, test

MARK = "../outside-mark"  # what the attacker's code makes when the host runs it
# What every attack below can use: `plant DIRECTORY [NAME]` makes a hook, `monitor` prints configuration that git runs.
SHELL = ("plant() { printf '#!/bin/sh\\ntouch {MARK}\\n' > $1/${2:-post-commit} && chmod +x $1/${2:-post-commit}; }; "
         "monitor() { printf '[core]\\n\\tfsmonitor = \"touch {MARK}; false\"\\n'; }; ")


def host_works(yard, where):
    """What a person does next, in the repository at `where`."""
    identity = ["-c", "user.name=h", "-c", "user.email=h@example.org"]
    for args in (["status"], ["diff"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "host"], ["log", "-1",
            "-p"],
                 ["checkout", "-q", "-b", "other"], ["branch", "more"], ["stash", "list"], ["submodule", "status"],
                 ["gc", "--auto", "-q"]):
        yard.call(["git", "-C", where, *identity, *args])


def repository(yard):
    yard.call(["sh", "-c", "find . -mindepth 1 -delete; rm -f %s" % MARK])
    yard.git("init", "-q", "-b", "main")
    yard.write("README", "r\n")
    yard.write(".gitattributes", "*.x filter=f diff=d\n")
    yard.write("a.x", "x\n")
    yard.git("add", "-A")
    yard.git("commit", "-q", "-m", "one")


def nested(yard):
    repository(yard)
    yard.git("init", "-q", "deep/a/b/nested")
    yard.git("-C", "deep/a/b/nested", "commit", "-q", "--allow-empty", "-m", "one")


def worktree(yard):
    repository(yard)
    yard.git("worktree", "add", "-q", "wt", "-b", "wtb")


def submodule(yard):
    repository(yard)
    yard.git("init", "-q", "lib")
    yard.git("-C", "lib", "commit", "-q", "--allow-empty", "-m", "one")
    yard.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./lib", "sub")
    yard.git("commit", "-q", "-m", "two")


def hooks_path(yard):
    repository(yard)
    yard.write("tools/githooks/.keep")
    yard.git("config", "core.hooksPath", "tools/githooks")


def included(yard):
    repository(yard)
    yard.write("conf/shared.gitconfig", "[alias]\n\tst = status\n")
    yard.git("config", "include.path", "../conf/shared.gitconfig")


def linked(yard):
    """.git is a symbolic link to a directory of another name in the workspace."""
    repository(yard)
    os.rename(yard.path(".git"), yard.path("real-git"))
    os.symlink("real-git", yard.path(".git"))


def gitfile(yard):
    """.git is a file that names the directory."""
    repository(yard)
    os.rename(yard.path(".git"), yard.path("real-git"))
    yard.write(".git", "gitdir: real-git\n")


# name: (fixture, where the host works, attack)
GIT = {
    "a_hook_is_not_planted": (repository, ".", "plant .git/hooks"),
    "a_sample_hook_is_not_renamed": (repository, ".", "plant . h; mv h .git/hooks/post-commit"),
    "a_hook_is_not_linked_in": (repository, ".",
                                "plant . h; ln h .git/hooks/post-commit || ln -s ../../h .git/hooks/post-commit"),
    "configuration_is_not_appended_to": (repository, ".", "monitor >> .git/config"),
    "configuration_is_not_set_with_git": (repository, ".", "git config core.fsmonitor 'touch {MARK}; false'"),
    "a_filter_is_not_configured": (repository, ".",
                                   "git config filter.f.clean 'touch {MARK}; cat'; touch a.x; echo y >> a.x"),
    "a_diff_driver_is_not_configured": (repository, ".",
                                        "git config diff.d.textconv 'touch {MARK}; cat'; echo y >> a.x"),
    "a_pager_and_an_editor_are_not_configured": (repository, ".", "git config core.sshCommand 'touch {MARK}'; git "
                                                 "config core.fsmonitor 'touch {MARK}; false'"),
    "hooks_path_is_not_configured": (repository, ".", "mkdir -p e; plant e; git config core.hooksPath e"),
    "an_include_is_not_configured": (repository, ".", "monitor > evil; git config include.path ../evil"),
    "the_repository_is_not_rebuilt": (repository, ".",
                                      "mv .git g2 && cp -r g2 .git && mkdir -p .git/hooks; plant .git/hooks"),
    "the_repository_is_not_removed_and_made_anew": (repository, ".",
                                                    "rm -rf .git; git init -q; mkdir -p .git/hooks; plant .git/hooks"),
    "the_hooks_directory_is_not_renamed_away": (repository, ".",
                                                "mv .git/hooks .git/h2; mkdir .git/hooks; plant .git/hooks"),
    "the_hooks_directory_is_not_made_a_link": (repository, ".",
                                               "mkdir e; plant e; rm -rf .git/hooks; ln -s ../e .git/hooks"),
    "the_hooks_directory_is_not_exchanged": (repository, ".", "mkdir e; plant e; "
                                             + python("libc.renameat2(-100, b'e', -100, b'.git/hooks', 2)")),
    "the_configuration_is_not_exchanged": (repository, ".", "monitor > e; "
                                           + python("libc.renameat2(-100, b'e', -100, b'.git/config', 2)")),
    "the_configuration_is_not_renamed_over": (repository, ".", "monitor > e; mv -f e .git/config"),
    "the_configuration_is_not_written_through_a_link": (repository, ".", "ln -s .git/config c; monitor >> c"),
    "the_configuration_is_not_written_through_a_hard_link": (repository, ".", "ln .git/config c; monitor >> c"),
    "the_git_directory_is_not_exchanged": (repository, ".", "cp -r .git e; monitor >> e/config; "
                                           + python("libc.renameat2(-100, b'e', -100, b'.git', 2)")),
    "the_git_directory_is_not_made_a_file": (repository, ".",
                                             "cp -r .git e; monitor >> e/config; mv .git old; echo 'gitdir: e' > .git"),
    "the_git_directory_is_not_made_a_link": (repository, ".",
                                             "cp -r .git e; monitor >> e/config; mv .git old; ln -s e .git"),
    "a_common_directory_is_not_named": (repository, ".",
                                        "cp -r .git e; monitor >> e/config; printf ../e > .git/commondir"),
    "worktree_configuration_is_not_made": (lambda y: (repository(y), y.git("config", "extensions.worktreeConfig",
        "true")), ".",
                                           "monitor > .git/config.worktree"),
    "a_nested_repositorys_hook_is_not_planted": (nested, "deep/a/b/nested", "plant deep/a/b/nested/.git/hooks"),
    "a_nested_repositorys_configuration_is_not_changed": (nested, "deep/a/b/nested",
        "git -C deep/a/b/nested config core.fsmonitor 'touch {MARK}; false'"),
    "a_nested_repositorys_parent_is_not_renamed_away": (nested, "deep/a/b/nested", "mv deep/a x; mkdir -p deep/a; cp "
                                                        "-r x/b deep/a/b; monitor >> deep/a/b/nested/.git/config"),
    "a_worktrees_hook_is_not_planted": (worktree, "wt", "plant .git/hooks post-checkout"),
    "a_worktrees_git_file_is_not_replaced": (worktree, "wt", "cp -r .git e; monitor >> e/config; rm -f wt/.git; echo "
                                             "'gitdir: ../e' > wt/.git"),
    "a_worktrees_git_file_is_not_written": (worktree, "wt",
                                            "cp -r .git e; monitor >> e/config; echo \"gitdir: $PWD/e\" > wt/.git"),
    "a_worktrees_common_directory_is_not_changed": (worktree, "wt", "cp -r .git e; monitor >> e/config; echo $PWD/e > "
                                                    ".git/worktrees/wt/commondir"),
    "a_submodules_hook_is_not_planted": (submodule, "sub", "plant .git/modules/sub/hooks"),
    "a_submodules_configuration_is_not_changed": (submodule, "sub",
                                                  "git -C sub config core.fsmonitor 'touch {MARK}; false'"),
    "a_submodules_git_file_is_not_replaced": (submodule, "sub", "cp -r .git/modules/sub e; git config -f e/config "
                                              "--unset core.worktree; monitor >> e/config; rm -f sub/.git; echo "
                                              "'gitdir: ../e' > sub/.git"),
    "a_configured_hooks_path_is_not_planted_into": (hooks_path, ".", "plant tools/githooks"),
    "a_configured_hooks_paths_parent_is_not_replaced": (hooks_path, ".",
                                                        "mv tools t2; mkdir -p tools/githooks; plant tools/githooks"),
    "an_included_configuration_is_not_changed": (included, ".", "monitor >> conf/shared.gitconfig"),
    "an_included_configuration_is_not_replaced": (included, ".", "monitor > e; mv -f e conf/shared.gitconfig"),
    "a_linked_git_directorys_hook_is_not_planted": (linked, ".", "plant real-git/hooks"),
    "a_linked_git_directorys_configuration_is_not_changed": (linked, ".", "monitor >> real-git/config"),
    "a_git_link_is_not_turned_elsewhere": (linked, ".", "cp -r real-git e; monitor >> e/config; ln -sfn e .git"),
    "the_directory_of_a_git_file_is_not_planted_into": (gitfile, ".", "plant real-git/hooks"),
    "the_configuration_behind_a_git_file_is_not_changed": (gitfile, ".",
        "git config core.fsmonitor 'touch {MARK}; false'"),
    "a_git_file_is_not_turned_elsewhere": (gitfile, ".",
                                           "cp -r real-git e; monitor >> e/config; echo 'gitdir: e' > .git"),
    "a_new_repository_brings_no_hook": (repository, "new", "git init -q new; plant new/.git/hooks"),
    "a_new_repository_brings_no_running_configuration": (repository, "new",
        "git init -q new; git -C new config core.fsmonitor 'touch {MARK}; false'"),
    "a_repository_that_is_moved_in_brings_no_hook": (repository, "new", "mkdir -p /tmp/n; git init -q /tmp/n/r; plant "
                                                     "/tmp/n/r/.git/hooks; cp -r /tmp/n/r new; rm -rf /tmp/n"),
    "a_renamed_tree_brings_no_hook": (repository, "new", "git init -q x; mv x/.git x/dotgit; plant x/dotgit/hooks; mv "
                                      "x/dotgit x/.git; mv x new"),
    "a_bare_repository_in_a_directory_runs_nothing": (repository, "data", "git clone -q --bare . data; plant "
                                                      "data/hooks reference-transaction"),
    "a_new_git_file_leads_to_no_hook": (repository, "new",
                                        "mkdir new; git init -q --separate-git-dir=e new; monitor >> e/config"),
    "a_new_worktree_brings_no_hook": (repository, "new", "git worktree add -q new -b n; mkdir -p "
                                      ".git/worktrees/new/hooks; monitor >> .git/config"),
    "a_late_process_plants_no_hook": (repository, ".", "(sleep 0.3; plant .git/hooks) & sleep 0.6"),
    "an_attribute_file_gets_no_filter": (lambda y: (repository(y), y.git("config", "filter.run.clean",
        "sh -c \"$(cat $(git rev-parse --show-toplevel)/run.txt)\"")), ".",
                                         "mkdir -p .git/info; echo '* filter=run' > .git/info/attributes; echo 'touch "
                                         "{MARK}; cat' > run.txt; echo z >> README"),
}


def define_git(name, fixture, where, line):
    def what_git_runs_stays_ours(yard):
        need("git")
        mark = os.path.realpath(yard.path(MARK))

        def landed(_):
            host_works(yard, where)
            return os.path.lexists(mark)

        escapes(yard, fill(SHELL + line, MARK=mark), landed, setup=lambda: fixture(yard))
    named(name, what_git_runs_stays_ours)


for name, (fixture, where, line) in GIT.items():
    define_git(name, fixture, where, line)

# Files of editors, agents and tools, tried where they are not there before (then not after) and where they are.
FILES = [".gitmodules", ".vscode/tasks.json", ".vscode/settings.json", ".vscode/launch.json", ".claude/settings.json",
         ".claude/settings.local.json", ".claude/commands/x.md", ".codex/config.toml", ".mcp.json", ".envrc",
         "bawn.yaml", "bawn.json",
         "sub/.vscode/tasks.json", "sub/.claude/settings.json", "sub/.envrc", "sub/.mcp.json", ".cursor/mcp.json",
         ".idea/workspace.xml"]


def define_new(path):
    def after_the_run_it_is_not_there(yard):
        yard.git("init", "-q")
        escapes(yard, "mkdir -p $(dirname {P}) && echo pwn > {P}".replace("{P}", path),
                lambda r: yard.exists(path) and os.path.getsize(yard.path(path)), setup=lambda: yard.call(["rm", "-rf",
                path.split("/")[0]]))
    named("after_the_run_there_is_no_new_" + path.lstrip(".").replace("/.", "_").replace("/", "_").replace(".", "_"),
          after_the_run_it_is_not_there)


def define_existing(path):
    def it_keeps_its_content(yard):
        yard.git("init", "-q")
        ours = "version: 1\n" if path.startswith("bawn.yaml") else "{}\n"
        top = path.split("/")[0]

        def setup():
            yard.call(["rm", "-rf", top, "x", "n"])
            yard.write(path, ours)

        for line in ("echo pwn > {P}", "echo pwn >> {P}", "rm -f {P}; echo pwn > {P}", "echo pwn > n; mv -f n {P}",
                     "mv {T} x; mkdir -p $(dirname {P}); echo pwn > {P}", "ln {P} n; echo pwn >> n"):
            escapes(yard, line.replace("{P}", path).replace("{T}", top), lambda r: not yard.exists(path)
                    or "pwn" in yard.read(path), setup=setup)
    named("nothing_changes_an_existing_" + path.lstrip(".").replace("/.", "_").replace("/", "_").replace(".", "_"),
          it_keeps_its_content)


for path in FILES:
    define_new(path)
for path in (".gitmodules", ".vscode/tasks.json", ".claude/settings.json", ".mcp.json", ".envrc", "bawn.yaml",
             "sub/.vscode/tasks.json"):
    define_existing(path)


@test
def a_protected_name_made_by_renaming_is_not_there_after(yard):
    yard.git("init", "-q")
    escapes(yard, "mkdir x; echo '{}' > x/tasks.json; mv x .vscode", lambda r: yard.exists(".vscode/tasks.json"),
            setup=lambda: yard.call(["rm", "-rf", ".vscode", "x"]))


@test
def a_protected_name_made_as_a_link_is_not_there_after(yard):
    yard.git("init", "-q")
    escapes(yard, "mkdir x; echo '{}' > x/settings.json; ln -s x .claude; echo e > y; ln -s y .envrc; ln y .mcp.json",
            lambda r: yard.exists(".claude") or yard.exists(".envrc") or yard.exists(".mcp.json"),
            setup=lambda: yard.call(["rm", "-rf", ".claude", ".envrc", ".mcp.json", "x", "y"]))


@test
def a_protected_name_in_a_tree_that_is_moved_in_is_not_there_after(yard):
    yard.git("init", "-q")
    escapes(yard, "mkdir -p /tmp/t/deep/.vscode; echo '{}' > /tmp/t/deep/.vscode/tasks.json; cp -r /tmp/t tree; mkdir "
            "u; mv tree u/tree; rm -rf /tmp/t",
            lambda r: yard.exists("u/tree/deep/.vscode/tasks.json"), setup=lambda: yard.call(["rm", "-rf", "tree",
            "u"]))


@test
def many_new_directories_do_not_hide_a_protected_name(yard):
    yard.git("init", "-q")
    escapes(yard, "for i in $(seq 300); do mkdir -p d$i/a/b; done; mkdir -p d299/a/b/.vscode; echo '{}' > "
            "d299/a/b/.vscode/tasks.json; echo e > d7/a/.envrc",
            lambda r: yard.exists("d299/a/b/.vscode/tasks.json") or yard.exists("d7/a/.envrc"),
            setup=lambda: yard.call(["sh", "-c", "rm -rf d*"]))


@test
def an_unreadable_directory_does_not_hide_a_protected_name(yard):
    yard.git("init", "-q")
    escapes(yard, "mkdir -p d/e; chmod 333 d; echo e > d/.envrc; mkdir d/.vscode; echo '{}' > d/.vscode/tasks.json; "
            "chmod 0 d",
            lambda r: yard.call(["sh", "-c", "chmod 755 d; test -e d/.envrc || test -e d/.vscode/tasks.json"]).rc == 0,
            setup=lambda: yard.call(["sh", "-c", "chmod -f 755 d; rm -rf d"]))


@test
def a_directory_that_is_closed_afterwards_does_not_hide_a_protected_name(yard):
    need("git")
    escapes(yard, "mkdir -p p/q; git init -q p/q/r; sleep 0.1; printf '[core]\\n\\tfsmonitor = x\\n' >> "
            "p/q/r/.git/config; chmod 0 p",
            lambda r: yard.call(["sh", "-c", "chmod 755 p; grep fsmonitor p/q/r/.git/config"]).out != "",
            setup=lambda: yard.call(["sh", "-c", "chmod -f 755 p; rm -rf p"]))


@test
def what_was_moved_away_is_kept_and_named(yard):
    yard.git("init", "-q")
    r = yard.run("echo 'echo mine' > .envrc")
    check(not yard.exists(".envrc"), "the protected name is still there", r)
    check(".envrc" in r.err, "nothing told the person of it", r)
    kept = yard.call(["grep", "-rl", "echo mine", yard.state])
    check(kept.rc == 0, "what was moved away is not kept below the state directory", kept)


@test
def rules_of_the_policys_own_protect_files(yard):
    yard.write("policy.yaml", "version: 1\nextends: workspace\nfiles: {protect+: [Makefile, 'ci/*.sh', '**/*.lock']}\n")
    for path in ("Makefile", "ci/build.sh", "a/b/deps.lock"):
        def setup():
            yard.write(path, "ours\n")

        escapes(yard, "echo pwn >> {P}; echo pwn > n; mv -f n {P}".replace("{P}", path),
                lambda r: "pwn" in yard.read(path),
                ("-p", "policy.yaml"), setup=setup)
    check(yard.run("cat Makefile ci/build.sh", "-p", "policy.yaml").out == "ours\nours\n",
          "protected files cannot be read")


@test
def strict_protects_names_that_spin(yard):
    """With files.strict a protected name never exists, not even for a moment: a watcher outside spins on it."""
    yard.git("init", "-q")
    watch = python("""
end = time.time() + 5
while time.time() < end and not os.path.exists('{W}/stop'):
    if os.path.lexists('{W}/.envrc'): print('SEEN'); break
""", W=yard.workspace)
    attack = ("sleep 0.5; for i in 1 2 3 4 5 6 7 8 9 10; do echo e > .envrc; mkdir .vscode; done 2>/dev/null; touch "
              "stop; true")
    both = "%s & %s; wait" % (watch, attack)
    check("SEEN" in yard.outside(both).out, "positive control: the watcher does not see the name")
    yard.call(["rm", "-rf", ".envrc", ".vscode", "stop"])
    p = subprocess.Popen(["sh", "-c", watch], env=yard.env, stdout=subprocess.PIPE, cwd=yard.workspace)
    r = yard.run(attack, "--set", "files.strict=true")
    out = p.communicate(timeout=30)[0]
    check(r.rc == 0, "the attack did not run", r)
    check(b"SEEN" not in out and not yard.exists(".envrc") and not yard.exists(".vscode"),
          "the protected name was there for a moment", r)


@test
def the_read_of_protected_files_works(yard):
    yard.git("init", "-q")
    yard.git("config", "alias.x", "status")
    yard.write(".vscode/settings.json", "{}\n")
    r = yard.run("git config alias.x && cat .vscode/settings.json && ls .git/hooks >/dev/null", *SEE_ALL)
    check(r.rc == 0 and r.out == "status\n{}\n", "protected files cannot be read", r)


@test
def what_the_host_makes_meanwhile_is_moved_and_the_person_is_told_where(yard):
    p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", "touch ready; while [ ! -e end ]; do sleep 0.02; done"], env=yard.env,
                         stderr=subprocess.PIPE, text=True, cwd=yard.workspace)
    yard.write("~/made/hooks.json", "mine\n")
    check(wait_until(lambda: yard.exists("ready"), 20), "the run does not start")
    os.rename(yard.path("~/made"), yard.path(".codex"))
    check(wait_until(lambda: not yard.exists(".codex"), 20), "it is not moved away")
    yard.write("end", "")
    _, err = p.communicate(timeout=20)
    told = [line.strip()[len("it is now "):] for line in err.splitlines() if line.strip().startswith("it is now ")]
    check(len(told) == 1 and told[0].endswith("/.codex"), "not told where it is: %s" % err)
    with open(told[0] + "/hooks.json") as f:
        check(f.read() == "mine\n" and not yard.exists(".codex"), "it is not there: %s" % err)


@test
def where_the_whole_machine_can_be_written_protected_files_of_the_home_are_not(yard):
    """Also not by moving the directory away that holds one."""
    yard.write("~/.config/fish/config.fish", "sound\n")
    options = ("--profile", "open", "--set", "files.protect=[\"@hooks\", \"~/kept/deep/file\"]")
    yard.attack("echo x >>~/.bashrc", lambda r: "x" in yard.read("~/.bashrc"), *options, setup=lambda: yard.write("~/.bashrc", "sound\n"))
    yard.attack("echo x >>~/kept/deep/file", lambda r: "x" in yard.read("~/kept/deep/file"), *options,
                setup=lambda: yard.write("~/kept/deep/file", "sound\n"))
    yard.attack("mv ~/kept ~/other && echo x >~/other/deep/file", lambda r: yard.exists("~/other"), *options,
                setup=lambda: (yard.call(["rm", "-rf", yard.path("~/other")]), yard.write("~/kept/deep/file", "sound\n")))
    r = yard.run("echo fine >~/free && echo fine >made", *options)
    check(r.rc == 0 and yard.read("~/free") == "fine\n" and yard.exists("made"), "and all else can be written", r)
