/* A ConfigMap of kube-system that the API server keeps as it should be: looked at now and then,
 * made or mended when it is not, by any member and whoever changed it. One that cannot be read is
 * left alone: it may be again. All on the store loop. */
#ifndef APISERVER_KEPT_MAP_H
#define APISERVER_KEPT_MAP_H
#include "k8s/core_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>

struct apiserver;
struct kept_map;

struct kept_map_config {
    struct apiserver *server;
    const char *name;
    uint64_t idle_ms; /* Between two looks while it is as it should be. */
    /* Whether it is; `present` is NULL when it is not there. `arena` is fill()'s, too. */
    bool (*is_good)(void *data, struct arena *arena, const Core__V1__ConfigMap *present);
    /* After is_good() said no: makes `map`, a copy or a new one, what it should be. */
    void (*fill)(void *data, struct arena *arena, Core__V1__ConfigMap *map);
    void *data;
};

/* Texts are borrowed. */
struct kept_map *kept_map_new(const struct kept_map_config *config);
void kept_map_stop(struct kept_map *map); /* Nothing new begins. */
void kept_map_free(struct kept_map *map); /* Once no call is under way; NULL is a no-op. */
#endif
