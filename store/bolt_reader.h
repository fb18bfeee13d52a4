/* Reads a bbolt file that is in memory (or mapped) whole, whatever its bytes are: every offset is
 * checked, keys must ascend, trees have a depth, so that no file makes it read outside or run for
 * ever. Pure. */
#ifndef STORE_BOLT_READER_H
#define STORE_BOLT_READER_H
#include "lib/base/error.h"
#include "store/bolt_format.h"

struct bolt_file {
    struct slice bytes; /* Borrowed. */
    uint64_t page_size;
    uint64_t root;
    uint64_t pages;
};

struct bolt_bucket {
    uint64_t root;             /* 0: the page is here: */
    struct slice inline_bytes; /* page head and what follows. */
};

/* Chooses the newer good meta page. -EBADMSG with what is wrong. */
MUST_USE int bolt_file_open(struct slice bytes, struct bolt_file *ret_file, struct error *reterr);

/* Every bucket at the top, in order of their names. A negative return ends it and is returned;
 * -EBADMSG for a damaged page. */
MUST_USE int bolt_file_each_bucket(const struct bolt_file *file,
                                   int (*each)(void *data, struct slice name,
                                               const struct bolt_bucket *bucket),
                                   void *data, struct error *reterr);
/* 0, -ENOENT, or -EBADMSG. */
MUST_USE int bolt_file_bucket(const struct bolt_file *file, const char *name,
                              struct bolt_bucket *ret_bucket, struct error *reterr);
/* Every entry, keys ascending; buckets inside the bucket are left out. */
MUST_USE int bolt_bucket_each(const struct bolt_file *file, const struct bolt_bucket *bucket,
                              int (*each)(void *data, struct slice key, struct slice value),
                              void *data, struct error *reterr);
#endif
