// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"

static _Noreturn void broken(const char *what, const char *path)
{
    fprintf(stderr, "the test's own tree: %s: ", what);
    perror(path);
    abort();
}

void tree_init(struct tree *t)
{
    char name[] = "/tmp/bawn-tree-XXXXXX";

    *t = (struct tree){0};
    if (!mkdtemp(name))
        broken("mkdtemp", name);
    t->top = realpath(name, NULL);
    t->root = xasprintf("%s/ws", t->top);
    tree_dir(t, "ws");
    tree_dir(t, "home");
}

static void run(const char *dir, const char *command)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (chdir(dir) < 0)
            _exit(127);
        setenv("HOME", dir, 1);
        setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) < 0 || status != 0)
        broken("command failed", command);
}

void tree_run(struct tree *t, const char *command)
{
    run(t->root, command);
}

void tree_deinit(struct tree *t)
{
    AUTO_FREE char *command = xasprintf("chmod -R u+rwx '%s'; rm -rf '%s'", t->top, t->top);

    run("/", command);
    for (size_t i = 0; i < t->file_rules.n; i++) {
        free(t->rules[i].path);
        free(t->rules[i].text);
    }
    free(t->file_rules.workspace);
    free(t->file_rules.home);
    free(t->root);
    free(t->top);
}

char *tree_path(struct tree *t, const char *path)
{
    return path_normal(t->top, path);
}

static char *with_parents(struct tree *t, const char *path)
{
    char *full = tree_path(t, path);
    AUTO_FREE char *up = path_parent(full);

    if (!mkdir_parents(AT_FDCWD, up, 0755, NULL))
        broken("mkdir", up);
    return full;
}

void tree_file(struct tree *t, const char *path, const char *text)
{
    AUTO_FREE char *full = with_parents(t, path);
    AUTO_CLOSE int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || !fd_write_all(fd, text, strlen(text), NULL))
        broken("write", full);
}

void tree_dir(struct tree *t, const char *path)
{
    AUTO_FREE char *full = tree_path(t, path);

    if (!mkdir_parents(AT_FDCWD, full, 0755, NULL))
        broken("mkdir", full);
}

void tree_link(struct tree *t, const char *path, const char *target)
{
    AUTO_FREE char *full = with_parents(t, path);

    if (symlink(target, full) < 0)
        broken("symlink", full);
}

void tree_move(struct tree *t, const char *from, const char *to)
{
    AUTO_FREE char *a = tree_path(t, from), *b = tree_path(t, to);

    if (rename(a, b) < 0)
        broken("rename", a);
}

void tree_remove(struct tree *t, const char *path)
{
    AUTO_FREE char *full = tree_path(t, path), *command = xasprintf("rm -rf '%s'", full);

    run("/", command);
}

bool tree_has(struct tree *t, const char *path)
{
    AUTO_FREE char *full = tree_path(t, path);
    struct stat st;

    return lstat(full, &st) == 0;
}

char *tree_read(struct tree *t, const char *path)
{
    AUTO_FREE char *full = tree_path(t, path);
    struct buf text;

    buf_init(&text, 1u << 20);
    if (!file_read(AT_FDCWD, full, &text, NULL))
        broken("read", full);
    return buf_take(&text);
}

void tree_rule(struct tree *t, enum file_grant grant, const char *path, bool hook)
{
    char *full = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", t->top, path);

    if (t->file_rules.n == TREE_RULES_MAX)
        broken("too many rules", path);
    t->rules[t->file_rules.n++] = (struct file_rule){.grant = grant,
                                                     .path = full,
                                                     .text = xstrdup(hook ? "@hooks" : path),
                                                     .glob = grant >= GRANT_PROTECT && glob_is(path),
                                                     .hook = hook};
}

void tree_default_rules(struct tree *t)
{
    static const char *const hooks[] = {".git/hooks",  ".git/config", ".git/info/attributes",
                                        ".gitmodules", ".vscode",     ".claude",
                                        ".envrc",      "bawn.yaml"};

    tree_rule(t, GRANT_WRITE, "ws", false);
    tree_rule(t, GRANT_DENY, "ws/**/.env", false);
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        AUTO_FREE char *glob = xasprintf("ws/**/%s", hooks[i]);

        tree_rule(t, GRANT_PROTECT, glob, true);
    }
}

static int by_strength(const void *a, const void *b)
{
    const struct file_rule *x = a, *y = b;

    return x->grant != y->grant ? (int)y->grant - (int)x->grant : strcmp(x->path, y->path);
}

const struct file_rules *tree_rules(struct tree *t)
{
    struct file_rules *r = &t->file_rules;

    qsort(t->rules, r->n, sizeof *t->rules, by_strength);
    r->rules = t->rules;
    if (!r->workspace) {
        r->workspace = xstrdup(t->root);
        r->home = xasprintf("%s/home", t->top);
    }
    return r;
}
