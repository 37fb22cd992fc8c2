/*
 * Is what a look-up finds younger than what was lost? Of a table the level tells: of one key, all
 * that lies in a higher level, in a newer table of level 0 or in a memtable is younger. Whatever
 * decides the key there decides it for good; what reaches further down, such as patches that lie
 * over a value that is gone, does not.
 *
 * The first key of a range of lost entries is the last one that could be read before the damage.
 * Its newest version is in the table itself then, and only older ones may be missing. A loss at
 * offset 0 has no such key: nothing was read before it, and its first key is the table's.
 *
 * Where no level is known the sequence numbers tell: what decides the key must be younger than the
 * youngest that may have been lost.
 */
#include "lsm/db/losses.h"

/* Which tables a look-up asks. */
struct part {
    uint64_t seqno_min; /* of level 0 */
    unsigned level_end;
};

static struct part part_above(const struct lsm_loss *loss, bool with_own)
{
    struct part p = {0, LEVEL_COUNT};

    if (loss->level == 0) {
        p.level_end = 1;
        p.seqno_min = with_own ? loss->seqno_min : loss->seqno_max + 1;
    } else if (loss->level > 0) {
        p.level_end = (unsigned)loss->level + (with_own ? 1 : 0);
    }
    return p;
}

static int look_up(struct superversion *sv, const struct part *p, struct lookup *l)
{
    int err;

    l->fold.value_len_max = sv->version->store->value_len_max;
    err = memtable_lookup(sv->mem, l);

    for (unsigned i = 0; err >= 0 && !lookup_done(l) && i < sv->imm_count; i++)
        err = memtable_lookup(sv->imms[i], l);
    if (err >= 0 && !lookup_done(l))
        err = version_lookup_part(sv->version, p->seqno_min, p->level_end, l);
    return err < 0 ? err : l->fold.err;
}

static bool is_first_kept(const struct lsm_loss *loss, struct slice key)
{
    return loss->kind == LSM_LOSS_ENTRIES && loss->offset && loss->first &&
           slice_eq(key, slice_of(loss->first, loss->first_len));
}

int lsm_loss_is_covered(struct lsm_db *db, const struct lsm_loss *loss, const void *key,
                        size_t key_len)
{
    struct lookup l = {.key = slice_of(key, key_len), .snapshot = SEQNO_MAX};
    bool by_level = loss->kind == LSM_LOSS_ENTRIES && loss->level >= 0;
    struct part p = part_above(loss, is_first_kept(loss, l.key));
    struct superversion *sv;
    bool decided;
    int err;

    err_clear();
    if (!by_level)
        p = (struct part){0, LEVEL_COUNT};
    sv = sv_get(db);
    err = look_up(sv, &p, &l);
    decided = lookup_done(&l) || l.rangedel_seqno;
    if (!by_level)
        decided = (lookup_done(&l) && l.fold.oldest_seqno > loss->seqno_max) ||
                  l.rangedel_seqno > loss->seqno_max;
    fold_done(&l.fold);
    sv_put(sv);
    if (err_is_damage(err) ||
        err == -EIO) /* it is what was lost that stands in the way, or another loss */
        return 0;
    return err ? err : decided;
}
