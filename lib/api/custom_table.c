/* Printer columns of custom resources. */
#include "lib/api/custom.h"
#include "lib/api/json_path.h"
#include "lib/api/limits.h"
#include "lib/api/object.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"

static const struct api_table_column NAME = {"Name", "string", "name", "Name of the object.", 0};
static const struct api_table_column AGE = {"Age", "date", "", "Time since it was created.", 0};

const struct api_table_column *
custom_columns(struct arena *arena, const struct custom_version *version, size_t *ret_count)
{
    size_t own = version->source->n_additional_printer_columns;
    own = own < API_TABLE_COLUMNS_MAX ? own : API_TABLE_COLUMNS_MAX - 1;
    struct api_table_column *columns = arena_array(arena, own + 2, sizeof(*columns));
    columns[0] = NAME;
    columns[1] = AGE;
    for (size_t i = 0; i < own; i++) {
        const Apiextensions__V1__CustomResourceColumnDefinition *column =
            version->source->additional_printer_columns[i];
        columns[i + 1] =
            (struct api_table_column){.name = text_or_empty(column->name),
                                      .type = text_or_empty(column->type),
                                      .format = text_or_empty(column->format),
                                      .description = text_or_empty(column->description),
                                      .priority = column->priority};
    }
    *ret_count = own == 0 ? 2 : own + 1;
    return columns;
}

/* A string cell shows any value: text as it is, lists and objects as JSON. */
static struct api_table_cell text_cell(struct arena *arena, const struct json_value *value)
{
    struct api_table_cell cell = {.type = API_CELL_TEXT};
    if (value->type == JSON_STRING) {
        cell.text = (const char *)value->text.data;
        return cell;
    }
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, API_TREE_TEXT_MAX);
    json_print(value, /* sorted= */ true, &text);
    cell.text =
        value->type == JSON_NULL ? "<nil>" : arena_text_n(arena, buffer_text(&text), text.len);
    return cell;
}

static struct api_table_cell date_cell(struct arena *arena, const struct json_value *value,
                                       int64_t now_s)
{
    struct api_table_cell cell = {.type = API_CELL_TEXT, .text = "<invalid>"};
    int64_t seconds = 0;
    int32_t nanos = 0;
    if (time_parse(value->text, &seconds, &nanos) == 0) {
        cell.text = api_human_duration(arena, now_s - seconds);
    }
    return cell;
}

static struct api_table_cell cell_of(struct arena *arena, const char *type,
                                     const struct json_value *value, int64_t now_s)
{
    const struct api_table_cell null = {.type = API_CELL_RAW, .text = "null"};
    double number = 0;
    if (value == NULL) {
        return null;
    }
    if (strcmp(type, "string") == 0) {
        return text_cell(arena, value);
    }
    if (strcmp(type, "date") == 0 && value->type == JSON_STRING) {
        return date_cell(arena, value, now_s);
    }
    if (strcmp(type, "integer") == 0 && json_double(value, &number) == 0) {
        return (struct api_table_cell){.type = API_CELL_INTEGER, .number = (int64_t)number};
    }
    if (strcmp(type, "number") == 0 && value->type == JSON_NUMBER) {
        return (struct api_table_cell){.type = API_CELL_RAW,
                                       .text = (const char *)value->text.data};
    }
    if (strcmp(type, "boolean") == 0 && value->type == JSON_BOOL) {
        return (struct api_table_cell){.type = API_CELL_RAW,
                                       .text = value->boolean ? "true" : "false"};
    }
    return null;
}

const struct json_value *custom_tree(struct arena *arena, const struct api_kind *kind,
                                     const void *message)
{
    const struct custom_object *object = message;
    struct json_value *tree = json_new_object(arena);
    struct json_value *metadata =
        api_message_to_json(arena, kind->message->metadata->message, object->metadata, NULL);
    json_set_text(arena, tree, "apiVersion", json_new_text(arena, kind->api_version));
    json_set_text(arena, tree, "kind", json_new_text(arena, kind->kind));
    json_set_text(arena, tree, "metadata", metadata);
    for (size_t i = 0; i < object->content->count; i++) {
        json_add(arena, tree, object->content->members[i].name, object->content->members[i].value);
    }
    return tree;
}

void custom_row(struct table_row *row, const struct api_kind *kind, const void *message)
{
    const struct custom_object *object = message;
    const Apiextensions__V1__CustomResourceDefinitionVersion *source = custom_of(kind)->source;
    size_t count = source->n_additional_printer_columns;
    table_text(row, object->metadata->name);
    if (count == 0) {
        table_age(row, object->metadata);
        return;
    }
    const struct json_value *tree = custom_tree(row->arena, kind, object);
    for (size_t i = 0; i < count && row->count < API_TABLE_COLUMNS_MAX; i++) {
        const Apiextensions__V1__CustomResourceColumnDefinition *column =
            source->additional_printer_columns[i];
        const struct json_value *value =
            json_path_first(row->arena, tree, text_or_empty(column->json_path));
        row->cells[row->count++] =
            cell_of(row->arena, text_or_empty(column->type), value, row->now_s);
    }
}
