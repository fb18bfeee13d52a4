#include "proto/generator/emit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static void emit_text(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            buffer_append_byte(out, '\\');
        }
        buffer_append_byte(out, (uint8_t)*at);
    }
    buffer_append_byte(out, '"');
}

static void emit_text_or_null(struct buffer *out, const char *text)
{
    if (text == NULL) {
        buffer_append_text(out, "NULL");
    } else {
        emit_text(out, text);
    }
}

static bool is_special(const struct model_message *message)
{
    return message->options->form != CORACLE__JSON_FORM__OBJECT;
}

/* --- Rules ------------------------------------------------------------------------------------ */

/* What OpenAPI shows as default where the .proto file names none: the plain zero of a field that
 * JSON always has. */
static const char *default_of(const struct model_message *message, const struct model_field *field)
{
    bool plain =
        message->options->schema && !field->options->pointer && !field->options->inline_ &&
        field->proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL;
    if (field->options->default_ != NULL || !plain || is_special(message)) {
        return field->options->default_;
    }
    if (field->message != NULL) {
        return is_special(field->message) ? NULL : "{}";
    }
    if (!field->options->always) {
        return NULL;
    }
    switch ((int)field->proto->type) {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
        return "\"\"";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL:
        return "false";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
        return NULL;
    default:
        return "0";
    }
}

static const char *format_of(const struct model_field *field)
{
    const struct model_field *value = field->entry != NULL ? &field->entry->fields[1] : field;
    if (field->options->format != NULL) {
        return field->options->format;
    }
    switch ((int)value->proto->type) {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32:
        return "int32";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64:
        return "int64";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE:
        return "double";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
        return field->options->raw_json ? NULL : "byte";
    default:
        return NULL;
    }
}

static bool has_rules(const struct model_message *message, const struct model_field *field)
{
    const Coracle__FieldOptions *options = field->options;
    return default_of(message, field) != NULL || format_of(field) != NULL ||
           options->check != NULL || options->n_values > 0 || options->merge_key != NULL ||
           options->n_list_map_keys > 0 || options->feature_gate != NULL ||
           options->go_type != NULL || options->fill != NULL || options->immutable_because != NULL;
}

static void emit_texts(struct buffer *out, char *const *texts, size_t count)
{
    if (count == 0) {
        buffer_append_text(out, "NULL");
        return;
    }
    buffer_append_text(out, "(const char *const[]){");
    for (size_t i = 0; i < count; i++) {
        emit_text(out, texts[i]);
        buffer_append_text(out, ", ");
    }
    buffer_append_text(out, "NULL}");
}

/* "API_SYNTAX_DNS1123_LABEL"; one that lib/api does not have stops the build of the tables. */
static void emit_syntax(struct buffer *out, const char *name)
{
    buffer_append_text(out, ", API_SYNTAX_");
    for (const char *at = name == NULL ? "none" : name; *at != '\0'; at++) {
        buffer_append_byte(out, (uint8_t)toupper((unsigned char)*at));
    }
}

static void emit_check(const struct model_message *message, size_t index, struct buffer *out)
{
    const Coracle__Check *check = message->fields[index].options->check;
    if (check == NULL) {
        return;
    }
    const struct {
        bool on;
        const char *name;
    } flags[] = {
        {check->required, "API_CHECK_REQUIRED"}, {check->even_empty, "API_CHECK_EVEN_EMPTY"},
        {check->values, "API_CHECK_VALUES"},     {check->has_min, "API_CHECK_MIN"},
        {check->has_max, "API_CHECK_MAX"},       {check->unique, "API_CHECK_UNIQUE"},
        {check->whole, "API_CHECK_WHOLE"},       {check->as_listed, "API_CHECK_AS_LISTED"},
        {check->opaque, "API_CHECK_OPAQUE"},
    };
    buffer_printf(out, "static const struct api_check check_%zu_%zu = {0", message->index, index);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flags[i].on) {
            buffer_printf(out, " | %s", flags[i].name);
        }
    }
    emit_syntax(out, check->syntax);
    emit_syntax(out, check->keys);
    buffer_printf(out, ", %u, INT64_C(%lld), INT64_C(%lld)", check->max_items,
                  (long long)check->min, (long long)check->max);
    const char *const texts[] = {check->because,  check->when_empty, check->range,
                                 check->too_many, check->unique_by,  check->shown_as};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        buffer_append_text(out, ", ");
        emit_text_or_null(out, texts[i]);
    }
    buffer_append_text(out, "};\n");
}

