// SPDX-License-Identifier: Apache-2.0
// Launchers fetch a package and start its command: npx, npm exec, uvx, uv tool run, pipx run. Inside, one
// would want the network, its whole cache (every package ever fetched, private ones too), and to write there.
// So a launcher does not run inside: what it would start is looked up here, where the caches are, and
// started.
//
// For npx that is, in npm's own order: the workspace's node_modules, the global ones, and the directory of
// npm's cache that belongs to exactly these package specifications (cache/_npx/HASH, see libnpmexec). What is
// there is taken as it is: whether there is a newer version cannot be asked without a network. uv and pipx
// have no such directory for what they run once, so only installed tools are found.
//
// When a package is not there: without a network that is an error that says how to fetch it; with one the
// launcher runs as it was written, and fetches into the private home.
#include "policy/program_parts.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/sha512.h"

static const char *lookup(const struct program_place *p, const char *name)
{
    size_t n = strlen(name);

    for (char *const *e = p->environ; e && *e; e++)
        if (!strncasecmp(*e, name, n) && (*e)[n] == '=' && (*e)[n + 1])
            return *e + n + 1;
    return NULL;
}

static void start(struct program *ret, char *file, char *const *args)
{
    strlist_take(&ret->argv, file);
    for (; *args; args++)
        strlist_add(&ret->argv, *args);
}

// --- npx ---

struct npx {
    struct strlist packages; // specifications: name, name@version, name@tag …
    bool call;               // -c: a shell line
    char *const *rest;       // the command (or the package, when none is named) and its arguments
};

// As npm's npx reads its options: what is not a switch takes the next word, unless that is an option too.
static void npx_parse(char *const *a, struct npx *ret)
{
    static const char switches[] = "y yes q quiet s silent d dd ddd verbose offline prefer-offline "
                                   "prefer-online ignore-scripts foreground-scripts g global f force";

    for (; *a && (*a)[0] == '-' && strcmp(*a, "--") != 0; a++) {
        const char *key = *a + strspn(*a, "-"), *value;
        size_t n = strcspn(key, "=");

        if (words_have("c call", key, n))
            ret->call = true;
        if (words_have(switches, key, n) || !strncmp(key, "no-", 3))
            continue;
        value = key[n] ? key + n + 1 : a[1] && a[1][0] != '-' ? *++a : NULL;
        if (value && words_have("p package", key, n))
            strlist_add(&ret->packages, value);
    }
    ret->rest = a + (*a && !strcmp(*a, "--"));
}

// Bytes of a name in the order of localeCompare("en"), by which npm sorts before it hashes.
static int locale_rank(char c)
{
    static const char order[] = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";
    const char *at = strchr(order, tolower((unsigned char)c));

    return c && at ? (int)(at - order) + 1 : 0;
}

static int locale_compare(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;

    while (*x && locale_rank(*x) == locale_rank(*y)) {
        x++;
        y++;
    }
    return locale_rank(*x) - locale_rank(*y);
}

