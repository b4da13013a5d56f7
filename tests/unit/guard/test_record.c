// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/proto.h"
#include "guard/record.h"

struct sum {
    uint64_t bytes, lines, alerts, left_out;
};

// The supervisor's end, in a process of its own: the guard's waits for it.
static _Noreturn void read_all(int sock, int result)
{
    static char packet[GUARD_PACKET_MAX + 1];
    struct sum sum = {0};
    ssize_t n;

    while ((n = recv(sock, packet, GUARD_PACKET_MAX, 0)) > 0) {
        packet[n] = '\0';
        sum.bytes += (uint64_t)n;
        for (char *p = packet + sizeof(struct guard_header); *p; p += strcspn(p, "\n") + 1) {
            AUTO_JSON json_t *o = json_parse(p, strcspn(p, "\n"), NULL);
            const char *event = json_string_value(json_object_get(o, "event"));

            sum.lines += strcmp(event, "request") == 0;
            sum.alerts += strcmp(event, "alert") == 0;
            if (strcmp(event, "unrecorded") == 0)
                sum.left_out += (uint64_t)json_integer_value(json_object_get(o, "count"));
        }
    }
    _exit(write(result, &sum, sizeof sum) == sizeof sum ? 0 : 1);
}

static struct sum send_lines(size_t n, size_t alerts)
{
    static char path[RECORD_PATH_MAX + 1];
    struct records r;
    struct loop loop;
    struct sum sum;
    int pair[2], result[2], status;
    pid_t reader;

    memset(path, 'x', sizeof path - 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(result), 0);
    reader = fork();
    if (reader == 0) {
        close(pair[0]);
        read_all(pair[1], result[1]);
    }
    close(pair[1]);
    assert_true(loop_init(&loop, NULL));
    records_init(&r, &loop, pair[0]);
    for (size_t i = 0; i < n + alerts; i++) {
        json_t *o = record_new(i < n ? "request" : "alert");

        record_text(o, "path", path);
        record_text(o, "verdict", "allow");
        record_send(&r, o);
    }
    records_deinit(&r);
    loop_deinit(&loop);
    close(pair[0]);
    assert_int_equal(read(result[0], &sum, sizeof sum), sizeof sum);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    close(result[0]);
    close(result[1]);
    return sum;
}

static void every_line_arrives(void **state UNUSED)
{
    struct sum sum = send_lines(5000, 3);

    assert_true(sum.lines == 5000 && sum.alerts == 3 && sum.left_out == 0);
}

static void a_flood_is_bounded_counted_and_hides_no_alert(void **state UNUSED)
{
    struct sum sum = send_lines(40000, 3);

    assert_true(sum.bytes > RECORD_BURST / 2 && sum.bytes < RECORD_BURST + (4u << 20));
    assert_true(sum.left_out > 0 && sum.lines + sum.left_out == 40000);
    assert_int_equal(sum.alerts, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_arrives),
        cmocka_unit_test(a_flood_is_bounded_counted_and_hides_no_alert),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
