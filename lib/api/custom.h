/* Custom resources: what a CustomResourceDefinition adds to the kinds table at run time, and what
 * their objects are. A version of a definition is a row of the kinds table (kinds.h) with a message
 * table of one field, metadata; all else that an object has is a JSON tree, held against the
 * version's schema. So the code that handles the built-in kinds handles these, and asks here where
 * a table of fields would have been asked. Pure; a resource is constant and counted: any thread. */
#ifndef LIB_API_CUSTOM_H
#define LIB_API_CUSTOM_H
#include "k8s/apiextensions_v1.pb-c.h"
#include "lib/api/kinds.h"
#include "lib/api/status.h"
#include "lib/api/structural.h"
#include <stdatomic.h>

/* The C struct of every custom object. */
struct custom_object {
    ProtobufCMessage base;
    Meta__V1__ObjectMeta *metadata;
    struct json_value *content; /* An object, never NULL: all members but apiVersion, kind and
                                 * metadata. */
};

struct api_table_column;
struct cel_functions;
struct custom_resource;
struct custom_rules;
struct custom_schema;
struct table_row;

/* One version of a resource. */
struct custom_version {
    struct api_kind kind; /* kind.message is `message`. */
    struct api_message message;
    struct api_subresource subresources[2];
    const Apiextensions__V1__CustomResourceDefinitionVersion *source;
    struct custom_resource *resource;
    const struct api_table_column *columns; /* lib/api/table.h */
    size_t column_count;
    _Atomic(struct custom_schema *) schema; /* Made at first use. */
};

/* What is made of a definition whose names were accepted. */
struct custom_resource {
    atomic_size_t references;
    struct arena *arena;
    const Apiextensions__V1__CustomResourceDefinition *definition;
    void (*release)(void *owner); /* Of the definition. */
    void *owner;
    uint64_t lineage; /* The same for all states of one definition, and no other's. */
    struct cel_functions *functions; /* NULL: versions with rules have tables of their own. */
    struct custom_version *versions; /* In the order of discovery: the newest first. */
    size_t version_count;
    const struct custom_version *storage;
};

struct custom_options {
    uint16_t index; /* api_kind.index of all versions. */
    uint64_t lineage;
    const char *storage_hash;        /* Copied. */
    struct cel_functions *functions; /* What rules may call (lib/api/cel_functions.h); or NULL. */
    void (*release)(void *owner);    /* Runs once, when the last reference is gone. */
    void *owner;
};

/* One reference is the caller's. The definition must stay until `release`; its status says which
 * names it has. */
MUST_USE struct custom_resource *
custom_resource_new(const Apiextensions__V1__CustomResourceDefinition *definition,
                    const struct custom_options *options);
void custom_resource_unref(struct custom_resource *resource); /* NULL is a no-op. */
/* The served version with this name, or NULL. */
const struct api_kind *custom_resource_kind(const struct custom_resource *resource,
                                            const char *version);

/* Order of discovery: "v2", "v1", "v1beta1", "v1alpha1", then other names by the alphabet. */
int custom_version_order(const char *a, const char *b);

/* The version of a row of the kinds table; NULL for a built-in kind. */
static inline const struct custom_version *custom_of(const struct api_kind *kind)
{
    return kind->message == NULL ? NULL : kind->message->custom;
}
/* The webhook that converts between the versions of a custom resource; NULL when only apiVersion
 * differs, and for built-in kinds. Then each version is a kind of its own: no stored_as. */
const Apiextensions__V1__WebhookConversion *custom_converter(const struct api_kind *kind);
/* The version of the same resource with this name, served or not; NULL when there is none. */
const struct api_kind *custom_sibling(const struct api_kind *kind, const char *version);
/* What who asks for a deprecated version is told: the definition's own words, or that there is a
 * newer one; NULL when it is not deprecated. */
const char *custom_deprecation(struct arena *arena, const struct custom_version *version);
/* Rows of custom kinds live as long as somebody counts on them; for built-in ones both do nothing.
 */
const struct api_kind *custom_kind_ref(const struct api_kind *kind);
void custom_kind_unref(const struct api_kind *kind); /* NULL is a no-op. */

/* The schema; NULL for a version without one, whose objects may hold anything. */
const struct structural *custom_schema(const struct custom_version *version);

/* Its CEL rules; NULL for none. */
const struct custom_rules *custom_rules(const struct custom_version *version);

/* --- Objects: what lib/api does where a kind's message table has `custom` ----------------------
 */

/* The content without what the schema does not know; `problems` may be NULL. */
void custom_prune(struct arena *arena, const struct api_message *message, void *object,
                  struct api_problems *problems);
void custom_default(struct arena *arena, const struct api_kind *kind, void *object);
/* What the main resource and "status" leave alone (lib/api/strategy.h). */
void custom_drop_status(void *object);
void custom_keep_status(struct arena *arena, const void *before, void *object);
void custom_keep_all_but_status(struct arena *arena, const void *before, void *object);
/* Causes about anything but metadata; `before` is NULL on creation. */
void custom_validate(struct api_causes *causes, const struct api_kind *kind, const void *before,
                     const void *object);
/* The object as another version's, which prunes and fills in as it says; metadata is shared. */
void *custom_convert(struct arena *arena, const struct api_kind *to, const void *object);

const struct api_table_column *
custom_columns(struct arena *arena, const struct custom_version *version, size_t *ret_count);
/* The object as one tree, with apiVersion, kind and metadata; shares what it can. */
const struct json_value *custom_tree(struct arena *arena, const struct api_kind *kind,
                                     const void *object);
void custom_row(struct table_row *row, const struct api_kind *kind, const void *message);

/* The value at a path like ".spec.replicas"; NULL when there is none. */
const struct json_value *custom_value(const struct json_value *content, const char *path);
/* The same as a field selector reads it: text, number or boolean; else "". */
const char *custom_field_text(const void *object, const char *path);
/* Replaces or adds it, with the objects around it. False when something in between is no object. */
bool custom_set_value(struct arena *arena, struct json_value *content, const char *path,
                      struct json_value *value);
#endif
