// SPDX-License-Identifier: Apache-2.0
// What a command line runs, so that it can be read inside and nothing beside it: the set @program.
//
//   npx -y @scope/server DIR   a launcher: what it would start, started without it (launchers.c)
//   server DIR                 the file that PATH has, its package (package.c), what its #! names
//   node dist/index.js DIR     an interpreter: its own directory, and the script's package
//   python -m server           also the user's site-packages with the module
//
// Arguments that are not the script are the program's business: a directory named there is not granted.
// Nothing is executed to find this out, and nothing that is not understood is an error: it grants nothing,
// and the program says inside what it misses. One pass over argv with a dozen calls, as it runs at a start.
//
// A link in the workspace may be an earlier run's: were it followed out, the run would read what nobody
// named. That is an error, as it is in files.read; only what @toolchains knows by name may be led to. And
// what a file says about itself (its first line, "bin" in its package.json) may be a hostile package's: an
// interpreter that it names by a path is granted where PATH or @toolchains has it, and no command leads out
// of its node_modules.
#include "policy/program_parts.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "policy/sets.h"

#define SHEBANG_MAX 256 // what the kernel reads of the first line (BINPRM_BUF_SIZE)

struct finder {
    const struct program_place *place;
    struct program *ret;
};

// Options are those that take a separate value, blank separated; after one of `ends` no script follows.
static const struct interpreter {
    const char *name; // a version may follow: python3.11
    const char *valued, *ends;
} interpreters[] = {
    {"node",
     "-r --require --import --loader --experimental-loader -C --conditions --env-file --input-type "
     "--title",
     "-e --eval -p --print -pe"},
    {"nodejs", "-r --require --import -C --conditions", "-e --eval -p --print -pe"},
    {"python", "-W -X --check-hash-based-pycs", "-c"},
    {"bun", "-r --preload --cwd -c --config", "-e --eval -p --print"},
    {"deno", "-c --config --import-map", "eval"},
    {"ruby", "-I -r -C", "-e"},
    {"perl", "-I", "-e -E"},
    {"sh", "-o", "-c"},
    {"bash", "-o -O --rcfile --init-file", "-c"},
};

bool words_have(const char *words, const char *word, size_t n)
{
    for (const char *w = words; *w; w += strspn(w, " ")) {
        size_t k = strcspn(w, " ");

        if (k == n && !memcmp(w, word, n))
            return true;
        w += k;
    }
    return false;
}

static const struct interpreter *interpreter_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(interpreters); i++) {
        size_t n = strlen(interpreters[i].name);

        if (!strncmp(name, interpreters[i].name, n) && name[n + strspn(name + n, "0123456789.")] == '\0')
            return &interpreters[i];
    }
    return NULL;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *program_locate(const struct program_place *p, const char *word)
{
    if (strchr(word, '/')) {
        AUTO_FREE char *path = path_normal(p->workspace, word);

        return is_program(path) ? TAKE_PTR(path) : NULL;
    }
    for (const char *dir = *word ? p->path_env : NULL; dir && *dir; dir += *dir == ':') {
        size_t n = strcspn(dir, ":");
        AUTO_FREE char *entry = xstrndup(dir, n), *path = entry[0] == '/' ? path_normal(entry, word) : NULL;

        if (path && is_program(path))
            return TAKE_PTR(path);
        dir += n;
    }
    return NULL;
}

static void add_link(struct finder *f, const char *path, const char *real)
{
    if (strcmp(path, real) != 0 && !is_system(path))
        strlist_add(&f->ret->reads, path);
}

// With the workspace above HOME (a client that starts its servers there) it is nobody's in particular.
bool program_astray(const struct program_place *p, const char *path, const char *real)
{
    return path_within(path, p->workspace) && !path_within(real, p->workspace) && !is_system(real) &&
           !(p->home && path_within(p->home, p->workspace));
}

static bool refuse_astray(const char *path, const char *real, struct err *err)
{
    return err_set(err, ERR_REFUSED,
                   "@program: %s is or goes through a link that leads out of the workspace, to %s; name that "
                   "instead",
                   path, real);
}

// Where `pip install --user` puts modules, when the module is there (NULL: whatever is).
static void add_user_site(struct finder *f, const char *module)
{
    AUTO_FREE char *lib = f->place->home ? path_normal(f->place->home, ".local/lib") : NULL;
    AUTO_CLOSEDIR DIR *d = lib ? opendir(lib) : NULL;
    size_t n = module ? strcspn(module, ".") : 0;
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        AUTO_FREE char *site = xasprintf("%s/%s/site-packages", lib, e->d_name),
                       *dir = xasprintf("%s/%.*s", site, (int)n, module ? module : ""),
                       *file = xasprintf("%s.py", dir);

        if (!strncmp(e->d_name, "python", 6) && (access(dir, F_OK) == 0 || access(file, F_OK) == 0))
            strlist_take(&f->ret->reads, TAKE_PTR(site));
    }
}

static bool add_script(struct finder *f, const char *word, struct err *err)
{
    static const char *const endings[] = {"", ".js"}; // node's own guess
    char real[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        AUTO_FREE char *named = xasprintf("%s%s", word, endings[i]),
                       *path = path_normal(f->place->workspace, named);

        if (!realpath(path, real))
            continue;
        if (program_astray(f->place, path, real))
            return refuse_astray(path, real, err);
        add_link(f, path, real);
        package_reads(f->place, real, f->ret);
        return true;
    }
    return true;
}

