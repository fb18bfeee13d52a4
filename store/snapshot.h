/* The whole state as a stream of bytes, written from an immutable view while writes go on, and read
 * back from any bytes safely. Checksummed by record. Pure.
 *
 * "CORSNAP1", then records: checksum (8 bytes: digest64() of the body, seeded with the checksum of
 * the record before, 0 at first, xor kind), length of the body (4), kind (4), body. Kinds in order:
 * one head, versions of members, sessions, member URLs, alarms, users and roles, leases, versions
 * (each key's oldest first), one end.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H
#include "lib/base/cow_tree.h"
#include "store/state.h"

struct state_writer;

MUST_USE struct state_writer *state_writer_new(struct store_state *state);
void state_writer_free(struct state_writer *writer);
/* The same, with what only its view of the keys holds left for later (lib/base/cow_tree.h). */
void state_writer_leave(struct state_writer *writer, struct cow_remains *remains);
/* Fills at most `len` bytes; 0 at the end. */
size_t state_writer_read(struct state_writer *writer, uint8_t *buffer, size_t len);

/* After the end: the checksum of all of it, equal on members with equal state. */
uint64_t state_writer_checksum(const struct state_writer *writer);

struct state_reader;

MUST_USE struct state_reader *state_reader_new(void);
void state_reader_free(struct state_reader *reader);
/* 0 or STORE_MALFORMED. */
MUST_USE int state_reader_feed(struct state_reader *reader, struct slice chunk);
/* That was in use, as far as it has been read: a reader of an earlier version may not understand
 * what follows. */
uint32_t state_reader_version(const struct state_reader *reader);
/* 0 and the state (its applied_index is the caller's to set), or STORE_MALFORMED when it is not
 * complete. */
MUST_USE int state_reader_end(struct state_reader *reader, struct store_state *ret_state);
#endif
