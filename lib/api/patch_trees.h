/* The two merges of trees that patches of whole documents and of single members share. Internal to
 * lib/api. */
#ifndef LIB_API_PATCH_TREES_H
#define LIB_API_PATCH_TREES_H
#include "lib/api/patch.h"

/* RFC 7386. Changes `document`. Returns 0, or -E2BIG when the patch nests too deep. */
MUST_USE int patch_merge_tree(struct arena *arena, struct json_value *document,
                              const struct json_value *patch, struct json_value **ret_document);
/* Strategic merge of two objects. Changes both. Errors as of api_patch_strategic();
 * `reterr_status` may be NULL. */
MUST_USE int patch_strategic_tree(struct arena *arena, const struct api_message *message,
                                  struct json_value *document, struct json_value *patch,
                                  struct json_value **ret_document,
                                  const struct api_status **reterr_status);
#endif
