// SPDX-License-Identifier: Apache-2.0
// A policy file as anybody may have written it: read, merged, narrowed, bound and shown. What was accepted
// must be shown as a text that reads back, and a narrowed policy must not be wider than what it narrowed.
#include "fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "policy/bind.h"
#include "policy/check.h"
#include "policy/load.h"
#include "policy/narrow.h"
#include "policy/profile.h"
#include "policy/read.h"

static const struct read_source source = {.layer = LAYER_WORKSPACE,
                                          .file = "bawn.yaml",
                                          .dir = "/home/u/w",
                                          .workspace = "/home/u/w",
                                          .home = "/home/u"};

static struct value *profile(struct arena *a)
{
    struct value *root = NULL;

    if (!profile_make(a, NULL, "workspace", &root, NULL))
        abort();
    return root;
}

// Binds and shows; the tree is in the arena, which goes with the policy.
static void show(struct arena *arena, struct value *root)
{
    AUTO_ARENA struct arena again = {0};
    AUTO_BUF struct buf text;
    struct yaml_node *doc = NULL;
    struct value *tree = NULL;
    struct policy *p;

    buf_init(&text, 64u << 20);
    p = bind_policy(arena, root, NULL);
    policy_write(p, true, &text);
    policy_free(p);
    if (!yaml_parse(&again, text.ptr, text.len, &doc, NULL) || !read_tree(&again, &source, doc, &tree, NULL))
        abort();
}

static void merged(const char *text, size_t n)
{
    AUTO_ARENA struct arena arena = {0};
    struct value *layer = NULL, *root = profile(&arena);
    struct err err = {0};

    if (!read_layer(&arena, &source, text, n, &layer, &err))
        return;
    value_merge(root, layer);
    if (check_merged(root, &err) && check_features(root, &err))
        show(&arena, root);
}

// The untrusted file against the strictest profile: nothing may be granted that was not.
static void narrowed(const char *text, size_t n)
{
    AUTO_ARENA struct arena arena = {0};
    struct value *layer = NULL, *root = profile(&arena);
    struct strlist dropped = {0};
    bool profile_dropped = false;
    const struct narrow_by by = {.arena = &arena,
                                 .workspace = source.workspace,
                                 .home = source.home,
                                 .dropped = &dropped,
                                 .profile_dropped = &profile_dropped};

    if (read_layer(&arena, &source, text, n, &layer, NULL)) {
        const struct value *write, *mode;

        narrow(&by, root, layer);
        mode = value_at(root, "network.mode");
        write = value_at(root, "files.write");
        if (!mode || strcmp(mode->text, "off") != 0 || value_count(value_get(root, "secrets")))
            abort();
        for (const struct value *w = write ? write->first : NULL; w; w = w->next)
            if (w->text[0] == '/' && strncmp(w->text, "/home/u/w", 9) != 0)
                abort();
        if (!value_count(value_at(root, "files.deny")) || !value_count(value_at(root, "files.protect")))
            abort();
        show(&arena, root);
    }
    strlist_deinit(&dropped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    if (size > POLICY_FILE_MAX)
        return 0;
    merged(text, size);
    narrowed(text, size);
    return 0;
}
