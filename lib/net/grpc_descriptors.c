#include "lib/net/grpc_descriptors.h"

#include "google/protobuf/descriptor.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include <errno.h>
#include <stdlib.h>

enum { SYMBOL_BYTES_MAX = 1024, NESTING_MAX = 32, SET_FIELD_FILE = 0x0a /* 1, with a length */ };

struct grpc_descriptor_file {
    struct grpc_descriptor_file *next;
    struct slice bytes;
    Google__Protobuf__FileDescriptorProto *parsed;
};

struct grpc_descriptors {
    struct grpc_descriptor_file *files;
    struct hash_map *by_name;
    struct hash_map *by_symbol;
};

struct grpc_descriptors *grpc_descriptors_new(void)
{
    struct grpc_descriptors *descriptors = alloc_zeroed(sizeof(*descriptors));
    descriptors->by_name = hash_map_new(/* seed= */ 1); /* What is in them is ours. */
    descriptors->by_symbol = hash_map_new(/* seed= */ 1);
    return descriptors;
}

void grpc_descriptors_free(struct grpc_descriptors *descriptors)
{
    if (descriptors == NULL) {
        return;
    }
    while (descriptors->files != NULL) {
        struct grpc_descriptor_file *file = descriptors->files;
        descriptors->files = file->next;
        google__protobuf__file_descriptor_proto__free_unpacked(file->parsed, NULL);
        free(file);
    }
    hash_map_free(descriptors->by_name);
    hash_map_free(descriptors->by_symbol);
    free(descriptors);
}

/* --- Symbols. `scope` is the full name of what they are declared in. */

struct index {
    struct grpc_descriptors *descriptors;
    struct grpc_descriptor_file *file;
};

static size_t symbol_push(struct buffer *scope, const char *name)
{
    size_t before = scope->len;
    if (scope->len > 0) {
        buffer_append_byte(scope, '.');
    }
    buffer_append_text(scope, name == NULL ? "" : name);
    return before;
}

static void symbol_pop(struct buffer *scope, size_t before)
{
    scope->len = before;
}

static void symbol_add(const struct index *index, struct buffer *scope, const char *name)
{
    size_t before = symbol_push(scope, name);
    if (buffer_error(scope) == 0 &&
        hash_map_get(index->descriptors->by_symbol, buffer_slice(scope)) == NULL) {
        (void)hash_map_set(index->descriptors->by_symbol, buffer_slice(scope), index->file);
    }
    symbol_pop(scope, before);
}

static void add_enum(const struct index *index, struct buffer *scope,
                     const Google__Protobuf__EnumDescriptorProto *one)
{
    symbol_add(index, scope, one->name);
    for (size_t i = 0; i < one->n_value; i++) { /* Values are siblings of their enum. */
        symbol_add(index, scope, one->value[i]->name);
    }
}

static void add_message(const struct index *index, struct buffer *scope,
                        const Google__Protobuf__DescriptorProto *message, unsigned depth)
{
    if (depth > NESTING_MAX) {
        return;
    }
    symbol_add(index, scope, message->name);
    size_t before = symbol_push(scope, message->name);
    for (size_t i = 0; i < message->n_field; i++) {
        symbol_add(index, scope, message->field[i]->name);
    }
    for (size_t i = 0; i < message->n_extension; i++) {
        symbol_add(index, scope, message->extension[i]->name);
    }
    for (size_t i = 0; i < message->n_enum_type; i++) {
        add_enum(index, scope, message->enum_type[i]);
    }
    for (size_t i = 0; i < message->n_nested_type; i++) {
        add_message(index, scope, message->nested_type[i], depth + 1);
    }
    symbol_pop(scope, before);
}

static void add_service(const struct index *index, struct buffer *scope,
                        const Google__Protobuf__ServiceDescriptorProto *service)
{
    symbol_add(index, scope, service->name);
    size_t before = symbol_push(scope, service->name);
    for (size_t i = 0; i < service->n_method; i++) {
        symbol_add(index, scope, service->method[i]->name);
    }
    symbol_pop(scope, before);
}

