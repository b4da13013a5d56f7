// SPDX-License-Identifier: Apache-2.0
#include "policy/sets.h"

#include <string.h>

#include "base/buf.h"
#include "base/path.h"

// Each table is in byte order, which spares sorting the rules that come of it (a test holds them to it).
// clang-format off
static const char *const system_dirs[] = {
    "/bin", "/etc", "/gnu", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/opt", "/run/current-system",
    "/sbin", "/snap", "/usr",
};

// Files of /etc that only root reads on a sound machine: they matter when bawn runs as root or modes are
// wrong.
static const char *const private_system[] = {
    "/etc/NetworkManager/system-connections", "/etc/apt/auth.conf", "/etc/apt/auth.conf.d", "/etc/credstore",
    "/etc/credstore.encrypted", "/etc/cryptsetup-keys.d", "/etc/docker/key.json", "/etc/exim4/passwd.client",
    "/etc/gshadow", "/etc/gshadow-", "/etc/ipsec.d/private", "/etc/ipsec.secrets", "/etc/krb5.keytab",
    "/etc/kubernetes", "/etc/letsencrypt", "/etc/luks-keys", "/etc/mysql/debian.cnf", "/etc/netplan",
    "/etc/openvpn", "/etc/pki/private", "/etc/pki/tls/private", "/etc/postfix/sasl_passwd",
    "/etc/postfix/sasl_passwd.db", "/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets", "/etc/rancher",
    "/etc/security/opasswd", "/etc/shadow", "/etc/shadow-", "/etc/ssl/private", "/etc/sudoers",
    "/etc/sudoers.d", "/etc/swanctl/private", "/etc/wireguard", "/etc/wpa_supplicant",
};