static char *npm_cache(const struct program_place *p)
{
    const char *set = lookup(p, "npm_config_cache"), *rc = lookup(p, "npm_config_userconfig");
    AUTO_FREE char *file = p->home ? path_normal(p->home, rc ? rc : ".npmrc") : NULL;
    AUTO_BUF struct buf text = {0};
    char *save = NULL;

    if (set)
        return path_normal(p->workspace, set);
    buf_init(&text, PACKAGE_FILE_MAX);
    if (file && file_read(AT_FDCWD, file, &text, NULL)) {
        buf_cstr(&text);
        for (char *l = strtok_r(text.ptr, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
            char *value = l + strspn(l, " \t");

            if (strncmp(value, "cache", 5) != 0 || value[5 + strspn(value + 5, " \t")] != '=')
                continue;
            value = strchr(value, '=') + 1;
            value += strspn(value, " \t\"");
            value[strcspn(value, "\r\"")] = '\0';
            if (!strncmp(value, "~/", 2) || !strncmp(value, "${HOME}/", 8))
                return path_normal(p->home, strchr(value, '/') + 1);
            if (value[0] == '/')
                return path_normal("/", value);
        }
    }
    return p->home ? path_normal(p->home, ".npm") : NULL;
}

// Links lead about in a node_modules, to a workspace's other packages too, and not out of it.
static bool stays(const struct program_place *p, const char *modules, const char *file, struct err *err)
{
    bool ours = path_within(modules, p->workspace) && !(p->home && path_within(p->home, p->workspace));
    char real[PATH_MAX], within[PATH_MAX];

    if (!realpath(file, real) || !realpath(ours ? p->workspace : modules, within))
        return err_set(err, ERR_MISSING, "%s is not there", file);
    return path_within(real, within) ||
           err_set(err, ERR_REFUSED, "%s leads out of %s; start its script with node instead", file, within);
}

// The command of the package in DIR/node_modules, as npm links it. True when it is there.
static bool command_of(const struct program_place *p, const char *modules, const char *name, char **ret_file,
                       struct err *err)
{
    AUTO_FREE char *dir = path_normal(modules, name), *word = NULL, *file = NULL, *link = NULL;

    if (!package_command(dir, &word, &file, err))
        return false;
    link = xasprintf("%s/.bin/%s", modules, word);
    if (access(link, X_OK) < 0) {
        free(link);
        link = TAKE_PTR(file);
    }
    if (!stays(p, modules, link, err))
        return false;
    *ret_file = TAKE_PTR(link);
    return true;
}

// A name without a version, as a registry's: what npx looks for where packages are installed anyway.
static bool plain_name(const char *spec)
{
    const char *name = spec[0] == '@' ? strchr(spec, '/') : spec;

    return name && *name != '.' && !strpbrk(name + (spec[0] == '@'), "@/:~");
}

static bool installed(const struct program_place *p, const char *spec, char **ret_file)
{
    AUTO_FREE char *at = xstrdup(p->workspace);

    for (;;) {
        AUTO_FREE char *modules = path_normal(at, "node_modules"),
                       *link = xasprintf("%s/.bin/%s", modules, spec);
        char *up;

        if (access(link, X_OK) == 0 && stays(p, modules, link, NULL)) {
            *ret_file = TAKE_PTR(link);
            return true;
        }
        if (command_of(p, modules, spec, ret_file, NULL))
            return true;
        if (!at[1])
            break;
        up = path_parent(at);
        free(at);
        at = up;
    }
    for (const char *dir = p->path_env; dir && *dir; dir += *dir == ':') {
        size_t n = strcspn(dir, ":");
        AUTO_FREE char *bin = xstrndup(dir, n), *modules = path_normal(bin, "../lib/node_modules");

        if (n && command_of(p, modules, spec, ret_file, NULL))
            return true;
        dir += n;
    }
    return false;
}

// The one package that the directory was made for.
static char *first_dependency(const char *dir)
{
    AUTO_FREE char *path = path_normal(dir, "package.json");
    AUTO_BUF struct buf text = {0};
    AUTO_JSON json_t *o = NULL;
    const char *name;

    buf_init(&text, PACKAGE_FILE_MAX);
    if (!file_read(AT_FDCWD, path, &text, NULL))
        return NULL;
    o = json_parse(text.len ? text.ptr : "", text.len, NULL);
    name = json_object_iter_key(json_object_iter(json_object_get(o, "dependencies")));
    return name ? xstrdup(name) : NULL;
}

static char *npx_directory(const struct program_place *p, const struct strlist *packages)
{
    AUTO_FREE char *cache = npm_cache(p);
    AUTO_BUF struct buf text = {0};
    char hash[SHA512_HEX_SIZE];

    buf_init(&text, PACKAGE_FILE_MAX);
    qsort(packages->items, packages->n, sizeof *packages->items, locale_compare);
    for (size_t i = 0; i < packages->n; i++)
        buf_addf(&text, "%s%s", i ? "\n" : "", packages->items[i]);
    sha512_hex(text.ptr, text.len, hash);
    return cache ? xasprintf("%s/_npx/%.16s", cache, hash) : NULL;
}

static bool not_fetched(const struct program_place *p, const struct npx *n, struct err *err)
{
    AUTO_BUF struct buf options = {0};

    if (p->network)
        return true; // npx fetches it
    buf_init(&options, 1024);
    for (size_t i = 0; i < n->packages.n; i++)
        buf_addf(&options, "-p %s ", n->packages.items[i]);
    return err_set(err, ERR_MISSING,
                   "npx: %s is not in npm's cache, and there is no network inside to fetch it; fetch it once "
                   "outside: npx -y %strue; or allow the registry: --allow HOST",
                   n->packages.items[0], buf_cstr(&options));
}

static bool npx_cached(const struct program_place *p, const struct npx *n, bool named, char **ret_file,
                       struct err *err)
{
    AUTO_FREE char *dir = npx_directory(p, &n->packages),
                   *modules = dir ? path_normal(dir, "node_modules") : NULL,
                   *name = dir ? first_dependency(dir) : NULL;

    if (!name)
        return not_fetched(p, n, err);
    if (!named)
        return command_of(p, modules, name, ret_file, err) || err_prefix(err, "npx");
    *ret_file = xasprintf("%s/.bin/%s", modules, n->rest[0]);
    if (access(*ret_file, F_OK) < 0)
        return err_set(err, ERR_MISSING, "npx: the package has no command %s; %s/.bin has all there are",
                       n->rest[0], modules);
    return stays(p, modules, *ret_file, err) || err_prefix(err, "npx");
}

static bool npx_resolve(const struct program_place *p, char *const *args, struct program *ret,
                        struct err *err)
{
    struct npx n = {0};
    char *file = NULL;
    bool named, ok = true;

    npx_parse(args, &n);
    named = n.packages.n > 0;
    if (n.call && !p->network) {
        ok = err_set(
            err, ERR_UNSUPPORTED,
            "npx -c: what a shell line starts cannot be told; write npx -p PACKAGE COMMAND, or start the "
            "script with node");
    } else if (n.rest[0] && !n.call) {
        if (!named)
            strlist_add(&n.packages, n.rest[0]);
        if (named || !plain_name(n.rest[0]) || !installed(p, n.rest[0], &file))
            ok = npx_cached(p, &n, named, &file, err);
        if (ok && file)
            start(ret, TAKE_PTR(file), n.rest + 1);
    }
    free(file);
    strlist_deinit(&n.packages);
    return ok;
}

static bool npm_resolve(const struct program_place *p, char *const *args, struct program *ret,
                        struct err *err)
{
    if (!args[0] || !words_have("exec x", args[0], strlen(args[0])))
        return true;
    return npx_resolve(p, args + 1, ret, err);
}

// --- tools in virtual environments ---

struct tools {
    const char *launcher, *install; // for messages
    const char *variable, *dirs[2]; // where they are: said by a variable, else below HOME
    const char *valued, *named;     // options with a value; the one that names the package
};

static const struct tools uv_tools = {
    "uvx",
    "uv tool install",
    "UV_TOOL_DIR",
    {".local/share/uv/tools"},
    "--with --with-editable --with-requirements -p --python --index --index-url -i --default-index "
    "--extra-index-url --find-links -f --env-file --cache-dir --directory --project --config-file "
    "--constraints -c "
    "--overrides --refresh-package --reinstall-package --color --link-mode --resolution --prerelease",
    "--from"};
static const struct tools pipx_tools = {"pipx run",
                                        "pipx install",
                                        NULL,
                                        {".local/share/pipx/venvs", ".local/pipx/venvs"},
                                        "--python --pip-args --index-url -i --fetch-missing-python",
                                        "--spec"};

// server[extra]@latest: the package's directory is called server. *ret_version: a version is asked for, too.
static char *tool_name(const char *spec, bool *ret_version)
{
    size_t n = strcspn(spec, "[@=<>!~; ");
    char *name = xstrndup(spec, n);
    const char *end = spec + n;

    if (*end == '[')
        end += strcspn(end, "]") + 1;
    *ret_version = *end && strcmp(end, "@latest") != 0;
    for (char *c = name; *c; c++)
        *c = *c == '_' || *c == '.' ? '-' : (char)tolower((unsigned char)*c);
    return name;
}

static char *tool_file(const struct program_place *p, const struct tools *t, const char *package,
                       const char *command)
{
    const char *set = t->variable ? lookup(p, t->variable) : NULL;

    for (size_t i = 0; i < ARRAY_LEN(t->dirs); i++) {
        AUTO_FREE char *dir = set                     ? path_normal(p->workspace, set)
                              : p->home && t->dirs[i] ? path_normal(p->home, t->dirs[i])
                                                      : NULL,
                       *file = dir ? xasprintf("%s/%s/bin/%s", dir, package, command) : NULL;

        if (file && access(file, X_OK) == 0)
            return TAKE_PTR(file);
    }
    return NULL;
}

static bool tool_resolve(const struct program_place *p, const struct tools *t, char *const *a,
                         struct program *ret, struct err *err)
{
    AUTO_FREE char *package = NULL, *command = NULL, *file = NULL;
    const char *from = NULL;
    bool version, ignored;

    for (; *a && (*a)[0] == '-' && strcmp(*a, "--") != 0; a++) {
        size_t n = strcspn(*a, "=");

        if (words_have(t->named, *a, n))
            from = (*a)[n] ? *a + n + 1 : a[1];
        if (words_have(t->named, *a, n) || words_have(t->valued, *a, n))
            a += !(*a)[n] && a[1];
    }
    a += *a && !strcmp(*a, "--");
    if (!*a)
        return true;
    package = tool_name(from ? from : *a, &version);
    command = from ? xstrdup(*a) : tool_name(*a, &ignored);
    file = version || strchr(command, '/') ? NULL : tool_file(p, t, package, command);
    if (file)
        start(ret, TAKE_PTR(file), a + 1);
    else if (!p->network)
        return err_set(
            err, ERR_MISSING,
            "%s: %s is not installed as a tool%s, and there is no network inside to fetch it; once "
            "outside: %s %s; or allow the registry: --allow HOST",
            t->launcher, package, version ? " of which any version will do" : "", t->install, package);
    return true;
}

static bool uvx_resolve(const struct program_place *p, char *const *args, struct program *ret,
                        struct err *err)
{
    return tool_resolve(p, &uv_tools, args, ret, err);
}

static bool uv_resolve(const struct program_place *p, char *const *args, struct program *ret, struct err *err)
{
    if (args[0] && args[1] && !strcmp(args[0], "tool") && !strcmp(args[1], "run"))
        return tool_resolve(p, &uv_tools, args + 2, ret, err);
    return true;
}

static bool pipx_resolve(const struct program_place *p, char *const *args, struct program *ret,
                         struct err *err)
{
    if (args[0] && !strcmp(args[0], "run"))
        return tool_resolve(p, &pipx_tools, args + 1, ret, err);
    return true;
}

bool launcher_resolve(const struct program_place *p, char *const *argv, struct program *ret, struct err *err)
{
    static const struct {
        const char *name;
        bool (*resolve)(const struct program_place *, char *const *, struct program *, struct err *);
    } launchers[] = {{"npx", npx_resolve},
                     {"npm", npm_resolve},
                     {"uvx", uvx_resolve},
                     {"uv", uv_resolve},
                     {"pipx", pipx_resolve}};

    for (size_t i = 0; i < ARRAY_LEN(launchers); i++)
        if (!strcmp(path_base(argv[0]), launchers[i].name))
            return launchers[i].resolve(p, argv + 1, ret, err);
    return true;
}
