#include "store/kv.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

struct store_kv *store_kv_new(struct slice key, struct slice value)
{
    return store_kv_new_behind(0, key, value);
}

struct store_kv *store_kv_new_behind(uint16_t room, struct slice key, struct slice value)
{
    assert(room % _Alignof(struct store_kv) == 0);
    uint8_t *memory = alloc_bytes(room + sizeof(struct store_kv) + key.len + value.len);
    struct store_kv *kv = (struct store_kv *)(void *)(memory + room);
    uint8_t *bytes = (uint8_t *)(kv + 1);
    *kv = (struct store_kv){.key = slice_of(bytes, key.len),
                            .value = slice_of(bytes + key.len, value.len),
                            .room = room};
    atomic_init(&kv->refs, 1);
    if (key.len > 0) {
        memcpy(bytes, key.data, key.len);
    }
    if (value.len > 0) {
        memcpy(bytes + key.len, value.data, value.len);
    }
    return kv;
}

/* The reference count is the one part of a kv that changes. */
static struct store_kv *kv_shared(const struct store_kv *kv)
{
    return (struct store_kv *)(uintptr_t)kv;
}

const struct store_kv *store_kv_ref(const struct store_kv *kv)
{
    atomic_fetch_add_explicit(&kv_shared(kv)->refs, 1, memory_order_relaxed);
    return kv;
}

void store_kv_unref(const struct store_kv *kv)
{
    if (kv != NULL &&
        atomic_fetch_sub_explicit(&kv_shared(kv)->refs, 1, memory_order_acq_rel) == 1) {
        free(store_kv_room(kv));
    }
}