static void add_symbols(const struct index *index)
{
    const Google__Protobuf__FileDescriptorProto *parsed = index->file->parsed;
    CLEANUP(buffer_release) struct buffer scope;
    buffer_init(&scope, SYMBOL_BYTES_MAX);
    buffer_append_text(&scope, parsed->package == NULL ? "" : parsed->package);
    for (size_t i = 0; i < parsed->n_message_type; i++) {
        add_message(index, &scope, parsed->message_type[i], /* depth= */ 1);
    }
    for (size_t i = 0; i < parsed->n_enum_type; i++) {
        add_enum(index, &scope, parsed->enum_type[i]);
    }
    for (size_t i = 0; i < parsed->n_service; i++) {
        add_service(index, &scope, parsed->service[i]);
    }
    for (size_t i = 0; i < parsed->n_extension; i++) {
        symbol_add(index, &scope, parsed->extension[i]->name);
    }
}

/* --- Sets. */

static int add_file(struct grpc_descriptors *descriptors, struct slice bytes)
{
    Google__Protobuf__FileDescriptorProto *parsed =
        google__protobuf__file_descriptor_proto__unpack(NULL, bytes.len, bytes.data);
    if (parsed == NULL || parsed->name == NULL) {
        if (parsed != NULL) {
            google__protobuf__file_descriptor_proto__free_unpacked(parsed, NULL);
        }
        return -EPROTO;
    }
    if (hash_map_get(descriptors->by_name, slice_text(parsed->name)) != NULL) {
        google__protobuf__file_descriptor_proto__free_unpacked(parsed, NULL);
        return 0;
    }
    struct grpc_descriptor_file *file = alloc_zeroed(sizeof(*file));
    file->bytes = bytes;
    file->parsed = parsed;
    file->next = descriptors->files;
    descriptors->files = file;
    (void)hash_map_set(descriptors->by_name, slice_text(parsed->name), file);
    add_symbols(&(struct index){.descriptors = descriptors, .file = file});
    return 0;
}

/* The next field's bytes; false at the end or at what is no such field. */
static bool next_file(struct slice *set, struct slice *ret_bytes)
{
    uint64_t len = 0;
    size_t at = 1;
    if (set->len < 2 || set->data[0] != SET_FIELD_FILE) {
        return false;
    }
    for (unsigned shift = 0;; shift += 7) {
        if (at >= set->len || shift > 28) {
            return false;
        }
        len |= (uint64_t)(set->data[at] & 0x7f) << shift;
        if ((set->data[at++] & 0x80) == 0) {
            break;
        }
    }
    if (len > set->len - at) {
        return false;
    }
    *ret_bytes = slice_of(set->data + at, (size_t)len);
    *set = slice_of(set->data + at + len, set->len - at - (size_t)len);
    return true;
}

int grpc_descriptors_add(struct grpc_descriptors *descriptors, struct slice set)
{
    struct slice bytes;
    while (set.len > 0) {
        int status = next_file(&set, &bytes) ? add_file(descriptors, bytes) : -EPROTO;
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* --- Finding. */

const struct grpc_descriptor_file *grpc_descriptors_file(const struct grpc_descriptors *descriptors,
                                                         struct slice name)
{
    return hash_map_get(descriptors->by_name, name);
}

const struct grpc_descriptor_file *
grpc_descriptors_symbol(const struct grpc_descriptors *descriptors, struct slice name)
{
    return hash_map_get(descriptors->by_symbol, name);
}

struct slice grpc_descriptor_file_bytes(const struct grpc_descriptor_file *file)
{
    return file->bytes;
}

size_t grpc_descriptor_file_import_count(const struct grpc_descriptor_file *file)
{
    return file->parsed->n_dependency;
}

const struct grpc_descriptor_file *
grpc_descriptor_file_import(const struct grpc_descriptors *descriptors,
                            const struct grpc_descriptor_file *file, size_t index)
{
    return index >= file->parsed->n_dependency
               ? NULL
               : grpc_descriptors_file(descriptors, slice_text(file->parsed->dependency[index]));
}
