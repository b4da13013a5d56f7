// SPDX-License-Identifier: Apache-2.0 A list of what is known to be harmless, as the list of what is not
// has no end: git grows new configuration that names programs with every release. Pointers (`.git` files,
// commondir) may only lead to places that are judged themselves.
#include "sandbox/githarmless.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/path.h"
#include "sandbox/gitconfig.h"
#include "sandbox/gitplaces.h"
#include "sandbox/treewalk.h"

#define POINTER_MAX 8192 // bytes in .git, commondir and gitdir files

// section, key; "*" as key: any. Sections with a subsection stand in `named`.
static const struct {
    const char *section, *key;
} plain[] = {
    {"core", "repositoryformatversion"},
    {"core", "filemode"},
    {"core", "bare"},
    {"core", "logallrefupdates"},
    {"core", "ignorecase"},
    {"core", "precomposeunicode"},
    {"core", "symlinks"},
    {"core", "autocrlf"},
    {"core", "eol"},
    {"core", "safecrlf"},
    {"core", "quotepath"},
    {"core", "sharedrepository"},
    {"core", "sparsecheckout"},
    {"core", "sparsecheckoutcone"},
    {"core", "untrackedcache"},
    {"core", "splitindex"},
    {"core", "longpaths"},
    {"user", "name"},
    {"user", "email"},
    {"init", "defaultbranch"},
    {"extensions", "*"},
    {"submodule", "active"},
    {"submodule", "recurse"},
    {"pull", "rebase"},
    {"pull", "ff"},
    {"push", "default"},
    {"push", "autosetupremote"},
    {"fetch", "prune"},
    {"merge", "conflictstyle"},
    {"rerere", "enabled"},
    {"gc", "auto"},
    {"advice", "*"},
    {"color", "*"},
    {"receive", "denynonfastforwards"},
    {"receive", "denycurrentbranch"},
    {"lfs", "repositoryformatversion"},
};

enum named_value { VALUE_ANY, VALUE_URL, VALUE_REMOTE };

static const struct {
    const char *section, *key;
    enum named_value value;
} named[] = {
    {"remote", "url", VALUE_URL},
    {"remote", "pushurl", VALUE_URL},
    {"remote", "fetch", VALUE_ANY},
    {"remote", "push", VALUE_ANY},
    {"remote", "tagopt", VALUE_ANY},
    {"remote", "mirror", VALUE_ANY},
    {"remote", "prune", VALUE_ANY},
    {"remote", "prunetags", VALUE_ANY},
    {"remote", "promisor", VALUE_ANY},
    {"remote", "partialclonefilter", VALUE_ANY},
    {"remote", "gh-resolved", VALUE_ANY},
    {"branch", "remote", VALUE_REMOTE},
    {"branch", "pushremote", VALUE_REMOTE},
    {"branch", "merge", VALUE_ANY},
    {"branch", "rebase", VALUE_ANY},
    {"branch", "description", VALUE_ANY},
    {"branch", "vscode-merge-base", VALUE_ANY},
    {"branch", "gh-merge-base", VALUE_ANY},
    {"submodule", "url", VALUE_URL},
    {"submodule", "active", VALUE_ANY},
    {"submodule", "branch", VALUE_ANY},
    {"color", NULL, VALUE_ANY},
};

bool githarmless_url(const char *url)
{
    static const char *const schemes[] = {"http", "https", "ssh", "git", "file", "git+ssh", "ssh+git"};
    size_t n = 0;

    if (!*url || *url == '-')
        return false;
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return false;
    while (isalnum((unsigned char)url[n]) || url[n] == '+' || url[n] == '-' || url[n] == '.')
        n++;
    if (!strncmp(url + n, "::", 2)) // a helper: git-remote-NAME, or `ext`, which runs a command
        return false;
    if (strncmp(url + n, "://", 3) != 0)
        return true; // a path, or host:path
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strlen(schemes[i]) == n && !strncasecmp(url, schemes[i], n))
            return url[n + 3] != '-';
    return false;
}

struct judge {
    const struct rulematch *m;
    const char *gitdir;
};

static bool worktree_stays(const struct judge *j, const char *value)
{
    AUTO_FREE char *path = path_normal(j->gitdir, value);
    const char *root = rulematch_root(j->m, path);

    return root && root == rulematch_root(j->m, j->gitdir) && *value;
}

static bool named_harmless(const struct gitconfig_entry *e)
{
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        if (strcmp(named[i].section, e->section) || (named[i].key && strcmp(named[i].key, e->key)))
            continue;
        // A remote is a name or a URL; as a URL it must be a good one. A name passes, too: it looks like a
        // path.
        return named[i].value == VALUE_ANY || (e->value && githarmless_url(e->value));
    }
    return false;
}

static bool entry_harmless(void *ctx, const struct gitconfig_entry *e)
{
    const struct judge *j = ctx;

    if (e->subsection)
        return named_harmless(e);
    if (!strcmp(e->section, "core") && !strcmp(e->key, "worktree"))
        return e->value && worktree_stays(j, e->value);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (!strcmp(plain[i].section, e->section) &&
            (!strcmp(plain[i].key, "*") || !strcmp(plain[i].key, e->key)))
            return true;
    return false;
}

bool githarmless_config(const struct rulematch *m, const char *gitdir, const char *text, size_t n)
{
    struct judge j = {m, gitdir};

    return gitconfig_parse(text, n, entry_harmless, &j, NULL);
}

