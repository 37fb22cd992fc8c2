/*
 * The tree of the memtable.
 *
 * What a search in memory costs is waiting for lines that no cache holds. A node has its keys'
 * *heads* side by side: of each key the eight bytes that follow the prefix that all keys between
 * the node's bounds share (Graefe, "B-tree indexes and CPU caches", 2001: prefix truncation, poor
 * man's normalized keys). A binary search among heads stays in a few lines, which are fetched
 * together; an entry itself is looked at only where heads are equal. A leaf's `low` is its first
 * entry, and its entries lie before `high`; so do an inner node's separators, of which [i] is the
 * lowest entry below child [i + 1].
 *
 * Many threads use it by optimistic lock coupling (Leis and others, "The ART of Practical
 * Synchronization", 2016). A node's version is odd while a writer changes it, and greater
 * afterwards. Who reads a node notes its version before and compares it afterwards; if it has
 * changed, what was read means nothing, and the search begins anew. It never was dangerous: every
 * pointer that was ever in a slot points to something that is still there. A writer locks only the
 * leaf, or to split a node this and its parent, for as long as it takes to move some numbers.
 * Every field that may change is loaded with acquire and stored with release order, so the load of
 * a version comes after the loads that it judges.
 *
 * Nodes are split from above while a writer goes down, so a parent always has room. A node that
 * is split because it grows at its end stays nearly full: keys that come in order fill their
 * leaves.
 */
#include "lsm/mem/entry_tree.h"

#include <errno.h>
#include <sched.h>

#include "lsm/base/check.h"

enum {
    SLOT_COUNT = 32,
    HEAD_LEN = 8,
    SPIN_COUNT = 100, /* looks at a locked node before the processor is given away */
    LINE_LEN = 64,    /* bytes */
    AHEAD_COUNT = 4,  /* entries that are fetched before a cursor comes to them */
};

struct tree_node {
    _Atomic uint64_t version; /* odd: locked */
    unsigned level;           /* constant; 0: a leaf */
    _Atomic uint32_t count;   /* of entries */
    _Atomic uint32_t prefix_len;
    const struct entry *low;            /* constant; NULL: no bound */
    _Atomic(const struct entry *) high; /* NULL: no bound */
    _Atomic(struct tree_node *) next;   /* the leaf behind this one */
    _Atomic uint64_t heads[SLOT_COUNT];
    _Atomic(const struct entry *) entries[SLOT_COUNT];
    _Atomic(struct tree_node *) children[]; /* of an inner node, SLOT_COUNT + 1 */
};

/* What is searched for. */
struct target {
    struct slice user;
    uint64_t trailer;
    bool end; /* behind all entries, whatever the key */
};

#define LOAD(field)         atomic_load_explicit(&(field), memory_order_acquire)
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_release)

/* --- Versions --- */

static inline void pause_for(unsigned tries)
{
    if (tries % SPIN_COUNT == 0)
        sched_yield();
}

/* The version of a node that nobody is changing. */
static inline uint64_t read_begin(const struct tree_node *n)
{
    uint64_t version;

    for (unsigned tries = 1; (version = LOAD(n->version)) & 1; tries++)
        pause_for(tries);
    return version;
}

static inline bool read_valid(const struct tree_node *n, uint64_t version)
{
    return LOAD(n->version) == version;
}

