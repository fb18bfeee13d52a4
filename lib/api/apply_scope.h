/* What the managers of an object can own: by the subresource they write through, and the version
 * of the API they see the object in. Internal to lib/api. */
#ifndef LIB_API_APPLY_SCOPE_H
#define LIB_API_APPLY_SCOPE_H
#include "lib/api/apply.h"
#include "lib/base/arena.h"

struct json_value;

/* Takes fields out of the set that a request of this kind and subresource does not write. */
void apply_scope_reset(const struct api_apply_request *request, struct json_value *set);
/* The same, and what nobody can own. */
void apply_scope_strip(const struct api_apply_request *request, struct json_value *set);
/* The form of the kind that the version names, or NULL when there is none that is served. */
const struct api_kind *apply_scope_form(const struct api_kind *kind, const char *api_version);
/* An object of the kind as it is in another form. What does not change is shared with it. */
const void *apply_scope_convert(struct arena *arena, const struct api_kind *kind,
                                const struct api_kind *form, const void *object);
/* The same for the object's tree, from one form of its kind to another; a tree that does not decode
 * stays as it is. */
struct json_value *apply_scope_convert_tree(struct arena *arena, const struct api_kind *kind,
                                            const struct api_kind *form, struct json_value *tree);
#endif
