#include "apiserver/conversion.h"

#include "apiserver/limits.h"
#include "lib/api/status.h"
#include "lib/base/uuid.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <stdlib.h>

/* The items go out in batches, one after the other, so that neither question nor answer is too
 * large for the other side. */
struct conversion {
    struct webhook_client *client;
    const struct api_kind *to;
    struct arena *arena; /* The conversion itself lies in it. */
    struct conversion_item *items;
    struct slice *results;
    size_t count;
    size_t first, batch; /* Of the question under way. */
    const char *version, *uid;
    struct webhook_call call;
    void (*done)(void *data, const struct slice *results, const struct api_status *refusal);
    void *data;
};

static void finish(struct conversion *conversion, const char *problem)
{
    /* v1.32 has no reason for it, either. */
    const struct api_status *refusal =
        problem == NULL ? NULL : api_status_new(conversion->arena, 500, "", problem, NULL, "");
    conversion->done(conversion->data, refusal == NULL ? conversion->results : NULL, refusal);
    custom_kind_unref(conversion->to);
    arena_free(conversion->arena);
}

static const char *new_uid(struct arena *arena)
{
    uint64_t random[2];
    x509_random((uint8_t *)random, sizeof(random));
    return uuid_text(arena, random[0], random[1]);
}

/* NULL, or what is wrong with the answer. */
static const char *read_answer(struct conversion *conversion)
{
    struct arena *arena = conversion->arena;
    const struct webhook_call *call = &conversion->call;
    const struct conversion_item *items = &conversion->items[conversion->first];
    if (call->error < 0) {
        return conversion_review_failure(arena, items[0].from, call->message);
    }
    if (call->status < 200 || call->status > 299) {
        return conversion_review_failure(arena, items[0].from, webhook_answer_words(arena, call));
    }
    return conversion_review_read(arena, conversion->to, items, conversion->batch,
                                  conversion->version, conversion->uid, call->answer,
                                  &conversion->results[conversion->first]);
}

static void ask(struct conversion *conversion);

static void answered(struct webhook_call *call)
{
    struct conversion *conversion = call->data;
    const char *problem = read_answer(conversion);
    conversion->first += conversion->batch;
    if (problem != NULL || conversion->first == conversion->count) {
        finish(conversion, problem);
    } else {
        ask(conversion);
    }
}

static size_t batch_from(const struct conversion *conversion)
{
    size_t count = 0, bytes = 0;
    for (size_t i = conversion->first; i < conversion->count && count < CONVERSION_BATCH_MAX; i++) {
        bytes += conversion->items[i].json.len;
        if (count > 0 && bytes > CONVERSION_BATCH_BYTES) {
            break;
        }
        count++;
    }
    return count;
}

static struct webhook_target target_of(const struct api_kind *kind)
{
    const Apiextensions__V1__WebhookClientConfig *config = custom_converter(kind)->client_config;
    struct webhook_target target = {.url = ""};
    if (config == NULL) {
        return target;
    }
    target.ca_bundle = slice_of(config->ca_bundle.data, config->ca_bundle.len);
    target.url = config->service == NULL ? text_or_empty(config->url) : NULL;
    if (config->service != NULL) {
        target.service_namespace = text_or_empty(config->service->namespace_);
        target.service_name = text_or_empty(config->service->name);
        target.service_path = config->service->path;
        target.service_port = config->service->port;
    }
    return target;
}

static void ask(struct conversion *conversion)
{
    CLEANUP(buffer_release) struct buffer review;
    buffer_init(&review, 2 * ENCODED_OBJECT_MAX);
    conversion->batch = batch_from(conversion);
    conversion->uid = new_uid(conversion->arena);
    conversion_review_print(conversion->to, &conversion->items[conversion->first],
                            conversion->batch, conversion->version, conversion->uid, &review);
    conversion->call = (struct webhook_call){
        .target = target_of(conversion->to),
        .body = arena_slice(conversion->arena, buffer_slice(&review)),
        .timeout_ms = CONVERSION_TIMEOUT_MS,
        .arena = conversion->arena,
        .home = conversion->call.home,
        .done = answered,
        .data = conversion,
    };
    webhook_client_start(conversion->client, &conversion->call);
}

void conversion_start(const struct conversion_request *request)
{
    struct arena *arena = arena_new(SIZE_MAX); /* Bounded by what the items and answers hold. */
    struct conversion *conversion = arena_zeroed(arena, sizeof(*conversion));
    const char *version = conversion_review_version(custom_converter(request->to));
    assert(request->count > 0);
    *conversion = (struct conversion){
        .client = request->client,
        .to = custom_kind_ref(request->to),
        .arena = arena,
        .items = arena_array(arena, request->count, sizeof(*conversion->items)),
        .results = arena_array(arena, request->count, sizeof(*conversion->results)),
        .count = request->count,
        .version = version == NULL ? "v1" : version, /* Definitions are checked to have one. */
        .done = request->done,
        .data = request->data,
        .call = {.home = request->home},
    };
    for (size_t i = 0; i < request->count; i++) {
        conversion->items[i] = (struct conversion_item){
            .from = request->items[i].from, .json = arena_slice(arena, request->items[i].json)};
    }
    ask(conversion);
}
