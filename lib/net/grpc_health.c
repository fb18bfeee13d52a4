#include "lib/net/grpc_health.h"

#include "grpc/health/v1/health.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define UNKNOWN     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

/* Counted by reference: streams may still be told something when their server is closing. */
struct grpc_health {
    _Atomic uint32_t refs;
    pthread_mutex_t lock;
    struct health_row {
        char *service;
        serving_status status;
    } rows[GRPC_HEALTH_SERVICES_MAX];
    size_t row_count;
    struct list watchers;
    size_t watcher_count;
};

struct health_watcher {
    struct list node; /* Under the lock. */
    _Atomic uint32_t refs;
    struct grpc_health *health;
    struct grpc_call *call;
    char *service;
    serving_status told; /* Connection's loop. */
};

static void health_unref(struct grpc_health *health)
{
    if (atomic_fetch_sub_explicit(&health->refs, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < health->row_count; i++) {
            free(health->rows[i].service);
        }
        pthread_mutex_destroy(&health->lock);
        free(health);
    }
}

struct grpc_health *grpc_health_new(void)
{
    struct grpc_health *health = alloc_zeroed(sizeof(*health));
    atomic_init(&health->refs, 1);
    pthread_mutex_init(&health->lock, NULL);
    list_init(&health->watchers);
    return health;
}

void grpc_health_free(struct grpc_health *health)
{
    if (health != NULL) {
        health_unref(health);
    }
}

/* Under the lock. */
static struct health_row *row_find(struct grpc_health *health, const char *service)
{
    for (size_t i = 0; i < health->row_count; i++) {
        if (strcmp(health->rows[i].service, service) == 0) {
            return &health->rows[i];
        }
    }
    return NULL;
}

static serving_status status_of(struct grpc_health *health, const char *service)
{
    pthread_mutex_lock(&health->lock);
    const struct health_row *row = row_find(health, service);
    serving_status status = row == NULL ? UNKNOWN : row->status;
    pthread_mutex_unlock(&health->lock);
    return status;
}

/* --- Streams. */

static void watcher_unref(struct health_watcher *watcher)
{
    if (atomic_fetch_sub_explicit(&watcher->refs, 1, memory_order_acq_rel) == 1) {
        grpc_call_unref(watcher->call);
        health_unref(watcher->health);
        free(watcher->service);
        free(watcher);
    }
}

static void send_status(struct grpc_call *call, serving_status status)
{
    uint8_t bytes[32];
    Grpc__Health__V1__HealthCheckResponse response;
    grpc__health__v1__health_check_response__init(&response);
    response.status = status;
    assert(grpc__health__v1__health_check_response__get_packed_size(&response) <= sizeof(bytes));
    (void)grpc_call_send(
        call, slice_of(bytes, grpc__health__v1__health_check_response__pack(&response, bytes)));
}

static void watcher_tell(void *data) /* Connection's loop. */
{
    struct health_watcher *watcher = data;
    serving_status status = status_of(watcher->health, watcher->service);
    if (status != watcher->told && !grpc_call_is_over(watcher->call)) {
        watcher->told = status;
        send_status(watcher->call, status);
    }
    watcher_unref(watcher);
}

static void watcher_cancelled(void *data)
{
    struct health_watcher *watcher = data;
    pthread_mutex_lock(&watcher->health->lock);
    list_remove(&watcher->node);
    watcher->health->watcher_count--;
    pthread_mutex_unlock(&watcher->health->lock);
    watcher_unref(watcher);
}

void grpc_health_set(struct grpc_health *health, const char *service, bool serving)
{
    serving_status status = serving ? SERVING : NOT_SERVING;
    pthread_mutex_lock(&health->lock);
    struct health_row *row = row_find(health, service);
    if (row == NULL) {
        assert(health->row_count < GRPC_HEALTH_SERVICES_MAX);
        row = &health->rows[health->row_count++];
        *row = (struct health_row){.service = alloc_text(service), .status = UNKNOWN};
    }
    bool changed = row->status != status;
    row->status = status;
    LIST_FOREACH(node, next, &health->watchers)
    {
        struct health_watcher *watcher = LIST_ENTRY(node, struct health_watcher, node);
        if (changed && strcmp(watcher->service, service) == 0) {
            atomic_fetch_add_explicit(&watcher->refs, 1, memory_order_relaxed);
            loop_post(grpc_call_loop(watcher->call), watcher_tell, watcher);
        }
    }
    pthread_mutex_unlock(&health->lock);
}

static bool watcher_add(struct grpc_health *health, struct health_watcher *watcher)
{
    pthread_mutex_lock(&health->lock);
    bool room = health->watcher_count < GRPC_HEALTH_WATCHERS_MAX;
    if (room) {
        list_push_back(&health->watchers, &watcher->node);
        health->watcher_count++;
    }
    pthread_mutex_unlock(&health->lock);
    return room;
}

/* --- Methods. */

static Grpc__Health__V1__HealthCheckRequest *unpack(struct grpc_call *call, struct slice bytes)
{
    Grpc__Health__V1__HealthCheckRequest *request =
        grpc__health__v1__health_check_request__unpack(NULL, bytes.len, bytes.data);
    if (request == NULL) {
        grpc_call_finish(call, GRPC_INTERNAL, "malformed request", slice_of(NULL, 0));
    }
    return request;
}

static void on_check(void *data, struct grpc_call *call, struct slice bytes)
{
    struct grpc_health *health = data;
    Grpc__Health__V1__HealthCheckRequest *request = unpack(call, bytes);
    if (request == NULL) {
        return;
    }
    serving_status status = status_of(health, request->service);
    if (status == UNKNOWN) {
        grpc_call_finish(call, GRPC_NOT_FOUND, "unknown service", slice_of(NULL, 0));
    } else {
        send_status(call, status);
        grpc_call_finish(call, GRPC_OK, NULL, slice_of(NULL, 0));
    }
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
}

/* Of a service that is not known (yet) it says so, and goes on. */
static void on_watch(void *data, struct grpc_call *call, struct slice bytes)
{
    struct grpc_health *health = data;
    Grpc__Health__V1__HealthCheckRequest *request = unpack(call, bytes);
    if (request == NULL) {
        return;
    }
    struct health_watcher *watcher = alloc_zeroed(sizeof(*watcher));
    atomic_init(&watcher->refs, 1);
    atomic_fetch_add_explicit(&health->refs, 1, memory_order_relaxed);
    list_init(&watcher->node);
    watcher->health = health;
    watcher->call = grpc_call_ref(call);
    watcher->service = alloc_text(request->service);
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
    if (!watcher_add(health, watcher)) {
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "too many watchers", slice_of(NULL, 0));
        watcher_unref(watcher);
        return;
    }
    grpc_call_on_cancel(call, watcher_cancelled, watcher);
    watcher->told = status_of(health, watcher->service);
    send_status(call, watcher->told);
}

void grpc_health_mount(struct grpc_health *health, struct grpc_server *server)
{
    const struct grpc_method methods[] = {
        {.path = "/grpc.health.v1.Health/Check",
         .kind = GRPC_UNARY,
         .on_call = on_check,
         .data = health},
        {.path = "/grpc.health.v1.Health/Watch",
         .kind = GRPC_SERVER_STREAM,
         .on_call = on_watch,
         .data = health},
    };
    grpc_server_add(server, methods, ARRAY_LEN(methods));
}
