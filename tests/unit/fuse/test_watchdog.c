/*
 * Slow requests are told once while they last, with what they wait for, and once when they end;
 * quick ones not at all. The clock is the test's, the log goes to a file.
 */
#include "lib/cmocka_all.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/opcode.h"
#include "fs/fuse/watchdog.h"

#define SECOND UINT64_C(1000000000)

static struct watchdog dog;
static struct watch_slot *slot;
static FILE *said;
static int old_stderr;

static int set_up(void **state)
{
    (void)state;
    watchdog_init(&dog, 10000);
    slot = watchdog_slot_new(&dog);
    assert_non_null(slot);
    watchdog_join(slot);
    mount_log_init(LSM_LOG_INFO);
    said = tmpfile();
    assert_non_null(said);
    old_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(said), STDERR_FILENO) >= 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(dup2(old_stderr, STDERR_FILENO) >= 0);
    close(old_stderr);
    fclose(said);
    watchdog_done(&dog);
    return 0;
}

/* Everything that was said so far, in static storage. */
static const char *log_text(void)
{
    static char text[4096];
    ssize_t len = pread(fileno(said), text, sizeof(text) - 1, 0);

    assert_true(len >= 0);
    text[len] = 0;
    return text;
}

static unsigned line_count(void)
{
    unsigned count = 0;

    for (const char *s = log_text(); *s; s++)
        count += *s == '\n';
    return count;
}

static void begin(uint32_t opcode, uint64_t ino)
{
    struct fuse_in_header head = {.len = sizeof(head), .opcode = opcode, .nodeid = ino};
    struct fuse_buf message = {.size = sizeof(head), .mem = &head};

    watchdog_begin(&dog, slot, &message);
}

static uint64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void a_slow_request_is_told_once_and_again_when_it_ends(void **state)
{
    uint64_t start = now() - 20 * SECOND;
    const char *before;

    (void)state;
    assert_false(watchdog_look(&dog, slot, start));
    begin(FUSE_FSYNC, 65537);
    assert_true(watchdog_look(&dog, slot, start));
    assert_true(watchdog_look(&dog, slot, start + 9 * SECOND));
    assert_int_equal(line_count(), 0);
    before = waiting_begin("the test");
    for (unsigned i = 0; i < 5; i++)
        assert_true(watchdog_look(&dog, slot, start + (11 + i) * SECOND));
    waiting_end(before);
    assert_non_null(strstr(log_text(), "FSYNC of inode 65537 takes 11.0 s"));
    assert_non_null(strstr(log_text(), "waits for the test"));
    assert_int_equal(line_count(), 1);
    watchdog_end(&dog, slot);
    assert_non_null(strstr(log_text(), "FSYNC of inode 65537 has ended after 20."));
    assert_int_equal(line_count(), 2);
    assert_false(watchdog_look(&dog, slot, start + 30 * SECOND));
    assert_int_equal(line_count(), 2);
}

static void the_next_request_has_a_time_of_its_own(void **state)
{
    uint64_t start = now() - 100 * SECOND;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        begin(FUSE_READ, 1 + i);
        assert_true(watchdog_look(&dog, slot, start + 9 * i * SECOND));
        watchdog_end(&dog, slot);
    }
    assert_int_equal(line_count(), 0);
    begin(FUSE_WRITE, 7);
    assert_true(watchdog_look(&dog, slot, start));
    assert_true(watchdog_look(&dog, slot, start + 10 * SECOND));
    assert_non_null(strstr(log_text(), "WRITE of inode 7"));
    assert_non_null(strstr(log_text(), "not known"));
    watchdog_end(&dog, slot);
    begin(FUSE_WRITE, 8);
    watchdog_end(&dog, slot);
    assert_int_equal(line_count(), 2);
}

/* Many requests end while they are found to be slow: each is told twice, or not at all. */
static atomic_bool over;

static void *watch(void *arg)
{
    (void)arg;
    for (uint64_t at = SECOND; !atomic_load(&over); at += 20 * SECOND)
        watchdog_look(&dog, slot, at);
    return NULL;
}

static void both_lines_come_in_order_whenever_it_ends(void **state)
{
    enum {
        REQUESTS = 20000
    };
    char line[256];
    pthread_t thread;
    unsigned begun = 0;

    (void)state;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
    for (unsigned i = 1; i <= REQUESTS; i++) {
        begin(FUSE_WRITE, i);
        watchdog_end(&dog, slot);
    }
    atomic_store(&over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    rewind(said);
    while (fgets(line, sizeof(line), said)) {
        unsigned ino;
        const char *of = strstr(line, "of inode ");

        assert_non_null(of);
        ino = (unsigned)strtoul(of + 9, NULL, 10);
        if (strstr(line, "so far")) {
            assert_int_equal(begun, 0);
            begun = ino;
        } else {
            assert_non_null(strstr(line, "has ended"));
            assert_int_equal(begun, ino);
            begun = 0;
        }
    }
    assert_int_equal(begun, 0);
}

static void requests_have_names(void **state)
{
    (void)state;
    assert_string_equal(opcode_name(FUSE_FSYNC), "FSYNC");
    assert_string_equal(opcode_name(FUSE_LOOKUP), "LOOKUP");
    assert_string_equal(opcode_name(52), "STATX");
    assert_string_equal(opcode_name(0), "request");
    assert_string_equal(opcode_name(CUSE_INIT), "request");
}

#define WATCHDOG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCHDOG_TEST(a_slow_request_is_told_once_and_again_when_it_ends),
        WATCHDOG_TEST(the_next_request_has_a_time_of_its_own),
        WATCHDOG_TEST(both_lines_come_in_order_whenever_it_ends),
        cmocka_unit_test(requests_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
