/* Writers of the parts of OpenAPI documents. Internal to lib/api. */
#ifndef LIB_API_OPENAPI_INTERNAL_H
#define LIB_API_OPENAPI_INTERNAL_H
#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"

#define OPENAPI_META "io.k8s.apimachinery.pkg.apis.meta.v1."

enum openapi_form { OPENAPI_V2, OPENAPI_V3 };

/* --- Schemas -----------------------------------------------------------------------------------
 */

/* Notes the message and all that its members refer to. `set` maps schema names to tables. */
void openapi_collect(struct hash_map *set, const struct api_message *message);
/* Appends `"name":{...}` for all of the set, sorted by name, without braces around. */
void openapi_schemas(const struct hash_map *set, enum openapi_form form, struct buffer *out);
/* An object with two schemas for each of the custom kinds: of its objects and of lists of them. It
 * shares memory with the definitions. */
struct json_value *openapi_custom_schemas(struct arena *arena, const struct api_kind *const *kinds,
                                          size_t count, enum openapi_form form);
/* The schema of the kind's lists, built in or custom; NULL when it cannot be listed. */
const char *openapi_list_name(struct arena *arena, const struct api_kind *kind);
/* "type" and perhaps "format" of a field's value that is no message. */
void openapi_scalar(struct buffer *out, const struct api_field *field);
void openapi_text(struct buffer *out, const char *text); /* Quoted. */
/* What explain shows of the members of every object. */
extern const char openapi_api_version_text[], openapi_kind_text[];

/* --- Paths -------------------------------------------------------------------------------------
 */

/* Appends members of "paths", with commas between them but no braces around. */
struct openapi_paths {
    struct arena *arena; /* Takes what is thrown away. */
    struct buffer *out;
    enum openapi_form form;
    bool started; /* A member stands before: the next one begins with a comma. */
};

/* Those of kinds of one group version; of custom kinds what v1.32 has: not the root of the version,
 * nor the paths under watch/. */
void openapi_kind_paths(struct openapi_paths *paths, const struct api_kind *const *kinds,
                        size_t count);
/* A path whose one operation is GET, of something that is no resource. */
struct openapi_lookup {
    const char *path, *operation_id, *description, *tag;
    const char *type;   /* "application/json"; NULL: the forms of objects. */
    const char *schema; /* NULL: text. */
    bool anyone;        /* Does not answer 401. */
};
void openapi_lookup_path(struct openapi_paths *paths, const struct openapi_lookup *lookup);

/* Something that has a path. */
struct openapi_place {
    const struct api_kind *kind;
    const struct api_subresource *subresource; /* NULL for objects and lists of them. */
    const char *path;
    const char *group, *version, *body_kind; /* Of the body, which a subresource may change. */
    const char *body, *list;                 /* Schemas; NULL for none. */
    bool named;                              /* One object. */
    bool namespaced;                         /* The path names a namespace. */
    bool with_path;                          /* What follows is another server's path. */
};
/* Appends `"get":{...}`. */
void openapi_operation(struct openapi_paths *paths, const struct openapi_place *place,
                       const char *method, const char *action);
/* "readCoreV1NamespacedPod", as generators of clients name their functions after. In the arena. */
const char *openapi_operation_id(struct arena *arena, const struct openapi_place *place,
                                 const char *method, const char *action);
/* "RbacAuthorization" of "rbac.authorization.k8s.io", "Core" of "". In the arena. */
const char *openapi_group_word(struct arena *arena, const char *group, bool capital);

/* --- Parameters --------------------------------------------------------------------------------
 */

/* Appends the operation's own parameters as items, without brackets around; `started` as above. */
void openapi_query_parameters(struct buffer *out, enum openapi_form form,
                              const struct openapi_place *place, const char *action, bool started);
/* Appends `"parameters":[...]` of the path: its own parts, and "pretty". */
void openapi_path_parameters(struct buffer *out, enum openapi_form form,
                             const struct openapi_place *place);
/* Appends members of the v2 document's "parameters", which operations refer to. */
void openapi_parameter_definitions(struct buffer *out);
#endif
