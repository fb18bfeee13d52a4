/* OpenAPI of custom resources: what their definitions say of their objects, with the members that
 * every object has. OpenAPI v2 can say less than v3; what it cannot say is left out, so that
 * clients that check objects against it refuse none that the server takes. */
#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/openapi_internal.h"

#define META     "io.k8s.apimachinery.pkg.apis.meta.v1."
#define PRESERVE "x-kubernetes-preserve-unknown-fields"

struct writer {
    struct arena *arena;
    enum openapi_form form;
};

static void set_text(const struct writer *writer, struct json_value *object, const char *name,
                     const char *text)
{
    json_set_text(writer->arena, object, name, json_new_text(writer->arena, text));
}

static bool is_true(const struct json_value *schema, const char *name)
{
    const struct json_value *value = json_get_text(schema, name);
    return value != NULL && value->type == JSON_BOOL && value->boolean;
}

static void leave_out(struct json_value *schema, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        (void)json_remove(schema, slice_text(names[i])); /* May be absent. */
    }
}

/* The object's member, made when it is absent. */
static struct json_value *object_in(const struct writer *writer, struct json_value *schema,
                                    const char *name)
{
    struct json_value *value = json_get_text(schema, name);
    if (value == NULL || value->type != JSON_OBJECT) {
        value = json_new_object(writer->arena);
        json_set_text(writer->arena, schema, name, value);
    }
    return value;
}

/* --- Members that every object has -------------------------------------------------------------
 */

static struct json_value *reference(const struct writer *writer, const char *schema_name)
{
    struct json_value *reference = json_new_object(writer->arena);
    set_text(writer, reference, "$ref",
             arena_printf(writer->arena, "#/%s/%s",
                          writer->form == OPENAPI_V2 ? "definitions" : "components/schemas",
                          schema_name));
    return reference;
}

/* A property that is another schema; v3 has it inside allOf, as nothing may stand beside $ref. */
static struct json_value *described_reference(const struct writer *writer, const char *schema_name,
                                              const char *description)
{
    struct json_value *property = reference(writer, schema_name);
    if (writer->form == OPENAPI_V3) {
        struct json_value *one = json_new_array(writer->arena);
        json_append(writer->arena, one, property);
        property = json_new_object(writer->arena);
        json_set_text(writer->arena, property, "allOf", one);
    }
    set_text(writer, property, "description", description);
    return property;
}

static struct json_value *text_property(const struct writer *writer, const char *description)
{
    struct json_value *property = json_new_object(writer->arena);
    set_text(writer, property, "type", "string");
    set_text(writer, property, "description", description);
    return property;
}

static void add_object_members(const struct writer *writer, struct json_value *schema,
                               const char *meta_schema, const char *meta_text)
{
    struct json_value *properties = object_in(writer, schema, "properties");
    json_set_text(writer->arena, properties, "apiVersion",
                  text_property(writer, openapi_api_version_text));
    json_set_text(writer->arena, properties, "kind", text_property(writer, openapi_kind_text));
    json_set_text(writer->arena, properties, "metadata",
                  described_reference(writer, meta_schema, meta_text));
}

static void require(const struct writer *writer, struct json_value *schema, const char *name)
{
    struct json_value *required = json_get_text(schema, "required");
    if (required == NULL || required->type != JSON_ARRAY) {
        required = json_new_array(writer->arena);
        json_set_text(writer->arena, schema, "required", required);
    }
    for (size_t i = 0; i < required->count; i++) {
        if (slice_is(required->items[i]->text, name)) {
            return;
        }
    }
    json_append(writer->arena, required, json_new_text(writer->arena, name));
}

static const char object_meta_text[] = "Name, namespace, labels and what else is known of the "
                                       "object as such.";

/* An object of Kubernetes inside another one. */
static void embed(const struct writer *writer, struct json_value *schema)
{
    if (writer->form == OPENAPI_V2 && is_true(schema, PRESERVE)) {
        return; /* With members, kubectl would refuse all others. */
    }
    add_object_members(writer, schema, META "ObjectMeta", object_meta_text);
    require(writer, schema, "apiVersion");
    require(writer, schema, "kind");
}

/* --- Schemas -----------------------------------------------------------------------------------
 */

static void leave_out_what_v2_cannot_say(struct json_value *schema)
{
    static const char *const alternatives[] = {"allOf", "anyOf", "oneOf", "not", NULL};
    static const char *const of_nullable[] = {"type", "nullable", "items", "properties", NULL};
    static const char *const of_preserving[] = {"items", "properties", NULL};
    leave_out(schema, alternatives);
    if (is_true(schema, "nullable")) {
        leave_out(schema, of_nullable);
    }
    if (is_true(schema, PRESERVE)) {
        leave_out(schema, of_preserving);
    }
}

static void adapt(const struct writer *writer, struct json_value *schema, unsigned depth);

