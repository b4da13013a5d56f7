// SPDX-License-Identifier: Apache-2.0
#include "policy/sets.h"

#include <string.h>

#include "base/buf.h"
#include "base/path.h"

static const char *const system_dirs[] = {"/usr",    "/bin", "/sbin", "/lib", "/lib32", "/lib64",
                                          "/libx32", "/opt", "/etc",  "/nix", "/gnu",   "/run/current-system",
                                          "/snap"};

// Files of /etc that only root reads on a sound machine: they matter when bawn runs as root or modes are
// wrong.
static const char *const private_system[] = {"/etc/shadow",
                                             "/etc/shadow-",
                                             "/etc/gshadow",
                                             "/etc/gshadow-",
                                             "/etc/sudoers",
                                             "/etc/sudoers.d",
                                             "/etc/security/opasswd",
                                             "/etc/ssl/private",
                                             "/etc/pki/tls/private",
                                             "/etc/pki/private",
                                             "/etc/letsencrypt",
                                             "/etc/krb5.keytab",
                                             "/etc/ipsec.secrets",
                                             "/etc/ipsec.d/private",
                                             "/etc/swanctl/private",
                                             "/etc/wireguard",
                                             "/etc/openvpn",
                                             "/etc/NetworkManager/system-connections",
                                             "/etc/wpa_supplicant",
                                             "/etc/netplan",
                                             "/etc/ppp/chap-secrets",
                                             "/etc/ppp/pap-secrets",
                                             "/etc/kubernetes",
                                             "/etc/rancher",
                                             "/etc/docker/key.json",
                                             "/etc/mysql/debian.cnf",
                                             "/etc/exim4/passwd.client",
                                             "/etc/postfix/sasl_passwd",
                                             "/etc/postfix/sasl_passwd.db",
                                             "/etc/apt/auth.conf",
                                             "/etc/apt/auth.conf.d",
                                             "/etc/credstore",
                                             "/etc/credstore.encrypted",
                                             "/etc/cryptsetup-keys.d",
                                             "/etc/luks-keys"};

