// SPDX-License-Identifier: Apache-2.0
// The words of the log's format. They are kept here, apart from those shown to people: a reader of old logs
// must find the same ones for ever. New kinds go before the end; none is renamed.
#include <string.h>

#include "audit/record.h"

static const struct {
    const char *name;
    bool decides;
} kinds[AUDIT_KINDS] = {
    [AUDIT_RUN_START] = {"run.start", false},  [AUDIT_RUN_END] = {"run.end", false},
    [AUDIT_FILE_ACCESS] = {"file", true},      [AUDIT_NETWORK] = {"network", true},
    [AUDIT_PROCESS] = {"process", true},       [AUDIT_PACKAGE] = {"package", true},
    [AUDIT_LIMIT] = {"limit", true},           [AUDIT_GATE] = {"gate", true},
    [AUDIT_QUARANTINE] = {"quarantine", true}, [AUDIT_COMMIT] = {"commit", true},
    [AUDIT_POLICY] = {"policy", true},         [AUDIT_SECRET] = {"secret", true},
    [AUDIT_GUARD] = {"guard", true},           [AUDIT_NOTE] = {"note", false},
};

static const char *const verdicts[] = {
    [VERDICT_DENY] = "deny",
    [VERDICT_ASK] = "ask",
    [VERDICT_ALLOW] = "allow",
};

const char *audit_kind_name(enum audit_kind k)
{
    return (unsigned)k < AUDIT_KINDS ? kinds[k].name : kinds[AUDIT_NOTE].name;
}

bool audit_kind_decides(enum audit_kind k)
{
    return (unsigned)k >= AUDIT_KINDS || kinds[k].decides;
}

bool audit_kind_parse(const char *name, enum audit_kind *ret)
{
    for (unsigned k = 0; k < AUDIT_KINDS; k++)
        if (!strcmp(kinds[k].name, name)) {
            *ret = (enum audit_kind)k;
            return true;
        }
    return false;
}

const char *audit_verdict_name(enum verdict v)
{
    return (unsigned)v < ARRAY_LEN(verdicts) ? verdicts[v] : verdicts[VERDICT_DENY];
}

bool audit_verdict_parse(const char *name, enum verdict *ret)
{
    for (unsigned v = 0; v < ARRAY_LEN(verdicts); v++)
        if (!strcmp(verdicts[v], name)) {
            *ret = (enum verdict)v;
            return true;
        }
    return false;
}
