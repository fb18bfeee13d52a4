#include "lib/api/table.h"

#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

const struct api_table_column *api_table_columns(const struct api_kind *kind, size_t *ret_count)
{
    const struct table_layout *table = table_layout_of(kind);
    if (custom_of(kind) != NULL) {
        *ret_count = custom_of(kind)->column_count;
        return custom_of(kind)->columns;
    }
    *ret_count = table->count;
    return table->columns;
}

const Meta__V1__ObjectMeta *api_table_meta(struct arena *arena, const struct api_kind *kind,
                                           const void *message)
{
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (kind->message != &apps__v1__daemon_set__schema ||
        api_meta_annotation(meta, RULES_TEMPLATE_GENERATION) == NULL) {
        return meta;
    }
    Meta__V1__ObjectMeta *shown = api_message_copy(arena, kind->message->metadata->message, meta);
    (void)api_meta_remove_annotation(shown, RULES_TEMPLATE_GENERATION); /* It is there. */
    return shown;
}

api_table_compare *api_table_order(const struct api_kind *kind)
{
    return custom_of(kind) == NULL ? table_layout_of(kind)->compare : NULL;
}

static void add_cell(struct table_row *row, struct api_table_cell cell)
{
    assert(row->count < API_TABLE_COLUMNS_MAX);
    row->cells[row->count++] = cell;
}

void table_text(struct table_row *row, const char *text)
{
    add_cell(row, (struct api_table_cell){.type = API_CELL_TEXT, .text = text == NULL ? "" : text});
}

void table_text_or(struct table_row *row, const char *text, const char *otherwise)
{
    table_text(row, text == NULL || *text == '\0' ? otherwise : text);
}

void table_bool(struct table_row *row, bool value)
{
    add_cell(row, (struct api_table_cell){.type = API_CELL_BOOL, .number = value});
}

void table_integer(struct table_row *row, int64_t number)
{
    add_cell(row, (struct api_table_cell){.type = API_CELL_INTEGER, .number = number});
}

const char *table_age_text(const struct table_row *row, const Meta__V1__Time *time)
{
    return api_time_is_zero(time) ? "<unknown>"
                                  : api_human_duration(row->arena, row->now_s - time->seconds);
}

void table_age(struct table_row *row, const Meta__V1__ObjectMeta *meta)
{
    table_text(row, table_age_text(row, meta->creation_timestamp));
}

void table_buffer(struct table_row *row, const struct buffer *text)
{
    table_text(row, arena_text_n(row->arena, buffer_text(text), text->len));
}

void table_more(struct buffer *text, size_t count)
{
    if (count > TABLE_LIST_MAX) {
        buffer_printf(text, " + %zu more...", count - TABLE_LIST_MAX);
    }
}

void table_containers(struct table_row *row, const Core__V1__PodSpec *spec)
{
    CLEANUP(buffer_release) struct buffer names, images;
    buffer_init(&names, SIZE_MAX / 2);
    buffer_init(&images, SIZE_MAX / 2);
    for (size_t i = 0; i < spec->n_containers; i++) {
        const Core__V1__Container *container = spec->containers[i];
        buffer_append_text(&names, i == 0 ? "" : ",");
        buffer_append_text(&images, i == 0 ? "" : ",");
        buffer_append_text(&names, container->name == NULL ? "" : container->name);
        buffer_append_text(&images, container->image == NULL ? "" : container->image);
    }
    table_buffer(row, &names);
    table_buffer(row, &images);
}

void api_table_row(struct arena *arena, const struct api_kind *kind, const void *message,
                   int64_t now_s, struct api_table_cell cells[API_TABLE_COLUMNS_MAX],
                   struct api_table_condition *ret_condition)
{
    const struct table_layout *table = table_layout_of(kind);
    struct table_row row = {
        .arena = arena, .now_s = now_s, .cells = cells, .condition = ret_condition};
    *ret_condition = (struct api_table_condition){.type = NULL};
    if (custom_of(kind) != NULL) {
        custom_row(&row, kind, message);
        return;
    }
    if (table->make != NULL) {
        table->make(&row, message);
        assert(row.count == table->count);
        return;
    }
    char time[API_TIME_TEXT_SIZE] = "";
    const Meta__V1__ObjectMeta *meta =
        kind->message == NULL ? NULL : api_message_meta(kind->message, message);
    if (meta != NULL && !api_time_is_zero(meta->creation_timestamp)) {
        api_time_format(meta->creation_timestamp->seconds, time);
    }
    table_text(&row, meta == NULL ? "" : meta->name);
    table_text(&row, arena_text(arena, time));
}

/* Two units where the first is small, as kubectl has it. */
static const char *two_units(struct arena *arena, int64_t big, const char *big_unit, int64_t small,
                             const char *small_unit)
{
    return small == 0 ? arena_printf(arena, "%" PRId64 "%s", big, big_unit)
                      : arena_printf(arena, "%" PRId64 "%s%" PRId64 "%s", big, big_unit, small,
                                     small_unit);
}

const char *api_human_duration(struct arena *arena, int64_t seconds)
{
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400, YEAR = 365 * 86400 };
    if (seconds < -1) {
        return "<invalid>";
    }
    if (seconds < 2 * MINUTE) {
        return arena_printf(arena, "%" PRId64 "s", seconds < 0 ? 0 : seconds);
    }
    if (seconds < 10 * MINUTE) {
        return two_units(arena, seconds / MINUTE, "m", seconds % MINUTE, "s");
    }
    if (seconds < 180 * MINUTE) {
        return two_units(arena, seconds / MINUTE, "m", 0, "");
    }
    if (seconds < 8 * HOUR) {
        return two_units(arena, seconds / HOUR, "h", seconds % HOUR / MINUTE, "m");
    }
    if (seconds < 48 * HOUR) {
        return two_units(arena, seconds / HOUR, "h", 0, "");
    }
    if (seconds < 192 * HOUR) {
        return two_units(arena, seconds / DAY, "d", seconds % DAY / HOUR, "h");
    }
    if (seconds < 2LL * YEAR) {
        return two_units(arena, seconds / DAY, "d", 0, "");
    }
    if (seconds < 8LL * YEAR) {
        return two_units(arena, seconds / YEAR, "y", seconds % YEAR / DAY, "d");
    }
    return two_units(arena, seconds / YEAR, "y", 0, "");
}
