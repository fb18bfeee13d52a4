#include "lib/api/apply_declared.h"

#include "k8s/tables.h"
#include "lib/api/apply_merge.h"
#include "lib/api/custom.h"
#include "lib/api/limits.h"
#include "lib/api/shown.h"
#include "lib/api/status.h"
#include <stdlib.h>

/* What was found: one finding is said plainly, several are a list. */
struct findings {
    struct arena *arena;
    size_t count, bytes;
    const char **all; /* FINDINGS_MAX */
};
enum { FINDINGS_MAX = 1000 };

static bool full(const struct findings *findings)
{
    return findings->count == FINDINGS_MAX || findings->bytes >= API_CAUSES_BYTES_MAX;
}

static void add(struct findings *findings, const struct api_path *at, const char *words)
{
    struct arena *arena = findings->arena;
    if (findings->all == NULL) {
        findings->all = arena_array(arena, FINDINGS_MAX, sizeof(*findings->all));
    }
    if (!full(findings)) {
        const char *text = arena_printf(arena, "%s: %s", apply_path_text(arena, at), words);
        findings->all[findings->count++] = text;
        findings->bytes += strlen(text);
    }
}

/* --- What is declared --------------------------------------------------------------------------
 */

/* What the schema says of a value: one of these; nothing when all are NULL. */
struct declared {
    const struct api_message *message;
    const struct api_field *field; /* The whole field, or one `item` (or entry) of it. */
    bool item;
    const struct structural *schema;
};

enum form { FORM_ANY, FORM_SCALAR, FORM_TEXT, FORM_NUMBER, FORM_BOOL, FORM_LIST, FORM_OBJECT };

static enum form form_of_type(enum api_type type)
{
    switch (type) {
    case API_BOOL:
        return FORM_BOOL;
    case API_INT32:
    case API_INT64:
    case API_DOUBLE:
        return FORM_NUMBER;
    case API_STRING:
    case API_TIME:
    case API_MICRO_TIME:
        return FORM_TEXT;
    case API_QUANTITY:
    case API_INT_OR_STRING:
        return FORM_SCALAR;
    case API_OBJECT:
        return FORM_OBJECT;
    case API_BYTES:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        break;
    }
    return FORM_ANY;
}

static enum form form_of_schema(const struct structural *schema)
{
    switch (schema->type) {
    case STRUCTURAL_OBJECT:
        return FORM_OBJECT;
    case STRUCTURAL_ARRAY:
        return FORM_LIST;
    case STRUCTURAL_STRING:
        return FORM_TEXT;
    case STRUCTURAL_INTEGER:
    case STRUCTURAL_NUMBER:
        return FORM_NUMBER;
    case STRUCTURAL_BOOLEAN:
        return FORM_BOOL;
    case STRUCTURAL_ANY:
    case STRUCTURAL_UNKNOWN:
        break;
    }
    return schema->int_or_string ? FORM_SCALAR : FORM_ANY;
}

static enum form form_of(const struct declared *declared)
{
    const struct api_field *field = declared->field;
    if (field != NULL && !declared->item && field->label != API_SINGLE) {
        return field->label == API_MAP ? FORM_OBJECT : FORM_LIST;
    }
    if (field != NULL) {
        return form_of_type(field->type);
    }
    return declared->message != NULL  ? FORM_OBJECT
           : declared->schema != NULL ? form_of_schema(declared->schema)
                                      : FORM_ANY;
}

static bool property_of(const struct structural *schema, struct slice name, struct declared *ret)
{
    *ret = (struct declared){.schema = structural_member(schema, name)};
    if (schema->embedded_resource && structural_is_type_meta(name)) {
        *ret = (struct declared){
            .message = slice_is(name, "metadata") ? &meta__v1__object_meta__schema : NULL};
        return true;
    }
    return ret->schema != NULL || schema->has_additional || schema->preserve_unknown;
}

static bool field_of(const struct api_message *table, struct slice name, struct declared *ret)
{
    const struct api_member *member = api_message_member(table, name);
    bool is_type = slice_is(name, "kind") || slice_is(name, "apiVersion");
    *ret = (struct declared){.field = member == NULL ? NULL : member->field};
    if (member != NULL || (is_type && (table->type_meta || table->custom != NULL))) {
        return true;
    }
    const struct structural *schema = table->custom == NULL ? NULL : custom_schema(table->custom);
    return table->custom != NULL && (schema == NULL || property_of(schema, name, ret));
}