// Keys and logins of tools, clouds, registries, agents; profiles of browsers, mail and chat programs; wallets; and the
// histories of shells and databases, for what was typed there once.
static const char *const secrets[] = {
    ".ICEauthority", ".Xauthority", ".age", ".aider", ".aider.conf.yml", ".aliyun", ".ansible/vault",
    ".anthropic", ".aptos", ".armory", ".authinfo", ".authinfo.gpg", ".aws", ".azure", ".bash_history",
    ".bitcoin", ".bitmonero", ".bluemix", ".boto", ".brownie/accounts", ".bundle/config", ".cache/chromium",
    ".cache/google-chrome", ".cache/huggingface/stored_tokens", ".cache/huggingface/token", ".cache/mozilla",
    ".cargo/credentials", ".cargo/credentials.toml", ".cert", ".certs", ".circleci", ".civo.json",
    ".claude.json", ".claude/.credentials.json", ".claude/history.jsonl", ".cline/data", ".cloudflared",
    ".codex/auth.json", ".codex/history.jsonl", ".composer/auth.json", ".conan/.conan.db", ".conda/.condarc",
    ".condarc", ".config/.wrangler", ".config/Bitwarden", ".config/Bitwarden CLI", ".config/BraveSoftware",
    ".config/Code/User/globalStorage", ".config/Cursor", ".config/Element", ".config/Exodus",
    ".config/Ledger Live", ".config/Microsoft", ".config/NuGet", ".config/Signal", ".config/Slack",
    ".config/Sparrow", ".config/VSCodium/User/globalStorage", ".config/age", ".config/amp",
    ".config/anthropic", ".config/argocd", ".config/atomic", ".config/chromium", ".config/civo",
    ".config/claude/.credentials.json", ".config/composer/auth.json", ".config/configstore",
    ".config/containers/auth.json", ".config/cursor/auth.json", ".config/discord", ".config/doctl",
    ".config/evolution", ".config/exoscale", ".config/falkon", ".config/filezilla", ".config/firebase",
    ".config/fish/fish_history", ".config/fly", ".config/flyctl", ".config/gcloud", ".config/gh",
    ".config/git/credentials", ".config/github-copilot", ".config/glab-cli", ".config/goa-1.0",
    ".config/google-chrome", ".config/google-chrome-beta", ".config/google-chrome-unstable", ".config/goose",
    ".config/gopass", ".config/hcloud", ".config/helm/registry", ".config/heroku", ".config/hex",
    ".config/hexchat", ".config/himalaya", ".config/hub", ".config/hub-tool",
    ".config/io.datasette.llm/keys.json", ".config/keepassxc", ".config/krb5", ".config/kwalletrc",
    ".config/linode-cli", ".config/microsoft-edge", ".config/msmtp", ".config/neomutt", ".config/netlify",
    ".config/ngrok", ".config/nushell/history.txt", ".config/op", ".config/openai",
    ".config/opencode/auth.json", ".config/openshift", ".config/opera", ".config/pip", ".config/pnpm/rc",
    ".config/powershell", ".config/pypoetry/auth.toml", ".config/qutebrowser", ".config/rclone",
    ".config/remmina", ".config/scw", ".config/shell_gpt/.sgptrc", ".config/skypeforlinux", ".config/solana",
    ".config/sops", ".config/stripe", ".config/supabase", ".config/tea", ".config/teams", ".config/thorium",
    ".config/uv/credentials", ".config/vercel", ".config/vivaldi", ".config/wandb", ".config/weechat",
    ".config/whatsapp-desktop-client", ".config/zen", ".consul-token", ".continue/config.json",
    ".continue/config.yaml", ".copilot", ".cursor/auth.json", ".dash", ".databricks", ".databrickscfg",
    ".dbshell", ".dbt/profiles.yml", ".docker/config.json", ".dockercfg", ".dogecoin", ".electrum",
    ".electrum-ltc", ".ethereum", ".factory/auth.json", ".fetchmailrc", ".fly", ".foundry/keystores",
    ".gdb_history", ".gem/credentials", ".gemini/.env", ".gemini/google_accounts.json",
    ".gemini/oauth_creds.json", ".git-credentials", ".gnome2/keyrings", ".gnupg",
    ".gradle/gradle.properties", ".heroku", ".hex/hex.config", ".hgrc-auth", ".histfile", ".history",
    ".huggingface/token", ".ipython/profile_default/history.sqlite", ".irb_history", ".irssi",
    ".ivy2/.credentials", ".k5login", ".kaggle", ".kde/share/apps/kwallet", ".ksh_history", ".kube",
    ".lastpass", ".lesshst", ".librewolf", ".litecoin", ".lldb", ".local/share/TelegramDesktop",
    ".local/share/amp/secrets.json", ".local/share/atuin", ".local/share/com.vercel.cli",
    ".local/share/crush/crush.json", ".local/share/epiphany", ".local/share/evolution",
    ".local/share/fish/fish_history", ".local/share/gem/credentials", ".local/share/gopass",
    ".local/share/keyrings", ".local/share/kwalletd", ".local/share/lpass", ".local/share/nushell",
    ".local/share/opencode/auth.json", ".local/share/powershell", ".local/share/qutebrowser",
    ".local/share/recently-used.xbel", ".local/share/remmina", ".local/share/uv/credentials",
    ".local/state/bash", ".local/state/nvim", ".local/state/zsh", ".m2/settings-security.xml",
    ".m2/settings.xml", ".mariadb_history", ".mbsyncrc", ".minikube", ".monero", ".mongo_history",
    ".mongodb/mongosh", ".mozilla", ".msmtprc", ".multidoge", ".mutt", ".muttrc", ".my.cnf", ".mylogin.cnf",
    ".mysql_history", ".near-credentials", ".netlify", ".netrc", ".ngrok2", ".node_repl_history",
    ".nomad-token", ".npmrc", ".nuget/NuGet/NuGet.Config", ".oci", ".offlineimaprc", ".ollama/id_ed25519",
    ".openai", ".ossutilconfig", ".passwd-s3fs", ".password-store", ".pgpass", ".php_history",
    ".pip/pip.conf", ".pki", ".pry_history", ".psql_history", ".pulumi/credentials.json", ".purple",
    ".pypirc", ".python_history", ".qwen/oauth_creds.json", ".railway", ".rancher", ".rdp",
    ".rediscli_history", ".replicate", ".s3cfg", ".sbt/credentials", ".sentryclirc", ".sh_history",
    ".smbcredentials", ".snowflake", ".snowsql", ".sparrow", ".sqlite_history", ".ssh", ".step",
    ".subversion/auth", ".sui", ".supabase", ".tailscale", ".tccli", ".tcsh_history",
    ".terraform.d/credentials.tfrc.json", ".terraformrc", ".thunderbird", ".tor-browser", ".travis",
    ".usql_history", ".var/app", ".vault-token", ".vault_pass", ".vercel", ".viminfo", ".vnc/passwd",
    ".walletwasabi", ".wandb", ".wasabi", ".waterfox", ".weechat", ".wget-hsts", ".wrangler", ".yarnrc",
    ".yarnrc.yml", ".zcash", ".zen", ".zhistory", ".zsh_history", ".zsh_sessions", "_netrc", "snap/brave",
    "snap/chromium", "snap/firefox", "snap/thunderbird",
};

