#include "apiserver/version_fill.h"

#include "apiserver/cached_object.h"
#include "apiserver/conversion.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/net/loop.h"
#include <pthread.h>
#include <stdlib.h>

struct version_fills {
    struct webhook_client *client;
    struct loop *store_loop;
    pthread_mutex_t lock;  /* Over `questions`, and who waits for each. */
    struct list questions; /* Of one object each, under way. */
};

/* One who waits. */
struct version_fill {
    struct list link; /* Among those of the question. */
    struct version_fills *fills;
    struct loop *home;
    void (*done)(void *data, const struct api_status *refusal); /* NULL: nobody waits. */
    void *data;
    struct arena *arena; /* Of the refusal; NULL without. */
    const struct api_status *refusal;
};

/* What the webhook is being asked. */
struct question {
    struct list link; /* Unlinked for more than one object: nobody else will want the same. */
    struct version_fills *fills;
    const struct api_kind *kind;
    const struct cached_object **objects; /* Referenced. */
    size_t count;
    struct loop *home; /* Where the answer comes. */
    struct list waiting;
};

struct version_fills *version_fills_new(struct webhook_client *client, struct loop *store_loop)
{
    struct version_fills *fills = alloc_zeroed(sizeof(*fills));
    *fills = (struct version_fills){.client = client, .store_loop = store_loop};
    pthread_mutex_init(&fills->lock, NULL);
    list_init(&fills->questions);
    return fills;
}

void version_fills_free(struct version_fills *fills)
{
    if (fills != NULL) {
        pthread_mutex_destroy(&fills->lock);
        free(fills);
    }
}

/* --- Answers -----------------------------------------------------------------------------------
 */

static void tell(void *data)
{
    struct version_fill *fill = data;
    if (fill->done != NULL) {
        fill->done(fill->data, fill->refusal);
    }
    arena_free(fill->arena);
    free(fill);
}

/* Each hears of it on its own thread. */
static void send_home(const struct question *question, struct version_fill *fill,
                      const struct api_status *refusal)
{
    if (refusal != NULL) {
        fill->arena = arena_new(SIZE_MAX);
        fill->refusal = api_status_new(fill->arena, refusal->code, refusal->reason,
                                       arena_text(fill->arena, refusal->message), NULL, "");
    }
    if (fill->home == question->home) {
        tell(fill);
    } else {
        loop_post(fill->home == NULL ? fill->fills->store_loop : fill->home, tell, fill);
    }
}

static void question_free(struct question *question)
{
    for (size_t i = 0; i < question->count; i++) {
        cached_object_unref(question->objects[i]);
    }
    custom_kind_unref(question->kind);
    free(question->objects);
    free(question);
}

static void converted(void *data, const struct slice *results, const struct api_status *refusal)
{
    struct question *question = data;
    struct version_fills *fills = question->fills;
    for (size_t i = 0; i < question->count && refusal == NULL; i++) {
        cached_object_add_version(question->objects[i], question->kind, results[i]);
    }
    pthread_mutex_lock(&fills->lock);
    list_remove(&question->link); /* From now on nobody joins those who wait. */
    pthread_mutex_unlock(&fills->lock);
    while (!list_empty(&question->waiting)) {
        struct version_fill *fill =
            CONTAINER_OF(list_first(&question->waiting), struct version_fill, link);
        list_remove(&fill->link);
        send_home(question, fill, refusal);
    }
    question_free(question);
}

/* --- Questions ---------------------------------------------------------------------------------
 */

static bool is_missing(const struct cached_object *object, const struct api_kind *kind)
{
    return object != NULL && cached_object_version(object, kind) == NULL &&
           cached_object_message(object) != NULL;
}

static struct question *question_new(const struct version_request *request)
{
    struct question *question = alloc_zeroed(sizeof(*question));
    *question = (struct question){.fills = request->fills,
                                  .kind = custom_kind_ref(request->kind),
                                  .home = request->home,
                                  .objects = alloc_array(request->count + 1, sizeof(void *))};
    list_init(&question->link);
    list_init(&question->waiting);
    for (size_t i = 0; i < request->count; i++) {
        if (is_missing(request->objects[i], request->kind)) {
            question->objects[question->count++] = cached_object_ref(request->objects[i]);
        }
    }
    return question;
}

static struct question *same_question(const struct version_fills *fills,
                                      const struct question *wanted)
{
    for (struct list *at = fills->questions.next; at != &fills->questions; at = at->next) {
        struct question *question = CONTAINER_OF(at, struct question, link);
        if (question->objects[0] == wanted->objects[0] && question->kind == wanted->kind) {
            return question;
        }
    }
    return NULL;
}

/* False when it joined those who wait for the same. */
static bool is_first_to_ask(struct question *question, struct version_fill *fill)
{
    struct version_fills *fills = question->fills;
    pthread_mutex_lock(&fills->lock);
    struct question *same = question->count == 1 ? same_question(fills, question) : NULL;
    if (same == NULL && question->count == 1) {
        list_push_back(&fills->questions, &question->link);
    }
    list_push_back(same == NULL ? &question->waiting : &same->waiting, &fill->link);
    pthread_mutex_unlock(&fills->lock);
    return same == NULL;
}

static void ask(struct question *question)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct conversion_item *items = arena_array(arena, question->count, sizeof(*items));
    struct chunk **jsons = arena_array(arena, question->count, sizeof(struct chunk *));
    for (size_t i = 0; i < question->count; i++) {
        jsons[i] = cached_object_json(question->objects[i]);
        items[i] = (struct conversion_item){.from = cached_object_form(question->objects[i]),
                                            .json = jsons[i]->bytes};
    }
    struct conversion_request conversion = {.client = question->fills->client,
                                            .to = question->kind,
                                            .items = items,
                                            .count = question->count,
                                            .home = question->home,
                                            .done = converted,
                                            .data = question};
    size_t count = question->count;
    conversion_start(&conversion);
    for (size_t i = 0; i < count; i++) { /* They were copied. */
        chunk_unref(jsons[i]);
    }
}

struct version_fill *version_fill_start(const struct version_request *request)
{
    struct question *question = question_new(request);
    if (question->count == 0) {
        question_free(question);
        return NULL;
    }
    struct version_fill *fill = alloc_zeroed(sizeof(*fill));
    *fill = (struct version_fill){.fills = request->fills,
                                  .home = request->home,
                                  .done = request->done,
                                  .data = request->data};
    list_init(&fill->link);
    if (is_first_to_ask(question, fill)) {
        ask(question);
    } else {
        question_free(question);
    }
    return fill;
}

void version_fill_cancel(struct version_fill *fill)
{
    if (fill != NULL) {
        fill->done = NULL;
    }
}
