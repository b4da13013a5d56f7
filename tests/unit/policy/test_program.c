// SPDX-License-Identifier: Apache-2.0
// What a command line is found to need. The files are made; nothing is run.
#include "scene.h"

#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/sha512.h"
#include "policy/program_parts.h"

#define NPM "home/.npm/_npx/"

struct want {
    struct scene s;
    struct program program;
    char *environ[4], *path_env;
    struct program_place place;
};

static void init(struct want *w)
{
    *w = (struct want){0};
    scene_init(&w->s);
    w->path_env = xasprintf("%s/bin:%s/.local/bin:%s/tools/bin", w->s.home, w->s.home, w->s.home);
    w->place = (struct program_place){
        .workspace = w->s.workspace, .home = w->s.home, .path_env = w->path_env, .environ = w->environ};
}

static void deinit(struct want *w)
{
    program_deinit(&w->program);
    free(w->path_env);
    for (size_t i = 0; i < ARRAY_LEN(w->environ); i++)
        free(w->environ[i]);
    scene_deinit(&w->s);
}

static void make_program(struct want *w, const char *path, const char *text)
{
    AUTO_FREE char *full = xasprintf("%s/%s", w->s.top, path);

    scene_write(&w->s, path, text);
    assert_int_equal(chmod(full, 0755), 0);
}

// The line's words, "~" in front meaning the scene's home.
static bool find(struct want *w, const char *line)
{
    AUTO_STRLIST struct strlist argv = {0};
    AUTO_FREE char *copy = xstrdup(line);
    char *save = NULL;

    program_deinit(&w->program);
    w->program = (struct program){0};
    err_clear(&w->s.err);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        strlist_addf(&argv, "%s%s", word[0] == '~' ? w->s.home : "", word + (word[0] == '~'));
    return program_find(&w->place, strlist_argv(&argv), &w->program, &w->s.err);
}

// As "~/x y", with what lies below the scene shortened.
static void assert_words(const struct want *w, const struct strlist *l, const char *want)
{
    struct buf out;
    AUTO_FREE char *got = NULL;

    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < l->n; i++) {
        const char *below = path_below(l->items[i], w->s.home);

        buf_addf(&out, "%s%s%s", i ? " " : "", below ? "~/" : "", below ? below : l->items[i]);
    }
    got = buf_take(&out);
    assert_string_equal(got, want);
}

static void assert_found(struct want *w, const char *line, const char *reads, const char *argv)
{
    if (!find(w, line))
        fail_msg("%s: %s", line, w->s.err.msg);
    assert_words(w, &w->program.reads, reads);
    assert_words(w, &w->program.argv, argv);
}

static void assert_refused(struct want *w, const char *line, enum err_kind kind, const char *part)
{
    if (find(w, line))
        fail_msg("%s: found", line);
    assert_int_equal(w->s.err.kind, kind);
    assert_has(w->s.err.msg, part);
}

// --- packages ---

static void a_scripts_package_is_read_and_nothing_beside_it(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    make_program(&w, "home/tools/bin/node", "\177ELF");
    scene_write(&w.s, "home/srv/package.json", "{}");
    scene_write(&w.s, "home/srv/dist/index.js", "");
    scene_write(&w.s, "home/mono/node_modules/dep/index.js", "");
    scene_write(&w.s, "home/mono/packages/a/package.json", "{}");
    scene_write(&w.s, "home/mono/packages/a/index.js", "");
    scene_write(&w.s, "home/x/node_modules/b/node_modules/c/main.js", "");
    scene_write(&w.s, "home/alone/server.js", "");
    scene_write(&w.s, "home/.claude/package.json", "{}");
    scene_write(&w.s, "home/.claude/server.js", "");
    scene_write(&w.s, "home/package.json", "{}");
    scene_write(&w.s, "home/server.js", "");

    assert_found(&w, "node ~/srv/dist/index.js ~/alone", "~/srv", "");
    assert_words(&w, &w.program.toolchains, "~/tools/bin");
    assert_found(&w, "node ~/srv/dist/index", "~/srv", "");
    assert_found(&w, "node --import ~/alone/server.js -r dep ~/srv/dist/index.js", "~/alone/server.js ~/srv",
                 "");
    assert_found(&w, "node ~/mono/packages/a/index.js", "~/mono/packages/a ~/mono/node_modules", "");
    assert_found(&w, "node ~/x/node_modules/b/node_modules/c/main.js", "~/x/node_modules", "");
    assert_found(&w, "node ~/alone/server.js", "~/alone/server.js", "");
    assert_found(&w, "node ~/.claude/server.js", "~/.claude/server.js", ""); // not all of ~/.claude
    assert_found(&w, "node ~/server.js", "~/server.js", "");                 // nor of HOME
    assert_found(&w, "node -e ~/srv/dist/index.js", "", "");
    assert_found(&w, "node", "", "");
    assert_found(&w, "nowhere ~/srv/dist/index.js", "", "");
    deinit(&w);
}

