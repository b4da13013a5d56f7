// SPDX-License-Identifier: Apache-2.0
// bawn runs: what ran, newest first. Reads only the runs it shows. With --prune: removes the records of old
// ones.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "audit/prune.h"
#include "audit/rundir.h"
#include "audit/view.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/fail.h"
#include "cli/statedir.h"
#include "policy/scalar.h"

#define SHOWN_BY_DEFAULT 20u
#define ROW_MAX (1u << 16)
#define OLD_BY_DEFAULT "30d"

enum { WHEN, LASTED, STATUS, REFUSED, WORKSPACE, COMMAND, COLUMNS };

static const char *const titles[COLUMNS] = {"WHEN", "LASTED", "EXIT", "REFUSED", "WORKSPACE", "COMMAND"};

struct row {
    char *id;
    char *cell[COLUMNS];
};

static void fill(struct row *row, const struct run_result *r)
{
    struct buf cells[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++)
        buf_init(&cells[i], ROW_MAX);
    view_when(&cells[WHEN], r->started);
    if (r->state == RUN_KILLED || !r->started)
        buf_adds(&cells[LASTED], "-");
    else
        view_duration(&cells[LASTED], (r->ended ? r->ended : clock_wall_ns()) - r->started);
    view_status(&cells[STATUS], r);
    if (r->state == RUN_ENDED)
        buf_addf(&cells[REFUSED], "%llu", (unsigned long long)r->refused);
    else
        buf_adds(&cells[REFUSED], "-");
    if (r->workspace)
        utf8_printable(&cells[WORKSPACE], r->workspace, strlen(r->workspace));
    else
        buf_adds(&cells[WORKSPACE], "-");
    view_command(&cells[COMMAND], &r->command);
    for (size_t i = 0; i < COLUMNS; i++)
        row->cell[i] = buf_take(&cells[i]);
}

static void fill_unreadable(struct row *row, const struct err *why)
{
    struct buf text;

    buf_init(&text, ROW_MAX);
    utf8_printable(&text, why->msg, strlen(why->msg));
    for (size_t i = 0; i < COMMAND; i++)
        row->cell[i] = xstrdup("?");
    row->cell[COMMAND] = buf_take(&text);
}

// Columns a terminal has; 0 when stdout is none, and then nothing is cut.
static size_t terminal_width(void)
{
    struct winsize w;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

// Code points; double-width ones only push the last column, which is cut.
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void put_cell(const char *text, size_t width, bool pad)
{
    size_t n = 0;

    while (*text && n < width) {
        putchar(*text++);
        while (((unsigned char)*text & 0xc0) == 0x80)
            putchar(*text++);
        n++;
    }
    for (; pad && n < width; n++)
        putchar(' ');
}

static void print_table(const struct row *rows, size_t n)
{
    size_t width[COLUMNS], terminal = terminal_width(), id_width = n ? strlen(rows[0].id) : 2,
                           used = id_width;

    for (size_t c = 0; c < COLUMNS; c++) {
        width[c] = strlen(titles[c]);
        for (size_t i = 0; i < n; i++)
            if (width_of(rows[i].cell[c]) > width[c])
                width[c] = width_of(rows[i].cell[c]);
        if (c < COMMAND)
            used += width[c] + 2;
    }
    if (terminal && used + 2 < terminal && used + 2 + width[COMMAND] > terminal)
        width[COMMAND] = terminal - used - 2;
    put_cell("ID", id_width, true);
    for (size_t c = 0; c < COLUMNS; c++) {
        fputs("  ", stdout);
        put_cell(titles[c], width[c], c < COMMAND);
    }
    putchar('\n');
    for (size_t i = 0; i < n; i++) {
        fputs(rows[i].id, stdout);
        for (size_t c = 0; c < COLUMNS; c++) {
            fputs("  ", stdout);
            put_cell(rows[i].cell[c], width[c], c < COMMAND);
        }
        putchar('\n');
    }
}

static int table(const char *state, const struct strlist *ids, size_t n)
{
    struct row *rows = xcalloc(n, sizeof *rows);

    if (!ids->n)
        fputs("bawn: no runs yet\n", stderr);
    for (size_t i = 0; i < n; i++) {
        struct run_result r;
        struct err why = {0};

        rows[i].id = ids->items[i];
        if (run_read(state, ids->items[i], &r, &why)) {
            fill(&rows[i], &r);
            run_result_deinit(&r);
        } else {
            fill_unreadable(&rows[i], &why);
        }
    }
    print_table(rows, n);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < COLUMNS; c++)
            free(rows[i].cell[c]);
    free(rows);
    if (n < ids->n)
        printf("(%zu older; bawn runs -n 0 shows all)\n", ids->n - n);
    return 0;
}

