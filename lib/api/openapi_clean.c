#include "lib/api/openapi_clean.h"

#include "lib/api/limits_semantics.h"

/* What a member may hold. */
enum shape { TEXT, FLAG, REAL, WHOLE, ANY, TEXTS, ANYS };
struct known {
    const char *name;
    enum shape shape;
};

static bool is_text(const struct json_value *value)
{
    return value != NULL && value->type == JSON_STRING;
}

static bool is_object(const struct json_value *value)
{
    return value != NULL && value->type == JSON_OBJECT;
}

/* The member, if it is a text; else an empty one. */
static struct slice text_of(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    return is_text(value) ? value->text : slice_text("");
}

/* In protobuf it is YAML, whose readers fail at names that are long. */
static bool reads_as_yaml(const struct json_value *value, unsigned depth)
{
    enum { NAME_MAX_BYTES = 128 };
    bool reads = depth <= API_OPENAPI_DEPTH_MAX;
    for (size_t i = 0; reads && i < value->count; i++) {
        if (value->type == JSON_ARRAY) {
            reads = reads_as_yaml(value->items[i], depth + 1);
        } else {
            reads = value->members[i].name.len <= NAME_MAX_BYTES &&
                    reads_as_yaml(value->members[i].value, depth + 1);
        }
    }
    return reads;
}

static bool is_list_of(const struct json_value *value, enum shape shape)
{
    bool fits = value->type == JSON_ARRAY;
    for (size_t i = 0; fits && i < value->count; i++) {
        fits = shape == TEXTS ? is_text(value->items[i]) : reads_as_yaml(value->items[i], 0);
    }
    return fits;
}

static bool has_shape(const struct json_value *value, enum shape shape)
{
    int64_t whole = 0;
    double real = 0;
    switch (shape) {
    case TEXT:
        return is_text(value);
    case FLAG:
        return value->type == JSON_BOOL;
    case REAL:
        return value->type == JSON_NUMBER && json_double(value, &real) == 0;
    case WHOLE:
        return value->type == JSON_NUMBER && json_int64(value, &whole) == 0;
    case ANY:
        return reads_as_yaml(value, 0);
    case TEXTS:
    case ANYS:
        return is_list_of(value, shape);
    }
    return false;
}

static void add(const struct openapi_clean *clean, struct json_value *to, const char *name,
                struct json_value *value)
{
    json_add_lent(clean->arena, to, slice_text(name), value);
}

static void copy_known(const struct openapi_clean *clean, const struct json_value *from,
                       struct json_value *to, const struct known *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct json_value *value = json_get_text(from, list[i].name);
        if (value != NULL && has_shape(value, list[i].shape)) {
            add(clean, to, list[i].name, value);
        }
    }
}

static const char kinds_name[] = "x-kubernetes-group-version-kind";

/* Kinds of other versions are for others to describe: readers look schemas up by these. */
static struct json_value *own_kinds(const struct openapi_clean *clean,
                                    const struct json_value *kinds)
{
    struct json_value *list = json_new_array(clean->arena);
    for (size_t i = 0; kinds->type == JSON_ARRAY && i < kinds->count; i++) {
        struct json_value *kind = kinds->items[i];
        if (is_object(kind) && slice_is(text_of(kind, "group"), clean->group) &&
            slice_is(text_of(kind, "version"), clean->version) && reads_as_yaml(kind, 0)) {
            json_append(clean->arena, list, kind);
        }
    }
    return list;
}

static void copy_extensions(const struct openapi_clean *clean, const struct json_value *from,
                            struct json_value *to, bool of_schema)
{
    for (size_t i = 0; i < from->count; i++) {
        struct slice name = from->members[i].name;
        struct json_value *value = from->members[i].value;
        if (!slice_starts_with(name, slice_text("x-")) || !reads_as_yaml(value, 0)) {
            continue;
        }
        if (of_schema && slice_is(name, kinds_name)) {
            value = own_kinds(clean, value);
            if (value->count == 0) {
                continue;
            }
        }
        json_add_lent(clean->arena, to, name, value);
    }
}

/* --- References --------------------------------------------------------------------------------
 */

/* Adds a "$ref" if the text refers to something: "#/definitions/NAME". */
static bool add_reference(const struct openapi_clean *clean, struct json_value *to,
                          const struct json_value *reference, const char *prefix,
                          enum api_openapi_part part)
{
    size_t len = strlen(prefix);
    if (!is_text(reference) || !slice_starts_with(reference->text, slice_text(prefix))) {
        return false;
    }
    struct slice name = slice_of(reference->text.data + len, reference->text.len - len);
    struct slice now = clean->refer(clean->data, part, name);
    if (now.len == 0) {
        return false;
    }
    char *text = arena_alloc(clean->arena, len + now.len + 1);
    memcpy(text, prefix, len);
    memcpy(text + len, now.data, now.len);
    text[len + now.len] = 0;
    struct json_value *value = json_new_null(clean->arena);
    value->type = JSON_STRING;
    value->text = slice_of(text, len + now.len);
    add(clean, to, "$ref", value);
    return true;
}

