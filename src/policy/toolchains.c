// SPDX-License-Identifier: Apache-2.0
// @toolchains: what PATH, and the tools found there, need under HOME (and elsewhere outside @system),
// read-only.
//
// A directory in PATH is granted itself, and with it what its tools are known to need: by the table below,
// else, when it is the bin (or shims) directory of a hidden directory of HOME, that directory, as prefixes
// look like that
// (~/.foo/bin beside ~/.foo/lib). Nothing else is derived: ~/work/project/bin in PATH grants that bin and no
// more. Where only the bin directory is granted, what its links lead to is granted too, by the same rules.
//
// HOME, ~/.local, ~/.config and their like are never granted as a whole, and nothing in the workspace is:
// that is for files.read to say. This runs at every start, so it makes no calls but one realpath per PATH
// directory outside @system and one readlink per link in a bare bin directory.
#include "policy/sets.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

#define PATH_DIRS_MAX 64 // of one PATH; more are passed over
#define LINKS_MAX 256    // followed in one bin directory

// A PATH directory in `prefix` (below HOME) grants these, blank separated.
static const struct {
    const char *prefix, *grants;
} known[] = {
    {".cargo", ".cargo .rustup"},
    {".rustup", ".cargo .rustup"},
    {".local/bin", ".local/lib .local/share/uv/tools .local/share/uv/python .local/share/pipx .local/pipx"},
    {".local/share/uv", ".local/share/uv/tools .local/share/uv/python"},
    {".local/share/mise", ".local/share/mise .config/mise .tool-versions"},
    {".local/share/rtx", ".local/share/rtx .config/rtx .tool-versions"},
    {".local/share/pnpm", ".local/share/pnpm"},
    {".local/share/fnm", ".local/share/fnm"},
    {".local/share/coursier", ".local/share/coursier"},
    {".local/share/gem", ".local/share/gem"},
    {".local/share/JetBrains/Toolbox", ".local/share/JetBrains/Toolbox/scripts"},
    {".asdf", ".asdf .tool-versions .asdfrc"},
    {".pyenv", ".pyenv"},
    {".rbenv", ".rbenv"},
    {".nodenv", ".nodenv"},
    {".goenv", ".goenv go"},
    {".jenv", ".jenv"},
    {".nvm", NULL}, // by version: ~/.nvm/versions/node/X
    {".sdkman", ".sdkman/candidates"},
    {".juliaup", ".juliaup .julia"},
    {".dotnet", ".dotnet .nuget/packages"},
    {".ghcup", ".ghcup .cabal/bin"},
    {".cabal", ".cabal/bin .cabal/store .ghcup"},
    {".opam", ".opam"},
    {".elan", ".elan"},
    {".volta", ".volta"},
    {".rye", ".rye"},
    {".pixi", ".pixi"},
    {".gem", ".gem"},
    {".nix-profile", ".nix-profile .local/state/nix/profiles .nix-defexpr"},
    {".config/composer", ".config/composer/vendor"},
    {".composer", ".composer/vendor"},
    {".config/yarn", ".config/yarn/global"},
    {"go", "go sdk"},
    {"sdk", "sdk"},
    {"miniconda3", "miniconda3"},
    {"anaconda3", "anaconda3"},
    {"miniforge3", "miniforge3"},
    {"mambaforge", "mambaforge"},
    {"micromamba", "micromamba"},
    {"perl5", "perl5"},
    {"flutter", "flutter"},
    {"google-cloud-sdk", "google-cloud-sdk"},
    {"Android/Sdk", "Android/Sdk"},
    {"n", "n"},
};

// Never granted as a whole, whatever lies in PATH: they hold what is not tools.
static const char *const never[] = {
    ".local",  ".local/share",    ".local/state", ".config",  ".cache",         ".ssh",    ".gnupg",
    ".aws",    ".kube",           ".docker",      ".mozilla", ".var",           ".claude", ".codex",
    ".gemini", ".password-store", ".config/Code", ".vscode",  ".vscode-server", ".cursor"};

struct finder {
    struct rule_list *rules;
    const struct rule_like *like;
    const struct file_place *place;
    size_t first; // of our rules in the list
};

static void grant(struct finder *f, const char *path)
{
    for (size_t i = f->first; i < f->rules->n; i++)
        if (path_within(path, f->rules->items[i].path))
            return;
    rule_add(f->rules, f->like, path);
}

bool holds_other_things(const char *home, const char *path)
{
    const char *below = home ? path_below(path, home) : NULL;

    for (size_t i = 0; below && i < ARRAY_LEN(never); i++)
        if (!strcmp(below, never[i]))
            return true;
    return false;
}

bool toolchain_known(const char *home, const char *dir)
{
    const char *below = home ? path_below(dir, home) : NULL;

    for (size_t i = 0; below && i < ARRAY_LEN(known); i++)
        if (path_below(below, known[i].prefix))
            return true;
    return false;
}

// What runs before may have made it. Not where the workspace is HOME or above: then it is everything's place.
static bool in_workspace(const struct finder *f, const char *path)
{
    const struct file_place *p = f->place;

    return path_within(path, p->workspace) && !(p->home && path_within(p->home, p->workspace));
}

