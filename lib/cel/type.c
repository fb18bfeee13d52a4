#include "lib/cel/type.h"

#include "lib/cel/limits.h"
#include <assert.h>

const struct cel_type cel_type_dyn = {.kind = CEL_TYPE_DYN, .size_max = CEL_SIZE_UNKNOWN};
const struct cel_type cel_type_error = {.kind = CEL_TYPE_ERROR};
const struct cel_type cel_type_null = {.kind = CEL_TYPE_NULL, .size_max = 1};
const struct cel_type cel_type_bool = {.kind = CEL_TYPE_BOOL, .size_max = 1};
const struct cel_type cel_type_int = {.kind = CEL_TYPE_INT, .size_max = 1};
const struct cel_type cel_type_uint = {.kind = CEL_TYPE_UINT, .size_max = 1};
const struct cel_type cel_type_double = {.kind = CEL_TYPE_DOUBLE, .size_max = 1};
const struct cel_type cel_type_string = {.kind = CEL_TYPE_STRING, .size_max = CEL_SIZE_UNKNOWN};
const struct cel_type cel_type_bytes = {.kind = CEL_TYPE_BYTES, .size_max = CEL_SIZE_UNKNOWN};
const struct cel_type cel_type_timestamp = {.kind = CEL_TYPE_TIMESTAMP, .size_max = 1};
const struct cel_type cel_type_duration = {.kind = CEL_TYPE_DURATION, .size_max = 1};
const struct cel_type cel_type_type = {.kind = CEL_TYPE_TYPE, .items = {&cel_type_dyn}};

static const struct cel_type list_of_dyn = {.kind = CEL_TYPE_LIST, .items = {&cel_type_dyn}};
static const struct cel_type map_of_dyn = {.kind = CEL_TYPE_MAP,
                                           .items = {&cel_type_dyn, &cel_type_dyn}};
static const struct cel_type optional_of_dyn = {.kind = CEL_TYPE_OPTIONAL,
                                                .items = {&cel_type_dyn}};

static const struct cel_type *type_new(struct arena *arena, struct cel_type type)
{
    struct cel_type *copy = arena_alloc(arena, sizeof(*copy));
    type.size_max = CEL_SIZE_UNKNOWN;
    *copy = type;
    return copy;
}

const struct cel_type *cel_type_list(struct arena *arena, const struct cel_type *item)
{
    return type_new(arena, (struct cel_type){.kind = CEL_TYPE_LIST, .items = {item}});
}

const struct cel_type *cel_type_map(struct arena *arena, const struct cel_type *key,
                                    const struct cel_type *value)
{
    return type_new(arena, (struct cel_type){.kind = CEL_TYPE_MAP, .items = {key, value}});
}

const struct cel_type *cel_type_optional(struct arena *arena, const struct cel_type *item)
{
    return type_new(arena, (struct cel_type){.kind = CEL_TYPE_OPTIONAL, .items = {item}});
}

const struct cel_type *cel_type_of_type(struct arena *arena, const struct cel_type *item)
{
    return type_new(arena, (struct cel_type){.kind = CEL_TYPE_TYPE, .items = {item}});
}

const struct cel_type *cel_type_opaque(struct arena *arena, const char *name)
{
    return type_new(arena, (struct cel_type){.kind = CEL_TYPE_OPAQUE, .name = name});
}

const struct cel_type *cel_type_param(struct arena *arena, uint32_t number)
{
    return type_new(arena, (struct cel_type){.kind = CEL_TYPE_PARAM, .param = number});
}

bool cel_type_equal(const struct cel_type *a, const struct cel_type *b)
{
    if (a == b) {
        return true;
    }
    if (a->kind != b->kind || a->param != b->param) {
        return false;
    }
    if (a->name != NULL || b->name != NULL) {
        return strcmp(text_or_empty(a->name), text_or_empty(b->name)) == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(a->items); i++) {
        if ((a->items[i] == NULL) != (b->items[i] == NULL) ||
            (a->items[i] != NULL && !cel_type_equal(a->items[i], b->items[i]))) {
            return false;
        }
    }
    return true;
}

/* As error messages name a kind; NULL where the type has a name of its own. */
static const char *kind_name(enum cel_type_kind kind)
{
    static const char *const names[] = {
        [CEL_TYPE_DYN] = "dyn",
        [CEL_TYPE_ERROR] = "!error!",
        [CEL_TYPE_NULL] = "null",
        [CEL_TYPE_BOOL] = "bool",
        [CEL_TYPE_INT] = "int",
        [CEL_TYPE_UINT] = "uint",
        [CEL_TYPE_DOUBLE] = "double",
        [CEL_TYPE_STRING] = "string",
        [CEL_TYPE_BYTES] = "bytes",
        [CEL_TYPE_TIMESTAMP] = "timestamp",
        [CEL_TYPE_DURATION] = "duration",
        [CEL_TYPE_TYPE] = "type",
        [CEL_TYPE_LIST] = "list",
        [CEL_TYPE_MAP] = "map",
        [CEL_TYPE_OPTIONAL] = "optional_type",
        [CEL_TYPE_WRAPPER] = "wrapper",
        [CEL_TYPE_OPAQUE] = NULL,
        [CEL_TYPE_OBJECT] = NULL,
        [CEL_TYPE_PARAM] = NULL,
    };
    return names[kind];
}

