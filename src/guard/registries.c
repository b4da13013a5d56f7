// SPDX-License-Identifier: Apache-2.0
// Where this machine's package managers fetch from, read out of their own configuration. Each format is read
// as far as is needed to find URLs at the keys that name a registry; what is not understood is passed over,
// for the worst that can come of it is a host that is not allowed. Only files of the machine and of HOME
// count: a file in the workspace could name any host. Only http and https URLs count; user names in them are
// cut off.
#include "guard/presets.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "guard/hostname.h"

#define CONFIG_MAX (1u << 20) // bytes of one file
#define REGISTRIES_MAX 128u   // hosts in all
#define SOURCES_MAX 64u       // files in sources.list.d

struct reader {
    const struct preset_place *place;
    struct preset_registries *out;
};

void preset_registries_deinit(struct preset_registries *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].host);
        free(r->items[i].source);
    }
    free(r->items);
    *r = (struct preset_registries){0};
}

static void add(struct reader *r, const struct host *h, uint16_t port, const char *source)
{
    struct preset_registries *out = r->out;

    for (size_t i = 0; i < out->n; i++)
        if (out->items[i].port == port && !strcmp(out->items[i].host, h->text))
            return;
    if (out->n == REGISTRIES_MAX)
        return;
    out->items = xrealloc(out->items, (out->n + 1) * sizeof *out->items);
    out->items[out->n++] =
        (struct preset_registry){.host = xstrdup(h->text), .port = port, .source = xstrdup(source)};
}

// Adds the host of the URL that starts at s, if it is one ("sparse+https://…" too).
static void add_url(struct reader *r, const char *s, size_t n, const char *source)
{
    const char *end = s + n, *sep = memmem(s, n, "://", 3), *at, *authority;
    uint16_t port = 0;
    struct host h;
    bool tls;

    if (!sep)
        return;
    tls = sep - s >= 5 && !strncasecmp(sep - 5, "https", 5);
    if (!tls && !(sep - s >= 4 && !strncasecmp(sep - 4, "http", 4)))
        return;
    authority = sep + 3;
    for (n = 0; authority + n < end && !strchr("/?# \t\"'<>,|;\\", authority[n]); n++)
        ;
    at = memrchr(authority, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - authority);
        authority = at + 1;
    }
    if (host_parse_authority(authority, n, &h, &port, NULL))
        add(r, &h, port ? port : tls ? 443 : 80, source);
}

// Every URL in a run of text.
static void add_urls(struct reader *r, const char *s, size_t n, const char *source)
{
    const char *end = s + n;

    while (s < end) {
        size_t len = 0;

        while (s < end && strchr(" \t\r\n,|\"'[]", *s))
            s++;
        while (s + len < end && !strchr(" \t\r\n,|\"'[]", s[len]))
            len++;
        add_url(r, s, len, source);
        s += len;
    }
}

typedef void line_fn(struct reader *r, const char *line, size_t n, const char *source);

static bool read_config(struct reader *r, const char *base, const char *path, struct buf *ret)
{
    AUTO_FREE char *whole = xasprintf("%s%s%s", r->place->root ? r->place->root : "", base, path);

    buf_init(ret, CONFIG_MAX);
    return file_read(AT_FDCWD, whole, ret, NULL);
}

static void each_line(struct reader *r, const char *tool, const char *base, const char *path, line_fn *fn)
{
    AUTO_BUF struct buf text = {0};
    AUTO_FREE char *source = xasprintf("%s: %s%s", tool, base, path);
    const char *at, *end;

    if (!read_config(r, base, path, &text))
        return;
    at = buf_cstr(&text);
    for (end = at + text.len; at < end;) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *stop = lf ? lf : end;

        fn(r, at, (size_t)(stop - at), source);
        at = stop + 1;
    }
}

// "key = value" with the key's end at `n` characters; value and its length, or NULL.
static const char *value_of(const char *line, size_t n, size_t *ret_key, size_t *ret_n)
{
    const char *eq = memchr(line, '=', n);
    size_t key;

    if (!eq)
        return NULL;
    for (key = (size_t)(eq - line); key && isspace((unsigned char)line[key - 1]); key--)
        ;
    *ret_key = key;
    *ret_n = n - (size_t)(eq + 1 - line);
    return eq + 1;
}

static bool key_is(const char *line, size_t key, const char *name)
{
    while (key && isspace((unsigned char)*line)) {
        line++;
        key--;
    }
    return strlen(name) == key && !strncasecmp(line, name, key);
}

// "registry=URL" and "@scope:registry=URL".
static void npm_line(struct reader *r, const char *line, size_t n, const char *source)
{
    size_t key, nvalue;
    const char *value = value_of(line, n, &key, &nvalue);

    if (value && key >= 8 && !strncasecmp(line + key - 8, "registry", 8) && line[0] != ';' && line[0] != '#')
        add_urls(r, value, nvalue, source);
}

// pip.conf: further values stand on indented lines, so every line that has no other key is taken.
static void pip_line(struct reader *r, const char *line, size_t n, const char *source)
{
    size_t key, nvalue;
    const char *value = value_of(line, n, &key, &nvalue);

    if (!n || line[0] == '#' || line[0] == ';')
        return;
    if (isspace((unsigned char)line[0]))
        add_urls(r, line, n, source);
    else if (value && (key_is(line, key, "index-url") || key_is(line, key, "extra-index-url") ||
                       key_is(line, key, "find-links")))
        add_urls(r, value, nvalue, source);
}

static void cargo_line(struct reader *r, const char *line, size_t n, const char *source)
{
    size_t key, nvalue;
    const char *value = value_of(line, n, &key, &nvalue);

    if (value && (key_is(line, key, "registry") || key_is(line, key, "index")))
        add_urls(r, value, nvalue, source);
}

