/*
 * Ranges that touch each other are told as one. A long one is likely to go on: as much again is
 * told of what lies behind it, so that the disk is at work while this is used.
 */
#include "lsm/blob/blob_hint.h"

enum {
    STREAM_LEN_MIN = 256 << 10, /* bytes; a range of that length will go on */
    AHEAD_LEN_MAX = 1 << 20,
};

void blob_hint_tell(struct blob_hint *h)
{
    uint64_t len = h->end - h->start;

    if (!len)
        return;
    if (len >= STREAM_LEN_MIN)
        len += len < AHEAD_LEN_MAX ? len : AHEAD_LEN_MAX;
    blob_prefetch(h->store, h->file, h->start, len);
    h->start = h->end = 0;
}

bool blob_hint_note(struct blob_hint *h, const struct fold *f)
{
    struct slice bytes;
    struct blob_ref ref;

    if (!fold_base_ref(f, &bytes) || !blob_ref_decode(bytes, &ref) ||
        blob_in_memory(h->store, &ref))
        return false;
    h->count++;
    if (h->end == h->start || ref.file != h->file || ref.offset != h->end) {
        blob_hint_tell(h);
        h->file = ref.file;
        h->start = ref.offset;
    }
    h->end = ref.offset + blob_padded(ref.len);
    return true;
}
