/* How v1.32 speaks of a patch that gives an object what its kind cannot hold. Pure. */
#ifndef LIB_API_PATCH_TYPED_H
#define LIB_API_PATCH_TYPED_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

struct api_message;
struct json_value;

/* Appends `map[spec:map[replicas:abc]]`. */
void patch_print_go(const struct json_value *value, struct buffer *out);
/* Why a strategically merged tree is no object of the kind: the first value of a wrong type. NULL
 * when none is found. */
const char *patch_find_mistyped(struct arena *arena, const struct api_message *table,
                                const struct json_value *tree);
/* The object as one line of JSON, as a JSON or merge patch leaves it. */
const char *patch_show_patched(struct arena *arena, const struct json_value *tree);
#endif