static void emit_rules(const struct model_message *message, struct buffer *out)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_field *field = &message->fields[i];
        const Coracle__FieldOptions *options = field->options;
        if (!has_rules(message, field)) {
            continue;
        }
        emit_check(message, i, out);
        buffer_printf(out, "static const struct api_rules rules_%zu_%zu = {", message->index, i);
        emit_text_or_null(out, default_of(message, field));
        buffer_append_text(out, ", ");
        emit_text_or_null(out, format_of(field));
        buffer_append_text(out, ", ");
        emit_texts(out, options->values, options->n_values);
        buffer_append_text(out, ", ");
        emit_text_or_null(out, options->merge_key);
        buffer_append_text(out, ", ");
        emit_texts(out, options->list_map_keys, options->n_list_map_keys);
        buffer_append_text(out, ", ");
        emit_text_or_null(out, options->feature_gate);
        buffer_append_text(out, ", ");
        emit_text_or_null(out, options->go_type);
        buffer_append_text(out, ", ");
        emit_text_or_null(out, options->fill);
        buffer_append_text(out, ", ");
        emit_text_or_null(out, options->immutable_because);
        if (options->check != NULL) {
            buffer_printf(out, ", &check_%zu_%zu};\n", message->index, i);
        } else {
            buffer_append_text(out, ", NULL};\n");
        }
    }
}

/* --- Fields ----------------------------------------------------------------------------------- */

static bool names_strategy(const char *strategy, const char *word)
{
    return strategy != NULL && strstr(strategy, word) != NULL;
}

static void emit_flags(const struct model_field *field, struct buffer *out)
{
    const Coracle__FieldOptions *options = field->options;
    const char *strategy = options->patch_strategy;
    const struct {
        bool on;
        const char *name;
    } flags[] = {
        {options->required, "API_REQUIRED"},
        {options->pointer, "API_POINTER"},
        {!options->always, "API_OMITEMPTY"},
        {options->inline_, "API_INLINE"},
        {options->json_only, "API_JSON_ONLY"},
        {options->immutable || options->immutable_because != NULL, "API_IMMUTABLE"},
        {options->selectable, "API_SELECTABLE"},
        {options->raw_json, "API_RAW_JSON"},
        {options->open_values, "API_OPEN_VALUES"},
        {names_strategy(strategy, "merge"), "API_MERGE"},
        {names_strategy(strategy, "replace"), "API_REPLACE"},
        {names_strategy(strategy, "retainKeys"), "API_RETAIN_KEYS"},
        {options->has_list_type && options->list_type == CORACLE__LIST_TYPE__SET, "API_LIST_SET"},
        {options->has_list_type && options->list_type == CORACLE__LIST_TYPE__MAP, "API_LIST_MAP"},
        {options->has_list_type && options->list_type == CORACLE__LIST_TYPE__ATOMIC,
         "API_LIST_ATOMIC"},
        {options->map_atomic, "API_MAP_ATOMIC"},
        {options->deprecated, "API_DEPRECATED"},
        {options->nested_type_meta, "API_NESTED_TYPE_META"},
    };
    buffer_append_text(out, "0");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flags[i].on) {
            buffer_printf(out, " | %s", flags[i].name);
        }
    }
}

static void emit_offsets(const struct model_message *message, const struct model_field *field,
                         struct buffer *out)
{
    bool repeated =
        field->proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    bool plain = field->message != NULL || strcmp(field->type, "API_STRING") == 0;
    buffer_printf(out, "offsetof(%s, %s), ", message->c_type, field->member);
    if (repeated) {
        buffer_printf(out, "offsetof(%s, n_%s), ", message->c_type, field->member);
    } else if (plain) {
        buffer_append_text(out, "API_NO_OFFSET, ");
    } else {
        buffer_printf(out, "offsetof(%s, has_%s), ", message->c_type, field->member);
    }
}

static void emit_schema_ref(const struct model_message *message, struct buffer *out)
{
    if (message == NULL) {
        buffer_append_text(out, "NULL");
    } else {
        buffer_printf(out, "&%s__schema", message->c_lower);
    }
}

static const char *label_of(const struct model_field *field)
{
    bool repeated =
        field->proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    return field->entry != NULL ? "API_MAP" : repeated ? "API_REPEATED" : "API_SINGLE";
}