/* False when the object may have no such member. */
static bool member_of(const struct declared *declared, struct slice name, struct declared *ret)
{
    const struct api_field *field = declared->field;
    if (declared->schema != NULL) {
        return property_of(declared->schema, name, ret);
    }
    if (field != NULL && field->label == API_MAP && !declared->item) {
        *ret = (struct declared){.field = api_message_field(field->entry, 2)};
        return true;
    }
    return field_of(field != NULL ? field->message : declared->message, name, ret);
}

/* --- Words ------------------------------------------------------------------------------------ */

static const char *go_type(const struct json_value *value)
{
    switch (value->type) {
    case JSON_NULL:
        return "<nil>";
    case JSON_BOOL:
        return "bool";
    case JSON_NUMBER:
        return json_is_real(value) ? "float64" : "int64";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "[]interface {}";
    case JSON_OBJECT:
        return "map[string]interface {}";
    }
    return "";
}

static int by_name(const void *a, const void *b)
{
    return slice_compare(((const struct json_member *)a)->name,
                         ((const struct json_member *)b)->name);
}

/* As Go's %v. */
static void print_plain(struct arena *arena, const struct json_value *value, struct buffer *out)
{
    switch (value->type) {
    case JSON_NULL:
        buffer_append_text(out, "<nil>");
        return;
    case JSON_BOOL:
        buffer_append_text(out, value->boolean ? "true" : "false");
        return;
    case JSON_NUMBER:
    case JSON_STRING:
        buffer_append_slice(out, value->text);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    bool object = value->type == JSON_OBJECT;
    struct json_member *members = arena_array(arena, value->count, sizeof(*members));
    for (size_t i = 0; object && i < value->count; i++) {
        members[i] = value->members[i];
    }
    if (object && value->count > 1) {
        qsort(members, value->count, sizeof(*members), by_name);
    }
    buffer_append_text(out, object ? "map[" : "[");
    for (size_t i = 0; i < value->count; i++) {
        buffer_append_text(out, i == 0 ? "" : " ");
        if (object) {
            buffer_append_slice(out, members[i].name);
            buffer_append_text(out, ":");
        }
        print_plain(arena, object ? members[i].value : value->items[i], out);
    }
    buffer_append_text(out, "]");
}

static const char *plain(struct arena *arena, const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, API_SHOWN_MAX);
    print_plain(arena, value, &text);
    return arena_text_n(arena, buffer_text(&text), text.len);
}

/* As Go's %#v. */
static const char *in_go(struct arena *arena, const struct json_value *value)
{
    return value->type == JSON_ARRAY || value->type == JSON_OBJECT
               ? api_shown_json(arena, value).text
               : plain(arena, value);
}

/* What a value has to be that is not of the form; NULL when it is. */
static const char *expected(struct arena *arena, enum form form, const struct json_value *value)
{
    enum json_type type = value->type;
    bool container = type == JSON_ARRAY || type == JSON_OBJECT;
    switch (type == JSON_NULL ? FORM_ANY : form) {
    case FORM_ANY:
        return NULL;
    case FORM_TEXT:
        return type == JSON_STRING
                   ? NULL
                   : arena_printf(arena, "expected string, got &value.valueUnstructured{Value:%s}",
                                  in_go(arena, value));
    case FORM_NUMBER:
        return type == JSON_NUMBER
                   ? NULL
                   : arena_printf(arena, "expected numeric (int or float), got %s", go_type(value));
    case FORM_BOOL:
        return type == JSON_BOOL
                   ? NULL
                   : arena_printf(arena, "expected boolean, got &{%s}", plain(arena, value));
    case FORM_SCALAR:
        return !container
                   ? NULL
                   : arena_printf(arena, "expected any scalar, got &{%s}", plain(arena, value));
    case FORM_LIST:
        return type == JSON_ARRAY
                   ? NULL
                   : arena_printf(arena, "expected list, got &{%s}", plain(arena, value));
    case FORM_OBJECT:
        return type == JSON_OBJECT
                   ? NULL
                   : arena_printf(arena, "expected map, got &{%s}", plain(arena, value));
    }
    return NULL;
}

