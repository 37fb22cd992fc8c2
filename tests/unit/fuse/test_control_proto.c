/*
 * Frames of the control socket: what is made is understood; what is cut or changed is refused or is
 * another frame that could have been made.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/control_take.h"
#include "lib/rng.h"

static struct slice payload_of(const struct buf *b, uint8_t want)
{
    struct slice in = buf_slice(b), payload;
    uint8_t type;

    assert_int_equal(tree_frame_take(&in, &type, &payload), 1);
    assert_int_equal(type, want);
    assert_int_equal(in.len, 0);
    return payload;
}

static void frames_say_what_they_were_told(void **state)
{
    struct control_hello h = {CONTROL_KEEP_OLD, 4000000000u, 7, (char *)(uintptr_t) "/a\xff/b"}, h2;
    struct control_end e = {.err = 28, .text = "full", .stats = {1, 2, 3, 4, 5, UINT64_MAX, 7}}, e2;
    struct buf b = {NULL, 0, 0};
    char *path, *text;
    int err;

    (void)state;
    assert_int_equal(control_put_hello(&b, &h), 0);
    assert_int_equal(control_take_hello(payload_of(&b, CONTROL_HELLO), &h2), 0);
    assert_int_equal(h2.flags, h.flags);
    assert_int_equal(h2.uid, h.uid);
    assert_int_equal(h2.gid, h.gid);
    assert_string_equal(h2.dir, h.dir);
    free(h2.dir);
    b.len = 0;
    assert_int_equal(control_put_refused(&b, 17, "p", "why"), 0);
    assert_int_equal(control_take_refused(payload_of(&b, CONTROL_REFUSED), &err, &path, &text), 0);
    assert_int_equal(err, 17);
    assert_string_equal(path, "p");
    assert_string_equal(text, "why");
    free(path);
    free(text);
    b.len = 0;
    assert_int_equal(control_put_end(&b, &e), 0);
    assert_int_equal(control_take_end(payload_of(&b, CONTROL_END), &e2), 0);
    assert_int_equal(e2.err, 28);
    assert_string_equal(e2.text, "full");
    assert_memory_equal(&e2.stats, &e.stats, sizeof(e.stats));
    b.len = 0;
    assert_int_equal(control_put_empty(&b, CONTROL_READY), 0);
    assert_int_equal(payload_of(&b, CONTROL_READY).len, 0);
    buf_free(&b);
}

static void rubbish_is_taken_for_nothing(void **state)
{
    struct rng rng = {rng_seed(1)};
    struct control_hello h = {0, 1, 2, (char *)(uintptr_t) "/dir"}, h2;
    struct buf b = {NULL, 0, 0};
    struct slice good;

    (void)state;
    assert_int_equal(control_put_hello(&b, &h), 0);
    good = payload_of(&b, CONTROL_HELLO);
    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(control_take_hello(slice_of(good.data, len), &h2), -EBADMSG);
    b.data[TREE_FRAME_HEAD_LEN] = CONTROL_VERSION + 1;
    assert_int_equal(control_take_hello(good, &h2), -EBADMSG);
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = rng_below(&rng, 40);
        uint8_t *bytes = malloc(len + 1);

        assert_non_null(bytes);
        for (size_t n = 0; n < len; n++)
            bytes[n] = (uint8_t)(rng_next(&rng) & (rng_below(&rng, 2) ? 0x1f : 0xff));
        control_take_all(slice_of(bytes, len));
        free(bytes);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_say_what_they_were_told),
        cmocka_unit_test(rubbish_is_taken_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