// One array, one run a line.
static int json(const char *state, const struct strlist *ids, size_t n)
{
    int status = 0;

    putchar('[');
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *text = NULL;
        struct run_result r;
        struct err why = {0};

        if (run_read(state, ids->items[i], &r, &why)) {
            text = run_result_json(&r);
            run_result_deinit(&r);
        } else {
            status = cli_fail(&why);
            text = xasprintf("{\"version\":1,\"id\":\"%s\",\"state\":\"damaged\"}", ids->items[i]);
        }
        printf("%s\n%s", i ? "," : "", text);
    }
    puts("\n]");
    return status;
}

static bool count_of(const char *text, size_t *ret)
{
    unsigned long long n;
    char *end;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || n > 1000000000)
        return false;
    *ret = (size_t)n;
    return true;
}

// Runs that stay for what they hold are named, as only their owner can tell what to do with it.
static int prune(const char *state, const struct strlist *ids, const char *age)
{
    uint64_t ms, now = clock_wall_ns();
    size_t removed = 0;
    struct err err = {0};

    if (!scalar_duration(age, &ms, &err))
        return cli_bad_usage(&verb_runs, "--older: %s", err.msg);
    for (size_t i = 0; i < ids->n; i++) {
        enum prune_outcome what = PRUNE_HOLDS_MORE;

        if (ms >= now / 1000000u || !run_is_older(ids->items[i], now - ms * 1000000u))
            continue;
        if (!run_remove(state, ids->items[i], &what, &err))
            return cli_fail(&err);
        removed += what == PRUNE_REMOVED;
        if (what == PRUNE_HOLDS_MORE)
            printf("kept %s, which holds more than its record (quarantine, changes): %s/runs/%s\n",
                   ids->items[i], state, ids->items[i]);
    }
    printf("removed %zu, kept %zu\n", removed, ids->n - removed);
    return cli_done(0);
}

static int runs_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},  {"number", required_argument, NULL, 'n'},
        {"prune", no_argument, NULL, 'p'}, {"older", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},  {0}};
    AUTO_STRLIST struct strlist ids = {0};
    AUTO_FREE char *state = NULL;
    const char *age = NULL;
    struct err err = {0};
    bool as_json = false, limited = false, pruning = false;
    size_t n = 0;
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":n:h", options, NULL)) != -1) {
        if (c == 'j')
            as_json = true;
        else if (c == 'h')
            return cli_help(&verb_runs);
        else if (c == 'p')
            pruning = true;
        else if (c == 'o')
            age = optarg;
        else if (c != 'n')
            return cli_bad_option(&verb_runs, c, argv);
        else if (!count_of(optarg, &n))
            return cli_bad_usage(&verb_runs, "-n wants a number, not %s", optarg);
        limited = limited || c == 'n';
    }
    if (optind < argc)
        return cli_bad_usage(&verb_runs, "takes no argument (%s)", argv[optind]);
    if (pruning ? as_json || limited : age != NULL)
        return cli_bad_usage(&verb_runs, pruning ? "--prune goes with --older alone"
                                                 : "--older wants --prune, which removes runs");
    if (!cli_state_dir(&state, &err) || !run_list(state, &ids, &err))
        return cli_fail(&err);
    if (pruning)
        return prune(state, &ids, age ? age : OLD_BY_DEFAULT);
    if (!limited && !as_json)
        n = SHOWN_BY_DEFAULT;
    if (!n || n > ids.n)
        n = ids.n;
    return cli_done(as_json ? json(state, &ids, n) : table(state, &ids, n));
}

const struct verb verb_runs = {
    .name = "runs",
    .synopsis = "[--json] [-n N] | --prune [--older 30d]",
    .help = "list runs, newest first: when, how long, how they ended, what was refused; or remove old ones",
    .main = runs_main,
};
