/*
 * Which versions survive. The merged input gives each user key's versions newest first. They fall
 * into stripes: between two neighbouring snapshots every reader sees the same one. In each stripe:
 *
 *   - the first full value ends it; patches above it are laid over it and one PUT remains, or a
 *     reference to a blob file if it is large; few and short patches over a reference stay as they
 *     are, so that a large value is not written anew for a few bytes;
 *   - a deletion, or a range tombstone of the same stripe, ends it likewise: patches above it lie
 *     over nothing and become a PUT; without patches the deletion itself remains (a range tombstone
 *     remains in the list of tombstones);
 *   - patches without either stay: their base lies in an older stripe or further down. Those that
 *     overlap or touch become one, with one of their sequence numbers; the newest is always kept.
 *
 * What cannot be put together, because a patch is damaged or the value would be longer than the
 * store takes, stays as it is, for a reader to report and a repair to deal with: it is an error of
 * its own key, and no reason to stop.
 *
 * At the bottom, in the oldest stripe, nothing older exists: deletions and range tombstones go, and
 * patches become a PUT.
 */
#include "lsm/compact/run.h"

#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/compact/patches.h"
#include "lsm/compact/values.h"

/* Yielding at every version would cost; so many versions or bytes between are soon done. */
enum {
    YIELD_COUNT = 256,
    YIELD_LEN = 256 << 10
};

/* So much may lie over a reference before the value is written anew. */
enum {
    ROW_COUNT_MAX = 16, /* patches */
    ROW_LEN_PART = 4    /* bytes of them, as a part of the value */
};

/* The stripe of one user key that is being collected. */
struct stripe {
    struct fold fold;
    uint64_t *seqnos; /* of the fold's layers */
    size_t seqno_count, seqno_cap;
    uint64_t upper, lower; /* it holds the seqnos in (lower, upper] */
    uint64_t newest;       /* 0: nothing collected */
    uint64_t base_seqno;   /* of the full value that ended it */
    bool deleted;          /* ended by a point deletion */
    bool emitted;          /* the rest of the stripe is invisible */
};

struct state {
    struct compact_run *run;
    struct output output;
    struct values values;
    struct rangedel_list *dels; /* all, for what they cover */
    struct rangedel_list *kept; /* those that are written again */
    struct stripe stripe;
    struct buf user; /* the current user key */
};

/* The stripe that holds seqno. */
static void stripe_bounds(const uint64_t *snapshots, size_t snapshot_count, uint64_t seqno,
                          uint64_t *ret_lower, uint64_t *ret_upper)
{
    size_t lo = 0, hi = snapshot_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (snapshots[mid] < seqno)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_upper = lo < snapshot_count ? snapshots[lo] : SEQNO_MAX;
    *ret_lower = lo ? snapshots[lo - 1] : 0;
}

uint32_t rangedel_next_stripe(const struct rangedel_fragment *f, uint32_t k,
                              const uint64_t *snapshots, size_t snapshot_count)
{
    uint64_t lower, upper;
    uint32_t hi = f->seqno_count;

    stripe_bounds(snapshots, snapshot_count, f->seqnos[k], &lower, &upper);
    if (lower == 0)
        return hi;
    while (k < hi) {
        uint32_t mid = k + (hi - k) / 2;

        if (f->seqnos[mid] > lower)
            k = mid + 1;
        else
            hi = mid;
    }
    return k;
}

/* Nothing older than this stripe can exist anywhere. */
static bool is_oldest(const struct state *st)
{
    return st->run->bottom && st->stripe.lower == 0;
}

static int emit_row(struct state *st, const struct patch_row *row)
{
    int err = 0;

    for (size_t i = 0; !err && i < row->count; i++)
        err = output_add(&st->output, buf_slice(&st->user), st->stripe.seqnos[i], KIND_PATCH,
                         row->records[i]);
    return err;
}

/* Patches over nothing that is known here. */
static int emit_patches(struct state *st)
{
    struct fold *f = &st->stripe.fold;
    struct patch_row row;
    int err = patches_merge(f->layers, f->layer_count, &row);

    if (err)
        return err;
    err = emit_row(st, &row);
    patch_row_done(&row);
    return err;
}

/* The base is read and the patches are laid over it. */
static int emit_folded(struct state *st)
{
    struct stripe *s = &st->stripe;
    struct slice value;
    int err = blob_fetch(st->run->blobs.store, &s->fold, BLOB_LOOK, NULL);

    if (!err)
        err = fold_value(&s->fold, &value);
    return err < 0 ? err : values_put(&st->values, buf_slice(&st->user), s->newest, value);
}

