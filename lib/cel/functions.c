#include "lib/cel/function.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/cel/limits.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct cel_functions {
    atomic_size_t references;
    struct arena *arena;
    struct hash_map *by_name; /* To struct cel_overloads */
    struct hash_map *types;   /* To struct cel_type */
};

/* Rows of one name may stand in several libraries: all of them are its overloads. */
static void add_row(struct cel_functions *functions, const struct cel_row *row)
{
    struct slice name = slice_text(row->name);
    struct cel_overloads *overloads = hash_map_get(functions->by_name, name);
    if (overloads == NULL) {
        overloads = arena_zeroed(functions->arena, sizeof(*overloads));
        (void)hash_map_set(functions->by_name, name, overloads);
    }
    struct cel_overload *items =
        arena_array(functions->arena, overloads->count + 1, sizeof(*items));
    if (overloads->count > 0) {
        memcpy(items, overloads->items, overloads->count * sizeof(*items));
    }
    items[overloads->count] = (struct cel_overload){
        .row = row, .signature = cel_signature_parse(functions->arena, row->signature)};
    overloads->items = items;
    overloads->count++;
}

static void add_library(struct cel_functions *functions, const struct cel_library *library)
{
    for (size_t i = 0; i < library->row_count; i++) {
        add_row(functions, &library->rows[i]);
    }
    for (size_t i = 0; i < library->type_count; i++) {
        struct cel_type *type = arena_alloc(functions->arena, sizeof(*type));
        *type = *library->types[i].type;
        (void)hash_map_set(functions->types, slice_text(library->types[i].name), type);
    }
}

struct cel_functions *cel_functions_new(const struct cel_library *const *libraries, size_t count)
{
    struct cel_functions *functions = alloc_zeroed(sizeof(*functions));
    atomic_init(&functions->references, 1);
    functions->arena = arena_new(SIZE_MAX);
    functions->by_name = hash_map_new(0);
    functions->types = hash_map_new(0);
    for (size_t i = 0; i < count; i++) {
        add_library(functions, libraries[i]);
    }
    return functions;
}

struct cel_functions *cel_functions_new_standard(const struct cel_library *const *more,
                                                 size_t count)
{
    static const struct cel_library *const standard[] = {
        &cel_library_operators,     &cel_library_logic,   &cel_library_conversions,
        &cel_library_texts,         &cel_library_times,   &cel_library_optionals,
        &cel_library_two_variables, &cel_library_strings, &cel_library_format,
        &cel_library_lists,         &cel_library_sets,    &cel_library_regex,
        &cel_library_url,           &cel_library_ip,      &cel_library_authorizer,
    };
    struct cel_functions *functions = cel_functions_new(standard, ARRAY_LEN(standard));
    for (size_t i = 0; i < count; i++) {
        add_library(functions, more[i]);
    }
    return functions;
}

struct cel_functions *cel_functions_ref(struct cel_functions *functions)
{
    atomic_fetch_add_explicit(&functions->references, 1, memory_order_relaxed);
    return functions;
}

void cel_functions_unref(struct cel_functions *functions)
{
    if (functions == NULL ||
        atomic_fetch_sub_explicit(&functions->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    hash_map_free(functions->by_name);
    hash_map_free(functions->types);
    arena_free(functions->arena);
    free(functions);
}

const struct cel_overloads *cel_functions_find(const struct cel_functions *functions,
                                               struct slice name)
{
    return hash_map_get(functions->by_name, name);
}

const struct cel_type *cel_functions_type(const struct cel_functions *functions, struct slice name)
{
    const struct cel_type *type = cel_type_find(name);
    return type != NULL ? type : hash_map_get(functions->types, name);
}

bool cel_fits(const struct cel_value *value, const struct cel_type *type)
{
    static const enum cel_kind kinds[] = {
        [CEL_TYPE_NULL] = CEL_NULL,         [CEL_TYPE_BOOL] = CEL_BOOL,
        [CEL_TYPE_INT] = CEL_INT,           [CEL_TYPE_UINT] = CEL_UINT,
        [CEL_TYPE_DOUBLE] = CEL_DOUBLE,     [CEL_TYPE_STRING] = CEL_STRING,
        [CEL_TYPE_BYTES] = CEL_BYTES,       [CEL_TYPE_TIMESTAMP] = CEL_TIMESTAMP,
        [CEL_TYPE_DURATION] = CEL_DURATION, [CEL_TYPE_TYPE] = CEL_TYPE,
        [CEL_TYPE_LIST] = CEL_LIST,         [CEL_TYPE_MAP] = CEL_MAP,
        [CEL_TYPE_OPTIONAL] = CEL_OPTIONAL, [CEL_TYPE_OPAQUE] = CEL_OPAQUE,
        [CEL_TYPE_OBJECT] = CEL_MAP,
    };
    if (type->kind == CEL_TYPE_DYN || type->kind == CEL_TYPE_PARAM) {
        return true;
    }
    if (type->kind >= ARRAY_LEN(kinds) || kinds[type->kind] != value->kind) {
        return false;
    }
    return type->kind != CEL_TYPE_OPAQUE || strcmp(type->name, value->opaque.of->name) == 0;
}

bool cel_call_takes(struct cel_call *call, size_t size)
{
    if (size > call->memory_left) {
        return false;
    }
    call->memory_left -= size;
    return true;
}

struct cel_value cel_error_memory(void)
{
    return cel_error("evaluation needs too much memory");
}

struct cel_value cel_call_error(struct cel_call *call, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return cel_error(arena_text(call->arena, text));
}

struct cel_value cel_call_text(struct cel_call *call, const struct buffer *text)
{
    if (buffer_error(text) != 0 || !cel_call_takes(call, text->len)) {
        return cel_error_memory();
    }
    return cel_string(arena_slice(call->arena, buffer_slice(text)));
}