/* --- Schemas -----------------------------------------------------------------------------------
 */

static const struct known schema_members[] = {{"description", TEXT},
                                              {"title", TEXT},
                                              {"default", ANY},
                                              {"format", TEXT},
                                              {"multipleOf", REAL},
                                              {"maximum", REAL},
                                              {"minimum", REAL},
                                              {"maxLength", WHOLE},
                                              {"exclusiveMaximum", FLAG},
                                              {"minLength", WHOLE},
                                              {"pattern", TEXT},
                                              {"exclusiveMinimum", FLAG},
                                              {"maxItems", WHOLE},
                                              {"minItems", WHOLE},
                                              {"uniqueItems", FLAG},
                                              {"minProperties", WHOLE},
                                              {"required", TEXTS},
                                              {"maxProperties", WHOLE},
                                              {"enum", ANYS}};
/* Beside a reference. */
static const struct known reference_members[] = {{"description", TEXT}, {"default", ANY}};

static struct json_value *schema_of(const struct openapi_clean *clean,
                                    const struct json_value *schema, unsigned depth);

/* One type, which may stand in a list. NULL for several, and for one that readers do not know. */
static struct json_value *type_of(const struct json_value *schema)
{
    static const char *const types[] = {"object",  "array",   "string",
                                        "integer", "boolean", "number"};
    struct json_value *type = json_get_text(schema, "type");
    if (type != NULL && type->type == JSON_ARRAY && type->count == 1) {
        type = type->items[0];
    }
    for (size_t i = 0; is_text(type) && i < ARRAY_LEN(types); i++) {
        if (slice_is(type->text, types[i])) {
            return type;
        }
    }
    return NULL;
}

static void add_properties(const struct openapi_clean *clean, const struct json_value *schema,
                           struct json_value *to, unsigned depth)
{
    const struct json_value *properties = json_get_text(schema, "properties");
    if (!is_object(properties) || properties->count == 0) {
        return; /* Without any, as without the member: it may have whichever. */
    }
    struct json_value *kept = json_new_object(clean->arena);
    for (size_t i = 0; i < properties->count; i++) {
        json_add_lent(clean->arena, kept, properties->members[i].name,
                      schema_of(clean, properties->members[i].value, depth + 1));
    }
    add(clean, to, "properties", kept);
}

static void add_additional(const struct openapi_clean *clean, const struct json_value *schema,
                           struct json_value *to, unsigned depth)
{
    struct json_value *more = json_get_text(schema, "additionalProperties");
    if (more != NULL && more->type == JSON_BOOL) {
        add(clean, to, "additionalProperties", more);
    } else if (is_object(more)) {
        add(clean, to, "additionalProperties", schema_of(clean, more, depth + 1));
    }
}

/* What values are made of, by their type. */
static void add_structure(const struct openapi_clean *clean, const struct json_value *schema,
                          struct json_value *to, unsigned depth)
{
    struct json_value *type = type_of(schema);
    if (type == NULL && json_get_text(schema, "type") != NULL) {
        return; /* Of any type then, of which nothing can be said. */
    }
    if (type != NULL) {
        add(clean, to, "type", type);
    }
    if (type == NULL || slice_is(type->text, "object")) {
        add_properties(clean, schema, to, depth);
        add_additional(clean, schema, to, depth);
    } else if (slice_is(type->text, "array")) { /* Which has items, or is not read. */
        add(clean, to, "items", schema_of(clean, json_get_text(schema, "items"), depth + 1));
    }
}

static struct json_value *schema_of(const struct openapi_clean *clean,
                                    const struct json_value *schema, unsigned depth)
{
    struct json_value *kept = json_new_object(clean->arena);
    if (!is_object(schema) || depth > API_OPENAPI_DEPTH_MAX) {
        return kept;
    }
    if (add_reference(clean, kept, json_get_text(schema, "$ref"), "#/definitions/",
                      API_OPENAPI_DEFINITIONS)) {
        copy_known(clean, schema, kept, reference_members, ARRAY_LEN(reference_members));
    } else {
        copy_known(clean, schema, kept, schema_members, ARRAY_LEN(schema_members));
        add_structure(clean, schema, kept, depth);
    }
    copy_extensions(clean, schema, kept, /* of_schema= */ true);
    return kept;
}

