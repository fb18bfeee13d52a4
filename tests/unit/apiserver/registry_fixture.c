#include "tests/unit/apiserver/registry_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_opened(void *data, const struct error *error)
{
    struct fixture *fixture = data;
    ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error_message(error));
    fixture->opened = true;
}

void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.arena = arena_new(SIZE_MAX)};
    /* In memory where there is such a place: the tests are not about disks. */
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "%s/coracle-registry-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(fixture->dir));
    ck_assert_int_eq(loop_new("test", &fixture->loop), 0);
    ck_assert_int_eq(env_uv_new(loop_uv(fixture->loop), &fixture->env), 0);
    struct store_config store = {.env = env_uv_env(fixture->env), .member_id = 1};
    fixture->store = store_new(&store);
    struct raft_peer peer = {.id = 1, .name = "n1", .url = "http://127.0.0.1:1"};
    struct raft_config raft = {.env = env_uv_env(fixture->env),
                               .id = 1,
                               .cluster_id = 1,
                               .dir = fixture->dir,
                               .peers = &peer,
                               .peer_count = 1,
                               .fsm = store_fsm(fixture->store)};
    ck_assert_int_eq(raft_open(&raft, on_opened, fixture, &fixture->raft, NULL), 0);
    store_attach_raft(fixture->store, fixture->raft);
    while (!fixture->opened || !raft_is_settled_leader(fixture->raft)) {
        loop_turn(fixture->loop, true);
    }
    ck_assert_int_eq(service_allocator_init(&fixture->services, "10.96.0.0/24"), 0);
    fixture->cache = watch_cache_new(env_uv_env(fixture->env), store_storage(fixture->store), NULL);
    fixture->webhooks = webhook_client_new(fixture->loop, fixture->loop, fixture->cache);
    struct registry_config config = {.env = env_uv_env(fixture->env),
                                     .storage = store_storage(fixture->store),
                                     .cache = fixture->cache,
                                     .services = &fixture->services,
                                     .webhooks = fixture->webhooks};
    fixture->registry = registry_new(&config);
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

void fixture_release(struct fixture *fixture)
{
    bool raft_closed = false;
    bool env_closed = false;
    registry_free(fixture->registry);
    webhook_client_free(fixture->webhooks);
    watch_cache_free(fixture->cache);
    store_attach_raft(fixture->store, NULL); /* Its timers may still want to send. */
    raft_close(fixture->raft, on_closed, &raft_closed);
    while (!raft_closed) {
        loop_turn(fixture->loop, true);
    }
    store_free(fixture->store);
    env_uv_close(fixture->env, on_closed, &env_closed);
    while (!env_closed) {
        loop_turn(fixture->loop, true);
    }
    loop_free(fixture->loop);
    arena_free(fixture->arena);
    const char *remove[] = {"rm", "-rf", fixture->dir, NULL};
    pid_t child = fork();
    if (child == 0) {
        execvp("rm", (char *const *)(uintptr_t)remove);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

static void call_done(struct registry_call *call)
{
    *(bool *)call->data = true;
}

void run(struct fixture *fixture, struct registry_call *call)
{
    bool done = false;
    call->arena = fixture->arena;
    call->user = call->user == NULL ? &user_system_apiserver : call->user;
    call->done = call_done;
    call->data = &done;
    registry_start(fixture->registry, call);
    ck_assert(!done); /* Never from inside. */
    while (!done) {
        loop_turn(fixture->loop, true);
    }
    registry_finish(call);
}

const struct api_kind *core(const char *plural)
{
    return api_kind_find("", "v1", plural);
}

struct registry_call create(struct fixture *fixture, const char *plural, const char *namespace,
                            const char *json)
{
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture->arena, core(plural)->message, slice_text(json), NULL,
                                     &message, NULL),
                     0);
    struct registry_call call = {
        .verb = REGISTRY_CREATE, .kind = core(plural), .namespace = namespace, .body = message};
    run(fixture, &call);
    return call;
}

struct registry_call simple(struct fixture *fixture, enum registry_verb verb, const char *plural,
                            const char *namespace, const char *name)
{
    struct registry_call call = {
        .verb = verb, .kind = core(plural), .namespace = namespace, .name = name};
    run(fixture, &call);
    return call;
}

void make_namespace(struct fixture *fixture)
{
    struct registry_call call =
        create(fixture, "namespaces", "", "{\"metadata\":{\"name\":\"ns\"}}");
    ck_assert_ptr_null(call.status);
    ck_assert_int_eq(call.code, 201);
}