void cel_type_print(const struct cel_type *type, struct buffer *out)
{
    if (type->kind == CEL_TYPE_PARAM) {
        buffer_printf(out, "_var%u", (unsigned)type->param);
        return;
    }
    buffer_append_text(out, type->name != NULL ? type->name : text_or_empty(kind_name(type->kind)));
    if (type->items[0] == NULL || type == &cel_type_type) {
        return;
    }
    buffer_append_byte(out, '(');
    cel_type_print(type->items[0], out);
    if (type->items[1] != NULL) {
        buffer_append_text(out, ", ");
        cel_type_print(type->items[1], out);
    }
    buffer_append_byte(out, ')');
}

const char *cel_type_runtime_name(const struct cel_type *type)
{
    if (type->kind == CEL_TYPE_NULL) {
        return "null_type";
    }
    if (type->kind == CEL_TYPE_TIMESTAMP) {
        return "google.protobuf.Timestamp";
    }
    if (type->kind == CEL_TYPE_DURATION) {
        return "google.protobuf.Duration";
    }
    return type->name != NULL ? type->name : text_or_empty(kind_name(type->kind));
}

const struct cel_type *cel_type_find(struct slice name)
{
    static const struct cel_type *const types[] = {
        &cel_type_null,     &cel_type_bool,   &cel_type_int,   &cel_type_uint,
        &cel_type_double,   &cel_type_string, &cel_type_bytes, &cel_type_timestamp,
        &cel_type_duration, &cel_type_type,   &list_of_dyn,    &map_of_dyn,
        &optional_of_dyn,
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (slice_is(name, cel_type_runtime_name(types[i]))) {
            return types[i];
        }
    }
    return NULL;
}

/* --- Signatures --------------------------------------------------------------------------------
 */

struct signature_reader {
    struct arena *arena;
    const char *at;
    char params[8]; /* Letters seen, in the order of their numbers. */
    uint32_t param_count;
};

static const struct cel_type *param_type(struct signature_reader *reader, char letter)
{
    uint32_t number = 0;
    while (number < reader->param_count && reader->params[number] != letter) {
        number++;
    }
    if (number == reader->param_count) {
        assert(reader->param_count < sizeof(reader->params));
        reader->params[reader->param_count++] = letter;
    }
    return cel_type_param(reader->arena, number);
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A dot belongs to the name, unless the argument list of a receiver's method follows it. */
static struct slice read_name(struct signature_reader *reader)
{
    const char *start = reader->at;
    while (is_name_byte(*reader->at) || (*reader->at == '.' && reader->at[1] != '(')) {
        reader->at++;
    }
    assert(reader->at > start);
    return slice_of(start, (size_t)(reader->at - start));
}

static void expect(struct signature_reader *reader, const char *text)
{
    assert(strncmp(reader->at, text, strlen(text)) == 0);
    reader->at += strlen(text);
}

static const struct cel_type *read_type(struct signature_reader *reader, size_t depth)
{
    assert(depth < CEL_TYPE_DEPTH_MAX);
    struct slice name = read_name(reader);
    if (name.len == 1 && name.data[0] >= 'A' && name.data[0] <= 'Z') {
        return param_type(reader, (char)name.data[0]);
    }
    if (*reader->at == '<') {
        const struct cel_type *first, *second;
        reader->at++;
        first = read_type(reader, depth + 1);
        if (slice_is(name, "map")) {
            expect(reader, ", ");
            second = read_type(reader, depth + 1);
            expect(reader, ">");
            return cel_type_map(reader->arena, first, second);
        }
        expect(reader, ">");
        return slice_is(name, "list")       ? cel_type_list(reader->arena, first)
               : slice_is(name, "optional") ? cel_type_optional(reader->arena, first)
                                            : cel_type_of_type(reader->arena, first);
    }
    if (slice_is(name, "dyn")) {
        return &cel_type_dyn;
    }
    if (slice_is(name, "timestamp")) {
        return &cel_type_timestamp;
    }
    if (slice_is(name, "duration")) {
        return &cel_type_duration;
    }
    const struct cel_type *known = cel_type_find(name);
    return known != NULL
               ? known
               : cel_type_opaque(reader->arena,
                                 arena_text_n(reader->arena, (const char *)name.data, name.len));
}

struct cel_signature cel_signature_parse(struct arena *arena, const char *text)
{
    struct signature_reader reader = {.arena = arena, .at = text};
    struct cel_signature signature = {.is_member = text[0] != '('};
    if (signature.is_member) {
        signature.arguments[signature.argument_count++] = read_type(&reader, 0);
        expect(&reader, ".");
    }
    expect(&reader, "(");
    while (*reader.at != ')') {
        assert(signature.argument_count < ARRAY_LEN(signature.arguments));
        signature.arguments[signature.argument_count++] = read_type(&reader, 0);
        if (*reader.at == ',') {
            expect(&reader, ", ");
        }
    }
    expect(&reader, ") ");
    signature.result = read_type(&reader, 0);
    assert(*reader.at == '\0');
    signature.param_count = reader.param_count;
    return signature;
}