static const char *const secrets[] = {
    // keys and logins of the usual tools
    ".ssh", ".gnupg", ".pki", ".netrc", "_netrc", ".authinfo", ".authinfo.gpg", ".pgpass", ".my.cnf",
    ".mylogin.cnf", ".git-credentials", ".config/git/credentials", ".config/gh", ".config/hub",
    ".config/glab-cli", ".config/tea", ".subversion/auth", ".hgrc-auth", ".s3cfg", ".boto", ".passwd-s3fs",
    ".config/rclone", ".smbcredentials", ".vnc/passwd", ".rdp", ".config/remmina", ".local/share/remmina",
    ".config/filezilla", ".fetchmailrc", ".msmtprc", ".config/msmtp", ".mutt", ".muttrc", ".mbsyncrc",
    ".offlineimaprc", ".config/neomutt", ".config/himalaya", ".step", ".cert", ".certs", ".config/sops",
    ".config/age", ".age", ".ansible/vault", ".vault_pass", ".vault-token", ".config/op", ".config/Bitwarden",
    ".config/Bitwarden CLI", ".config/keepassxc", ".lastpass", ".local/share/lpass", ".password-store",
    ".local/share/gopass", ".config/gopass", ".local/share/keyrings", ".local/share/kwalletd",
    ".kde/share/apps/kwallet", ".config/kwalletrc", ".gnome2/keyrings", ".config/goa-1.0",
    ".config/evolution", ".local/share/evolution", ".thunderbird", ".config/krb5", ".k5login", ".Xauthority",
    ".ICEauthority",
    // clouds and clusters
    ".aws", ".azure", ".config/gcloud", ".config/doctl", ".config/linode-cli", ".config/hcloud",
    ".config/scw", ".config/exoscale", ".config/civo", ".civo.json", ".oci", ".bluemix", ".aliyun", ".tccli",
    ".kube", ".minikube", ".rancher", ".config/helm/registry", ".config/argocd", ".config/openshift",
    ".docker/config.json", ".dockercfg", ".config/containers/auth.json", ".terraform.d/credentials.tfrc.json",
    ".terraformrc", ".pulumi/credentials.json", ".fly", ".config/fly", ".config/flyctl", ".netlify",
    ".config/netlify", ".vercel", ".config/vercel", ".local/share/com.vercel.cli", ".config/heroku",
    ".heroku", ".railway", ".supabase", ".config/supabase", ".wrangler", ".config/.wrangler", ".cloudflared",
    ".config/stripe", ".config/ngrok", ".ngrok2", ".tailscale", ".config/firebase", ".config/configstore",
    ".snowsql", ".snowflake", ".databrickscfg", ".dbt/profiles.yml", ".consul-token", ".nomad-token",
    ".ossutilconfig", ".sentryclirc", ".circleci", ".travis", ".databricks",
    // registries
    ".npmrc", ".yarnrc", ".yarnrc.yml", ".config/pnpm/rc", ".pypirc", ".config/pip", ".pip/pip.conf",
    ".config/pypoetry/auth.toml", ".local/share/uv/credentials", ".config/uv/credentials",
    ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".local/share/gem/credentials",
    ".bundle/config", ".composer/auth.json", ".config/composer/auth.json", ".m2/settings.xml",
    ".m2/settings-security.xml", ".gradle/gradle.properties", ".sbt/credentials", ".ivy2/.credentials",
    ".nuget/NuGet/NuGet.Config", ".config/NuGet", ".hex/hex.config", ".config/hex", ".conan/.conan.db",
    ".conda/.condarc", ".condarc", ".config/hub-tool", ".kaggle", ".huggingface/token",
    ".cache/huggingface/token", ".cache/huggingface/stored_tokens", ".wandb", ".config/wandb", ".replicate",
    // agents and models
    ".claude.json", ".claude/.credentials.json", ".config/claude/.credentials.json", ".codex/auth.json",
    ".gemini/oauth_creds.json", ".gemini/google_accounts.json", ".gemini/.env", ".config/openai", ".openai",
    ".anthropic", ".config/anthropic", ".config/github-copilot", ".copilot", ".config/goose",
    ".qwen/oauth_creds.json", ".local/share/opencode/auth.json", ".config/opencode/auth.json",
    ".aider.conf.yml", ".aider", ".continue/config.json", ".continue/config.yaml",
    ".config/io.datasette.llm/keys.json", ".ollama/id_ed25519", ".config/Cursor", ".cursor/auth.json",
    ".config/cursor/auth.json", ".config/amp", ".local/share/amp/secrets.json", ".factory/auth.json",
    ".cline/data", ".config/shell_gpt/.sgptrc", ".config/Code/User/globalStorage",
    ".config/VSCodium/User/globalStorage", ".local/share/crush/crush.json",
    // browsers, mail, chat
    ".mozilla", ".librewolf", ".waterfox", ".config/google-chrome", ".config/google-chrome-beta",
    ".config/google-chrome-unstable", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge",
    ".config/vivaldi", ".config/opera", ".config/thorium", ".config/zen", ".zen", ".local/share/epiphany",
    ".config/falkon", ".config/qutebrowser", ".local/share/qutebrowser", ".tor-browser", ".var/app",
    "snap/firefox", "snap/chromium", "snap/thunderbird", "snap/brave", ".cache/mozilla",
    ".cache/google-chrome", ".cache/chromium", ".config/Signal", ".config/Slack", ".config/discord",
    ".config/Element", ".config/teams", ".config/Microsoft", ".config/skypeforlinux",
    ".local/share/TelegramDesktop", ".config/whatsapp-desktop-client", ".purple", ".weechat",
    ".config/weechat", ".irssi", ".config/hexchat",
    // wallets
    ".bitcoin", ".litecoin", ".dogecoin", ".dash", ".zcash", ".monero", ".bitmonero", ".ethereum",
    ".electrum", ".electrum-ltc", ".config/Exodus", ".config/atomic", ".config/Ledger Live", ".config/solana",
    ".near-credentials", ".sui", ".aptos", ".foundry/keystores", ".brownie/accounts", ".config/Sparrow",
    ".sparrow", ".wasabi", ".walletwasabi", ".armory", ".multidoge",
    // what was typed before
    ".bash_history", ".zsh_history", ".zhistory", ".histfile", ".history", ".sh_history", ".ksh_history",
    ".tcsh_history", ".local/share/fish/fish_history", ".config/fish/fish_history", ".zsh_sessions",
    ".local/share/atuin", ".local/state/bash", ".local/state/zsh", ".python_history",
    ".ipython/profile_default/history.sqlite", ".node_repl_history", ".irb_history", ".pry_history",
    ".php_history", ".psql_history", ".mysql_history", ".sqlite_history", ".rediscli_history",
    ".mongo_history", ".dbshell", ".mongodb/mongosh", ".mariadb_history", ".usql_history", ".lesshst",
    ".viminfo", ".local/state/nvim", ".gdb_history", ".lldb", ".wget-hsts", ".config/powershell",
    ".local/share/powershell", ".local/share/nushell", ".config/nushell/history.txt",
    ".local/share/recently-used.xbel", ".claude/history.jsonl", ".codex/history.jsonl"};