/* Few and short patches stay a row above the reference: reading lays them over it. */
static bool row_may_stay(const struct patch_row *row, struct slice base)
{
    struct blob_ref ref;

    return blob_ref_decode(base, &ref) && row->count <= ROW_COUNT_MAX &&
           row->len < ref.raw_len / ROW_LEN_PART;
}

static int emit_ref(struct state *st, struct slice base)
{
    struct stripe *s = &st->stripe;
    size_t patch_count = s->fold.layer_count - 1;
    struct patch_row row;
    int err = patches_merge(s->fold.layers, patch_count, &row);

    if (err)
        return err;
    if (patch_count && st->run->blobs.store && !row_may_stay(&row, base)) {
        err = emit_folded(st);
        /* What cannot be read is left as it is, for a reader to report. */
        if (!err || !err_is_damage(err)) {
            patch_row_done(&row);
            return err;
        }
    }
    err = emit_row(st, &row);
    if (!err)
        err = values_put_ref(&st->values, buf_slice(&st->user), s->base_seqno, base);
    patch_row_done(&row);
    return err;
}

/* Every version of the stripe, as it was found. Where a tombstone ended it, that stays in the list.
 */
static int emit_as_is(struct state *st)
{
    struct stripe *s = &st->stripe;
    const struct fold *f = &s->fold;
    struct slice user = buf_slice(&st->user);
    size_t patch_count = f->layer_count - (f->has_base ? 1 : 0);
    int err = 0;

    for (size_t i = 0; !err && i < patch_count; i++)
        err = output_add(&st->output, user, s->seqnos[i], KIND_PATCH, f->layers[i].value);
    if (!err && f->has_base)
        err = output_add(&st->output, user, s->base_seqno, KIND_PUT, f->layers[patch_count].value);
    if (!err && s->deleted && !is_oldest(st))
        err = output_add(&st->output, user, s->base_seqno, KIND_DELETE, slice_of(NULL, 0));
    return err;
}

/* Write what the collected stripe amounts to. */
static int stripe_emit(struct state *st)
{
    struct stripe *s = &st->stripe;
    struct slice user = buf_slice(&st->user), value;
    int found;

    if (s->emitted || s->newest == 0)
        return 0;
    s->emitted = true;
    if (!s->fold.done && !is_oldest(st))
        return emit_patches(st);
    fold_end(&s->fold);
    if (fold_base_ref(&s->fold, &value))
        return emit_ref(st, value);
    found = fold_value(&s->fold, &value);
    if (found < 0)
        return err_is_damage(found) ? emit_as_is(st) : found;
    if (found)
        return values_put(&st->values, user, s->newest, value);
    if (s->deleted && !is_oldest(st))
        return output_add(&st->output, user, s->newest, KIND_DELETE, slice_of(NULL, 0));
    return 0;
}

static void stripe_begin(struct state *st, uint64_t seqno)
{
    struct stripe *s = &st->stripe;

    fold_begin(&s->fold);
    s->seqno_count = 0;
    s->newest = 0;
    s->deleted = s->emitted = false;
    stripe_bounds(st->run->snapshots, st->run->snapshot_count, seqno, &s->lower, &s->upper);
}

static int remember_seqno(struct stripe *s, uint64_t seqno)
{
    if (s->seqno_count == s->seqno_cap) {
        size_t cap = s->seqno_cap ? s->seqno_cap * 2 : 16;
        uint64_t *seqnos = realloc(s->seqnos, cap * sizeof(*seqnos));

        if (!seqnos)
            return -ENOMEM;
        s->seqnos = seqnos;
        s->seqno_cap = cap;
    }
    s->seqnos[s->seqno_count++] = seqno;
    return 0;
}

/* Patches outlive the input's next move, so they are copied; a full value is used at once. */
static int keep_patch(struct slice *value, struct pin *ret_pin)
{
    uint8_t *copy = malloc(value->len ? value->len : 1);

    if (!copy)
        return -ENOMEM;
    if (value->len)
        memcpy(copy, value->data, value->len);
    *value = slice_of(copy, value->len);
    *ret_pin = (struct pin){free, copy};
    return 0;
}

/* Feed one version to its stripe. */
static int stripe_add(struct state *st, uint64_t seqno, enum kind kind, struct slice value)
{
    struct stripe *s = &st->stripe;
    struct pin pin = {0};
    int err;

    if (s->emitted)
        return 0;
    if (rangedel_list_covering(st->dels, buf_slice(&st->user), s->upper) > seqno) {
        /* Covered: if patches lie above, they lie over nothing; else there is nothing to say. */
        if (s->newest == 0) {
            s->emitted = true;
            return 0;
        }
        fold_end(&s->fold);
        return stripe_emit(st);
    }
    if (s->newest == 0)
        s->newest = seqno;
    if (kind == KIND_PATCH) {
        err = remember_seqno(s, seqno);
        if (!err)
            err = keep_patch(&value, &pin);
        if (err)
            return err;
    }
    err = fold_add(&s->fold, kind, seqno, value, &pin);
    if (err < 0)
        return err;
    s->base_seqno = seqno;
    s->deleted = kind == KIND_DELETE;
    return s->fold.done ? stripe_emit(st) : 0;
}

