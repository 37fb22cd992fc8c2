/* An input is the file SUPERBLOCK. */
#include "fuzz/fuzz.h"
#include "lsm/version/superblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct env *env = env_memory_new();
    struct superblock sb, again;
    unsigned damaged_copies;

    env_memory_put(env, "SUPERBLOCK", slice_of(data, len));
    superblock_to_text(env, fuzz_put_line, NULL);
    if (!superblock_read(env, &sb, &damaged_copies)) {
        CHECK(damaged_copies <= 1);
        CHECK(!superblock_write(env, &sb));
        CHECK(!superblock_read(env, &again, NULL));
        CHECK(again.incompat == sb.incompat && again.created_ns == sb.created_ns);
        CHECK(!memcmp(again.uuid, sb.uuid, sizeof(sb.uuid)));
    }
    env->read_only = true;
    superblock_read(env, &sb, NULL);
    env_memory_free(env);
    return 0;
}
