/*
 * Steps of sequences of a tree's operations.
 */
#include "crash/tree_steps.h"

#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk_image *tree_base;

int tree_steps_begin(void **state)
{
    (void)state;
    tree_base = tree_base_new();
    return 0;
}

int tree_steps_end(void **state)
{
    disk_image_free(tree_base);
    return crash_sweep_report(state);
}

size_t tree_step_count(void)
{
    return 2 * tree_op_count;
}

void tree_step_run(struct tree *t, size_t step)
{
    tree_begin(t);
    if (step == TREE_STEP_FLUSH) {
        tree_flush(t);
    } else if (step == TREE_STEP_COMPACT) {
        tree_compact(t);
    } else {
        tree_ops[step / 2].run(t);
        if (step % 2)
            tree_sync(t);
    }
}

void tree_step_append(char *names, size_t cap, size_t step)
{
    const size_t len = strlen(names);
    const char *op = step == TREE_STEP_FLUSH     ? "flush"
                     : step == TREE_STEP_COMPACT ? "compact"
                                                 : tree_ops[step / 2].name;

    snprintf(names + len, cap - len, "%s%s%s", len ? "," : "", op,
             step < TREE_STEP_FLUSH && step % 2 ? "!" : "");
}

struct tree_part tree_part_asked(void)
{
    struct tree_part part = {0, 1};
    const char *asked = getenv("TEST_PART");

    if (asked && *asked)
        assert_int_equal(sscanf(asked, "%zu/%zu", &part.first, &part.by), 2);
    assert_true(part.by > 0);
    return part;
}
