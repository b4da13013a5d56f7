// SPDX-License-Identifier: Apache-2.0
#include "scene.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static char *directory(struct scene *s, const char *below)
{
    char *path = xasprintf("%s/%s", s->top, below);

    assert_true(mkdir_parents(AT_FDCWD, path, 0700, NULL));
    return path;
}

void scene_init(struct scene *s)
{
    char pattern[] = "/tmp/bawn-policy-XXXXXX";

    *s = (struct scene){0};
    assert_non_null(mkdtemp(pattern));
    s->top = realpath(pattern, NULL);
    s->workspace = directory(s, SCENE_WORKSPACE);
    s->home = directory(s, "home");
    s->config_dir = directory(s, "home/.config/bawn");
    s->state_dir = directory(s, "home/.local/state/bawn");
    s->managed_file = xasprintf("%s/managed.yaml", s->top);
    s->places = (struct policy_places){s->workspace, s->home, s->config_dir, s->state_dir, s->managed_file};
    buf_init(&s->notes, 1 << 20);
}

void scene_deinit(struct scene *s)
{
    file_rules_deinit(&s->rules);
    policy_free(s->policy);
    buf_deinit(&s->notes);
    nftw(s->top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(s->top);
    free(s->workspace);
    free(s->home);
    free(s->config_dir);
    free(s->state_dir);
    free(s->managed_file);
}

static char *place(struct scene *s, const char *path)
{
    char *full = xasprintf("%s/%s", s->top, path);
    char *slash = strrchr(full, '/');

    *slash = '\0';
    assert_true(mkdir_parents(AT_FDCWD, full, 0700, NULL));
    *slash = '/';
    return full;
}

void scene_write(struct scene *s, const char *path, const char *text)
{
    AUTO_FREE char *full = place(s, path);

    assert_true(file_replace(AT_FDCWD, full, text, strlen(text), 0600, NULL));
}

void scene_link(struct scene *s, const char *target, const char *path)
{
    AUTO_FREE char *full = place(s, path);

    assert_int_equal(symlink(target, full), 0);
}

bool scene_load(struct scene *s, const struct policy_options *o)
{
    file_rules_deinit(&s->rules);
    policy_free(s->policy);
    s->policy = NULL;
    s->notes.len = 0;
    err_clear(&s->err);
    return policy_load(&s->places, o, &s->policy, &s->notes, &s->err);
}

bool scene_load_file(struct scene *s, const char *text, const struct policy_options *o)
{
    struct policy_options options = o ? *o : (struct policy_options){0};
    AUTO_FREE char *file = xasprintf("%s/p.yaml", s->top);

    scene_write(s, "p.yaml", text);
    options.file = file;
    return scene_load(s, &options);
}

bool scene_rules(struct scene *s, const char *path_env)
{
    struct file_place place_ = {.workspace = s->workspace,
                                .home = s->home,
                                .config_dir = s->config_dir,
                                .state_dir = s->state_dir,
                                .path_env = path_env};

    file_rules_deinit(&s->rules);
    return file_rules_make(s->policy, &place_, &s->rules, &s->err);
}

char *scene_list(const struct policy_list *l)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < l->n; i++)
        buf_addf(&out, "%s%s", i ? " " : "", l->items[i].text);
    return buf_take(&out);
}

void assert_list(const struct policy_list *l, const char *words)
{
    AUTO_FREE char *got = scene_list(l);

    assert_string_equal(got, words);
}

void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" is in \"%s\"", part, text);
}