static void of_a_package_around_the_workspace_only_parts_are_read(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    make_program(&w, "home/tools/bin/node", "\177ELF");
    scene_write(&w.s, "home/work/package.json", "{}");
    scene_write(&w.s, "home/work/.env", "TOKEN=x");
    scene_write(&w.s, "home/work/node_modules/x/index.js", "");
    scene_write(&w.s, "home/work/dist/deep/index.js", "");
    scene_write(&w.s, "home/work/tools/server/package.json", "{}");
    scene_write(&w.s, "home/work/tools/server/index.js", "");
    assert_found(&w, "node dist/deep/index.js", "~/work/package.json ~/work/node_modules ~/work/dist", "");
    assert_found(&w, "node tools/server/index.js", "~/work/tools/server ~/work/node_modules", "");
    deinit(&w);
}

static void a_link_out_of_the_workspace_is_an_error(void **state)
{
    struct want w;
    AUTO_FREE char *outside = NULL;

    (void)state;
    init(&w);
    make_program(&w, "home/tools/bin/node", "\177ELF");
    scene_write(&w.s, "home/private/package.json", "{}");
    make_program(&w, "home/private/x.js", "");
    outside = xasprintf("%s/private/x.js", w.s.home);
    scene_link(&w.s, outside, "home/work/x.js");
    scene_link(&w.s, outside, "home/work/node_modules/.bin/server");
    assert_refused(&w, "node x.js", ERR_REFUSED, "name that instead");
    assert_refused(&w, "./x.js", ERR_REFUSED, "name that instead");
    assert_refused(&w, "npx server", ERR_MISSING, "not in npm's cache"); // passed over
    assert_found(&w, "node ~/private/x.js", "~/private", "");
    w.place.workspace = w.s.home; // a client that starts its servers in HOME
    assert_found(&w, "node work/x.js", "~/work/x.js ~/private", "");
    deinit(&w);
}

static void a_program_of_path_brings_what_its_first_line_names(void **state)
{
    struct want w;
    AUTO_FREE char *python = NULL, *shebang = NULL, *real = NULL;

    (void)state;
    init(&w);
    make_program(&w, "home/tools/bin/node", "\177ELF");
    make_program(&w, "home/tools/bin/python3.11", "\177ELF");
    make_program(&w, "home/pkg/lib/node_modules/s/main.js", "#!/usr/bin/env -S node --no-warnings\n");
    scene_link(&w.s, "../../pkg/lib/node_modules/s/main.js", "home/.local/bin/s");
    assert_found(&w, "s", "~/.local/bin/s ~/pkg/lib/node_modules", "");
    assert_words(&w, &w.program.toolchains, "~/tools/bin");

    python = xasprintf("%s/tools/bin/python3.11", w.s.home);
    scene_write(&w.s, "home/.venvs/t/pyvenv.cfg", "");
    scene_link(&w.s, python, "home/.venvs/t/bin/python");
    shebang = xasprintf("#!%s/.venvs/t/bin/python\n", w.s.home);
    make_program(&w, "home/.venvs/t/bin/t", shebang);
    real = xasprintf("%s/.venvs/t/bin/t", w.s.home);
    scene_link(&w.s, real, "home/.local/bin/t");
    assert_found(&w, "t", "~/.local/bin/t ~/.venvs/t", "");
    assert_words(&w, &w.program.toolchains, "~/tools/bin");
    assert_found(&w, "~/.venvs/t/bin/python -m server", "~/.venvs/t", "");

    scene_write(&w.s, "home/.local/lib/python3.11/site-packages/server/__init__.py", "");
    assert_found(&w, "python3.11 -m server.main", "~/.local/lib/python3.11/site-packages", "");
    assert_found(&w, "python3.11 -m other", "", "");
    deinit(&w);
}