/* --- Values ------------------------------------------------------------------------------------
 */

static void check(struct findings *findings, const struct declared *declared,
                  const struct json_value *value, const struct api_path *at);

static void check_members(struct findings *findings, const struct declared *declared,
                          const struct json_value *object, const struct api_path *at)
{
    for (size_t i = 0; i < object->count && !full(findings); i++) {
        struct slice name = object->members[i].name;
        struct declared inner = {0};
        struct api_path path = api_path_field(at, (const char *)name.data);
        if (member_of(declared, name, &inner)) {
            check(findings, &inner, object->members[i].value, &path);
        } else {
            add(findings, &path, "field not declared in schema");
        }
    }
}

/* Why an item has no name. */
static const char *nameless(struct arena *arena, const struct apply_shape *shape,
                            const struct json_value *item)
{
    if (item->type != JSON_OBJECT) {
        return item->type == JSON_NULL ? "associative list with keys may not have a null element"
                                       : "associative list with keys may not have non-map elements";
    }
    return arena_printf(arena,
                        "associative list with keys has an element that omits key field \"%s\" "
                        "(and doesn't have default value)",
                        apply_missing_key(arena, shape, item));
}

/* Why an item is none of a set; NULL when it is. */
static const char *no_element(const struct json_value *item)
{
    return item->type == JSON_OBJECT
               ? "associative list without keys has an element that's a map type"
           : item->type == JSON_ARRAY ? "not supported: associative list with lists as elements"
           : item->type == JSON_NULL
               ? "associative list without keys has an element that's an explicit null"
               : NULL;
}

/* Items after one that has no name are not looked at, as in v1.32. */
static void check_items(struct findings *findings, const struct declared *declared,
                        const struct json_value *list, const struct api_path *at)
{
    struct arena *arena = findings->arena;
    const struct apply_shape shape = declared->field != NULL
                                         ? apply_shape_of_field(declared->field)
                                         : apply_shape_of_schema(declared->schema);
    struct declared item = {.field = declared->field, .item = true};
    if (declared->schema != NULL) {
        item = (struct declared){.schema = declared->schema->items};
    }
    if (!apply_shape_has_items(&shape)) {
        for (size_t i = 0; i < list->count && !full(findings); i++) {
            struct api_path path = api_path_index(at, i);
            check(findings, &item, list->items[i], &path);
        }
        return;
    }
    const struct apply_items names = apply_items_of(arena, &shape, list);
    for (size_t i = 0; i < list->count && !full(findings); i++) {
        const char *name = names.names[i];
        const char *wrong = name == NULL              ? nameless(arena, &shape, list->items[i])
                            : shape.kind == APPLY_SET ? no_element(list->items[i])
                                                      : NULL;
        if (wrong != NULL) {
            add(findings, at, arena_printf(arena, "element %zu: %s", i, wrong));
            return;
        }
        const char *key = shape.kind == APPLY_SET ? arena_printf(arena, "=%s", name + 2)
                                                  : apply_key_text(arena, name + 2);
        if (apply_items_first(&names, name) < i) {
            add(findings, at, arena_printf(arena, "duplicate entries for key [%s]", key));
        }
        struct api_path path = api_path_key(at, key);
        check(findings, &item, list->items[i], &path);
    }
}

/* Recursion is as deep as the schema, or the value where that has no end. */
static void check(struct findings *findings, const struct declared *declared,
                  const struct json_value *value, const struct api_path *at)
{
    enum form form = form_of(declared);
    const char *wrong = expected(findings->arena, form, value);
    if (wrong != NULL) {
        add(findings, at, wrong);
    } else if (form == FORM_OBJECT && value->type == JSON_OBJECT) {
        check_members(findings, declared, value, at);
    } else if (form == FORM_LIST && value->type == JSON_ARRAY) {
        check_items(findings, declared, value, at);
    }
}

const char *apply_find_undeclared(struct arena *arena, const struct api_message *table,
                                  const struct json_value *applied)
{
    struct findings findings = {.arena = arena};
    const struct declared root = {.message = table};
    check(&findings, &root, applied, NULL);
    return findings.count == 0 ? NULL
           : findings.count == 1
               ? findings.all[0]
               : arena_printf(arena, "errors:\n  %s",
                              arena_join(arena, findings.all, findings.count, "\n  "));
}
