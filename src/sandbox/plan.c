// SPDX-License-Identifier: Apache-2.0
#include "sandbox/plan.h"

#include <string.h>

void plan_init(struct plan *p)
{
    *p = (struct plan){.head.magic = PLAN_MAGIC};
    buf_init(&p->ops, PLAN_MAX / 2);
    buf_init(&p->strings, PLAN_MAX / 4);
    plan_string(p, "");
}

void plan_deinit(struct plan *p)
{
    buf_deinit(&p->ops);
    buf_deinit(&p->strings);
}

static uint32_t add_bytes(struct plan *p, const char *bytes, size_t n)
{
    size_t at = p->strings.len;

    buf_add(&p->strings, bytes, n);
    buf_addc(&p->strings, '\0');
    return (uint32_t)at;
}

uint32_t plan_string(struct plan *p, const char *s)
{
    return !*s && p->strings.len ? 0 : add_bytes(p, s, strlen(s));
}

void plan_add(struct plan *p, enum mount_kind kind, unsigned flags, const char *src, const char *dst,
              uint64_t size, uint32_t mode)
{
    struct mount_op op = {.kind = (uint16_t)kind, .flags = (uint16_t)flags, .mode = mode, .size = size};

    op.src = plan_string(p, src ? src : "");
    op.dst = plan_string(p, dst ? dst : "");
    buf_add(&p->ops, &op, sizeof op);
    p->head.nops++;
}

void plan_add_file(struct plan *p, enum mount_kind kind, const char *dst, const char *content, size_t size,
                   uint32_t mode)
{
    struct mount_op op = {.kind = (uint16_t)kind, .mode = mode, .size = size};

    op.src = add_bytes(p, content, size);
    op.dst = plan_string(p, dst);
    buf_add(&p->ops, &op, sizeof op);
    p->head.nops++;
}

bool plan_encode(struct plan *p, struct buf *ret, struct err *err)
{
    p->head.nstrings = (uint32_t)p->strings.len;
    buf_add(ret, &p->head, sizeof p->head);
    buf_add(ret, p->ops.ptr, p->ops.len);
    buf_add(ret, p->strings.ptr, p->strings.len);
    if (p->ops.full || p->strings.full || ret->full)
        return err_set(
            err, ERR_LIMIT,
            "the policy covers too many paths for one sandbox (over %u MiB of mount operations): narrow the "
            "globs in files.deny and files.protect",
            PLAN_MAX >> 20);
    return true;
}

bool plan_decode(const void *data, size_t n, struct plan_view *ret, struct err *err)
{
    const struct plan_header *head = data;
    const struct mount_op *ops;
    const char *strings;

    if (n < sizeof *head || head->magic != PLAN_MAGIC ||
        n != sizeof *head + (size_t)head->nops * sizeof *ops + head->nstrings || !head->nstrings)
        return err_set(err, ERR_PROTOCOL, "the plan has the wrong size or is of another version");
    ops = (const struct mount_op *)(head + 1);
    strings = (const char *)(ops + head->nops);
    if (strings[head->nstrings - 1] != '\0' || head->hostname >= head->nstrings ||
        head->cwd >= head->nstrings || head->gate_ports >= head->nstrings)
        return err_set(err, ERR_PROTOCOL, "the plan's strings are broken");
    for (uint32_t i = 0; i < head->nops; i++)
        if (ops[i].src >= head->nstrings || ops[i].dst >= head->nstrings ||
            ((ops[i].kind == MOUNT_FILE || ops[i].kind == MOUNT_CONTENT) &&
             ops[i].size >= head->nstrings - ops[i].src))
            return err_set(err, ERR_PROTOCOL, "operation %u of the plan points outside its strings", i);
    *ret = (struct plan_view){head, ops, strings};
    return true;
}