static void emit_fields(const struct model_message *message, struct buffer *out)
{
    if (message->field_count == 0) {
        return;
    }
    buffer_printf(out, "static const struct api_field fields_%zu[] = {\n", message->index);
    for (size_t i = 0; i < message->field_count; i++) {
        size_t at = message->by_number[i];
        const struct model_field *field = &message->fields[at];
        const char *name = field->options->inline_ ? "" : field->proto->json_name;
        buffer_append_text(out, "    {");
        emit_text(out, name);
        buffer_printf(out, ", %zu, %s, %s, ", strlen(name), field->type, label_of(field));
        emit_flags(field, out);
        buffer_printf(out, ", %d, ", field->proto->number);
        emit_offsets(message, field, out);
        emit_schema_ref(field->message, out);
        buffer_append_text(out, ", ");
        emit_schema_ref(field->entry, out);
        if (has_rules(message, field)) {
            buffer_printf(out, ", &rules_%zu_%zu, ", message->index, at);
        } else {
            buffer_append_text(out, ", &api_no_rules, ");
        }
        emit_text(out, field->comment);
        buffer_append_text(out, "},\n");
    }
    buffer_append_text(out, "};\n");
}

/* --- Members ---------------------------------------------------------------------------------- */

struct member {
    const char *name;
    char path[3][48]; /* The field, then what it is reached through: "&fields_1[2]" or "NULL". */
};

struct members {
    struct member items[512];
    size_t count;
};

static void place_of(const struct model_message *message, size_t declared, char ret_text[48])
{
    size_t at = 0;
    while (message->by_number[at] != declared) {
        at++;
    }
    (void)snprintf(ret_text, 48, "&fields_%zu[%zu]", message->index, at);
}

static void collect(struct members *members, const struct model_message *message, const char *via0,
                    const char *via1)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_field *field = &message->fields[i];
        char place[48];
        place_of(message, i, place);
        if (field->options->inline_) {
            bool first = strcmp(via0, "NULL") == 0;
            collect(members, field->message, first ? place : via0, first ? "NULL" : place);
            continue;
        }
        struct member *member = &members->items[members->count++];
        member->name = field->proto->json_name;
        memcpy(member->path[0], place, sizeof(place));
        (void)snprintf(member->path[1], sizeof(member->path[1]), "%s", via0);
        (void)snprintf(member->path[2], sizeof(member->path[2]), "%s", via1);
    }
}

/* The members that `check_order` names, then the rest as JSON has them. A name that is no member
 * stops the build. */
static void emit_check_order(const struct model_message *message, const struct members *members,
                             struct buffer *out)
{
    const Coracle__MessageOptions *options = message->options;
    bool taken[512] = {false};
    if (options->n_check_order == 0) {
        return;
    }
    buffer_printf(out, "static const uint16_t check_order_%zu[] = {", message->index);
    for (size_t i = 0; i < options->n_check_order; i++) {
        size_t at = 0;
        while (at < members->count &&
               strcmp(members->items[at].name, options->check_order[i]) != 0) {
            at++;
        }
        if (at == members->count || taken[at]) {
            buffer_printf(out, "\n#error %s has no member %s to check\n", message->full_name,
                          options->check_order[i]);
            continue;
        }
        taken[at] = true;
        buffer_printf(out, "%zu, ", at);
    }
    for (size_t i = 0; i < members->count; i++) {
        if (!taken[i]) {
            buffer_printf(out, "%zu, ", i);
        }
    }
    buffer_append_text(out, "};\n");
}

static void emit_members(const struct model_message *message, size_t *ret_count, struct buffer *out)
{
    static struct members members; /* Too large for the stack; this program has one thread. */
    uint16_t order[512];

    members.count = 0;
    if (!is_special(message)) {
        collect(&members, message, "NULL", "NULL");
    }
    *ret_count = members.count;
    if (members.count == 0) {
        return;
    }
    buffer_printf(out, "static const struct api_member members_%zu[] = {\n", message->index);
    for (size_t i = 0; i < members.count; i++) {
        const struct member *member = &members.items[i];
        size_t at = i;
        buffer_printf(out, "    {%s, {%s, %s}},\n", member->path[0], member->path[1],
                      member->path[2]);
        for (; at > 0 && strcmp(members.items[order[at - 1]].name, member->name) > 0; at--) {
            order[at] = order[at - 1];
        }
        order[at] = (uint16_t)i;
    }
    buffer_printf(out, "};\nstatic const uint16_t by_name_%zu[] = {", message->index);
    for (size_t i = 0; i < members.count; i++) {
        buffer_printf(out, "%u, ", order[i]);
    }
    buffer_append_text(out, "};\n");
    emit_check_order(message, &members, out);
}

/* --- Messages --------------------------------------------------------------------------------- */

static void emit_metadata(const struct model_message *message, struct buffer *out)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct model_field *field = &message->fields[i];
        if (strcmp(field->proto->name, "metadata") == 0 && field->message != NULL &&
            (strcmp(field->message->proto->name, "ObjectMeta") == 0 ||
             strcmp(field->message->proto->name, "ListMeta") == 0)) {
            char place[48];
            place_of(message, i, place);
            buffer_printf(out, ", %s", place);
            return;
        }
    }
    buffer_append_text(out, ", NULL");
}