static const char *const caches[] = {
    ".bun/install/cache", ".bundle/cache", ".cabal/packages", ".cache/Cypress", ".cache/bazel",
    ".cache/ccache", ".cache/composer", ".cache/coursier", ".cache/deno", ".cache/electron",
    ".cache/go-build", ".cache/ms-playwright", ".cache/mypy", ".cache/node-gyp", ".cache/node/corepack",
    ".cache/pip", ".cache/pnpm", ".cache/pre-commit", ".cache/puppeteer", ".cache/pypoetry", ".cache/rebar3",
    ".cache/ruff", ".cache/sccache", ".cache/uv", ".cache/yarn", ".cache/zig", ".cargo/git",
    ".cargo/registry", ".ccache", ".composer/cache", ".conda/pkgs", ".gem/cache", ".gradle/caches",
    ".gradle/wrapper", ".hex/packages", ".ivy2/cache", ".local/share/pnpm/store", ".m2/repository",
    ".npm/_cacache", ".npm/_npx", ".nuget/packages", ".opam/download-cache", ".pub-cache", ".stack/pantry",
    ".yarn/berry/cache", "go/pkg/mod",
};

// Files by which a program that a person starts runs what is in them: on the next git command, on opening the
// folder in an editor, on entering it in a shell, on starting an agent. Build scripts and CI files are not
// here: running those is a deliberate act, and writing them is the agent's work.
static const char *const hooks[] = {
    ".aider.conf.yml", ".amazonq", ".amp", ".autoenv", ".claude", ".codex", ".continue", ".cursor",
    ".devcontainer", ".devcontainer.json", ".dir-locals-2.el", ".dir-locals.el", ".envrc", ".exrc", ".fleet",
    ".gemini", ".git/config", ".git/config.worktree", ".git/hooks", ".git/info/attributes",
    ".git/modules/**/config", ".git/modules/**/config.worktree", ".git/modules/**/hooks",
    ".git/modules/**/info/attributes", ".git/worktrees/*/config.worktree", ".gitmodules", ".hg/hgrc",
    ".husky", ".idea", ".jj/repo/config.toml", ".kiro", ".mcp.json", ".mise", ".mise.toml", ".nvim.lua",
    ".nvimrc", ".opencode", ".qwen", ".roo", ".rtx.toml", ".sl/config", ".vimrc", ".vscode", ".windsurf",
    ".zed", "bawn.json", "bawn.yaml", "mise.toml", "opencode.json", "opencode.jsonc",
};

// When HOME itself can be written, what starts with the session or a shell is a hook as well.
static const char *const home_hooks[] = {
    ".Rprofile", ".Xresources", ".bash_aliases", ".bash_login", ".bash_logout", ".bash_profile", ".bashrc",
    ".bashrc.d", ".cargo/bin", ".cargo/config", ".cargo/config.toml", ".cargo/env", ".config/Code",
    ".config/VSCodium", ".config/alacritty", ".config/autostart", ".config/bash", ".config/containers",
    ".config/direnv", ".config/emacs", ".config/environment.d", ".config/fish", ".config/gdb", ".config/git",
    ".config/go", ".config/hg", ".config/home-manager", ".config/hypr", ".config/i3", ".config/jj",
    ".config/kitty", ".config/mise", ".config/nix", ".config/nushell", ".config/nvim", ".config/pip",
    ".config/plasma-workspace", ".config/sway", ".config/systemd", ".config/tmux", ".config/zsh", ".cshrc",
    ".direnvrc", ".emacs", ".emacs.d", ".gdbinit", ".gitattributes", ".gitconfig", ".gradle/init.d",
    ".gradle/init.gradle", ".hgrc", ".inputrc", ".kshrc", ".lldbinit", ".local/bin",
    ".local/share/applications", ".local/share/dbus-1", ".local/share/systemd", ".login", ".m2",
    ".nix-profile", ".oh-my-zsh", ".pam_environment", ".profile", ".psqlrc", ".pystartup", ".pythonrc",
    ".screenrc", ".ssh", ".tcshrc", ".tmux.conf", ".vim", ".xinitrc", ".xprofile", ".xsession",
    ".xsessionrc", ".zlogin", ".zlogout", ".zprofile", ".zsh", ".zshenv", ".zshrc", "bin",
};

