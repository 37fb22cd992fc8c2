/*
 * An input is a byte, which of the two files the rest is: MANIFEST-00000001, with a CURRENT that
 * names it (even), or CURRENT, with an empty manifest (odd).
 */
#include "fuzz/fuzz.h"
#include "lsm/version/version.h"

static int salvaged(void *arg, const struct version_edit *edit, bool first)
{
    struct buf text = {0};

    (void)arg;
    (void)first;
    CHECK(!edit_to_text(edit, &text));
    fuzz_read_all(buf_slice(&text));
    buf_free(&text);
    return 0;
}

/* What was replayed can be written, and is the same when it is read again. */
static void write_again(struct env *env, struct table_store *store, struct manifest_state *state)
{
    struct manifest_state again = {0};
    struct manifest *m;
    int err = manifest_create(env, 2, state, &m);

    CHECK(!err);
    manifest_close(m);
    CHECK(!manifest_replay(env, store, &again));
    CHECK(again.log_number == state->log_number && again.flushed_seqno == state->flushed_seqno);
    CHECK(again.snapshots.count == state->snapshots.count);
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        CHECK(again.version->levels[i].count == state->version->levels[i].count);
    manifest_state_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = slice_of(data, len);
    struct env *env = env_memory_new();
    struct table_store store = {.env = env};
    struct manifest_state state = {0};
    bool current = fuzz_byte(&in) & 1;
    uint64_t number;

    CHECK(!blob_store_new(env, NULL, 0, &store.blobs));
    env_memory_put(env, "CURRENT", current ? in : slice_str("MANIFEST-00000001\n"));
    env_memory_put(env, "MANIFEST-00000001", current ? slice_of(NULL, 0) : in);
    if (!manifest_current(env, &number))
        CHECK(number > 0);
    manifest_to_text(env, "MANIFEST-00000001", fuzz_put_line, NULL);
    manifest_salvage(env, &store, 1, salvaged, NULL);
    if (!manifest_replay(env, &store, &state)) {
        write_again(env, &store, &state);
        manifest_state_done(&state);
    }
    blob_store_free(store.blobs);
    env_memory_free(env);
    return 0;
}