// A package may be hostile from its first byte on: neither its manifest nor its scripts widen what is
// granted.
static void what_a_file_says_about_itself_grants_nothing(void **state)
{
    struct want w;
    AUTO_FREE char *shebang = NULL, *outside = NULL;

    (void)state;
    init(&w);
    make_program(&w, "home/private/bin/x", "\177ELF");
    make_program(&w, "home/.pyenv/versions/3/bin/python", "\177ELF");
    scene_write(&w.s, "home/private/package.json", "{}");
    shebang = xasprintf("#!%s/private/bin/x\n", w.s.home);
    make_program(&w, "home/x/node_modules/s/main.js", shebang);
    assert_found(&w, "~/x/node_modules/s/main.js", "~/x/node_modules", "");
    assert_words(&w, &w.program.toolchains, "");
    free(shebang);
    shebang = xasprintf("#!%s/.pyenv/versions/3/bin/python\n", w.s.home); // which @toolchains knows
    make_program(&w, "home/x/node_modules/s/main.js", shebang);
    assert_found(&w, "~/x/node_modules/s/main.js", "~/x/node_modules", "");
    assert_words(&w, &w.program.toolchains, "~/.pyenv/versions/3/bin");

    scene_write(&w.s, "home/work/node_modules/s/package.json",
                "{\"name\": \"s\", \"bin\": \"../../../private/bin/x\"}");
    assert_refused(&w, "npx s", ERR_MISSING, "not in npm's cache"); // passed over
    scene_write(&w.s, "home/tools/lib/node_modules/t/package.json",
                "{\"name\": \"t\", \"bin\": \"../../../../private/bin/x\"}");
    assert_refused(&w, "npx t", ERR_MISSING, "not in npm's cache");

    outside = xasprintf("%s/private/bin/x", w.s.home);
    scene_write(&w.s, "home/work/env/pyvenv.cfg", "");
    scene_link(&w.s, outside, "home/work/env/bin/python");
    scene_write(&w.s, "home/work/env/server.py", "");
    make_program(&w, "home/tools/bin/python", "\177ELF");
    assert_found(&w, "python env/server.py", "~/work/env", "");
    assert_words(&w, &w.program.toolchains, "~/tools/bin");
    deinit(&w);
}

// --- launchers ---

static void fetch(struct want *w, const char *cache, const char *spec, const char *name, const char *manifest)
{
    char hash[SHA512_HEX_SIZE];
    AUTO_FREE char *dir = NULL, *dependencies = NULL, *file = NULL, *script = NULL;

    sha512_hex(spec, strlen(spec), hash);
    dir = xasprintf("%s%.16s", cache, hash);
    dependencies = xasprintf("{\"dependencies\": {\"%s\": \"^1\"}}", name);
    file = xasprintf("%s/package.json", dir);
    scene_write(&w->s, file, dependencies);
    free(file);
    file = xasprintf("%s/node_modules/%s/package.json", dir, name);
    scene_write(&w->s, file, manifest);
    script = xasprintf("%s/node_modules/%s/main.js", dir, name);
    make_program(w, script, "#!/usr/bin/env node\n");
}

static void npx_is_what_it_would_start(void **state)
{
    static const char one[] = "{\"name\": \"@a/s\", \"bin\": {\"a-server\": \"main.js\"}}";
    struct want w;

    (void)state;
    init(&w);
    // The digits are npm's own for these names.
    fetch(&w, NPM, "@modelcontextprotocol/server-memory", "@a/s", one);
    assert_found(&w, "npx -y @modelcontextprotocol/server-memory ~/x -y",
                 "~/.npm/_npx/15b07286cbcc3329/node_modules",
                 "~/.npm/_npx/15b07286cbcc3329/node_modules/@a/s/main.js ~/x -y");
    make_program(&w, NPM "15b07286cbcc3329/node_modules/.bin/a-server", "");
    assert_found(&w, "npm exec --yes -- @modelcontextprotocol/server-memory",
                 "~/.npm/_npx/15b07286cbcc3329/node_modules",
                 "~/.npm/_npx/15b07286cbcc3329/node_modules/.bin/a-server");
    assert_found(&w, "npx --loglevel error -q --package=@modelcontextprotocol/server-memory -- a-server z",
                 "~/.npm/_npx/15b07286cbcc3329/node_modules",
                 "~/.npm/_npx/15b07286cbcc3329/node_modules/.bin/a-server z");
    assert_refused(&w, "npx -p @modelcontextprotocol/server-memory other", ERR_MISSING,
                   "has no command other");
    assert_found(&w, "npm run x", "", "");
    assert_found(&w, "npx", "", "");
    deinit(&w);
}

