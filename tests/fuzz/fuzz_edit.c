/* An input is the payload of a record of a manifest: an edit, with its tables, named snapshots,
 * points of time and blob files. */
#include "fuzz/fuzz.h"
#include "lsm/version/version.h"

/* An edit that could be decoded is encoded as one that means the same. */
static void encode_again(struct table_store *store, const struct version_edit *edit)
{
    struct buf first = {0}, second = {0}, text = {0};
    struct version_edit again;

    CHECK(!edit_encode(edit, &first));
    CHECK(!edit_decode(buf_slice(&first), &again, store));
    CHECK(!edit_encode(&again, &second));
    CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
    CHECK(!edit_to_text(&again, &text));
    edit_done(&again, store);
    buf_free(&first);
    buf_free(&second);
    buf_free(&text);
}

static void apply(struct table_store *store, const struct version_edit *edit)
{
    struct named_snapshots snapshots = {0};
    struct version *v;

    edit_apply_snapshots(edit, &snapshots);
    named_snapshots_done(&snapshots);
    if (version_apply(store, NULL, edit, &v))
        return;
    version_check(v);
    version_unref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct env *env = env_memory_new();
    struct table_store store = {.env = env};
    struct version_edit edit;
    uint64_t time_ns;

    CHECK(!blob_store_new(env, NULL, 0, &store.blobs));
    if (!edit_decode(slice_of(data, len), &edit, &store)) {
        encode_again(&store, &edit);
        apply(&store, &edit);
        time_points_find(&edit.times, len, &time_ns);
        edit_done(&edit, &store);
    }
    blob_store_free(store.blobs);
    env_memory_free(env);
    return 0;
}