/* A schema, or something else where a schema may stand: a boolean, nothing. */
static void adapt_member(const struct writer *writer, struct json_value *schema, const char *name,
                         unsigned depth)
{
    struct json_value *inner = json_get_text(schema, name);
    if (inner != NULL) {
        adapt(writer, inner, depth + 1);
    }
}

static void adapt(const struct writer *writer, struct json_value *schema, unsigned depth)
{
    enum { DEPTH_MAX = 128 }; /* More than a definition may have. */
    static const char *const only_for_people[] = {"example", "externalDocs", NULL};
    if (schema->type != JSON_OBJECT || depth > DEPTH_MAX) {
        return;
    }
    leave_out(schema, only_for_people);
    if (writer->form == OPENAPI_V2) {
        leave_out_what_v2_cannot_say(schema);
    }
    const struct json_value *properties = json_get_text(schema, "properties");
    for (size_t i = 0; properties != NULL && i < properties->count; i++) {
        adapt(writer, properties->members[i].value, depth + 1);
    }
    adapt_member(writer, schema, "items", depth);
    adapt_member(writer, schema, "additionalProperties", depth);
    if (depth > 0 && is_true(schema, "x-kubernetes-embedded-resource")) {
        embed(writer, schema);
    }
}

static void add_kind(const struct writer *writer, struct json_value *schema,
                     const struct api_kind *kind, const char *name)
{
    struct json_value *list = json_new_array(writer->arena);
    struct json_value *item = json_new_object(writer->arena);
    set_text(writer, item, "group", kind->group);
    set_text(writer, item, "kind", name);
    set_text(writer, item, "version", kind->version);
    json_append(writer->arena, list, item);
    json_set_text(writer->arena, schema, "x-kubernetes-group-version-kind", list);
}

/* As the definition gives it; NULL when it gives none. */
static struct json_value *given_schema(const struct writer *writer,
                                       const struct custom_version *version)
{
    const Apiextensions__V1__CustomResourceValidation *source = version->source->schema;
    if (source == NULL || source->open_apiv3_schema == NULL) {
        return NULL;
    }
    struct json_value *schema =
        api_message_to_json(writer->arena, &apiextensions__v1__jsonschema_props__schema,
                            source->open_apiv3_schema, NULL);
    return schema->type == JSON_OBJECT ? schema : NULL;
}

/* Where anything goes, no member is named: kubectl takes the named ones for all that there are. */
static bool is_open(const struct writer *writer, const struct custom_version *version,
                    const struct json_value *schema)
{
    return schema == NULL || (writer->form == OPENAPI_V2 &&
                              (is_true(schema, PRESERVE) ||
                               version->resource->definition->spec->preserve_unknown_fields));
}

static struct json_value *object_schema(const struct writer *writer,
                                        const struct custom_version *version)
{
    struct json_value *schema = given_schema(writer, version);
    if (is_open(writer, version, schema)) {
        schema = json_new_object(writer->arena);
        set_text(writer, schema, "type", "object");
    } else {
        adapt(writer, schema, 0);
        add_object_members(writer, schema, META "ObjectMeta", object_meta_text);
    }
    add_kind(writer, schema, &version->kind, version->kind.kind);
    return schema;
}

static struct json_value *list_schema(const struct writer *writer,
                                      const struct custom_version *version)
{
    const struct api_kind *kind = &version->kind;
    struct json_value *schema = json_new_object(writer->arena);
    struct json_value *items = json_new_object(writer->arena);
    set_text(writer, schema, "type", "object");
    set_text(writer, schema, "description",
             arena_printf(writer->arena, "A list of objects of kind %s.", kind->kind));
    add_object_members(writer, schema, META "ListMeta",
                       "The version of the list, and how to get the rest of it.");
    set_text(writer, items, "type", "array");
    set_text(writer, items, "description", "The objects.");
    json_set_text(writer->arena, items, "items", reference(writer, kind->message->schema_name));
    json_set_text(writer->arena, json_get_text(schema, "properties"), "items", items);
    require(writer, schema, "items");
    add_kind(writer, schema, kind, kind->list_kind);
    return schema;
}

const char *openapi_list_name(struct arena *arena, const struct api_kind *kind)
{
    if (custom_of(kind) == NULL) {
        return kind->list_message == NULL ? NULL : kind->list_message->schema_name;
    }
    const char *name = kind->message->schema_name; /* "com.example.v1.Widget" */
    return arena_printf(arena, "%.*s.%s", (int)(strrchr(name, '.') - name), name, kind->list_kind);
}

struct json_value *openapi_custom_schemas(struct arena *arena, const struct api_kind *const *kinds,
                                          size_t count, enum openapi_form form)
{
    const struct writer writer = {.arena = arena, .form = form};
    struct json_value *schemas = json_new_object(arena);
    for (size_t i = 0; i < count; i++) {
        const struct custom_version *version = custom_of(kinds[i]);
        json_add(arena, schemas, slice_text(kinds[i]->message->schema_name),
                 object_schema(&writer, version));
        json_add(arena, schemas, slice_text(openapi_list_name(arena, kinds[i])),
                 list_schema(&writer, version));
    }
    return schemas;
}
