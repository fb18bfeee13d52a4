/* Structural schemas: what the openAPIV3Schema of a CustomResourceDefinition says of objects that
 * are JSON trees, parsed once and then used to prune, fill in defaults and validate. Pure; a parsed
 * schema is constant: any thread. Messages are those of Kubernetes v1.32.
 * Source: Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions". */
#ifndef LIB_API_STRUCTURAL_H
#define LIB_API_STRUCTURAL_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/json_value.h"
#include "lib/api/status.h"

struct cel_regex;

enum structural_type {
    STRUCTURAL_ANY, /* None given: int-or-string, or fields that are kept unseen. */
    STRUCTURAL_OBJECT,
    STRUCTURAL_ARRAY,
    STRUCTURAL_STRING,
    STRUCTURAL_INTEGER,
    STRUCTURAL_NUMBER,
    STRUCTURAL_BOOLEAN,
    STRUCTURAL_UNKNOWN, /* Another word: a definition that says it is refused. */
};

enum structural_list { STRUCTURAL_LIST_ATOMIC, STRUCTURAL_LIST_SET, STRUCTURAL_LIST_MAP };

struct structural;

struct structural_property {
    struct slice name;
    const struct structural *schema;
};

/* The schemas of allOf, anyOf or oneOf. */
struct structural_alternatives {
    const struct structural **items;
    size_t count;
};

/* A node of the schema. Numbers and flags that need no work are read from `source`. */
struct structural {
    const Apiextensions__V1__JSONSchemaProps *source;
    enum structural_type type;
    enum structural_list list;
    bool int_or_string, preserve_unknown, embedded_resource, nullable, map_atomic;
    const struct json_value *default_value; /* NULL for none. */
    struct structural_property *properties; /* Ascending by name. */
    size_t property_count;
    bool has_additional;                 /* additionalProperties is there: a schema or true. */
    const struct structural *additional; /* NULL when it is no schema. */
    const struct structural *items;
    const struct cel_regex *pattern;  /* NULL for none, or for one that does not compile. */
    const struct json_value **values; /* enum */
    size_t value_count;
    struct structural_alternatives all_of, any_of, one_of;
    const struct structural *not_schema;
};

/* Parses into `arena`; `source` must outlive the result. What is too deep, or no JSON where JSON
 * has to be, is left out: definitions are checked before they are stored. */
const struct structural *structural_parse(struct arena *arena,
                                          const Apiextensions__V1__JSONSchemaProps *source);
/* The schema of a property, or NULL. */
const struct structural *structural_property(const struct structural *schema, struct slice name);
/* The same, or that of additional properties. */
const struct structural *structural_member(const struct structural *schema, struct slice name);

/* What every embedded object may have: apiVersion, kind and metadata. */
static inline bool structural_is_type_meta(struct slice name)
{
    return slice_is(name, "apiVersion") || slice_is(name, "kind") || slice_is(name, "metadata");
}

/* --- Objects: the content of a custom resource, without apiVersion, kind and metadata ----------
 */

/* Removes what the schema does not know; each path goes to `problems` (may be NULL) as `unknown
 * field "spec.x"`. */
void structural_prune(struct arena *arena, const struct structural *root, struct json_value *object,
                      struct api_problems *problems);
/* Fills in defaults, and drops nulls where the schema allows none. */
void structural_default(struct arena *arena, const struct structural *root,
                        struct json_value *object);
/* Appends what is wrong with `object`, which stands at `at` (NULL at the root), lists with keys
 * included. With `old` (NULL on creation), errors about values that did not change are left out, as
 * v1.32 ratchets. */
void structural_validate(struct api_causes *causes, const struct api_path *at,
                         const struct structural *root, const struct json_value *object,
                         const struct json_value *old);
/* Whether the text (NUL follows) has the format; one that v1.32 does not know has no rule. */
bool structural_format_matches(const char *format, struct slice text);

/* What makes an item of a list what it is: its keys in a list map, else itself. */
const struct json_value *structural_identity(struct arena *arena, const struct structural *list,
                                             const struct json_value *item);
/* Equal for values that are: their numbers are settled. */
const char *structural_text(struct arena *arena, const struct json_value *value);

/* The items of a list as it was, by what makes them what they are: none of what is no list map. */
struct structural_items {
    struct arena *arena;
    const struct structural *list;
    struct text_set keys;
    const struct json_value **items; /* By their keys' places. */
};
/* `old` may be NULL. */
struct structural_items structural_items_of(struct arena *arena, const struct structural *list,
                                            const struct json_value *old);
/* The one that an item of the new list stands for, or NULL. */
const struct json_value *structural_items_find(const struct structural_items *items,
                                               const struct json_value *item);
#endif
