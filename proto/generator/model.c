#include "proto/generator/model.h"

#include "lib/base/alloc.h"
#include "proto/generator/names.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTION_NUMBER = 50100, PB_C_FILE_NUMBER = 1019, C_PACKAGE_FIELD = 6 };

/* Extensions arrive as unknown fields whose bytes still have their length in front. */
static struct slice option_bytes(const ProtobufCMessage *options, uint32_t number)
{
    for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        size_t skip = 0;
        if (field->tag != number) {
            continue;
        }
        while (skip < field->len && (field->data[skip] & 0x80) != 0) {
            skip++;
        }
        return slice_of(field->data + skip + 1, field->len - skip - 1);
    }
    return slice_of(NULL, 0);
}

static void *take(void *data, size_t size)
{
    return arena_alloc(data, size);
}

static void give_back(void *data, void *memory)
{
    (void)data, (void)memory; /* The arena frees all at once. */
}

static const void *option_message(struct arena *arena, const ProtobufCMessage *options,
                                  const ProtobufCMessageDescriptor *descriptor)
{
    struct slice bytes = option_bytes(options, OPTION_NUMBER);
    ProtobufCAllocator allocator = {take, give_back, arena};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
}

/* (pb_c_file).c_package, read by hand: its type is protoc-c's own. */
static const char *file_c_package(struct arena *arena,
                                  const Google__Protobuf__FileDescriptorProto *file)
{
    struct slice bytes = option_bytes((const ProtobufCMessage *)file->options, PB_C_FILE_NUMBER);
    size_t at = 0;
    while (at + 2 <= bytes.len) {
        uint8_t tag = bytes.data[at];
        uint8_t value = bytes.data[at + 1];
        if ((tag & 7) == 2) {
            if ((tag >> 3) == C_PACKAGE_FIELD && at + 2 + value <= bytes.len) {
                return arena_text_n(arena, (const char *)bytes.data + at + 2, value);
            }
            at += value;
        }
        at += 2;
    }
    return file->package;
}

/* The lines of a comment as one, with one space where a line ended. */
static const char *one_line(struct arena *arena, const char *comment)
{
    char *text = arena_text(arena, comment);
    size_t len = 0;
    for (const char *at = text; *at != '\0'; at++) {
        char c = *at == '\n' ? ' ' : *at;
        if (c != ' ' || (len > 0 && text[len - 1] != ' ')) {
            text[len++] = c;
        }
    }
    len -= len > 0 && text[len - 1] == ' ';
    text[len] = '\0';
    return text;
}

/* The comment in front of the element that `path` names. */
static const char *comment_of(struct arena *arena,
                              const Google__Protobuf__FileDescriptorProto *file,
                              const int32_t *path, size_t path_len)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *location = info->location[i];
        if (location->n_path == path_len && location->leading_comments != NULL &&
            memcmp(location->path, path, path_len * sizeof(*path)) == 0) {
            return one_line(arena, location->leading_comments);
        }
    }
    return "";
}

static struct model_message *add_message(struct model *model,
                                         const Google__Protobuf__DescriptorProto *proto,
                                         const char *full_name, const char *c_name)
{
    struct model_message *message = arena_zeroed(model->arena, sizeof(*message));
    if (model->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 256 : model->capacity * 2;
        model->messages =
            alloc_resize(model->messages, model->capacity, sizeof(struct model_message *));
    }
    message->index = model->count;
    message->proto = proto;
    message->full_name = full_name;
    message->c_type = name_c_type(model->arena, c_name);
    message->c_lower = name_c_lower(model->arena, c_name);
    message->options = option_message(model->arena, (const ProtobufCMessage *)proto->options,
                                      &coracle__message_options__descriptor);
    message->is_entry = proto->options != NULL && proto->options->map_entry;
    message->comment = "";
    model->messages[model->count++] = message;
    hash_map_set(model->names, slice_text(full_name), message);
    return message;
}

static int by_number(const void *a, const void *b, void *data)
{
    const struct model_message *message = data;
    int32_t left = message->fields[*(const uint16_t *)a].proto->number;
    int32_t right = message->fields[*(const uint16_t *)b].proto->number;
    return left < right ? -1 : left > right;
}

static void add_fields(struct model *model, struct model_message *message,
                       const Google__Protobuf__FileDescriptorProto *file, size_t message_at)
{
    const Google__Protobuf__DescriptorProto *proto = message->proto;
    message->field_count = proto->n_field;
    message->fields = arena_array(model->arena, proto->n_field, sizeof(struct model_field));
    message->by_number = arena_array(model->arena, proto->n_field, sizeof(uint16_t));
    for (size_t i = 0; i < proto->n_field; i++) {
        const int32_t path[] = {4, (int32_t)message_at, 2, (int32_t)i};
        struct model_field *field = &message->fields[i];
        field->proto = proto->field[i];
        field->options =
            option_message(model->arena, (const ProtobufCMessage *)field->proto->options,
                           &coracle__field_options__descriptor);
        field->comment = message->is_entry ? "" : comment_of(model->arena, file, path, 4);
        field->member = name_c_member(model->arena, field->proto->name);
        message->by_number[i] = (uint16_t)i;
    }
    qsort_r(message->by_number, proto->n_field, sizeof(uint16_t), by_number, message);
}