static void of_several_commands_npx_takes_the_packages_own(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    fetch(&w, NPM, "@a/own@latest", "@a/own",
          "{\"name\": \"@a/own\", \"bin\": {\"x\": \"y.js\", \"own\": \"main.js\"}}");
    fetch(&w, NPM, "same", "same", "{\"name\": \"same\", \"bin\": {\"x\": \"main.js\", \"y\": \"main.js\"}}");
    fetch(&w, NPM, "text", "text", "{\"name\": \"text\", \"bin\": \"./main.js\"}");
    fetch(&w, NPM, "two", "two", "{\"name\": \"two\", \"bin\": {\"x\": \"main.js\", \"y\": \"y.js\"}}");
    fetch(&w, NPM, "none", "none", "{\"name\": \"none\"}");
    fetch(&w, NPM, "broken", "broken", "{\"name\": ");
    fetch(&w, NPM, "odd", "odd", "{\"name\": \"odd\", \"bin\": {\"odd\": [1]}}");
    assert_true(find(&w, "npx -y @a/own@latest"));
    assert_has(w.program.argv.items[0], "/@a/own/main.js");
    assert_true(find(&w, "npx same"));
    assert_true(find(&w, "npx text"));
    assert_has(w.program.argv.items[0], "/text/main.js");
    assert_refused(&w, "npx two", ERR_MISSING, "names no command");
    assert_refused(&w, "npx none", ERR_MISSING, "names no command");
    assert_refused(&w, "npx broken", ERR_INPUT, "package.json");
    assert_refused(&w, "npx odd", ERR_MISSING, "names no command");
    deinit(&w);
}

static void npx_packages_are_sorted_as_npm_does(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    // What localeCompare("en") makes of these: punctuation before digits before letters.
    fetch(&w, NPM, "@z/y\na_b\na-b\na.b\na1\nab", "@z/y",
          "{\"name\": \"@z/y\", \"bin\": {\"c\": \"main.js\"}}");
    assert_refused(&w, "npx -p ab -p a1 -p @z/y -p a.b -p a-b -p a_b c", ERR_MISSING, "has no command c");
    assert_refused(&w, "npx -p ab -p a1 c", ERR_MISSING, "network");
    deinit(&w);
}

static void installed_packages_come_before_the_cache(void **state)
{
    static const char manifest[] = "{\"name\": \"s\", \"bin\": \"main.js\"}";
    struct want w;

    (void)state;
    init(&w);
    fetch(&w, NPM, "s", "s", manifest);
    fetch(&w, NPM, "s@2", "s", manifest);
    scene_write(&w.s, "home/tools/lib/node_modules/s/package.json", manifest);
    make_program(&w, "home/tools/lib/node_modules/s/main.js", "");
    assert_found(&w, "npx s", "~/tools/lib/node_modules", "~/tools/lib/node_modules/s/main.js");
    scene_write(&w.s, "home/node_modules/s/package.json", manifest);
    make_program(&w, "home/node_modules/s/main.js", "");
    assert_found(&w, "npx s", "~/node_modules", "~/node_modules/s/main.js");
    assert_true(find(&w, "npx s@2")); // which version is installed is not looked at
    assert_has(w.program.argv.items[0], "/.npm/_npx/");
    deinit(&w);
}

