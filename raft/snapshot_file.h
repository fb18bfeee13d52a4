/* Snapshot files: a head that says what it stands for, chunks, and an end, each with a checksum.
 * Pure: makes and reads bytes; who moves them is snapshot.c. */
#ifndef RAFT_SNAPSHOT_FILE_H
#define RAFT_SNAPSHOT_FILE_H
#include "raft/members.h"
#include "raft/trail.h"

struct snapshot_head {
    uint64_t cluster;
    struct raft_point point;
    struct raft_members members;
};

void snapshot_encode_head(const struct snapshot_head *head, struct buffer *out);
void snapshot_encode_chunk(struct slice chunk, struct buffer *out); /* Empty: the end. */
/* The same for a chunk that is in its place, with room for this in front of it. */
enum { SNAPSHOT_CHUNK_HEAD = 8 };
void snapshot_seal_chunk(uint8_t head[SNAPSHOT_CHUNK_HEAD], struct slice chunk);

/* Feed the file's bytes in any portions. */
struct snapshot_reader {
    struct buffer pending;
    bool has_head, ended;
    struct snapshot_head head;
    int (*on_head)(void *data, const struct snapshot_head *head); /* May be NULL, as the next. */
    int (*on_chunk)(void *data, struct slice chunk);
    void *data;
};

void snapshot_reader_init(struct snapshot_reader *reader);
void snapshot_reader_release(struct snapshot_reader *reader);
/* 0; -EBADMSG when damaged; or what a callback returned. */
MUST_USE int snapshot_reader_feed(struct snapshot_reader *reader, struct slice bytes);
MUST_USE int snapshot_reader_finish(const struct snapshot_reader *reader); /* -EBADMSG: cut off. */
#endif