static void read_file(struct model *model, const Google__Protobuf__FileDescriptorProto *file)
{
    const char *c_package = file_c_package(model->arena, file);
    const Coracle__FileOptions *options = option_message(
        model->arena, (const ProtobufCMessage *)file->options, &coracle__file_options__descriptor);
    for (size_t i = 0; i < file->n_message_type; i++) {
        const Google__Protobuf__DescriptorProto *proto = file->message_type[i];
        const int32_t path[] = {4, (int32_t)i};
        struct model_message *message = add_message(
            model, proto, arena_printf(model->arena, "%s.%s", file->package, proto->name),
            arena_printf(model->arena, "%s.%s", c_package, proto->name));
        message->file = options;
        message->comment = comment_of(model->arena, file, path, 2);
        add_fields(model, message, file, i);
        for (size_t j = 0; j < proto->n_nested_type; j++) {
            const Google__Protobuf__DescriptorProto *nested = proto->nested_type[j];
            struct model_message *entry = add_message(
                model, nested,
                arena_printf(model->arena, "%s.%s", message->full_name, nested->name),
                arena_printf(model->arena, "%s.%s.%s", c_package, proto->name, nested->name));
            entry->file = options;
            add_fields(model, entry, file, 0);
        }
    }
}

const char *model_form_type(const struct model_message *message)
{
    static const char *const forms[] = {
        [CORACLE__JSON_FORM__OBJECT] = "API_OBJECT",
        [CORACLE__JSON_FORM__QUANTITY] = "API_QUANTITY",
        [CORACLE__JSON_FORM__TIME] = "API_TIME",
        [CORACLE__JSON_FORM__MICRO_TIME] = "API_MICRO_TIME",
        [CORACLE__JSON_FORM__INT_OR_STRING] = "API_INT_OR_STRING",
        [CORACLE__JSON_FORM__RAW_OBJECT] = "API_RAW_OBJECT",
        [CORACLE__JSON_FORM__RAW_VALUE] = "API_RAW_VALUE",
        [CORACLE__JSON_FORM__DURATION] = "API_DURATION",
        [CORACLE__JSON_FORM__LIST] = "API_LIST_MESSAGE",
        [CORACLE__JSON_FORM__ENVELOPE] = "API_ENVELOPE",
        [CORACLE__JSON_FORM__ONE_OR_LIST] = "API_ONE_OR_LIST",
        [CORACLE__JSON_FORM__ONE_OR_BOOL] = "API_ONE_OR_BOOL",
    };
    return forms[message->options->form];
}

static const char *scalar_type(Google__Protobuf__FieldDescriptorProto__Type type)
{
    switch ((int)type) {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL:
        return "API_BOOL";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32:
        return "API_INT32";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64:
        return "API_INT64";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE:
        return "API_DOUBLE";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
        return "API_STRING";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
        return "API_BYTES";
    default:
        return NULL;
    }
}

static int resolve_field(struct model *model, struct model_message *message,
                         struct model_field *field)
{
    if (field->proto->type_name != NULL) {
        struct slice name = slice_text(field->proto->type_name + 1); /* Without the first dot. */
        field->message = hash_map_get(model->names, name);
    }
    if (field->message != NULL && field->message->is_entry) {
        field->entry = field->message;
        field->message = NULL;
        return 0; /* Its type is that of the entry's value: model_read. */
    }
    field->type =
        field->message != NULL ? model_form_type(field->message) : scalar_type(field->proto->type);
    if (field->type == NULL) {
        fprintf(stderr, "%s.%s: a type that the tables do not have\n", message->full_name,
                field->proto->name);
        return -EINVAL;
    }
    return 0;
}

int model_read(struct model *model, const Google__Protobuf__FileDescriptorSet *set,
               const char *prefix)
{
    model->headers = arena_array(model->arena, set->n_file, sizeof(char *));
    for (size_t i = 0; i < set->n_file; i++) {
        const char *name = set->file[i]->name;
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            model->headers[model->header_count++] = arena_printf(
                model->arena, "%.*s.pb-c.h", (int)(strlen(name) - strlen(".proto")), name);
            read_file(model, set->file[i]);
        }
    }
    for (size_t i = 0; i < model->count; i++) {
        for (size_t j = 0; j < model->messages[i]->field_count; j++) {
            int r = resolve_field(model, model->messages[i], &model->messages[i]->fields[j]);
            if (r < 0) {
                return r;
            }
        }
    }
    for (size_t i = 0; i < model->count; i++) {
        for (size_t j = 0; j < model->messages[i]->field_count; j++) {
            struct model_field *field = &model->messages[i]->fields[j];
            if (field->entry != NULL) {
                field->type = field->entry->fields[1].type;
                field->message = field->entry->fields[1].message;
            }
        }
    }
    return 0;
}
