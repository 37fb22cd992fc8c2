/*
 * The write-ahead log: one file per memtable, named NNNNNNNN.wal, a header and then records.
 * Format, the rule of a valid record and the rule of the torn tail: lsm/FORMAT.md, "Log".
 *
 * A record carries a payload (a batch, batch.h), the sequence number of its first operation, the
 * time of its commit, and the sequence number up to which the store was known to be durable when
 * the record was written. That last field lets recovery tell damage from a torn tail: a record that
 * cannot be read was synced if any later record, of this or a later log, says so.
 */
#ifndef LSM_WAL_WAL_H
#define LSM_WAL_WAL_H

#include "lsm/env/env.h"

struct wal_record {
    uint64_t first_seqno;  /* of the payload's first operation; of a mark: of the next one */
    uint64_t op_count;     /* operations, each takes one sequence number; 0: of a mark */
    uint64_t time_ns;      /* commit time, CLOCK_REALTIME */
    uint64_t synced_seqno; /* every operation up to it was durable */
    struct slice payload;
};

enum {
    WAL_PAYLOAD_LEN_MAX = (1 << 30) + (1 << 16) /* a batch with one longest value */
};

struct wal_writer;

/* Create the log file, which begins after sequence number `last_seqno`. Not yet synced. */
int wal_writer_create(struct env *env, uint64_t number, uint64_t last_seqno,
                      struct wal_writer **ret);
/*
 * Append records with one write. All or nothing, as env_writer_append. Space is reserved ahead in
 * steps; when the disk cannot give the next step, appending fails with -ENOSPC unless `urgent`,
 * which uses up what was reserved: so removals work on a full disk.
 */
int wal_writer_append(struct wal_writer *w, const struct wal_record *records, unsigned record_count,
                      bool urgent);
/* May run beside an append by another thread; covers what was appended before it began. */
int wal_writer_sync(struct wal_writer *w);
uint64_t wal_writer_number(const struct wal_writer *w);
uint64_t wal_writer_len(const struct wal_writer *w); /* bytes */
/* Give back what was reserved ahead. Appending, by the same thread, reserves anew. */
int wal_writer_seal(struct wal_writer *w);
int wal_writer_close(struct wal_writer *w);

/*
 * Reading. wal_reader_next returns 1 with a record (its payload is valid until the next call), 0 at
 * the end, or an error. The end is where no valid record follows in order: *ret_end (see
 * wal_reader_end) says why. The reader never returns a record after a gap.
 */
struct wal_reader;

enum wal_end_kind {
    WAL_END_CLEAN, /* at the end of file, or only zeros follow */
    WAL_END_TORN,  /* bytes follow that are no valid record */
};

struct wal_end {
    enum wal_end_kind kind;
    uint64_t offset;              /* of the first byte that is not part of a valid record */
    uint64_t later_synced_seqno;  /* largest synced_seqno of any valid record found behind the
                                     torn place; 0 when there is none, the greatest number
                                     there is when the search had to be given up */
    uint64_t later_record_offset; /* of the first such record; 0 when there is none */
};

enum wal_header_state {
    WAL_HEADER_WHOLE,
    WAL_HEADER_MISSING, /* the file is shorter, or holds zeros there: it never reached the disk */
    WAL_HEADER_DAMAGED, /* torn, or damaged later */
};

/*
 * ERR_WAL_HEADER when the header is whole and of a newer format or another log. Without a whole one
 * the records are read all the same, and the first tells where the log begins; with none, the log
 * is empty and torn.
 */
int wal_reader_open(struct env *env, uint64_t number, struct wal_reader **ret);
/*
 * The same where logs with numbers below `oldest` are known not to be needed any more: the header
 * of one of them is damage, and not another log's. A loss of power can show it, when the space of a
 * removed log was used again.
 */
int wal_reader_open_since(struct env *env, uint64_t number, uint64_t oldest,
                          struct wal_reader **ret);
/*
 * Read no further than `len` bytes of the file, where a record ends: of a log that is being
 * written, what lies behind may go away at any time. No effect where the file is not as long.
 */
void wal_reader_limit(struct wal_reader *r, uint64_t len);
uint64_t wal_reader_file_len(const struct wal_reader *r); /* bytes, whatever they hold */
enum wal_header_state wal_reader_header(const struct wal_reader *r);
/* The sequence number after which the log begins; 0 without a whole header. */
uint64_t wal_reader_last_seqno(const struct wal_reader *r);
int wal_reader_next(struct wal_reader *r, struct wal_record *ret);
/* After wal_reader_next returned 0: searches the rest of the file for later valid records. */
int wal_reader_end(struct wal_reader *r, struct wal_end *ret);
/* Where the next record should begin. */
uint64_t wal_reader_offset(const struct wal_reader *r);
/*
 * For repair: the next valid record at or behind that place, whatever lies between, with a sequence
 * number not below those that came before: 1 with *ret and *ret_offset, where it begins. 0: there
 * is none. wal_reader_next goes on behind it.
 */
int wal_reader_skip(struct wal_reader *r, struct wal_record *ret, uint64_t *ret_offset);
void wal_reader_close(struct wal_reader *r);

/* "00000012.wal" into buf. */
void wal_file_name(uint64_t number, char buf[32]);
/* The log as text, one line per record, to `out` through `put`; damaged places are named. */
int wal_to_text(struct env *env, uint64_t number, int (*put)(void *arg, const char *line),
                void *arg);

#endif