static const char *const caches[] = {".cache/pip",
                                     ".cache/uv",
                                     ".cache/pypoetry",
                                     ".cache/pre-commit",
                                     ".cache/yarn",
                                     ".cache/pnpm",
                                     ".local/share/pnpm/store",
                                     ".npm/_cacache",
                                     ".npm/_npx",
                                     ".yarn/berry/cache",
                                     ".bun/install/cache",
                                     ".cache/deno",
                                     ".cache/node-gyp",
                                     ".cache/node/corepack",
                                     ".cache/electron",
                                     ".cache/ms-playwright",
                                     ".cache/Cypress",
                                     ".cache/puppeteer",
                                     ".cache/go-build",
                                     "go/pkg/mod",
                                     ".cargo/registry",
                                     ".cargo/git",
                                     ".cache/sccache",
                                     ".cache/ccache",
                                     ".ccache",
                                     ".m2/repository",
                                     ".gradle/caches",
                                     ".gradle/wrapper",
                                     ".ivy2/cache",
                                     ".cache/coursier",
                                     ".nuget/packages",
                                     ".cache/composer",
                                     ".composer/cache",
                                     ".gem/cache",
                                     ".bundle/cache",
                                     ".cache/rebar3",
                                     ".hex/packages",
                                     ".conda/pkgs",
                                     ".cache/bazel",
                                     ".cache/zig",
                                     ".cabal/packages",
                                     ".stack/pantry",
                                     ".opam/download-cache",
                                     ".pub-cache",
                                     ".cache/mypy",
                                     ".cache/ruff"};