bool githarmless_hook_name(const char *name)
{
    size_t n = strlen(name);

    return n > 7 && !strcmp(name + n - 7, ".sample");
}

// --- in the tree ---

static int dir_open(int root_fd, const char *root, const char *path)
{
    const char *below = path_below(path, root);

    return below ? tree_open(root_fd, below, O_PATH | O_DIRECTORY) : -1;
}

static bool has(int dir_fd, const char *name)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_repository(int dir_fd, const char *name)
{
    unsigned seen =
        (has(dir_fd, "HEAD") ? GIT_SEEN_HEAD : 0u) | (has(dir_fd, "objects") ? GIT_SEEN_OBJECTS : 0u) |
        (has(dir_fd, "refs") ? GIT_SEEN_REFS : 0u) | (has(dir_fd, "commondir") ? GIT_SEEN_COMMONDIR : 0u);

    return gitplaces_is_repository(name, seen);
}

static bool read_at(int dir_fd, const char *name, struct buf *ret)
{
    return regular_read(dir_fd, name, false, ret, NULL);
}

// Text of a one-line file; NULL when it is none. Owned.
static char *line_at(int dir_fd, const char *name)
{
    AUTO_BUF struct buf text = {0};

    buf_init(&text, POINTER_MAX);
    if (!read_at(dir_fd, name, &text))
        return NULL;
    if (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (!text.len || memchr(text.ptr, '\n', text.len) || memchr(text.ptr, '\0', text.len))
        return NULL;
    return buf_take(&text);
}

static bool config_stays(const struct rulematch *m, int dir_fd, const char *dir, const char *name)
{
    AUTO_BUF struct buf text = {0};

    buf_init(&text, GITCONFIG_MAX);
    return is_repository(dir_fd, path_base(dir)) && read_at(dir_fd, name, &text) &&
           githarmless_config(m, dir, text.ptr, text.len);
}

// git makes these files first and writes them then. Empty ones lead nowhere, and are judged again when they
// are written.
static bool is_empty(int dir_fd, const char *name)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && !st.st_size;
}

// `git worktree add` writes "../..", from REPOSITORY/worktrees/NAME.
static bool commondir_stays(int dir_fd, const char *dir)
{
    AUTO_FREE char *text = line_at(dir_fd, "commondir"), *up = path_parent(dir);

    return text && !strcmp(text, "../..") && !strcmp(path_base(up), "worktrees");
}

// The way back to the worktree: a `.git` in the same writable root.
static bool gitdir_stays(const struct rulematch *m, int dir_fd, const char *dir)
{
    AUTO_FREE char *text = line_at(dir_fd, "gitdir"), *path = text ? path_normal(dir, text) : NULL;

    return path && gitplaces_is_dotgit(path_base(path)) && rulematch_root(m, path) &&
           rulematch_root(m, path) == rulematch_root(m, dir);
}

static bool below_dotgit(const char *path)
{
    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        AUTO_FREE char *name = xstrndup(p + 1, strcspn(p + 1, "/"));

        if (gitplaces_is_dotgit(name))
            return true;
    }
    return false;
}

// Where a `.git` file leads: a repository in the same root, below a `.git` (whose places are covered or
// judged), or one that is harmless itself. A project can contain a directory that looks like a repository
// and has a configuration of the author's; it does nothing until a `.git` file leads there.
static bool dotgit_stays(const struct rulematch *m, int root_fd, const char *root, int dir_fd,
                         const char *path)
{
    AUTO_BUF struct buf text = {0};
    AUTO_FREE char *target = NULL;
    AUTO_CLOSE int at = -1;

    buf_init(&text, POINTER_MAX);
    if (!read_at(dir_fd, path_base(path), &text))
        return false;
    if (!text.len)
        return true; // as above
    target = gitplaces_gitdir_of(text.ptr, text.len, path);
    if (!target || !path_within(target, root) || memchr(text.ptr, '\n', text.len) != text.ptr + text.len - 1)
        return false;
    // `git worktree add` writes the file before the place that it leads to is complete.
    if (below_dotgit(path_below(target, root) - 1))
        return true;
    at = dir_open(root_fd, root, target);
    return at >= 0 && is_repository(at, path_base(target)) && !has(at, "commondir") &&
           !has(at, "config.worktree") && config_stays(m, at, target, "config");
}

bool githarmless_place(const struct rulematch *m, int root_fd, const char *root, const char *path)
{
    AUTO_FREE char *dir = path_parent(path);
    AUTO_CLOSE int fd = dir_open(root_fd, root, dir);
    const char *name = path_base(path);

    if (fd < 0)
        return false;
    if (gitplaces_is_dotgit(name))
        return dotgit_stays(m, root_fd, root, fd, path);
    if (!strcmp(name, "config") || !strcmp(name, "config.worktree"))
        return config_stays(m, fd, dir, name);
    if (!strcmp(name, "commondir"))
        return is_empty(fd, name) || commondir_stays(fd, dir);
    return !strcmp(name, "gitdir") && (is_empty(fd, name) || gitdir_stays(m, fd, dir));
}

bool githarmless_is_hooks(int root_fd, const char *root, const char *path)
{
    AUTO_FREE char *dir = path_parent(path);
    AUTO_CLOSE int fd = strcmp(path_base(path), "hooks") ? -1 : dir_open(root_fd, root, dir);
    struct stat st;

    return fd >= 0 && is_repository(fd, path_base(dir)) &&
           fstatat(fd, "hooks", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}