// True when the path may be granted with all that lies below it.
static bool grantable(const struct finder *f, const char *path)
{
    const char *home = f->place->home, *below = home ? path_below(path, home) : NULL;

    if ((home && path_within(home, path)) || path_within(f->place->workspace, path) ||
        in_workspace(f, path) || holds_other_things(home, path))
        return false;
    return below || path_depth(path) >= 3; // elsewhere: /home/linuxbrew/.linuxbrew, not /srv/x
}

// The directory that the bin directory `dir` is part of, when it is one of a tool's own; owned, or NULL.
static char *prefix_of(const struct finder *f, const char *dir)
{
    const char *name = path_base(dir), *below = f->place->home ? path_below(dir, f->place->home) : NULL;
    AUTO_FREE char *parent = path_parent(dir);

    if (strcmp(name, "bin") != 0 && strcmp(name, "shims") != 0 && strcmp(name, ".bin") != 0 &&
        strcmp(name, "sbin") != 0)
        return NULL;
    if (below && below[0] != '.')
        return NULL;
    return grantable(f, parent) ? TAKE_PTR(parent) : NULL;
}

// By the table: true when it knew the place, with what it granted besides the directory itself.
static bool grant_known(struct finder *f, const char *dir, bool *ret_covered)
{
    const char *home = f->place->home, *below = home ? path_below(dir, home) : NULL;

    *ret_covered = false;
    for (size_t i = 0; below && i < ARRAY_LEN(known); i++) {
        if (!path_below(below, known[i].prefix) || !known[i].grants)
            continue;
        for (const char *w = known[i].grants; *w;) {
            size_t n = strcspn(w, " ");
            AUTO_FREE char *path = xasprintf("%s/%.*s", home, (int)n, w);

            grant(f, path);
            w += n;
            w += strspn(w, " ");
        }
        for (size_t k = f->first; k < f->rules->n; k++)
            *ret_covered |= path_within(dir, f->rules->items[k].path);
        return true;
    }
    return false;
}

// A program that a link in a bin directory leads to: its tool's directory, else the file alone.
static void grant_target(struct finder *f, const char *target)
{
    AUTO_FREE char *dir = path_parent(target), *prefix = NULL;
    struct stat st;
    bool covered;

    if (is_system(target) || in_workspace(f, target) || path_depth(target) < 3 || stat(target, &st) < 0 ||
        !S_ISREG(st.st_mode))
        return;
    if (grant_known(f, dir, &covered) && covered)
        return;
    prefix = prefix_of(f, dir);
    grant(f, prefix ? prefix : target);
}

static void follow_links(struct finder *f, const char *dir)
{
    AUTO_CLOSEDIR DIR *d = opendir(dir);
    const struct dirent *e;
    int links = 0;

    while (d && (e = readdir(d)) && links < LINKS_MAX) {
        char target[PATH_MAX];

        if (e->d_type != DT_LNK)
            continue;
        links++;
        AUTO_FREE char *link = path_normal(dir, e->d_name);

        if (realpath(link, target))
            grant_target(f, target);
    }
}

static void grant_dir(struct finder *f, const char *dir)
{
    AUTO_FREE char *prefix = NULL;
    bool covered;

    if (grant_known(f, dir, &covered) && covered)
        return;
    prefix = prefix_of(f, dir);
    grant(f, prefix ? prefix : dir);
    if (!prefix)
        follow_links(f, dir);
}

// The name that PATH has, when it leads to the directory by a link: tools are called by it, and look beside
// it. A name is never granted for more than what it leads to would be.
static void grant_name(struct finder *f, const char *dir, const char *real)
{
    AUTO_FREE char *prefix = prefix_of(f, dir), *real_prefix = prefix_of(f, real);
    char leads_to[PATH_MAX];

    if (prefix && real_prefix && realpath(prefix, leads_to) && !strcmp(leads_to, real_prefix))
        grant(f, prefix);
    else
        grant(f, dir);
}

static void look_at(struct finder *f, const char *entry)
{
    const char *home = f->place->home;
    AUTO_FREE char *dir = path_normal("/", entry);
    char real[PATH_MAX];
    bool covered = false;

    if (is_system(dir) || in_workspace(f, dir) || (grant_known(f, dir, &covered) && covered) ||
        !realpath(dir, real) || is_system(real))
        return;
    if (in_workspace(f, real) || path_within(f->place->workspace, real) ||
        (home && path_within(home, real)) || path_depth(real) < 2)
        return;
    grant_dir(f, real);
    if (strcmp(dir, real) != 0)
        grant_name(f, dir, real);
}

void set_toolchains(struct rule_list *l, const struct rule_like *like, const struct file_place *place)
{
    struct finder f = {.rules = l, .like = like, .place = place, .first = l->n};
    const char *p = place->path_env;

    for (int i = 0; p && *p && i < PATH_DIRS_MAX; i++) {
        size_t n = strcspn(p, ":");

        if (n && n < PATH_MAX && p[0] == '/') {
            AUTO_FREE char *entry = xstrndup(p, n);

            look_at(&f, entry);
        }
        p += n;
        p += *p == ':';
    }
}
