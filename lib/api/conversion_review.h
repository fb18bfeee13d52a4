/* ConversionReview, apiextensions.k8s.io: custom objects as they are put to the webhook of their
 * definition, and what it makes of them. Pure; results in the caller's arena.
 * Source: Kubernetes documentation, "Versions in CustomResourceDefinitions". */
#ifndef LIB_API_CONVERSION_REVIEW_H
#define LIB_API_CONVERSION_REVIEW_H
#include "lib/api/custom.h"
#include "lib/base/buffer.h"

struct conversion_item {
    const struct api_kind *from; /* A version of the same resource as what it is to be. */
    struct slice json;           /* The whole object. */
};

/* "v1" or "v1beta1", the first of the definition's that we speak; NULL for none. */
const char *conversion_review_version(const Apiextensions__V1__WebhookConversion *webhook);
/* The review `uid` in `version`, appended. */
void conversion_review_print(const struct api_kind *to, const struct conversion_item *items,
                             size_t count, const char *version, const char *uid,
                             struct buffer *out);
/* Reads the answer to it: NULL, and the JSON of each object in `ret_objects`, with the metadata
 * that it had before but for labels and annotations; or what is wrong, as v1.32 words it. */
const char *conversion_review_read(struct arena *arena, const struct api_kind *to,
                                   const struct conversion_item *items, size_t count,
                                   const char *version, const char *uid, struct slice answer,
                                   struct slice *ret_objects);
/* "conversion webhook for shop.example.com/v1, Kind=Widget failed: " and `why`. */
const char *conversion_review_failure(struct arena *arena, const struct api_kind *from,
                                      const char *why);
#endif
