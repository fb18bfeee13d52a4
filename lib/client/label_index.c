#include "lib/client/label_index.h"

#include "lib/api/object.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct label_index {
    struct hash_map *buckets; /* "namespace/key=value" -> struct label_bucket */
};

enum { KEY_SIZE = 512 }; /* A namespace, a label's key and its value: at most 63, 317 and 63. */

/* A text that is cut off stands for more than one label: finds more, and nothing less. */
static struct slice bucket_key(char text[KEY_SIZE], const char *namespace_, const char *key,
                               const char *value)
{
    int len = snprintf(text, KEY_SIZE, "%s/%s=%s", namespace_, key, value);
    return slice_of(text, len < KEY_SIZE ? (size_t)len : KEY_SIZE - 1);
}

struct label_index *label_index_new(void)
{
    struct label_index *index = alloc_zeroed(sizeof(*index));
    index->buckets = hash_map_new(/* seed= */ 0x6c61626c);
    return index;
}

void label_index_free(struct label_index *index)
{
    if (index == NULL) {
        return;
    }
    assert(hash_map_count(index->buckets) == 0);
    hash_map_free(index->buckets);
    free(index);
}

static struct label_bucket *bucket_of(struct label_index *index, struct slice key)
{
    struct label_bucket *bucket = hash_map_get(index->buckets, key);
    if (bucket == NULL) {
        bucket = alloc_zeroed(sizeof(*bucket) + key.len + 1);
        memcpy(bucket->key, key.data, key.len);
        list_init(&bucket->places);
        hash_map_set(index->buckets, key, bucket);
    }
    return bucket;
}

void label_index_enter(struct label_index *index, struct labelled *labelled,
                       const Meta__V1__ObjectMeta *meta)
{
    assert(labelled->count == 0);
    if (meta->n_labels == 0) {
        return;
    }
    struct api_string_map labels = API_STRING_MAP(meta->labels, meta->n_labels);
    labelled->places = alloc_array(meta->n_labels, sizeof(*labelled->places));
    labelled->count = meta->n_labels;
    for (size_t i = 0; i < meta->n_labels; i++) {
        char text[KEY_SIZE];
        struct label_place *place = &labelled->places[i];
        place->labelled = labelled;
        place->bucket = bucket_of(index, bucket_key(text, text_or_empty(meta->namespace_),
                                                    api_string_map_key(labels, i),
                                                    api_string_map_value(labels, i)));
        list_init(&place->link);
        list_push_back(&place->bucket->places, &place->link);
        place->bucket->count++;
    }
}

void label_index_leave(struct label_index *index, struct labelled *labelled)
{
    for (size_t i = 0; i < labelled->count; i++) {
        struct label_bucket *bucket = labelled->places[i].bucket;
        list_remove(&labelled->places[i].link);
        if (--bucket->count == 0) {
            hash_map_remove(index->buckets, slice_text(bucket->key));
            free(bucket);
        }
    }
    free(labelled->places);
    *labelled = (struct labelled){0};
}

const struct label_bucket *label_index_find(const struct label_index *index, const char *namespace_,
                                            struct api_string_map labels)
{
    const struct label_bucket *rarest = NULL;
    assert(labels.count > 0);
    for (size_t i = 0; i < labels.count; i++) {
        char text[KEY_SIZE];
        const struct label_bucket *bucket =
            hash_map_get(index->buckets, bucket_key(text, namespace_, api_string_map_key(labels, i),
                                                    api_string_map_value(labels, i)));
        if (bucket == NULL) {
            return NULL;
        }
        rarest = rarest == NULL || bucket->count < rarest->count ? bucket : rarest;
    }
    return rarest;
}
