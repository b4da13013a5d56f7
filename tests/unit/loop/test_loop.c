// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <unistd.h>

#include "loop/loop.h"

struct fixture {
    struct loop loop;
    struct watch a, b;
    struct timer t[3];
    int order[8], n;
};

static void note_and_remove_the_other(struct watch *w, uint32_t events)
{
    struct fixture *f = w->ctx;

    (void)events;
    f->order[f->n++] = w == &f->a;
    watch_del(&f->a);
    watch_del(&f->b);
}

static void an_event_of_a_removed_watcher_is_dropped(void **state)
{
    struct fixture f = {0};
    int p[2];

    (void)state;
    assert_true(loop_init(&f.loop, NULL));
    assert_int_equal(pipe(p), 0);
    int q = dup(p[0]);
    assert_true(watch_add(&f.loop, &f.a, p[0], EPOLLIN, note_and_remove_the_other, &f, NULL));
    assert_true(watch_add(&f.loop, &f.b, q, EPOLLIN, note_and_remove_the_other, &f, NULL));
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_true(loop_step(&f.loop, 100, NULL));
    assert_true(loop_step(&f.loop, 0, NULL));
    assert_int_equal(f.n, 1);
    close(q);
    close(p[0]);
    close(p[1]);
    loop_deinit(&f.loop);
}

static void count_and_take(struct watch *w, uint32_t events)
{
    struct fixture *f = w->ctx;
    char c;

    (void)events;
    f->n += read(w->fd, &c, 1) == 1;
}

// In every mix of direct and other watches each event comes once, and the loop still keeps its time.
static void a_direct_watch_is_served_like_others(void **state)
{
    struct fixture f = {0};
    int p[2], q[2];

    (void)state;
    assert_true(loop_init(&f.loop, NULL));
    assert_int_equal(pipe(p), 0);
    assert_int_equal(pipe(q), 0);
    assert_true(watch_add(&f.loop, &f.a, p[0], EPOLLIN, count_and_take, &f, NULL));
    assert_true(watch_add(&f.loop, &f.b, q[0], EPOLLIN, count_and_take, &f, NULL));
    watch_direct(&f.a);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_true(loop_step(&f.loop, 10000, NULL));
    assert_int_equal(f.n, 1);
    assert_int_equal(write(q[1], "x", 1), 1);
    assert_true(loop_step(&f.loop, 10000, NULL));
    assert_int_equal(f.n, 2);
    assert_true(loop_step(&f.loop, 1, NULL));
    assert_int_equal(f.n, 2);
    watch_del(&f.a);
    assert_int_equal(f.loop.ndirect, 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_true(loop_step(&f.loop, 1, NULL));
    assert_int_equal(f.n, 2);
    loop_deinit(&f.loop);
    for (int i = 0; i < 2; i++) {
        close(p[i]);
        close(q[i]);
    }
}

static void note_timer(struct timer *t)
{
    struct fixture *f = t->ctx;

    f->order[f->n++] = (int)(t - f->t);
    if (f->n == 2)
        loop_quit(&f->loop);
}

static void timers_fire_in_order_and_a_deleted_one_does_not(void **state)
{
    struct fixture f = {0};

    (void)state;
    assert_true(loop_init(&f.loop, NULL));
    timer_set(&f.loop, &f.t[0], 3000000, note_timer, &f);
    timer_set(&f.loop, &f.t[1], 1000000, note_timer, &f);
    timer_set(&f.loop, &f.t[2], 2000000, note_timer, &f);
    timer_del(&f.t[2]);
    assert_true(loop_run(&f.loop, NULL));
    assert_int_equal(f.order[0], 1);
    assert_int_equal(f.order[1], 0);
    loop_deinit(&f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_a_removed_watcher_is_dropped),
        cmocka_unit_test(a_direct_watch_is_served_like_others),
        cmocka_unit_test(timers_fire_in_order_and_a_deleted_one_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