static void go_line(struct reader *r, const char *line, size_t n, const char *source)
{
    size_t key, nvalue;
    const char *value = value_of(line, n, &key, &nvalue);

    if (value && key_is(line, key, "GOPROXY"))
        add_urls(r, value, nvalue, source);
}

// sources.list ("deb [options] URL …") and deb822 ("URIs: …"; continuation lines begin with a space).
static void apt_line(struct reader *r, const char *line, size_t n, const char *source)
{
    static const char *const starts[] = {"deb ", "deb\t", "deb-src ", "URIs:", " ", "\t"};

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (n > strlen(starts[i]) && !strncasecmp(line, starts[i], strlen(starts[i]))) {
            add_urls(r, line, n, source);
            return;
        }
}

static bool is_sources_file(const char *name)
{
    size_t n = strlen(name);

    return (n > 5 && !strcmp(name + n - 5, ".list")) || (n > 8 && !strcmp(name + n - 8, ".sources"));
}

static void read_apt(struct reader *r)
{
    static const char base[] = "/etc/apt/sources.list.d/";
    AUTO_FREE char *path = xasprintf("%s%s", r->place->root ? r->place->root : "", base);
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    unsigned files = 0;

    each_line(r, "apt", "/etc/apt/", "sources.list", apt_line);
    for (struct dirent *e; dir && files < SOURCES_MAX && (e = readdir(dir));)
        if (is_sources_file(e->d_name)) {
            each_line(r, "apt", base, e->d_name, apt_line);
            files++;
        }
}

// settings.xml: the <url> of mirrors and repositories, outside comments.
static void read_maven(struct reader *r, const char *base, const char *path)
{
    AUTO_BUF struct buf text = {0};
    AUTO_FREE char *source = xasprintf("maven: %s%s", base, path);
    char *at;

    if (!read_config(r, base, path, &text) || memchr(text.ptr ? text.ptr : "", '\0', text.len))
        return;
    buf_cstr(&text);
    at = text.ptr;
    while (at && (at = strchr(at, '<'))) {
        if (!strncmp(at, "<!--", 4)) {
            at = strstr(at, "-->");
        } else if (!strncmp(at, "<url>", 5)) {
            size_t n = strcspn(at + 5, "<");

            add_urls(r, at + 5, n, source);
            at += 5 + n;
        } else {
            at++;
        }
    }
}

// Variables override files in all these tools.
static void read_environment(struct reader *r)
{
    static const char *const names[] = {
        "npm_config_registry=",
        "NPM_CONFIG_REGISTRY=",
        "YARN_NPM_REGISTRY_SERVER=",
        "PIP_INDEX_URL=",
        "PIP_EXTRA_INDEX_URL=",
        "PIP_FIND_LINKS=",
        "UV_INDEX_URL=",
        "UV_DEFAULT_INDEX=",
        "UV_EXTRA_INDEX_URL=",
        "GOPROXY=",
        "CARGO_REGISTRIES_CRATES_IO_INDEX=",
    };

    for (char *const *e = r->place->environ; e && *e; e++)
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            size_t n = strlen(names[i]);

            if (!strncmp(*e, names[i], n)) {
                AUTO_FREE char *source = xasprintf("environment: %.*s", (int)n - 1, names[i]);

                add_urls(r, *e + n, strlen(*e + n), source);
            }
        }
}

static const char *variable(const struct preset_place *place, const char *name)
{
    size_t n = strlen(name);

    for (char *const *e = place->environ; e && *e; e++)
        if (!strncmp(*e, name, n) && (*e)[n] == '=' && (*e)[n + 1] == '/')
            return *e + n + 1;
    return NULL;
}

static void read_home(struct reader *r)
{
    const char *home = r->place->home, *cargo = variable(r->place, "CARGO_HOME");

    if (cargo) {
        each_line(r, "cargo", cargo, "/config.toml", cargo_line);
        each_line(r, "cargo", cargo, "/config", cargo_line);
    }
    if (!home)
        return;
    each_line(r, "npm", home, "/.npmrc", npm_line);
    each_line(r, "pip", home, "/.config/pip/pip.conf", pip_line);
    each_line(r, "pip", home, "/.pip/pip.conf", pip_line);
    each_line(r, "go", home, "/.config/go/env", go_line);
    each_line(r, "cargo", home, "/.cargo/config.toml", cargo_line);
    each_line(r, "cargo", home, "/.cargo/config", cargo_line);
    read_maven(r, home, "/.m2/settings.xml");
}

void preset_registries_read(const struct preset_place *place, struct preset_registries *ret)
{
    struct preset_registries out = {0};
    struct reader r = {.place = place, .out = &out};
    const char *pip = variable(place, "PIP_CONFIG_FILE"), *npm = variable(place, "npm_config_userconfig");

    read_environment(&r);
    if (npm)
        each_line(&r, "npm", npm, "", npm_line);
    if (pip)
        each_line(&r, "pip", pip, "", pip_line);
    read_home(&r);
    each_line(&r, "npm", "/etc", "/npmrc", npm_line);
    each_line(&r, "npm", "/usr/etc", "/npmrc", npm_line);
    each_line(&r, "npm", "/usr/local/etc", "/npmrc", npm_line);
    each_line(&r, "pip", "/etc", "/pip.conf", pip_line);
    each_line(&r, "pip", "/etc/xdg", "/pip/pip.conf", pip_line);
    each_line(&r, "go", "/usr/lib/go", "/go.env", go_line);
    each_line(&r, "go", "/usr/local/go", "/go.env", go_line);
    read_maven(&r, "/etc", "/maven/settings.xml");
    read_maven(&r, "/usr/share/maven", "/conf/settings.xml");
    read_apt(&r);
    *ret = out;
}
