/* An input is the file LOSSES. */
#include "fuzz/fuzz.h"
#include "lsm/db/losses.h"

struct told {
    struct losses again;
    size_t count;
};

static int on_loss(void *arg, const struct lsm_loss *loss)
{
    struct told *t = arg;

    fuzz_read_all(slice_str(loss->file));
    fuzz_read_all(slice_of(loss->first, loss->first_len));
    fuzz_read_all(slice_of(loss->last, loss->last_len));
    lsm_loss_concerns(loss, "a", 1);
    if (loss->first)
        lsm_loss_concerns(loss, loss->first, loss->first_len);
    CHECK(!losses_add(&t->again, loss));
    t->count++;
    return 0;
}

static int count(void *arg, const struct lsm_loss *loss)
{
    (void)loss;
    ++*(size_t *)arg;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct env *env = env_memory_new();
    struct told t = {0};
    size_t again = 0;
    int answer;

    env_memory_put(env, "LOSSES", slice_of(data, len));
    answer = losses_read(env, on_loss, &t);
    CHECK(answer < 0 || (size_t)answer == t.count);
    if (answer > 0) {
        env_remove(env, "LOSSES");
        CHECK(!losses_write(env, &t.again));
        CHECK(losses_read(env, count, &again) == answer && again == t.count);
    }
    losses_done(&t.again);
    env_memory_free(env);
    return 0;
}