static int add_version(struct state *st, struct slice ikey, struct slice value)
{
    struct slice user = ikey_user(ikey);
    uint64_t seqno = ikey_seqno(ikey);
    int err = 0;

    if (!slice_eq(user, buf_slice(&st->user)) || st->user.len == 0) {
        err = stripe_emit(st);
        if (!err)
            err = buf_assign(&st->user, user.data, user.len);
        stripe_begin(st, seqno);
    } else if (seqno <= st->stripe.lower) {
        err = stripe_emit(st);
        stripe_begin(st, seqno);
    }
    return err ? err : stripe_add(st, seqno, ikey_kind(ikey), value);
}

/* The tombstones that something below, or an older snapshot, still needs. */
static int choose_kept(const struct compact_run *r, struct rangedel_list **ret)
{
    struct rangedel *kept = malloc((r->del_count ? r->del_count : 1) * sizeof(*kept));
    size_t count = 0;
    int err = 0;

    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < r->del_count; i++) {
        bool oldest = r->snapshot_count == 0 || r->dels[i].seqno <= r->snapshots[0];

        if (!r->bottom || !oldest)
            kept[count++] = r->dels[i];
    }
    *ret = NULL;
    if (count)
        err = rangedel_list_new(kept, count, ret);
    free(kept);
    return err;
}

static int yield(struct state *st, uint64_t read_count)
{
    struct compact_run *r = st->run;

    r->read_count = read_count;
    r->open_len = st->output.builder ? sst_builder_len(st->output.builder) : 0;
    return r->yield ? r->yield(r->arg, r) : 0;
}

static int seek_begin(struct compact_run *r)
{
    struct buf ikey = {0};
    int err = 0;

    if (r->begin)
        err = ikey_make(&ikey, *r->begin, SEQNO_MAX, IKEY_SEEK_KIND);
    if (err)
        return err;
    if (r->begin)
        iter_seek(r->input, buf_slice(&ikey));
    else
        iter_seek_first(r->input);
    buf_free(&ikey);
    return 0;
}

static bool before_end(const struct compact_run *r)
{
    return r->input->valid && (!r->end || slice_cmp(ikey_user(r->input->key), *r->end) < 0);
}

static int merge(struct state *st)
{
    struct compact_run *r = st->run;
    uint64_t read_count = 0, read_len = 0, yield_count = YIELD_COUNT, yield_len = YIELD_LEN;
    int err = seek_begin(r);

    for (; !err && before_end(r); iter_next(r->input)) {
        read_count++;
        read_len += r->input->key.len + r->input->value.len;
        /* Behind a short reference may be much to move. */
        if (read_count >= yield_count || read_len + r->blob_written_len >= yield_len) {
            yield_count = read_count + YIELD_COUNT;
            yield_len = read_len + r->blob_written_len + YIELD_LEN;
            err = yield(st, read_count);
            if (err)
                return err;
        }
        err = add_version(st, r->input->key, r->input->value);
        if (err)
            return err;
    }
    if (!err)
        err = r->input->err;
    if (!err)
        err = stripe_emit(st);
    return err ? err : output_finish(&st->output);
}

int compact_run(struct compact_run *r)
{
    struct state st = {.run = r};
    int err = 0;

    if (r->del_count)
        err = rangedel_list_new(r->dels, r->del_count, &st.dels);
    if (!err)
        err = choose_kept(r, &st.kept);
    if (!err) {
        st.stripe.fold.value_len_max = r->store->value_len_max;
        st.output = (struct output){.run = r, .kept = st.kept};
        st.values = (struct values){.run = r, .output = &st.output};
        err = output_begin(&st.output);
    }
    if (!err)
        err = merge(&st);
    output_done(&st.output);
    values_done(&st.values);
    fold_done(&st.stripe.fold);
    free(st.stripe.seqnos);
    buf_free(&st.user);
    rangedel_list_free(st.kept);
    rangedel_list_free(st.dels);
    if (err) {
        for (size_t i = 0; i < r->table_count; i++)
            atomic_store(&r->tables[i]->obsolete, true);
        compact_run_done(r, r->store);
    }
    return err;
}

void compact_run_done(struct compact_run *r, struct table_store *store)
{
    for (size_t i = 0; i < r->table_count; i++)
        table_meta_unref(r->tables[i], store);
    free(r->tables);
    r->tables = NULL;
    r->table_count = r->table_cap = 0;
}
