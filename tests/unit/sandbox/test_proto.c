// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/proto.h"

static void what_was_said_before_the_end_is_heard_though_the_end_was_abrupt(void **state)
{
    struct init_msg said = {.type = INIT_EXITED, .id = 7}, ignored = {.type = INIT_SIGNAL}, heard;
    int pair[2], passed[2], fds[FD_PASS_MAX];
    size_t nfds = FD_PASS_MAX;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(passed), 0);
    assert_true(init_send(pair[1], &ignored, NULL, 0));
    assert_true(init_send(pair[0], &said, passed, 1));
    close(pair[0]); // what was sent to it is unread: a reset
    assert_int_equal(init_recv(pair[1], &heard, fds, &nfds, 0), 1);
    assert_int_equal(heard.type, INIT_EXITED);
    assert_int_equal(heard.id, 7);
    assert_int_equal(nfds, 1);
    close(fds[0]);
    nfds = FD_PASS_MAX;
    assert_int_equal(init_recv(pair[1], &heard, fds, &nfds, 0), 0);
    close(pair[1]);
    close(passed[0]);
    close(passed[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_before_the_end_is_heard_though_the_end_was_abrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
