#include "lib/client/expectations.h"

#include "lib/base/alloc.h"
#include "lib/base/env.h"
#include "lib/base/hash_map.h"
#include "lib/client/limits.h"
#include <stdlib.h>

struct expectation {
    size_t creations;
    struct hash_map *deletions; /* uid -> itself */
    uint64_t since_ns;
};

struct expectations {
    struct hash_map *by_key;
};

struct expectations *expectations_new(void)
{
    struct expectations *expectations = alloc_zeroed(sizeof(*expectations));
    expectations->by_key = hash_map_new(/* seed= */ 0x65787065);
    return expectations;
}

static void expectation_free(struct expectation *expectation)
{
    hash_map_free(expectation->deletions);
    free(expectation);
}

void expectations_free(struct expectations *expectations)
{
    if (expectations == NULL) {
        return;
    }
    void *value;
    for (size_t at = 0; hash_map_next(expectations->by_key, &at, NULL, &value);) {
        expectation_free(value);
    }
    hash_map_free(expectations->by_key);
    free(expectations);
}

static struct expectation *expectation_of(struct expectations *expectations, const char *key,
                                          uint64_t now_ns)
{
    struct expectation *expectation = hash_map_get(expectations->by_key, slice_text(key));
    if (expectation == NULL) {
        expectation = alloc_zeroed(sizeof(*expectation));
        expectation->deletions = hash_map_new(/* seed= */ 0x75696473);
        hash_map_set(expectations->by_key, slice_text(key), expectation);
    }
    expectation->since_ns = now_ns;
    return expectation;
}

void expectations_add_creations(struct expectations *expectations, const char *key, size_t count,
                                uint64_t now_ns)
{
    expectation_of(expectations, key, now_ns)->creations += count;
}

void expectations_add_deletion(struct expectations *expectations, const char *key, const char *uid,
                               uint64_t now_ns)
{
    struct expectation *expectation = expectation_of(expectations, key, now_ns);
    hash_map_set(expectation->deletions, slice_text(uid), expectation);
}

void expectations_saw_creation(struct expectations *expectations, const char *key)
{
    struct expectation *expectation = hash_map_get(expectations->by_key, slice_text(key));
    if (expectation != NULL && expectation->creations > 0) {
        expectation->creations--;
    }
}

void expectations_saw_deletion(struct expectations *expectations, const char *key, const char *uid)
{
    struct expectation *expectation = hash_map_get(expectations->by_key, slice_text(key));
    if (expectation != NULL) {
        hash_map_remove(expectation->deletions, slice_text(uid));
    }
}

bool expectations_fulfilled(struct expectations *expectations, const char *key, uint64_t now_ns)
{
    struct expectation *expectation = hash_map_get(expectations->by_key, slice_text(key));
    if (expectation == NULL) {
        return true;
    }
    bool open = expectation->creations > 0 || hash_map_count(expectation->deletions) > 0;
    return !open || now_ns - expectation->since_ns >= CLIENT_EXPECTATIONS_TTL_S * NS_PER_S;
}

void expectations_forget(struct expectations *expectations, const char *key)
{
    struct expectation *expectation = hash_map_remove(expectations->by_key, slice_text(key));
    if (expectation != NULL) {
        expectation_free(expectation);
    }
}