// Files by which a program that a person starts runs what is in them: on the next git command, on opening the
// folder in an editor, on entering it in a shell, on starting an agent. Build scripts and CI files are not
// here: running those is a deliberate act, and writing them is the agent's work.
static const char *const hooks[] = {".git/hooks",
                                    ".git/config",
                                    ".git/config.worktree",
                                    ".git/info/attributes",
                                    ".git/modules/**/hooks",
                                    ".git/modules/**/config",
                                    ".git/modules/**/config.worktree",
                                    ".git/modules/**/info/attributes",
                                    ".git/worktrees/*/config.worktree",
                                    ".gitmodules",
                                    ".husky",
                                    ".hg/hgrc",
                                    ".jj/repo/config.toml",
                                    ".sl/config",
                                    ".vscode",
                                    "*.code-workspace",
                                    ".idea",
                                    ".zed",
                                    ".fleet",
                                    ".exrc",
                                    ".nvimrc",
                                    ".nvim.lua",
                                    ".vimrc",
                                    ".dir-locals.el",
                                    ".dir-locals-2.el",
                                    ".devcontainer",
                                    ".devcontainer.json",
                                    ".claude",
                                    ".codex",
                                    ".cursor",
                                    ".gemini",
                                    ".mcp.json",
                                    ".windsurf",
                                    ".continue",
                                    ".roo",
                                    ".kiro",
                                    ".opencode",
                                    "opencode.json",
                                    "opencode.jsonc",
                                    ".amp",
                                    ".qwen",
                                    ".amazonq",
                                    ".aider.conf.yml",
                                    ".envrc",
                                    ".autoenv",
                                    ".mise.toml",
                                    "mise.toml",
                                    ".mise",
                                    ".rtx.toml",
                                    "bawn.yaml",
                                    "bawn.json"};

// When HOME itself can be written, what starts with the session or a shell is a hook as well.
static const char *const home_hooks[] = {".bashrc",
                                         ".bash_profile",
                                         ".bash_login",
                                         ".bash_logout",
                                         ".bash_aliases",
                                         ".bashrc.d",
                                         ".profile",
                                         ".zshrc",
                                         ".zshenv",
                                         ".zprofile",
                                         ".zlogin",
                                         ".zlogout",
                                         ".zsh",
                                         ".oh-my-zsh",
                                         ".kshrc",
                                         ".cshrc",
                                         ".tcshrc",
                                         ".login",
                                         ".config/fish",
                                         ".config/bash",
                                         ".config/zsh",
                                         ".config/nushell",
                                         ".inputrc",
                                         ".pam_environment",
                                         ".xprofile",
                                         ".xsession",
                                         ".xsessionrc",
                                         ".xinitrc",
                                         ".Xresources",
                                         ".config/autostart",
                                         ".config/systemd",
                                         ".config/environment.d",
                                         ".config/plasma-workspace",
                                         ".local/share/systemd",
                                         ".local/share/applications",
                                         ".local/share/dbus-1",
                                         ".config/hypr",
                                         ".config/sway",
                                         ".config/i3",
                                         ".config/kitty",
                                         ".config/alacritty",
                                         ".config/git",
                                         ".gitconfig",
                                         ".gitattributes",
                                         ".hgrc",
                                         ".config/hg",
                                         ".config/jj",
                                         ".vim",
                                         ".config/nvim",
                                         ".emacs",
                                         ".emacs.d",
                                         ".config/emacs",
                                         ".config/direnv",
                                         ".direnvrc",
                                         ".config/mise",
                                         ".config/Code",
                                         ".config/VSCodium",
                                         ".tmux.conf",
                                         ".config/tmux",
                                         ".screenrc",
                                         ".config/containers",
                                         ".config/pip",
                                         ".pythonrc",
                                         ".pystartup",
                                         ".Rprofile",
                                         ".gdbinit",
                                         ".config/gdb",
                                         ".lldbinit",
                                         ".psqlrc",
                                         ".ssh",
                                         ".cargo/config.toml",
                                         ".cargo/config",
                                         ".cargo/env",
                                         ".config/go",
                                         ".m2",
                                         ".gradle/init.d",
                                         ".gradle/init.gradle",
                                         ".local/bin",
                                         ".cargo/bin",
                                         "bin",
                                         ".nix-profile",
                                         ".config/nix",
                                         ".config/home-manager"};

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
                            .from = like->from};
    r->path = xmalloc(nd + nb + 2);
    memcpy(r->path, dir, nd);
    r->path[nd] = '/';
    memcpy(r->path + nd + 1, below, nb + 1);
    r->text = xstrdup(like->text);
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
