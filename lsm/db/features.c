/*
 * Feature bits of the store. A bit is on disk before the first byte that needs it, so an older
 * program never meets bytes that it would misunderstand, or drop, without being told. A bit is
 * never taken back: one that nothing needs any more only keeps older programs out.
 */
#include "lsm/db/db.h"

int db_need_features(struct lsm_db *db, uint64_t ro_compat, uint64_t incompat)
{
    struct superblock sb;
    int err = 0;

    mutex_lock(&db->manifest_mu);
    sb = db->superblock;
    sb.ro_compat |= ro_compat;
    sb.incompat |= incompat;
    if (sb.ro_compat != db->superblock.ro_compat || sb.incompat != db->superblock.incompat)
        err = superblock_write(db->env, &sb);
    if (!err) {
        db->superblock.ro_compat = sb.ro_compat;
        db->superblock.incompat = sb.incompat;
    }
    mutex_unlock(&db->manifest_mu);
    return err;
}