static void emit_message(const struct model *model, const struct model_message *message,
                         struct buffer *out)
{
    const Coracle__FileOptions *file = message->file;
    bool fields = message->field_count > 0;
    size_t members;

    emit_members(message, &members, out);
    buffer_printf(out, "const struct api_message %s__schema = {\n    ", message->c_lower);
    emit_text(out, message->proto->name);
    buffer_append_text(out, ", ");
    emit_text(out, message->full_name);
    buffer_append_text(out, ", ");
    emit_text(out, arena_printf(model->arena, "%s.%s", file->schema_prefix, message->proto->name));
    buffer_append_text(out, ", ");
    emit_text(out, file->group != NULL ? file->group : "");
    buffer_append_text(out, ", ");
    emit_text(out, file->version != NULL ? file->version : "");
    buffer_printf(
        out, ", &%s__descriptor, sizeof(%s), %s, %s, %s, %s, %zu, %zu, ", message->c_lower,
        message->c_type, model_form_type(message), message->options->type_meta ? "true" : "false",
        message->options->map_atomic ? "true" : "false",
        message->options->schema || message->options->openapi_type != NULL ? "true" : "false",
        message->field_count, members);
    buffer_append_text(out, fields ? arena_printf(model->arena, "fields_%zu, ", message->index)
                                   : "NULL, ");
    if (members > 0) {
        buffer_printf(out, "members_%zu, by_name_%zu", message->index, message->index);
    } else {
        buffer_append_text(out, "NULL, NULL");
    }
    emit_metadata(message, out);
    buffer_append_text(out, ", ");
    emit_text(out, message->comment);
    buffer_append_text(out, ", ");
    emit_text_or_null(out, message->options->openapi_type);
    buffer_append_text(out, ", ");
    emit_text_or_null(out, message->options->openapi_format);
    buffer_append_text(out, ", ");
    emit_text_or_null(out, message->options->unions);
    buffer_append_text(out, ", ");
    emit_texts(out, message->options->gvk, message->options->n_gvk);
    if (members > 0 && message->options->n_check_order > 0) {
        buffer_printf(out, ", check_order_%zu, NULL};\n", message->index);
    } else {
        buffer_append_text(out, ", NULL, NULL};\n");
    }
}

static int by_full_name(const void *a, const void *b)
{
    const struct model_message *const *left = a;
    const struct model_message *const *right = b;
    return strcmp((*left)->full_name, (*right)->full_name);
}

void emit_header(const struct model *model, struct buffer *out)
{
    buffer_append_text(out, "/* Made by proto/generator from the .proto files. */\n"
                            "#ifndef API_TABLES_H\n#define API_TABLES_H\n"
                            "#include \"lib/api/schema.h\"\n");
    for (size_t i = 0; i < model->header_count; i++) {
        buffer_printf(out, "#include \"%s\"\n", model->headers[i]);
    }
    for (size_t i = 0; i < model->count; i++) {
        if (!model->messages[i]->is_entry) {
            buffer_printf(out, "extern const struct api_message %s__schema;\n",
                          model->messages[i]->c_lower);
        }
    }
    buffer_append_text(out, "extern const struct api_message *const api_tables[];\n"
                            "extern const size_t api_tables_count;\n#endif\n");
}

void emit_source(const struct model *model, struct buffer *out)
{
    struct model_message **sorted =
        arena_array(model->arena, model->count, sizeof(struct model_message *));
    buffer_append_text(out, "/* Made by proto/generator from the .proto files. */\n"
                            "#include \"k8s/tables.h\"\n\n");
    buffer_append_text(out, "const struct api_rules api_no_rules = {0};\n");
    for (size_t i = 0; i < model->count; i++) {
        sorted[i] = model->messages[i];
        if (model->messages[i]->is_entry) {
            buffer_printf(out, "extern const struct api_message %s__schema;\n",
                          model->messages[i]->c_lower);
        }
    }
    qsort(sorted, model->count, sizeof(*sorted), by_full_name);
    for (size_t i = 0; i < model->count; i++) {
        emit_rules(model->messages[i], out);
        emit_fields(model->messages[i], out);
    }
    for (size_t i = 0; i < model->count; i++) {
        emit_message(model, model->messages[i], out);
    }
    size_t count = 0;
    buffer_append_text(out, "const struct api_message *const api_tables[] = {\n");
    for (size_t i = 0; i < model->count; i++) {
        if (!sorted[i]->is_entry) {
            buffer_printf(out, "    &%s__schema,\n", sorted[i]->c_lower);
            count++;
        }
    }
    buffer_printf(out, "};\nconst size_t api_tables_count = %zu;\n", count);
}
