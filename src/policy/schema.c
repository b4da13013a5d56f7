// SPDX-License-Identifier: Apache-2.0
// See schema.h. The order of the table is the order in which a policy is shown.
#include "policy/schema.h"

#include <string.h>

#define P(field) offsetof(struct policy, field)
#define VERDICTS "deny ask allow"
#define METHODS_DOC "HTTP methods admitted; absent: all"

const struct schema_key schema_root = {
    .path = "", .type = TYPE_MAP, .narrow = NARROW_INNER, .doc = "The policy of a bawn run"};

// path, type, element, narrow, values, strict, initial, bind, offset, doc
const struct schema_key schema_keys[] = {
    {"version", TYPE_VERSION, 0, NARROW_NONE, "1", NULL, "1", BIND_NONE, 0, "Version of this format"},
    {"extends", TYPE_PROFILE, 0, NARROW_NONE, "read-only workspace computer open mcp", NULL, "workspace",
     BIND_NONE, 0, "The profile underneath: read-only, workspace, computer, open, mcp or agent:NAME"},
    {"degrade", TYPE_ENUM, 0, NARROW_RANK, "refuse allow", NULL, "refuse", BIND_ENUM, P(degrade),
     "When the kernel lacks something that the policy needs: refuse to run, or run and say what is missing"},
    {"nested", TYPE_BOOL, 0, NARROW_RANK, NULL, "false true", "false", BIND_BOOL, P(nested),
     "Programs inside may make user namespaces (browsers, other sandboxes)"},
    {"as_root", TYPE_BOOL, 0, NARROW_RANK, NULL, "false true", "false", BIND_BOOL, P(as_root),
     "The user inside is root (mapped), for package managers in an overlay"},
    {"notes", TYPE_LIST, TYPE_TEXT, NARROW_OTHER, NULL, NULL, NULL, BIND_LIST, P(notes),
     "Lines for the person, told when a run starts"},

    {"files", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0,
     "What of the machine's files is there. Deny beats protect beats write beats read, at any depth"},
    {"files.read", TYPE_LIST, TYPE_READ_PATH, NARROW_PATHS, NULL, NULL, NULL, BIND_LIST, P(files.read),
     "Paths and sets (@system, @toolchains, @program, @caches) that can be read"},
    {"files.write", TYPE_LIST, TYPE_WRITE_PATH, NARROW_PATHS, NULL, NULL, NULL, BIND_LIST, P(files.write),
     "Paths and sets (@tmp, @home, @caches) that can be written, and so read"},
    {"files.deny", TYPE_LIST, TYPE_PATTERN, NARROW_UNITE, NULL, NULL, NULL, BIND_LIST, P(files.deny),
     "Paths, globs and sets (@secrets) that cannot be read, written, listed or stat'ed"},
    {"files.protect", TYPE_LIST, TYPE_PATTERN, NARROW_UNITE, NULL, NULL, NULL, BIND_LIST, P(files.protect),
     "Paths, globs and sets (@hooks) that can be read but not written"},
    {"files.ask", TYPE_LIST, TYPE_PATH, NARROW_PATHS, NULL, NULL, NULL, BIND_LIST, P(files.ask),
     "Paths held at the file gate when they are opened for writing"},
    {"files.inside", TYPE_LIST, TYPE_MAP, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "Files that the yard has a copy of, or a text of its own, in place of the host's. In a private place "
     "the "
     "copy can be written; it ends with the run. Values of secrets are placeholders in it"},
    {"files.inside[].path", TYPE_PATH, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "The file, where it is and where it is shown. One that the host has not is left out, unless text, head, "
     "absent or put gives a content. In these ${NAME} is the placeholder of a secret, ${NAME:N} its last N "
     "characters"},
    {"files.inside[].keep", TYPE_LIST, TYPE_POINTER, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Members of a JSON file that are shown, as JSON pointers; * is any name, {workspace} its path; others "
     "are left out"},
    {"files.inside[].fake", TYPE_LIST, TYPE_POINTER, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Members that programs want to see but may not have: random text of the same look is shown"},
    {"files.inside[].head", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Lines put first, like \"name = value\"; lines of the file that set these names, before its first "
     "[section], "
     "are left out"},
    {"files.inside[].text", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "The content, whatever the host has there"},
    {"files.inside[].absent", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "The content where the host has no file; nothing is shown when it names a secret that is not there"},
    {"files.inside[].put", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "A JSON object whose members are put over those that are shown, also where the host has no file"},
    {"files.state", TYPE_LIST, TYPE_PATH, NARROW_OTHER, NULL, NULL, NULL, BIND_LIST, P(files.state),
     "Directories of the private home that are kept for the next run in this workspace, in bawn's state and "
     "apart from the host's"},
    {"files.strict", TYPE_BOOL, 0, NARROW_RANK, NULL, "true false", "false", BIND_BOOL, P(files.strict),
     "Mediate every open in writable roots, so that names which appear later are covered without a window"},

    {"network", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0, "What can be reached"},
    {"network.mode", TYPE_ENUM, 0, NARROW_RANK, "off guarded open", NULL, "off", BIND_ENUM, P(network.mode),
     "off: no network; guarded: through the gate, by the rules below; open: everything"},
    {"network.allow", TYPE_LIST, TYPE_MAP, NARROW_RULES, NULL, NULL, NULL, BIND_NONE, 0,
     "What the gate lets through. Among the entries that match only those with the most specific host count"},
    {"network.allow[].host", TYPE_HOST, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "example.org, *.example.org (subdomains), **.example.org (and itself), an address or a CIDR range"},
    {"network.allow[].preset", TYPE_ENUM, 0, NARROW_NONE, "none dependencies documentation", NULL, NULL,
     BIND_NONE, 0, "Known hosts instead of one: package registries or documentation sites, reads only"},
    {"network.allow[].ports", TYPE_LIST, TYPE_PORT, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Ports; absent: 80 and 443"},
    {"network.allow[].methods", TYPE_LIST, TYPE_METHOD, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     METHODS_DOC},
    {"network.allow[].paths", TYPE_LIST, TYPE_URL_PATH, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Path globs admitted; absent: all"},
    {"network.allow[].protocol", TYPE_ENUM, 0, NARROW_NONE, "http tcp", NULL, "http", BIND_NONE, 0,
     "http, or tcp for anything else"},
    {"network.allow[].tls", TYPE_ENUM, 0, NARROW_NONE, "auto inspect pass", "inspect auto pass", "auto",
     BIND_NONE, 0, "auto looks inside only where a rule needs it; inspect always; pass never"},
    {"network.allow[].upgrade", TYPE_BOOL, 0, NARROW_NONE, NULL, NULL, "false", BIND_NONE, 0,
     "Lets a connection become a WebSocket or another protocol"},
    {"network.allow[].watch", TYPE_BOOL, 0, NARROW_NONE, NULL, NULL, "false", BIND_NONE, 0,
     "Allowed only while somebody watches"},
    {"network.allow[].max_upload", TYPE_SIZE, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Most bytes that one request may send"},
    {"network.allow[].upload_rate", TYPE_SIZE, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Most bytes a second that all its connections together may send"},
    {"network.allow[].because", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Why; shown with the rule"},
    {"network.deny", TYPE_LIST, TYPE_MAP, NARROW_UNITE, NULL, NULL, NULL, BIND_NONE, 0,
     "What the gate refuses whatever allow says"},
    {"network.deny[].host", TYPE_HOST, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0, "As in network.allow"},
    {"network.deny[].ports", TYPE_LIST, TYPE_PORT, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Absent: all ports"},
    {"network.deny[].methods", TYPE_LIST, TYPE_METHOD, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Absent: all"},
    {"network.deny[].paths", TYPE_LIST, TYPE_URL_PATH, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Absent: all"},
    {"network.deny[].because", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Why; shown with the rule"},
    {"network.quiet", TYPE_LIST, TYPE_MAP, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "Refusals that are on record but not listed at the end: of what a program asks for each time, unneeded"},
    {"network.quiet[].host", TYPE_HOST, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "As in network.allow"},
    {"network.quiet[].paths", TYPE_LIST, TYPE_URL_PATH, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Absent: all"},
    {"network.ask", TYPE_BOOL, 0, NARROW_RANK, NULL, "false true", "true", BIND_BOOL, P(network.ask),
     "A host on no list is held and asked about when there is a reviewer"},
    {"network.ca", TYPE_LIST, TYPE_BESIDE, NARROW_OTHER, NULL, NULL, NULL, BIND_LIST, P(network.ca),
     "Files with extra root certificates for the gate's upstream side, relative to this file"},
    {"network.addresses", TYPE_LIST, TYPE_ADDRESS, NARROW_ADDRESSES, NULL, NULL, NULL, BIND_LIST,
     P(network.addresses), "Private ranges that allowed names may resolve to"},
    {"network.publish", TYPE_LIST, TYPE_PORT, NARROW_EXACT, NULL, NULL, NULL, BIND_LIST, P(network.publish),
     "Ports of the host's loopback that lead to the same port inside"},
    {"network.sockets", TYPE_LIST, TYPE_PATH, NARROW_PATHS, NULL, NULL, NULL, BIND_LIST, P(network.sockets),
     "UNIX sockets of the host that are let in, by path"},
    {"network.scan", TYPE_BOOL, 0, NARROW_RANK, NULL, "true false", "true", BIND_BOOL, P(network.scan),
     "Look for known secrets in what leaves by inspected connections"},
    {"network.proxy_env", TYPE_BOOL, 0, NARROW_OTHER, NULL, NULL, "false", BIND_BOOL, P(network.proxy_env),
     "Also set HTTP_PROXY and its like inside"},

    {"env", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0,
     "The environment inside, built from nothing"},
    {"env.pass", TYPE_LIST, TYPE_ENV_PATTERN, NARROW_NAMES, NULL, NULL, NULL, BIND_LIST, P(env.pass),
     "Variables taken over from outside; a trailing * is a prefix"},
    {"env.set", TYPE_DICT, TYPE_TEXT, NARROW_OTHER, NULL, NULL, NULL, BIND_LIST, P(env.set),
     "Variables with values"},

    {"secrets", TYPE_DICT, TYPE_MAP, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "Credentials that stay outside: inside there is a placeholder, which the gate replaces toward its "
     "hosts"},
    {"secrets{}.from", TYPE_SOURCE, 0, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "env:NAME, file:PATH or json:PATH#POINTER (a member of a JSON file), relative to this file"},
    {"secrets{}.optional", TYPE_BOOL, 0, NARROW_OTHER, NULL, NULL, "false", BIND_NONE, 0,
     "The run starts without it when it is not there"},
    {"secrets{}.only", TYPE_BOOL, 0, NARROW_OTHER, NULL, NULL, "false", BIND_NONE, 0,
     "Its hosts get no credential but those of this policy: a request that carries another is refused"},
    {"secrets{}.hosts", TYPE_LIST, TYPE_HOST, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "Where it may go"},
    {"secrets{}.header", TYPE_TOKEN, 0, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "Header it may stand in"},
    {"secrets{}.query", TYPE_TOKEN, 0, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "Query field it may stand in"},
    {"secrets{}.body", TYPE_TOKEN, 0, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "JSON or form field of the body it may stand in"},
    {"secrets{}.cleartext", TYPE_BOOL, 0, NARROW_OTHER, NULL, NULL, "false", BIND_NONE, 0,
     "May go over unencrypted HTTP"},

    {"limits", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0,
     "A limit reached ends the run with status 124; \"none\" lifts what a lower layer set"},
    {"limits.wall", TYPE_DURATION, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(limits.wall_ms),
     "Time by the clock"},
    {"limits.after_input", TYPE_DURATION, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT,
     P(limits.after_input_ms), "Time after standard input, a pipe or socket, has ended"},
    {"limits.cpu", TYPE_NUMBER, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_NUMBER, P(limits.cpu),
     "Processors' worth"},
    {"limits.memory", TYPE_SIZE, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(limits.memory),
     "Memory of all processes together, swap included"},
    {"limits.processes", TYPE_COUNT, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(limits.processes),
     "Processes and threads at once"},
    {"limits.disk", TYPE_SIZE, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(limits.disk),
     "The upper layer and the private tmpfs; without overlay the largest file"},
    {"limits.open_files", TYPE_COUNT, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(limits.open_files),
     "Open files of one process"},
    {"limits.output", TYPE_SIZE, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(limits.output),
     "Bytes on standard output and error"},

    {"commands", TYPE_LIST, TYPE_MAP, NARROW_COMMANDS, NULL, NULL, NULL, BIND_NONE, 0,
     "When an agent's command is asked about; they are not the wall. A one-word deny makes a program "
     "unusable"},
    {"commands[].match", TYPE_MATCH, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "First words of the command; a list at one place is a choice"},
    {"commands[].decision", TYPE_ENUM, 0, NARROW_NONE, VERDICTS, VERDICTS, NULL, BIND_NONE, 0,
     "What becomes of a command that matches"},
    {"commands[].because", TYPE_TEXT, 0, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Why; shown with the rule"},
    {"commands[].like", TYPE_LIST, TYPE_TEXT, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Command lines that must match: checked when the policy is read"},
    {"commands[].unlike", TYPE_LIST, TYPE_TEXT, NARROW_NONE, NULL, NULL, NULL, BIND_NONE, 0,
     "Command lines that must not match"},

    {"packages", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0,
     "What package downloads must pass"},
    {"packages.near_name", TYPE_ENUM, 0, NARROW_RANK, VERDICTS, VERDICTS, "allow", BIND_ENUM,
     P(packages.near_name), "A name that is nearly that of a popular package"},
    {"packages.known_bad", TYPE_ENUM, 0, NARROW_RANK, VERDICTS, VERDICTS, "allow", BIND_ENUM,
     P(packages.known_bad), "A version that an advisory feed names"},
    {"packages.younger_than", TYPE_DURATION, 0, NARROW_MOST, NULL, NULL, NULL, BIND_UINT,
     P(packages.younger_than_ms), "Versions published more recently than this are asked about"},
    {"packages.install_scripts", TYPE_ENUM, 0, NARROW_RANK, VERDICTS, VERDICTS, "allow", BIND_ENUM,
     P(packages.install_scripts), "A package that runs code when it is installed"},
    {"packages.feed", TYPE_LIST, TYPE_BESIDE, NARROW_OTHER, NULL, NULL, NULL, BIND_LIST, P(packages.feed),
     "Directories or files with advisories (OSV format), relative to this file"},

    {"flow", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0,
     "After the agent has read what others wrote"},
    {"flow.untrusted", TYPE_LIST, TYPE_HOST_PATTERN, NARROW_UNITE, NULL, NULL, NULL, BIND_LIST,
     P(flow.untrusted), "Hosts whose content is not trusted; ** is all"},
    {"flow.after_untrusted", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0,
     "What holds from then on"},
    {"flow.after_untrusted.methods", TYPE_LIST, TYPE_METHOD, NARROW_EXACT, NULL, NULL, NULL, BIND_LIST,
     P(flow.methods), METHODS_DOC},
    {"flow.after_untrusted.new_hosts", TYPE_ENUM, 0, NARROW_RANK, VERDICTS, VERDICTS, "allow", BIND_ENUM,
     P(flow.new_hosts), "A host not spoken to before"},

    {"approval", TYPE_MAP, 0, NARROW_INNER, NULL, NULL, NULL, BIND_NONE, 0, "Who answers at the gate"},
    {"approval.mode", TYPE_ENUM, 0, NARROW_RANK, "edge every never", "never every edge", "edge", BIND_ENUM,
     P(approval.mode),
     "edge: crossings; every: also each agent command that is not reads-only; never: refuse unasked"},
    {"approval.reviewer", TYPE_REVIEWER, 0, NARROW_OTHER, "tty web model none", NULL, NULL, BIND_NONE, 0,
     "tty, web, model, none, or {command: [PROGRAM, ARG]}; absent: tty if there is one"},
    {"approval.reviewer.command", TYPE_LIST, TYPE_TEXT, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "A program that answers"},
    {"approval.timeout", TYPE_DURATION, 0, NARROW_LEAST, NULL, NULL, NULL, BIND_UINT, P(approval.timeout_ms),
     "No answer within it is a no"},

    {"monitor", TYPE_MAP, 0, NARROW_OTHER, NULL, NULL, NULL, BIND_NONE, 0,
     "A second model that watches the agent"},
    {"monitor.model", TYPE_TEXT, 0, NARROW_OTHER, NULL, NULL, NULL, BIND_TEXT, P(monitor.model), "Its name"},
    {"monitor.on", TYPE_LIST, TYPE_ENUM, NARROW_OTHER, "network commit command", NULL, NULL, BIND_LIST,
     P(monitor.on), "The crossings that it looks at"},

    {"overlay", TYPE_ENUM, 0, NARROW_RANK, "off review commit discard", "discard review commit off", "off",
     BIND_ENUM, P(overlay), "Keep what the run changes apart: to review, commit or discard"},
};
const size_t schema_nkeys = ARRAY_LEN(schema_keys);

bool schema_has_maps(const struct schema_key *key)
{
    return (key->type == TYPE_LIST || key->type == TYPE_DICT) && key->element == TYPE_MAP;
}

// The part of `path` below the parent, or NULL.
static const char *below(const struct schema_key *parent, const char *path)
{
    size_t n = strlen(parent->path);

    if (!n)
        return path;
    if (strncmp(path, parent->path, n) != 0)
        return NULL;
    path += n;
    if (parent->type == TYPE_LIST || parent->type == TYPE_DICT) {
        if (strncmp(path, parent->type == TYPE_LIST ? "[]" : "{}", 2) != 0)
            return NULL;
        path += 2;
    }
    return *path == '.' ? path + 1 : NULL;
}

const struct schema_key *schema_next(const struct schema_key *parent, const struct schema_key *after)
{
    size_t i = after ? (size_t)(after - schema_keys) + 1 : 0;

    for (; i < schema_nkeys; i++) {
        const char *name = below(parent, schema_keys[i].path);

        if (name && !strpbrk(name, ".[{"))
            return &schema_keys[i];
    }
    return NULL;
}

const struct schema_key *schema_child(const struct schema_key *parent, const char *name)
{
    for (const struct schema_key *k = schema_next(parent, NULL); k; k = schema_next(parent, k))
        if (!strcmp(below(parent, k->path), name))
            return k;
    return NULL;
}

char *schema_child_names(const struct schema_key *parent)
{
    struct buf names;

    buf_init(&names, 4096);
    for (const struct schema_key *k = schema_next(parent, NULL); k; k = schema_next(parent, k))
        buf_addf(&names, "%s%s", names.len ? " " : "", below(parent, k->path));
    return buf_take(&names);
}

bool words_find(const char *words, const char *word, int *ret_index)
{
    size_t len = strlen(word);
    int i = 0;

    for (const char *w = words; w && *w; i++) {
        size_t n = strcspn(w, " ");

        if (n == len && !memcmp(w, word, n)) {
            if (ret_index)
                *ret_index = i;
            return true;
        }
        w += n;
        w += strspn(w, " ");
    }
    return false;
}

char *words_commas(const char *words)
{
    struct buf out;

    buf_init(&out, 4096);
    for (const char *w = words; *w; w++) {
        if (*w == ' ')
            buf_addc(&out, ',');
        buf_addc(&out, *w);
    }
    return buf_take(&out);
}

// Edit distance with neighbours swapped counted once; words longer than the table are never near.
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    enum { MAX = 40 };
    size_t row[3][MAX + 1];

    if (na > MAX || nb > MAX)
        return MAX;
    for (size_t j = 0; j <= nb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = row[i % 3], *last = row[(i - 1) % 3], *before = row[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[na % 3][nb];
}

char *words_nearest(const char *words, const char *word)
{
    size_t len = strlen(word), best = (len + 2) / 3 + 1;
    const char *found = NULL;
    size_t nfound = 0;

    for (const char *w = words; *w;) {
        size_t n = strcspn(w, " ");
        size_t d = distance(word, len, w, n);

        if (d < best) {
            best = d;
            found = w;
            nfound = n;
        }
        w += n;
        w += strspn(w, " ");
    }
    return found ? xstrndup(found, nfound) : NULL;
}