// clang-format on

void rule_addn(struct rule_list *l, const struct rule_like *like, const char *dir, const char *below)
{
    size_t nd = strlen(dir), nb = strlen(below);
    struct file_rule *r;

    if (nd == 1)
        nd = 0; // "/"
    if (l->n == l->alloc) {
        l->alloc = l->alloc ? l->alloc * 2 : 512;
        l->items = xrealloc(l->items, l->alloc * sizeof *l->items);
    }
    r = &l->items[l->n++];
    *r = (struct file_rule){.grant = like->grant,
                            .glob = like->glob,
                            .must_exist = like->must_exist,
                            .hook = like->hook,
                            .always = like->always,
                            .text = like->text,
                            .from = like->from};
    r->path = arena_alloc(&l->arena, nd + nb + 2);
    memcpy(r->path, dir, nd);
    r->path[nd] = '/';
    memcpy(r->path + nd + 1, below, nb + 1);
}

void rule_add(struct rule_list *l, const struct rule_like *like, const char *path)
{
    rule_addn(l, like, "/", path + 1);
}

bool is_system(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(system_dirs); i++)
        if (path_within(path, system_dirs[i]))
            return true;
    return false;
}

bool yards_own(const char *grant, const char *path)
{
    static const char *const dirs[] = {"/proc", "/sys", "/dev", "/run", "/tmp"};

    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (path_within(path, dirs[i]))
            return !grant || !path_within(grant, dirs[i]) || !strcmp(grant, dirs[i]);
    return false;
}

void set_system(struct rule_list *l, const struct rule_like *like)
{
    for (size_t i = 0; i < ARRAY_LEN(system_dirs); i++)
        rule_add(l, like, system_dirs[i]);
}

void set_system_private(struct rule_list *l)
{
    struct rule_like like = {.grant = GRANT_DENY,
                             .always = true,
                             .text = "private files of the system",
                             .from = {.layer = LAYER_BUILTIN, .file = "built in"}};

    for (size_t i = 0; i < ARRAY_LEN(private_system); i++)
        rule_add(l, &like, private_system[i]);
    like.glob = true;
    rule_add(l, &like, "/etc/ssh/ssh_host_*_key");
}

static void below_home(struct rule_list *l, const struct rule_like *like, const char *home,
                       const char *const *names, size_t n)
{
    for (size_t i = 0; home && i < n; i++)
        rule_addn(l, like, home, names[i]);
}

void set_secrets(struct rule_list *l, const struct rule_like *like, const char *home)
{
    below_home(l, like, home, secrets, ARRAY_LEN(secrets));
}

void set_caches(struct rule_list *l, const struct rule_like *like, const char *home)
{
    below_home(l, like, home, caches, ARRAY_LEN(caches));
}

char *glob_escape(const char *path)
{
    struct buf out;

    buf_init(&out, SIZE_MAX / 8);
    for (const char *p = path; *p; p++) {
        if (strchr("*?[", *p))
            buf_addf(&out, "[%c]", *p);
        else
            buf_addc(&out, *p);
    }
    return buf_take(&out);
}

void set_hooks(struct rule_list *l, const struct rule_like *like, const char *root, const char *home)
{
    AUTO_FREE char *escaped = glob_is(root) ? glob_escape(root) : xstrdup(root);
    AUTO_FREE char *deep = xasprintf("%s/**", escaped[1] ? escaped : "");
    struct rule_like one = *like;

    one.hook = one.glob = true;
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++)
        rule_addn(l, &one, deep, hooks[i]);
    one.glob = false;
    below_home(l, &one, home, home_hooks, ARRAY_LEN(home_hooks));
}