/* False when the node has changed since. */
static inline bool lock(struct tree_node *n, uint64_t version)
{
    return atomic_compare_exchange_strong_explicit(&n->version, &version, version + 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

static inline void unlock(struct tree_node *n)
{
    STORE(n->version, LOAD(n->version) + 1);
}

/* --- Keys --- */

static inline int compare(const struct entry *e, const struct target *t)
{
    struct slice key = entry_key(e);
    int c = slice_cmp(ikey_user(key), t->user);
    uint64_t mine;

    if (c)
        return c;
    mine = ikey_tail(key);
    return (mine < t->trailer) - (mine > t->trailer);
}

static struct target target_of(const struct entry *e)
{
    return (struct target){.user = ikey_user(entry_key(e)), .trailer = ikey_tail(entry_key(e))};
}

/* The bytes behind the prefix as a number that compares as they do; missing ones count as zeros. */
static inline uint64_t head_of(struct slice user, uint32_t prefix_len)
{
    uint8_t bytes[HEAD_LEN] = {0};

    if (user.len >= (size_t)prefix_len + HEAD_LEN)
        return get_be64(user.data + prefix_len);
    if (user.len > prefix_len)
        memcpy(bytes, user.data + prefix_len, user.len - prefix_len);
    return get_be64(bytes);
}

/* Bytes that all user keys between two entries begin with; 0 when there is a bound on one side
 * only. */
static uint32_t common_prefix(const struct entry *low, const struct entry *high)
{
    struct slice a, b;
    uint32_t len = 0;

    if (!low || !high)
        return 0;
    a = ikey_user(entry_key(low));
    b = ikey_user(entry_key(high));
    while (len < a.len && len < b.len && a.data[len] == b.data[len])
        len++;
    return len;
}

/* Of a node's entries, how many lie before the target; with or_equal also the one that it is. */
static unsigned count_before(const struct tree_node *n, const struct target *t, bool or_equal)
{
    unsigned low = 0, high = LOAD(n->count);
    uint64_t head;

    if (t->end)
        return high;
    /* The last nodes of the levels: what comes in order comes to their ends. */
    if (!LOAD(n->high) && high && compare(LOAD(n->entries[high - 1]), t) < 0)
        return high;
    head = head_of(t->user, LOAD(n->prefix_len));
    while (low < high) {
        unsigned mid = (low + high) / 2;
        uint64_t mine = LOAD(n->heads[mid]);
        bool before = mine < head;

        if (mine == head)
            before = compare(LOAD(n->entries[mid]), t) < (or_equal ? 1 : 0);
        if (before)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* --- Nodes --- */

static struct tree_node *node_new(struct arena *arena, unsigned level)
{
    size_t child_count = level ? SLOT_COUNT + 1 : 0;
    size_t len = sizeof(struct tree_node) + child_count * sizeof(_Atomic(struct tree_node *));
    uint8_t *p = arena_alloc(arena, len + LINE_LEN);
    struct tree_node *n;

    if (!p)
        return NULL;
    n = (struct tree_node *)(void *)(p + -(uintptr_t)p % LINE_LEN);
    atomic_init(&n->version, 0);
    n->level = level;
    atomic_init(&n->count, 0);
    atomic_init(&n->prefix_len, 0);
    n->low = NULL;
    atomic_init(&n->high, NULL);
    atomic_init(&n->next, NULL);
    return n;
}

/* Have heads and entries on their way from memory. */
static inline void prefetch_node(const struct tree_node *n)
{
    for (size_t at = 0; at < sizeof(*n); at += LINE_LEN)
        __builtin_prefetch((const uint8_t *)n + at);
}

/* The root, and a version at which it was. */
static struct tree_node *enter(const struct entry_tree *tree, uint64_t *ret_version)
{
    for (;;) {
        struct tree_node *root = LOAD(tree->root);
        uint64_t version = read_begin(root);

        if (root == LOAD(tree->root)) {
            *ret_version = version;
            return root;
        }
    }
}

/*
 * The child where the target belongs, and its version; NULL when the node has changed meanwhile. A
 * target that is a separator belongs to the right of it, or to the left.
 */
static struct tree_node *step_down(struct tree_node *n, uint64_t version, const struct target *t,
                                   bool left, uint64_t *ret_version)
{
    struct tree_node *child = LOAD(n->children[count_before(n, t, !left)]);

    prefetch_node(child);
    *ret_version = read_begin(child);
    return read_valid(n, version) ? child : NULL;
}

static struct tree_node *find_leaf(const struct entry_tree *tree, const struct target *t, bool left,
                                   uint64_t *ret_version)
{
    uint64_t version, child_version;
    struct tree_node *n = enter(tree, &version);

    while (n->level > 0) {
        n = step_down(n, version, t, left, &child_version);
        version = child_version;
        if (!n)
            n = enter(tree, &version);
    }
    *ret_version = version;
    return n;
}

/* --- Inserting --- */

static void set_heads(struct tree_node *n, uint32_t prefix_len)
{
    uint32_t count = LOAD(n->count);

    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(LOAD(n->entries[i]));
    STORE(n->prefix_len, prefix_len);
    for (uint32_t i = 0; i < count; i++)
        STORE(n->heads[i], head_of(ikey_user(entry_key(LOAD(n->entries[i]))), prefix_len));
}

/* Put an entry at a position, and in an inner node the child behind it. The node has room. */
static void add(struct tree_node *n, unsigned pos, const struct entry *e, struct tree_node *child)
{
    unsigned count = LOAD(n->count);

    DCHECK(count < SLOT_COUNT && pos <= count);
    for (unsigned i = count; i > pos; i--) {
        STORE(n->heads[i], LOAD(n->heads[i - 1]));
        STORE(n->entries[i], LOAD(n->entries[i - 1]));
        if (child)
            STORE(n->children[i + 1], LOAD(n->children[i]));
    }
    STORE(n->heads[pos], head_of(ikey_user(entry_key(e)), LOAD(n->prefix_len)));
    STORE(n->entries[pos], e);
    if (child)
        STORE(n->children[pos + 1], child);
    STORE(n->count, count + 1);
}

/* Where a full node is divided, if an entry is to come to this position. */
static unsigned split_position(const struct tree_node *n, unsigned pos)
{
    if (pos < SLOT_COUNT)
        return SLOT_COUNT / 2;
    return n->level ? SLOT_COUNT - 2 : SLOT_COUNT - 1;
}

/*
 * Move what a locked node has from position `at` on to `right`, which nobody knows yet. Returns the
 * separator, which in a leaf is the first entry of `right`, and in an inner node goes up.
 */
static const struct entry *divide(struct tree_node *n, struct tree_node *right, unsigned at)
{
    const struct entry *separator = LOAD(n->entries[at]), *high = LOAD(n->high);
    unsigned from = n->level ? at + 1 : at;
    uint32_t prefix_len = LOAD(n->prefix_len), longer;

    for (unsigned i = from; i < SLOT_COUNT; i++) {
        STORE(right->heads[i - from], LOAD(n->heads[i]));
        STORE(right->entries[i - from], LOAD(n->entries[i]));
    }
    for (unsigned i = from; n->level && i <= SLOT_COUNT; i++)
        STORE(right->children[i - from], LOAD(n->children[i]));
    STORE(right->count, SLOT_COUNT - from);
    STORE(right->prefix_len, prefix_len);
    STORE(right->high, high);
    STORE(right->next, LOAD(n->next));
    right->low = separator;
    longer = common_prefix(separator, high);
    if (longer > prefix_len)
        set_heads(right, longer);
    STORE(n->next, right);
    STORE(n->high, separator);
    STORE(n->count, at);
    longer = common_prefix(n->low, separator);
    if (longer > prefix_len)
        set_heads(n, longer);
    return separator;
}

/* Split a full node; the parent, NULL for the root, has room. Both are locked. */
static int split_locked(struct entry_tree *tree, struct tree_node *parent, struct tree_node *n,
                        const struct target *t)
{
    struct tree_node *right = node_new(tree->arena, n->level);
    struct tree_node *above = parent ? parent : node_new(tree->arena, n->level + 1);
    const struct entry *separator;
    struct target place;

    if (!right || !above)
        return -ENOMEM;
    separator = divide(n, right, split_position(n, count_before(n, t, false)));
    if (!parent)
        atomic_init(&above->children[0], n);
    place = target_of(separator);
    add(above, count_before(above, &place, false), separator, right);
    if (!parent)
        STORE(tree->root, above);
    return 0;
}

/* 0, also when nothing was done because somebody else has changed one of them; or an error. */
static int split(struct entry_tree *tree, struct tree_node *parent, uint64_t parent_version,
                 struct tree_node *n, uint64_t version, const struct target *t)
{
    int err = 0;

    if (parent && !lock(parent, parent_version))
        return 0;
    if (lock(n, version)) {
        err = split_locked(tree, parent, n, t);
        unlock(n);
    }
    if (parent)
        unlock(parent);
    return err;
}

/* 1 when it is in; 0: try again; or an error. */
static int try_insert(struct entry_tree *tree, const struct entry *e, const struct target *t)
{
    uint64_t version, child_version, parent_version = 0;
    struct tree_node *n = enter(tree, &version), *parent = NULL, *child;

    for (;;) {
        if (LOAD(n->count) == SLOT_COUNT)
            return split(tree, parent, parent_version, n, version, t);
        if (n->level == 0)
            break;
        child = step_down(n, version, t, false, &child_version);
        if (!child)
            return 0;
        parent = n;
        parent_version = version;
        n = child;
        version = child_version;
    }
    if (!lock(n, version))
        return 0;
    add(n, count_before(n, t, false), e, NULL);
    unlock(n);
    return 1;
}

static struct entry *entry_new(struct arena *arena, struct slice user, uint64_t trailer,
                               struct slice value)
{
    size_t key_len = user.len + IKEY_TRAILER_LEN;
    struct entry *e = NULL;
    uint8_t *bytes;

    if (value.len <= SIZE_MAX - sizeof(*e) - key_len)
        e = arena_alloc(arena, sizeof(*e) + key_len + value.len);
    if (!e)
        return NULL;
    e->key_len = (uint32_t)key_len;
    e->value_len = (uint32_t)value.len;
    bytes = (uint8_t *)(e + 1);
    if (user.len)
        memcpy(bytes, user.data, user.len);
    put_le64(bytes + user.len, trailer);
    if (value.len)
        memcpy(bytes + key_len, value.data, value.len);
    return e;
}

int entry_tree_init(struct entry_tree *tree, struct arena *arena)
{
    struct tree_node *root = node_new(arena, 0);

    if (!root)
        return -ENOMEM;
    tree->arena = arena;
    atomic_init(&tree->root, root);
    return 0;
}

int entry_tree_insert(struct entry_tree *tree, struct slice user, uint64_t trailer,
                      struct slice value)
{
    struct target t = {.user = user, .trailer = trailer};
    struct entry *e = entry_new(tree->arena, user, trailer, value);
    int done = 0;

    if (!e)
        return -ENOMEM;
    while (done == 0)
        done = try_insert(tree, e, &t);
    return done < 0 ? done : 0;
}

/* --- Searching --- */

static void place(struct entry_cursor *c, const struct tree_node *leaf, uint64_t version,
                  unsigned pos, const struct entry *e)
{
    c->entry = e;
    c->leaf = leaf;
    c->version = version;
    c->pos = pos;
}

/*
 * Place the cursor at a position of a leaf, which may be the one behind its last entry. False when
 * the leaf has changed since.
 */
static bool place_at(struct entry_cursor *c, const struct tree_node *leaf, uint64_t version,
                     unsigned pos)
{
    const struct tree_node *next;
    const struct entry *e;
    uint64_t next_version;

    if (pos < LOAD(leaf->count)) {
        e = LOAD(leaf->entries[pos]);
        if (!read_valid(leaf, version))
            return false;
        place(c, leaf, version, pos, e);
        return true;
    }
    next = LOAD(leaf->next);
    if (!next) {
        if (!read_valid(leaf, version))
            return false;
        place(c, leaf, version, pos, NULL);
        return true;
    }
    next_version = read_begin(next);
    e = LOAD(next->entries[0]);
    if (!read_valid(leaf, version) || !read_valid(next, next_version))
        return false;
    place(c, next, next_version, 0, e);
    return true;
}

/* The first entry that is not before the target; with `behind` neither it. */
static void seek(const struct entry_tree *tree, const struct target *t, bool behind,
                 struct entry_cursor *c)
{
    const struct tree_node *leaf;
    uint64_t version;

    c->tree = tree;
    do
        leaf = find_leaf(tree, t, false, &version);
    while (!place_at(c, leaf, version, count_before(leaf, t, behind)));
}

static void seek_prev(const struct entry_tree *tree, const struct target *t, struct entry_cursor *c)
{
    const struct tree_node *leaf;
    uint64_t version;
    unsigned pos;

    c->tree = tree;
    do {
        leaf = find_leaf(tree, t, true, &version);
        pos = count_before(leaf, t, false);
        /* Only the first leaf can have none before it: what others begin with is. */
        place(c, leaf, version, pos - 1, pos ? LOAD(leaf->entries[pos - 1]) : NULL);
    } while (!read_valid(leaf, version));
}

void entry_tree_first(const struct entry_tree *tree, struct entry_cursor *c)
{
    seek(tree, &(struct target){.trailer = UINT64_MAX}, false, c);
}

void entry_tree_last(const struct entry_tree *tree, struct entry_cursor *c)
{
    seek_prev(tree, &(struct target){.end = true}, c);
}

void entry_tree_seek(const struct entry_tree *tree, struct slice user, uint64_t trailer,
                     struct entry_cursor *c)
{
    seek(tree, &(struct target){.user = user, .trailer = trailer}, false, c);
}

void entry_tree_seek_prev(const struct entry_tree *tree, struct slice user, uint64_t trailer,
                          struct entry_cursor *c)
{
    seek_prev(tree, &(struct target){.user = user, .trailer = trailer}, c);
}

/* Entries lie anywhere in memory: those behind are on their way while this one is used. */
static void prefetch_ahead(const struct entry_cursor *c)
{
    unsigned pos = c->pos + AHEAD_COUNT;

    if (pos < LOAD(c->leaf->count)) {
        const uint8_t *p = (const uint8_t *)LOAD(c->leaf->entries[pos]);

        __builtin_prefetch(p);
        __builtin_prefetch(p + LINE_LEN);
        __builtin_prefetch(p + (size_t)2 * LINE_LEN);
    }
}

void entry_cursor_next(struct entry_cursor *c)
{
    struct target t;

    DCHECK(c->entry);
    if (!place_at(c, c->leaf, c->version, c->pos + 1)) {
        t = target_of(c->entry);
        seek(c->tree, &t, true, c);
    }
    if (c->entry)
        prefetch_ahead(c);
}

void entry_cursor_prev(struct entry_cursor *c)
{
    const struct entry *e = NULL;
    struct target t;

    DCHECK(c->entry);
    if (c->pos)
        e = LOAD(c->leaf->entries[c->pos - 1]);
    if (e && read_valid(c->leaf, c->version)) {
        c->pos--;
        c->entry = e;
        return;
    }
    t = target_of(c->entry);
    seek_prev(c->tree, &t, c);
}
