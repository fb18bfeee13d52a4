/* OpenAPI v2 documents of extension servers, made part of ours: first what of each is of its group
 * version, then all of these together. Pure; one thread at a time. */
#ifndef LIB_API_OPENAPI_EXTENSION_H
#define LIB_API_OPENAPI_EXTENSION_H
#include "lib/api/openapi.h"
#include "lib/base/error.h"

/* Appends, as a JSON object with members "parameters", "definitions" and "paths", what a document
 * has at /apis/GROUP/VERSION/ and what that refers to, directly or not; of all of this what other
 * readers understand (openapi_clean.h). The text may be anything. Returns 0; -EINVAL for what is no
 * such document, -E2BIG over a limit of limits_semantics.h, both with a reason. */
MUST_USE int api_openapi_extension_keep(struct slice text, const char *group, const char *version,
                                        struct buffer *out, struct error *reterr);

/* What several of them add to the v2 document. A definition or parameter of a name that is taken by
 * another one is renamed ("NAME_v2", "NAME_v3", as v1.32 does), and with it what refers to it,
 * where it was; one that is there already as it is, is not added again. */
struct api_openapi_merge;
/* `kinds` are the custom ones, as above; they outlive it. */
MUST_USE struct api_openapi_merge *api_openapi_merge_new(const struct api_kind *const *kinds,
                                                         size_t count);
void api_openapi_merge_free(struct api_openapi_merge *merge); /* NULL is a no-op. */
/* One more, as api_openapi_extension_keep() made it, of a group version that nobody else has.
 * Returns 0, or a negative errno when it was left out: -EINVAL for what is no such object, -E2BIG
 * when there are too many already. */
MUST_USE int api_openapi_merge_add(struct api_openapi_merge *merge, struct slice document,
                                   const char *group, const char *version);
/* What belongs behind our own part of the document: members, each after a comma. */
struct buffer *api_openapi_merge_json(struct api_openapi_merge *merge, enum api_openapi_part part);
/* All of it behind our own document in protobuf. */
struct buffer *api_openapi_merge_protobuf(struct api_openapi_merge *merge);
#endif
