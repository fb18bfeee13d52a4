/* How a request came and how its answer leaves: by HTTP, or as a call of coracle.v1.Objects. What
 * is above (stages, handlers) and below (the registry) is the same for both. Inside of the API
 * server; all on the request's loop. */
#ifndef APISERVER_CODEC_H
#define APISERVER_CODEC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_kind;
struct api_message;
struct api_status;
struct api_type_meta;
struct cached_object;
struct request;

struct watch_event {
    const char *type;                   /* "ADDED" */
    const struct cached_object *object; /* Whose encodings can be sent, or NULL. */
    const void *message;                /* What is shown; of request->kind. NULL when codec
                                         * and object can do without it. */
    uint64_t revision;
    bool initial;     /* Of the state before the watch; no place to go on from. */
    bool initial_end; /* The bookmark after the last of these. */
};

/* The events of a watch, once its request has been answered with begin(). */
struct watch_codec {
    void (*begin)(struct request *request);
    /* Returns the bytes queued: stop at NET_WRITE_HIGH_BYTES until http_on_drain(). */
    size_t (*event)(struct request *request, const struct watch_event *event);
    /* base64 of a list without items in the form of the answer, which a bookmark at the end of the
     * initial events holds. The function may be NULL: it holds none. */
    const char *(*empty_list)(struct request *request);
    /* Why the watch ends; once, before end(). */
    void (*error)(struct request *request, const struct api_status *status);
    void (*end)(struct request *request);
};

struct request_codec {
    /* In what form the client wants its answer, into request->accept. False: refused. */
    bool (*negotiate)(struct request *request);
    /* Each of these answers whole and ends with request_finish(). */
    void (*status)(struct request *request, const struct api_status *status);
    void (*too_many)(struct request *request);  /* Refused by priority and fairness. */
    void (*not_found)(struct request *request); /* There is no such path. */
    /* It went wrong before a handler was reached. */
    void (*failed)(struct request *request, const char *why);
    void (*message)(struct request *request, unsigned code, const struct api_message *schema,
                    const void *message, const struct api_type_meta *type_meta);
    /* `object` is the cached one whose encodings can be sent, or NULL; `shown` is the message. */
    void (*object)(struct request *request, unsigned code, const struct cached_object *object,
                   const struct api_kind *kind, const void *shown);
    /* Whether object() and watch->event() can do without the message when they get the cached
     * object. NULL: never. */
    bool (*object_alone)(const struct request *request);
    void (*list)(struct request *request); /* request->call holds a finished list. */
    const struct watch_codec *watch;
    /* The client is gone, or its deadline has passed; once. NULL clears. */
    void (*on_abort)(struct request *request, void (*abort)(void *data), void *data);
    bool (*is_aborted)(struct request *request);
};

extern const struct request_codec http_codec;
extern const struct watch_codec http_watch_codec;
#endif
