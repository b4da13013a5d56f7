// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "session/relay.h"

struct scene {
    struct loop loop;
    struct relay *relay;
    int left, right; // the far ends
    bool ended;
};

static void on_ended(void *ctx, struct relay *r)
{
    struct scene *s = ctx;

    assert_ptr_equal(r, s->relay);
    s->ended = true;
    relay_free(r);
    s->relay = NULL;
}

static int set_up(void **state)
{
    struct scene *s = xcalloc(1, sizeof *s);
    int a[2], b[2];

    assert_true(loop_init(&s->loop, NULL));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, b), 0);
    s->left = a[0];
    s->right = b[0];
    assert_true(relay_new(&s->loop, a[1], b[1], on_ended, s, &s->relay, NULL));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    relay_free(s->relay);
    loop_deinit(&s->loop);
    close(s->left);
    close(s->right);
    free(s);
    return 0;
}

static void turn(struct scene *s)
{
    for (int i = 0; i < 4; i++)
        assert_true(loop_step(&s->loop, 0, NULL));
}

static void bytes_and_ends_pass_both_ways(void **state)
{
    struct scene *s = *state;
    char text[16];

    assert_int_equal(write(s->left, "ask", 3), 3);
    assert_int_equal(shutdown(s->left, SHUT_WR), 0);
    turn(s);
    assert_int_equal(read(s->right, text, sizeof text), 3);
    assert_int_equal(read(s->right, text, sizeof text), 0); // the end passed
    assert_false(s->ended);                                 // the other way is still open
    assert_int_equal(write(s->right, "answer", 6), 6);
    turn(s);
    assert_int_equal(read(s->left, text, sizeof text), 6);
    assert_int_equal(shutdown(s->right, SHUT_WR), 0);
    turn(s);
    assert_true(s->ended);
    assert_int_equal(read(s->left, text, sizeof text), 0);
}

static void a_reader_that_does_not_read_stops_its_writer(void **state)
{
    struct scene *s = *state;
    static char block[65536];
    size_t sent = 0, got = 0;
    ssize_t n;

    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1000; i++) {
        n = write(s->left, block, sizeof block);
        sent += n > 0 ? (size_t)n : 0;
        turn(s);
    }
    assert_true(n < 0 && errno == EAGAIN);
    assert_true(sent < 4u << 20); // what the relay holds, and two sockets' buffers
    shutdown(s->left, SHUT_WR);
    while ((n = read(s->right, block, sizeof block)) != 0) {
        got += n > 0 ? (size_t)n : 0;
        turn(s);
    }
    assert_int_equal(got, sent);
}

static void nobody_left_ends_it(void **state)
{
    struct scene *s = *state;

    close(s->left);
    s->left = -1;
    turn(s);
    assert_false(s->ended);
    assert_int_equal(write(s->right, "late", 4), 4);
    turn(s);
    assert_true(s->ended);
}

static void what_has_come_is_delivered_by_a_drain(void **state)
{
    struct scene *s = *state;
    char text[16];

    assert_int_equal(write(s->right, "last words", 10), 10);
    relay_drain(s->relay);
    relay_free(TAKE_PTR(s->relay));
    assert_true(loop_step(&s->loop, 0, NULL)); // the deferred close
    assert_int_equal(read(s->left, text, sizeof text), 10);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_ends_pass_both_ways),
        TEST(a_reader_that_does_not_read_stops_its_writer),
        TEST(nobody_left_ends_it),
        TEST(what_has_come_is_delivered_by_a_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
