/* Patches of JSON trees: RFC 6902 (JSON patch), RFC 7386 (merge patch) and the strategic merge
 * patch of Kubernetes, driven by the merge keys of the message tables. Pure. The document is not
 * changed; the result shares what did not change with it, in the same arena. */
#ifndef LIB_API_PATCH_H
#define LIB_API_PATCH_H
#include "lib/base/arena.h"
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

struct api_message;
struct api_problems;
struct api_status;
struct json_value;

/* All three return 0, or a negative errno with *reterr_status set to the Status that v1.32 answers
 * (in `arena`): -EINVAL for a patch that cannot be read (400), -ENOENT for one that cannot be
 * applied (422), -E2BIG for one over a limit (413). */

/* RFC 6902. At most API_PATCH_OPERATIONS_MAX operations; `copy` may add API_PATCH_COPY_BYTES_MAX,
 * and what is put into lists or taken out may move API_PATCH_MOVED_ITEMS_MAX. */
MUST_USE int api_patch_json(struct arena *arena, const struct json_value *document,
                            struct slice patch, struct json_value **ret_document,
                            const struct api_status **reterr_status);
/* The same for a webhook's patch; what is wrong is told in the words of the library that Kubernetes
 * uses, which callers of a webhook are shown. */
MUST_USE int api_patch_json_worded(struct arena *arena, const struct json_value *document,
                                   struct slice patch, struct json_value **ret_document,
                                   const char **reterr_words);
/* RFC 7386. */
MUST_USE int api_patch_merge(struct arena *arena, const struct json_value *document,
                             struct slice patch, struct json_value **ret_document,
                             const struct api_status **reterr_status);
/* Strategic merge by the tables of `message`: merge keys, $patch (merge, replace, delete),
 * $setElementOrder, $deleteFromPrimitiveList, $retainKeys. */
MUST_USE int api_patch_strategic(struct arena *arena, const struct api_message *message,
                                 const struct json_value *document, struct slice patch,
                                 struct json_value **ret_document,
                                 const struct api_status **reterr_status);

enum api_merge_style { API_MERGE_PLAIN, API_MERGE_STRATEGIC }; /* RFC 7386, Kubernetes'. */

/* Either merge for a decoded object, with the result of doing it by trees; far cheaper, as only
 * the members that the patch names become trees. *ret_object is a copy. Returns -ENOTSUP, and the
 * caller has to take the way by trees, for custom resources, and for every patch that is refused,
 * has problems, or concerns more than the members it names: so nothing has to be reported. */
MUST_USE int api_patch_members(struct arena *arena, const struct api_message *message,
                               const void *object, enum api_merge_style style, struct slice patch,
                               void **ret_object);
/* Appends to `problems` what strict validation holds against the text of a patch that can be read:
 * names that stand twice and, of RFC 6902 (`operations`), members that its operations do not have.
 */
void api_patch_problems(struct arena *arena, struct slice patch, bool operations,
                        struct api_problems *problems);
#endif
