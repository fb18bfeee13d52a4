/* Writes a bbolt file front to back, without ever seeking: sizes are taken first, which says where
 * every page will be, then pages are made one after the other. Memory: 16 bytes for each page of
 * the file, and the page being made. Pure; one thread at a time. */
#ifndef STORE_BOLT_WRITER_H
#define STORE_BOLT_WRITER_H
#include "store/bolt_format.h"

enum { BOLT_BUCKETS_MAX = 16 };

/* Where the entries of one bucket come from. Keys are unique and ascending. Not changed from
 * bolt_writer_plan() on. */
struct bolt_source {
    const char *name; /* Static. Sources are given in byte order of their names. */
    uint64_t count;
    void (*measure)(void *data, uint64_t index, size_t *ret_key_len, size_t *ret_value_len);
    void (*key)(void *data, uint64_t index, struct buffer *out);
    void (*value)(void *data, uint64_t index, struct buffer *out);
    void *data;
};

struct bolt_writer;

MUST_USE struct bolt_writer *bolt_writer_new(void);
void bolt_writer_free(struct bolt_writer *writer);
void bolt_writer_add(struct bolt_writer *writer, const struct bolt_source *source);
/* Takes the sizes: time and memory by the number of entries. Once, before the next two. */
void bolt_writer_plan(struct bolt_writer *writer);
uint64_t bolt_writer_size(const struct bolt_writer *writer); /* Of the whole file, in bytes. */
/* Fills at most `len` bytes; 0 at the end. */
size_t bolt_writer_read(struct bolt_writer *writer, uint8_t *buffer, size_t len);
#endif