static void npms_cache_is_where_npm_has_it(void **state)
{
    static const char manifest[] = "{\"name\": \"s\", \"bin\": \"main.js\"}";
    struct want w;

    (void)state;
    init(&w);
    fetch(&w, "home/other/_npx/", "s", "s", manifest);
    assert_refused(&w, "npx s", ERR_MISSING, "npx -y -p s true");
    scene_write(&w.s, "home/.npmrc", "registry=x\n cache = ${HOME}/other\n");
    assert_true(find(&w, "npx s"));
    scene_write(&w.s, "home/.npmrc", "cache-max=~/other\n");
    assert_refused(&w, "npx s", ERR_MISSING, "not in npm's cache");
    w.environ[0] = xasprintf("NPM_CONFIG_CACHE=%s/other", w.s.home);
    assert_true(find(&w, "npx s"));
    deinit(&w);
}

static void what_was_never_fetched_is_left_to_npx_where_there_is_a_network(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    assert_refused(&w, "npx -y @a/s@1 x", ERR_MISSING, "npx -y -p @a/s@1 true");
    assert_refused(&w, "npx -c x", ERR_UNSUPPORTED, "npx -p PACKAGE COMMAND");
    w.place.network = true;
    assert_found(&w, "npx -y @a/s@1 x", "", "");
    assert_found(&w, "npx -c x", "", "");
    deinit(&w);
}

static void a_package_that_leads_out_of_the_cache_is_refused(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    fetch(&w, NPM, "s", "s", "{\"name\": \"s\", \"bin\": \"../../../../../.ssh/x\"}");
    make_program(&w, "home/.ssh/x", "");
    assert_refused(&w, "npx s", ERR_REFUSED, "leads out of");
    deinit(&w);
}

static void tools_in_environments_are_found_by_their_package(void **state)
{
    struct want w;

    (void)state;
    init(&w);
    scene_write(&w.s, "home/.local/share/uv/tools/mcp-server-git/pyvenv.cfg", "");
    make_program(&w, "home/.local/share/uv/tools/mcp-server-git/bin/mcp-server-git", "");
    make_program(&w, "home/.local/share/uv/tools/mcp-server-git/bin/other", "");
    scene_write(&w.s, "home/.local/pipx/venvs/tool/pyvenv.cfg", "");
    make_program(&w, "home/.local/pipx/venvs/tool/bin/tool", "");
    assert_found(&w, "uvx mcp-server-git --repository ~/r", "~/.local/share/uv/tools/mcp-server-git",
                 "~/.local/share/uv/tools/mcp-server-git/bin/mcp-server-git --repository ~/r");
    assert_true(find(&w, "uvx --python 3.12 mcp-server-git@latest"));
    assert_true(find(&w, "uv tool run --from MCP_Server.git[x] other"));
    assert_has(w.program.argv.items[0], "/bin/other");
    assert_found(&w, "pipx run tool -v", "~/.local/pipx/venvs/tool", "~/.local/pipx/venvs/tool/bin/tool -v");
    assert_refused(&w, "uvx mcp-server-git==1.0", ERR_MISSING, "any version will do");
    assert_refused(&w, "uvx ../x", ERR_MISSING, "uv tool install");
    assert_refused(&w, "pipx run nothing", ERR_MISSING, "pipx install nothing");
    assert_found(&w, "uv run x", "", "");
    w.place.network = true;
    assert_found(&w, "uvx nothing", "", "");
    deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scripts_package_is_read_and_nothing_beside_it),
        cmocka_unit_test(of_a_package_around_the_workspace_only_parts_are_read),
        cmocka_unit_test(a_link_out_of_the_workspace_is_an_error),
        cmocka_unit_test(a_program_of_path_brings_what_its_first_line_names),
        cmocka_unit_test(what_a_file_says_about_itself_grants_nothing),
        cmocka_unit_test(npx_is_what_it_would_start),
        cmocka_unit_test(of_several_commands_npx_takes_the_packages_own),
        cmocka_unit_test(npx_packages_are_sorted_as_npm_does),
        cmocka_unit_test(installed_packages_come_before_the_cache),
        cmocka_unit_test(npms_cache_is_where_npm_has_it),
        cmocka_unit_test(what_was_never_fetched_is_left_to_npx_where_there_is_a_network),
        cmocka_unit_test(a_package_that_leads_out_of_the_cache_is_refused),
        cmocka_unit_test(tools_in_environments_are_found_by_their_package),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
