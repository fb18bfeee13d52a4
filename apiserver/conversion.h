/* Conversion of custom objects by the webhook of their definition: asynchronous, any number of
 * objects at once. */
#ifndef APISERVER_CONVERSION_H
#define APISERVER_CONVERSION_H
#include "apiserver/webhook_client.h"
#include "lib/api/conversion_review.h"

struct conversion_request {
    struct webhook_client *client;
    const struct api_kind *to; /* Has a custom_converter(). */
    const struct conversion_item
        *items; /* Copied; at least one; of the same state of definition. */
    size_t count;
    struct loop *home; /* `done` runs there; NULL: on the store loop. */
    /* Once, never from inside conversion_start(). `results` are JSON, in the order of the items,
     * and NULL with a `refusal`; both are lent. */
    void (*done)(void *data, const struct slice *results, const struct api_status *refusal);
    void *data;
};

/* Frees itself after `done`. On the thread of `home`. */
void conversion_start(const struct conversion_request *request);
#endif
