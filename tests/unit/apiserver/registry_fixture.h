/* A registry over a real one-member store: everything runs on one loop, and each call is waited for
 * by turning that loop. */
#ifndef TESTS_UNIT_APISERVER_REGISTRY_FIXTURE_H
#define TESTS_UNIT_APISERVER_REGISTRY_FIXTURE_H
#include "apiserver/registry.h"
#include "apiserver/service_allocator.h"
#include "apiserver/webhook_client.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/base/env_uv.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "store/storage.h"
#include <check.h>

struct fixture {
    struct loop *loop;
    struct env_uv *env;
    struct store *store;
    struct raft_node *raft;
    struct watch_cache *cache;
    struct registry *registry;
    struct webhook_client *webhooks;
    struct service_allocator services;
    struct arena *arena;
    char dir[64];
    bool opened;
};

void fixture_init(struct fixture *fixture);
void fixture_release(struct fixture *fixture);
/* Runs the call to its end; `user` NULL is the server itself. */
void run(struct fixture *fixture, struct registry_call *call);
const struct api_kind *core(const char *plural);
struct registry_call create(struct fixture *fixture, const char *plural, const char *namespace,
                            const char *json);
struct registry_call simple(struct fixture *fixture, enum registry_verb verb, const char *plural,
                            const char *namespace, const char *name);
void make_namespace(struct fixture *fixture); /* "ns" */
#endif
