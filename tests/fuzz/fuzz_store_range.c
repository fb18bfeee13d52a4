/* Key ranges: what a range over the tree finds is what a look at every key finds. */
#include "store/mvcc.h"
#include "store/mvcc_range.h"

#include <assert.h>
#include <stdlib.h>

struct input {
    const uint8_t *data;
    size_t size;
};

static struct slice take(struct input *in, size_t max)
{
    if (in->size == 0) {
        return slice_of(NULL, 0);
    }
    size_t len = in->data[0] % (max + 1);
    in->data++;
    in->size--;
    len = len < in->size ? len : in->size;
    struct slice bytes = slice_of(in->data, len);
    in->data += len;
    in->size -= len;
    return bytes;
}

struct count {
    struct slice start, end;
    size_t found;
};

static bool count_one(void *data, const struct store_kv *kv)
{
    struct count *count = data;
    count->found += mvcc_in_range(kv->key, count->start, count->end);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero = 0;
    struct input in = {.data = data, .size = size};
    struct mvcc *mvcc = mvcc_new();
    struct store_range range = {.key = take(&in, 8), .end = take(&in, 8), .limit = 3};
    while (in.size > 0) {
        struct slice key = take(&in, 8);
        mvcc_begin(mvcc);
        if (key.len == 0) {
            (void)mvcc_delete(mvcc, take(&in, 8));
        } else {
            (void)mvcc_put(mvcc, key, key, 0);
        }
        (void)mvcc_end(mvcc);
    }
    struct count count = {.start = range.key, .end = range.end};
    struct store_range_result result;
    mvcc_each(mvcc, slice_of(NULL, 0), slice_of(&zero, 1), count_one, &count);
    struct mvcc_source source = mvcc_source_now(mvcc);
    int status = mvcc_source_range(&source, &range, &result);
    assert(status == 0);
    assert(result.count == (int64_t)count.found);
    assert(result.kv_count == (count.found < 3 ? count.found : 3));
    for (size_t i = 0; i < result.kv_count; i++) {
        assert(mvcc_in_range(result.kvs[i]->key, range.key, range.end));
        assert(i == 0 || slice_compare(result.kvs[i - 1]->key, result.kvs[i]->key) < 0);
    }
    store_range_result_release(&result);
    mvcc_free(mvcc);
    return 0;
}