struct json_value *openapi_clean_schema(const struct openapi_clean *clean,
                                        const struct json_value *schema)
{
    return schema_of(clean, schema, 0);
}

/* --- Parameters --------------------------------------------------------------------------------
 */

struct json_value *openapi_clean_parameter(const struct openapi_clean *clean,
                                           const struct json_value *parameter)
{
    static const struct known body_members[] = {
        {"name", TEXT}, {"in", TEXT}, {"required", FLAG}, {"description", TEXT}};
    static const struct known value_members[] = {
        {"name", TEXT},        {"in", TEXT},   {"required", FLAG}, {"description", TEXT},
        {"uniqueItems", FLAG}, {"type", TEXT}, {"format", TEXT}};
    static const char *const places[] = {"body", "query", "path", "header", "formData"};
    struct slice in = is_object(parameter) ? text_of(parameter, "in") : slice_text("");
    size_t place = 0;
    while (place < ARRAY_LEN(places) && !slice_is(in, places[place])) {
        place++;
    }
    if (place == ARRAY_LEN(places)) {
        return NULL;
    }
    struct json_value *kept = json_new_object(clean->arena);
    if (place > 0) {
        copy_known(clean, parameter, kept, value_members, ARRAY_LEN(value_members));
        return kept;
    }
    copy_known(clean, parameter, kept, body_members, ARRAY_LEN(body_members));
    add(clean, kept, "schema", openapi_clean_schema(clean, json_get_text(parameter, "schema")));
    return kept;
}

static void add_parameters(const struct openapi_clean *clean, const struct json_value *from,
                           struct json_value *to)
{
    const struct json_value *list = json_get_text(from, "parameters");
    if (list == NULL || list->type != JSON_ARRAY) {
        return;
    }
    struct json_value *kept = json_new_array(clean->arena);
    for (size_t i = 0; i < list->count; i++) {
        const struct json_value *item = list->items[i];
        struct json_value *reference = json_new_object(clean->arena);
        struct json_value *parameter = NULL;
        if (is_object(item) && add_reference(clean, reference, json_get_text(item, "$ref"),
                                             "#/parameters/", API_OPENAPI_PARAMETERS)) {
            json_append(clean->arena, kept, reference);
        } else if ((parameter = openapi_clean_parameter(clean, item)) != NULL) {
            json_append(clean->arena, kept, parameter);
        }
    }
    add(clean, to, "parameters", kept);
}

/* --- Operations --------------------------------------------------------------------------------
 */

static void add_responses(const struct openapi_clean *clean, const struct json_value *operation,
                          struct json_value *to)
{
    static const struct known members[] = {{"description", TEXT}};
    const struct json_value *responses = json_get_text(operation, "responses");
    struct json_value *kept = json_new_object(clean->arena);
    for (size_t i = 0; is_object(responses) && i < responses->count; i++) {
        const struct json_value *response = responses->members[i].value;
        struct json_value *one = json_new_object(clean->arena);
        if (!is_object(response) ||
            slice_starts_with(responses->members[i].name, slice_text("x-"))) {
            continue;
        }
        copy_known(clean, response, one, members, ARRAY_LEN(members));
        if (is_object(json_get_text(response, "schema"))) {
            add(clean, one, "schema",
                openapi_clean_schema(clean, json_get_text(response, "schema")));
        }
        json_add_lent(clean->arena, kept, responses->members[i].name, one);
    }
    add(clean, to, "responses", kept);
}

static struct json_value *operation_of(const struct openapi_clean *clean,
                                       const struct json_value *operation)
{
    static const struct known members[] = {{"description", TEXT}, {"operationId", TEXT},
                                           {"tags", TEXTS},       {"consumes", TEXTS},
                                           {"produces", TEXTS},   {"schemes", TEXTS}};
    struct json_value *kept = json_new_object(clean->arena);
    copy_known(clean, operation, kept, members, ARRAY_LEN(members));
    add_parameters(clean, operation, kept);
    add_responses(clean, operation, kept);
    copy_extensions(clean, operation, kept, /* of_schema= */ false);
    return kept;
}

struct json_value *openapi_clean_path(const struct openapi_clean *clean,
                                      const struct json_value *item)
{
    static const char *const methods[] = {"get",     "put",  "post", "delete",
                                          "options", "head", "patch"};
    struct json_value *kept = json_new_object(clean->arena);
    if (!is_object(item)) {
        return kept;
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        const struct json_value *operation = json_get_text(item, methods[i]);
        if (is_object(operation)) {
            add(clean, kept, methods[i], operation_of(clean, operation));
        }
    }
    add_parameters(clean, item, kept);
    return kept;
}