// The script among the arguments, and what options load before it.
static bool add_scripts(struct finder *f, const struct interpreter *in, char *const *args, struct err *err)
{
    for (size_t i = 0; args[i]; i++) {
        const char *a = args[i];

        if (words_have(in->ends, a, strlen(a)))
            return true;
        if (!strcmp(in->name, "python") && !strcmp(a, "-m")) {
            add_user_site(f, args[i + 1]);
            return true;
        }
        if (words_have(in->valued, a, strlen(a))) {
            if (args[i + 1] && strchr(args[++i], '/') && !add_script(f, args[i], err))
                return false;
        } else if (a[0] != '-' && strcmp(a, "run") != 0) { // bun run, deno run
            return add_script(f, a, err);
        }
    }
    return true;
}

// An interpreter stands in a tool's own directory, or in a virtual environment as a link to one.
static bool add_interpreter(struct finder *f, const char *path, struct err *err)
{
    AUTO_FREE char *dir = path_parent(path), *root = path_parent(dir), *mark = NULL, *real_dir = NULL;
    char real[PATH_MAX];

    if (!realpath(path, real))
        return true;
    real_dir = path_parent(real);
    if (program_astray(f->place, path, real) && !toolchain_known(f->place->home, real_dir))
        return refuse_astray(path, real, err);
    mark = path_normal(root, "pyvenv.cfg");
    if (access(mark, F_OK) == 0)
        strlist_add(&f->ret->reads, root);
    else
        strlist_add(&f->ret->toolchains, dir);
    if (!strlist_has(&f->ret->toolchains, real_dir))
        strlist_add(&f->ret->toolchains, real_dir);
    return true;
}

// The words after "#!", owned: the interpreter that is meant, past `env` and its options. NULL without.
static char *shebang(const char *file)
{
    char line[SHEBANG_MAX + 1];
    AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, line, SHEBANG_MAX);
    char *word, *save = NULL;

    if (n < 2 || line[0] != '#' || line[1] != '!')
        return NULL;
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    word = strtok_r(line + 2, " \t", &save);
    if (word && !strcmp(path_base(word), "env"))
        while ((word = strtok_r(NULL, " \t", &save)) && (word[0] == '-' || strchr(word, '=')))
            ;
    return word ? xstrdup(word) : NULL;
}

// By its name PATH has it. By a path it is what the file says: a virtual environment's own is in the package.
static char *named_interpreter(const struct finder *f, const char *word)
{
    AUTO_FREE char *found = program_locate(f->place, path_base(word)), *dir = path_parent(word);

    if (found && (!strchr(word, '/') || !strcmp(found, word)))
        return TAKE_PTR(found);
    return word[0] == '/' && toolchain_known(f->place->home, dir) ? program_locate(f->place, word) : NULL;
}

static bool add_file(struct finder *f, const char *path, struct err *err)
{
    AUTO_FREE char *word = NULL, *interpreter = NULL, *bin = NULL;
    char real[PATH_MAX];

    if (!realpath(path, real))
        return true;
    if (program_astray(f->place, path, real))
        return refuse_astray(path, real, err);
    add_link(f, path, real);
    package_reads(f->place, real, f->ret);
    word = shebang(real);
    interpreter = word ? named_interpreter(f, word) : NULL;
    if (!interpreter)
        return true;
    bin = f->place->home ? path_normal(f->place->home, ".local/bin") : NULL;
    if (bin && path_within(real, bin) && !strncmp(path_base(interpreter), "python", 6))
        add_user_site(f, NULL);
    return add_interpreter(f, interpreter, err);
}

static bool add_command(struct finder *f, char *const *argv, struct err *err)
{
    AUTO_FREE char *path = program_locate(f->place, argv[0]);
    const struct interpreter *in = path ? interpreter_of(path_base(path)) : NULL;

    if (!path)
        return true;
    if (!in)
        return add_file(f, path, err);
    return add_interpreter(f, path, err) && add_scripts(f, in, argv + 1, err);
}

bool program_wanted(const struct policy *p)
{
    for (size_t i = 0; i < p->files.read.n; i++)
        if (!strcmp(p->files.read.items[i].text, "@program"))
            return true;
    return false;
}

// The paths stand as they were found: the sandbox shows what they are and, where one is a link, the link.
void set_program(struct rule_list *l, const struct rule_like *like, const struct file_place *place)
{
    const struct program_place where = {.workspace = place->workspace, .home = place->home};
    const struct program *p = place->program;
    struct file_place tools = *place;
    AUTO_BUF struct buf dirs = {0};

    if (!p)
        return;
    buf_init(&dirs, 1 << 20);
    for (size_t i = 0; i < p->reads.n; i++) {
        char real[PATH_MAX];

        if (!realpath(p->reads.items[i], real) || program_astray(&where, p->reads.items[i], real))
            continue;
        rule_add(l, like, p->reads.items[i]);
        if (strcmp(real, p->reads.items[i]) != 0)
            rule_add(l, like, real);
    }
    for (size_t i = 0; i < p->toolchains.n; i++)
        buf_addf(&dirs, "%s%s", i ? ":" : "", p->toolchains.items[i]);
    tools.path_env = buf_cstr(&dirs);
    set_toolchains(l, like, &tools);
}

bool program_find(const struct program_place *place, char *const *argv, struct program *ret, struct err *err)
{
    struct program found = {0};
    struct finder f = {place, &found};

    if (!argv[0] || (launcher_resolve(place, argv, &found, err) &&
                     add_command(&f, found.argv.n ? found.argv.items : argv, err))) {
        *ret = found;
        return true;
    }
    program_deinit(&found);
    return false;
}

void program_deinit(struct program *p)
{
    strlist_deinit(&p->reads);
    strlist_deinit(&p->toolchains);
    strlist_deinit(&p->argv);
}
