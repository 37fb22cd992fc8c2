/*
 * Which requests are served at once, and what becomes of those that are not: parked, served later
 * in their order, what frees space first; or waited with, where too much is parked.
 */
#include "lib/cmocka_all.h"

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/admission.h"

enum {
    MESSAGE_LEN_MAX = 4096
};

static struct admission a;

static int set_up(void **state)
{
    (void)state;
    admission_init(&a, 2, 3, 1000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    admission_done(&a);
    return 0;
}

/* A message with a body of zeros; the node is for telling messages apart. */
static struct fuse_buf message_new(uint32_t opcode, uint64_t node, size_t len)
{
    struct fuse_in_header head = {.len = (uint32_t)len, .opcode = opcode, .nodeid = node};
    struct fuse_buf m = {.size = len, .mem = calloc(1, MESSAGE_LEN_MAX)};

    assert_non_null(m.mem);
    memcpy(m.mem, &head, sizeof(head));
    return m;
}

static enum admission_class class_of(uint32_t opcode, const void *body, size_t body_len)
{
    struct fuse_buf m = message_new(opcode, 1, sizeof(struct fuse_in_header) + body_len);
    enum admission_class class;

    if (body_len)
        memcpy((char *)m.mem + sizeof(struct fuse_in_header), body, body_len);
    class = admission_class_of(&m);
    free(m.mem);
    return class;
}

/* True when it is to be served; else its memory was taken. */
static bool enter(enum admission_class class, uint64_t node)
{
    struct fuse_buf m = message_new(FUSE_WRITE, node, 100);
    bool served = admission_enter(&a, class, &m);

    if (!served)
        assert_null(m.mem);
    free(m.mem);
    return served;
}

/* The node of the message that is handed out; 0: none. */
static uint64_t leave(enum admission_class class, enum admission_class *ret_class)
{
    struct fuse_in_header head = {.nodeid = 0};
    struct fuse_buf m;

    if (!admission_leave(&a, class, &m, ret_class))
        return 0;
    assert_int_equal(m.size, 100);
    memcpy(&head, m.mem, sizeof(head));
    free(m.mem);
    return head.nodeid;
}

static void requests_are_told_by_what_they_may_wait_for(void **state)
{
    struct fuse_setattr_in cut = {.valid = FATTR_SIZE}, chmod = {.valid = FATTR_MODE};
    struct fuse_fallocate_in punch = {.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
                             more = {0};
    struct fuse_buf nothing = {.size = 3, .mem = "abc"};

    (void)state;
    assert_int_equal(class_of(FUSE_LOOKUP, NULL, 0), ADMIT_READS);
    assert_int_equal(class_of(FUSE_READ, NULL, 0), ADMIT_READS);
    assert_int_equal(class_of(FUSE_READDIRPLUS, NULL, 0), ADMIT_READS);
    assert_int_equal(class_of(FUSE_INTERRUPT, NULL, 0), ADMIT_READS);
    assert_int_equal(class_of(FUSE_FORGET, NULL, 0), ADMIT_READS);
    assert_int_equal(class_of(FUSE_DESTROY, NULL, 0), ADMIT_READS);
    assert_int_equal(class_of(FUSE_WRITE, NULL, 0), ADMIT_CHANGES);
    assert_int_equal(class_of(FUSE_FSYNC, NULL, 0), ADMIT_CHANGES);
    assert_int_equal(class_of(FUSE_RENAME2, NULL, 0), ADMIT_CHANGES);
    assert_int_equal(class_of(FUSE_UNLINK, NULL, 0), ADMIT_FREES);
    assert_int_equal(class_of(FUSE_SETATTR, &cut, sizeof(cut)), ADMIT_FREES);
    assert_int_equal(class_of(FUSE_SETATTR, &chmod, sizeof(chmod)), ADMIT_CHANGES);
    assert_int_equal(class_of(FUSE_SETATTR, NULL, 0), ADMIT_CHANGES);
    assert_int_equal(class_of(FUSE_FALLOCATE, &punch, sizeof(punch)), ADMIT_FREES);
    assert_int_equal(class_of(FUSE_FALLOCATE, &more, sizeof(more)), ADMIT_CHANGES);
    assert_int_equal(admission_class_of(&nothing), ADMIT_READS);
}

static void reads_are_never_parked(void **state)
{
    enum admission_class class;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(enter(ADMIT_FREES, 1));
    for (int i = 0; i < 100; i++)
        assert_true(enter(ADMIT_READS, 1));
    assert_int_equal(leave(ADMIT_READS, &class), 0);
}

static void what_frees_space_has_a_place_beside_the_changes(void **state)
{
    enum admission_class class;

    (void)state;
    assert_true(enter(ADMIT_CHANGES, 1));
    assert_true(enter(ADMIT_CHANGES, 2));
    assert_false(enter(ADMIT_CHANGES, 3));
    assert_true(enter(ADMIT_FREES, 4));
    assert_false(enter(ADMIT_FREES, 5));
    assert_false(enter(ADMIT_CHANGES, 6));
    assert_int_equal(leave(ADMIT_CHANGES, &class), 5); /* before 3, which came before it */
    assert_int_equal(class, ADMIT_FREES);
    assert_int_equal(leave(ADMIT_FREES, &class), 3);
    assert_int_equal(class, ADMIT_CHANGES);
    assert_int_equal(leave(ADMIT_FREES, &class), 0); /* two changes are served: 6 must wait */
    assert_false(enter(ADMIT_CHANGES, 7));
    assert_int_equal(leave(ADMIT_CHANGES, &class), 6);
    assert_int_equal(leave(ADMIT_CHANGES, &class), 7);
    assert_int_equal(leave(ADMIT_CHANGES, &class), 0);
    assert_int_equal(leave(ADMIT_CHANGES, &class), 0);
    assert_true(enter(ADMIT_CHANGES, 8));
}

struct late {
    pthread_t thread;
    bool served;
};

static void *enter_late(void *arg)
{
    struct late *l = arg;

    l->served = enter(ADMIT_CHANGES, 99);
    return NULL;
}

/* Fill both places and the room for ten parked messages, and come once more. */
static void crowd(struct late *late)
{
    for (int i = 0; i < 2; i++)
        assert_true(enter(ADMIT_CHANGES, 1));
    for (unsigned i = 0; i < 10; i++)
        assert_false(enter(ADMIT_CHANGES, 10 + i));
    assert_int_equal(a.parked_len, 1000);
    assert_int_equal(pthread_create(&late->thread, NULL, enter_late, late), 0);
}

static void too_much_that_is_parked_makes_the_reader_wait(void **state)
{
    struct late late;
    enum admission_class class;

    (void)state;
    crowd(&late);
    /* It can come only when one was handed out, whose room it takes. */
    assert_int_equal(leave(ADMIT_CHANGES, &class), 10);
    pthread_join(late.thread, NULL);
    assert_false(late.served);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(leave(ADMIT_CHANGES, &class), 10 + i);
    assert_int_equal(leave(ADMIT_CHANGES, &class), 99);
    assert_int_equal(a.parked_len, 0);
}

static void the_end_keeps_nobody(void **state)
{
    struct late late;
    enum admission_class class;

    (void)state;
    crowd(&late);
    admission_end(&a);
    pthread_join(late.thread, NULL);
    assert_true(late.served);
    assert_int_equal(leave(ADMIT_CHANGES, &class), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_told_by_what_they_may_wait_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(reads_are_never_parked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_frees_space_has_a_place_beside_the_changes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(too_much_that_is_parked_makes_the_reader_wait, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_end_keeps_nobody, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
