#include "agent/network/service_table.h"

#include "agent/network/limits.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void service_table_init(struct service_table *table)
{
    table->services = hash_map_new(/* seed= */ 11);
    table->slices = hash_map_new(/* seed= */ 12);
    table->by_address = hash_map_new(/* seed= */ 13);
    list_init(&table->dirty);
}

static void slice_free(struct slice_entry *slice)
{
    list_remove(&slice->link);
    arena_free(slice->spec->arena);
    free(slice);
}

static void entry_free(struct service_entry *entry)
{
    assert(entry->rules == NULL);
    list_remove(&entry->dirty);
    if (entry->spec != NULL) {
        arena_free(entry->spec->arena);
    }
    free(entry->key);
    free(entry);
}

void service_table_release(struct service_table *table)
{
    void *value;
    for (size_t at = 0; hash_map_next(table->slices, &at, NULL, &value);) {
        slice_free(value);
    }
    for (size_t at = 0; hash_map_next(table->services, &at, NULL, &value);) {
        entry_free(value);
    }
    hash_map_free(table->services);
    hash_map_free(table->slices);
    hash_map_free(table->by_address);
}

static struct slice address_key(const struct in_addr *address)
{
    return slice_of(address, sizeof(*address));
}

static void mark_dirty(struct service_table *table, struct service_entry *entry)
{
    if (!list_linked(&entry->dirty)) {
        list_push_back(&table->dirty, &entry->dirty);
    }
}

static struct service_entry *entry_get(struct service_table *table, const char *namespace_name,
                                       const char *name)
{
    struct service_entry *entry = service_table_find(table, namespace_name, name);
    if (entry != NULL) {
        return entry;
    }
    if (hash_map_count(table->services) >= NETWORK_SERVICES_MAX) {
        return NULL;
    }
    entry = alloc_zeroed(sizeof(*entry));
    entry->key = alloc_printf("%s/%s", namespace_name, name);
    list_init(&entry->slices);
    list_init(&entry->dirty);
    (void)hash_map_set(table->services, slice_text(entry->key), entry);
    return entry;
}

static void forget_spec(struct service_table *table, struct service_entry *entry)
{
    if (entry->spec == NULL) {
        return;
    }
    struct slice key = address_key(&entry->spec->cluster_ip);
    if (hash_map_get(table->by_address, key) == entry) {
        (void)hash_map_remove(table->by_address, key);
    }
    arena_free(entry->spec->arena);
    entry->spec = NULL;
}

int service_table_upsert(struct service_table *table, struct service_spec *spec_consume)
{
    struct service_entry *entry =
        entry_get(table, spec_consume->namespace_name, spec_consume->name);
    if (entry == NULL) {
        arena_free(spec_consume->arena);
        return -ENOSPC;
    }
    forget_spec(table, entry);
    entry->spec = spec_consume;
    if (spec_consume->cluster_ip.s_addr != 0) {
        (void)hash_map_set(table->by_address, address_key(&spec_consume->cluster_ip), entry);
    }
    mark_dirty(table, entry);
    return 0;
}

void service_table_remove(struct service_table *table, const char *namespace_name, const char *name)
{
    struct service_entry *entry = service_table_find(table, namespace_name, name);
    if (entry != NULL && entry->spec != NULL) {
        forget_spec(table, entry);
        mark_dirty(table, entry);
    }
}

int service_table_upsert_slice(struct service_table *table, struct slice_spec *spec_consume)
{
    service_table_remove_slice(table, spec_consume->namespace_name, spec_consume->name);
    struct service_entry *entry =
        entry_get(table, spec_consume->namespace_name, spec_consume->service_name);
    if (entry == NULL) {
        arena_free(spec_consume->arena);
        return -ENOSPC;
    }
    struct slice_entry *slice = alloc_zeroed(sizeof(*slice));
    slice->spec = spec_consume;
    slice->service = entry;
    list_init(&slice->link);
    list_push_back(&entry->slices, &slice->link);
    char *key = alloc_printf("%s/%s", spec_consume->namespace_name, spec_consume->name);
    (void)hash_map_set(table->slices, slice_text(key), slice);
    free(key);
    mark_dirty(table, entry);
    return 0;
}

void service_table_remove_slice(struct service_table *table, const char *namespace_name,
                                const char *name)
{
    char *key = alloc_printf("%s/%s", namespace_name, name);
    struct slice_entry *slice = hash_map_remove(table->slices, slice_text(key));
    free(key);
    if (slice != NULL) {
        mark_dirty(table, slice->service);
        slice_free(slice);
    }
}

struct service_entry *service_table_find(const struct service_table *table,
                                         const char *namespace_name, const char *name)
{
    char *key = alloc_printf("%s/%s", namespace_name, name);
    struct service_entry *entry = hash_map_get(table->services, slice_text(key));
    free(key);
    return entry;
}

struct service_entry *service_table_find_address(const struct service_table *table,
                                                 struct in_addr address)
{
    return hash_map_get(table->by_address, address_key(&address));
}

struct service_entry *service_table_next_dirty(struct service_table *table)
{
    struct list *node = list_first(&table->dirty);
    if (node == NULL) {
        return NULL;
    }
    list_remove(node);
    return LIST_ENTRY(node, struct service_entry, dirty);
}

void service_table_settle(struct service_table *table, struct service_entry *entry)
{
    if (entry->spec != NULL || entry->rules != NULL || !list_empty(&entry->slices)) {
        return;
    }
    (void)hash_map_remove(table->services, slice_text(entry->key));
    entry_free(entry);
}
