/* What differs between two messages, line by line, as those who compare Go structs print it. */
#include "lib/api/codec.h"
#include "lib/api/fields.h"
#include "lib/api/go_names.h"
#include "lib/api/intstr.h"
#include "lib/api/limits.h"
#include "lib/api/quantity.h"
#include "lib/api/shown.h"
#include <stdlib.h>
#include <string.h>

enum {
    CONTEXT = 2,     /* Equal lines shown before and after what differs. */
    LINES_MAX = 256, /* Of one message or list; the rest is not shown. */
};

/* --- Values on one line ------------------------------------------------------------------------
 */

static void print_members(struct arena *arena, const struct api_message *table, const void *object,
                          struct buffer *out);

static void print_quantity(const Quantity__Quantity *value, struct buffer *out)
{
    char text[QUANTITY_TEXT_SIZE];
    quantity_format(quantity_read(value), text);
    buffer_printf(out, "s\"%s\"", text);
}

static void print_amount(const Intstr__IntOrString *value, struct buffer *out)
{
    if (intstr_is_text(value)) {
        buffer_append_text(out, "{Type: 1, StrVal: ");
        api_print_quoted(text_or_empty(value->str_val), out);
        buffer_append_text(out, "}");
    } else {
        buffer_printf(out, "{IntVal: %d}", value->int_val);
    }
}

/* `typed`: with the type's name in front of what has members. */
static void print_value(struct arena *arena, const struct api_field *field, const void *at,
                        bool typed, struct buffer *out)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        buffer_append_text(out, *(const protobuf_c_boolean *)at != 0 ? "true" : "false");
        return;
    case API_INT32:
        buffer_printf(out, "%d", *(const int32_t *)at);
        return;
    case API_INT64:
        buffer_printf(out, "%lld", (long long)*(const int64_t *)at);
        return;
    case API_STRING:
        api_print_quoted(text_or_empty(*(const char *const *)at), out);
        return;
    case API_OBJECT:
        buffer_append_text(out, typed ? go_type_name(arena, field->message) : "");
        print_members(arena, field->message, *(const void *const *)at, out);
        return;
    case API_QUANTITY:
        print_quantity(*(const Quantity__Quantity *const *)at, out);
        return;
    case API_INT_OR_STRING:
        print_amount(*(const Intstr__IntOrString *const *)at, out);
        return;
    case API_DOUBLE:
    case API_BYTES:
    case API_TIME:
    case API_MICRO_TIME:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        buffer_append_text(out, "{...}");
        return;
    }
}

static void print_list(struct arena *arena, const struct api_field *field, const void *object,
                       struct buffer *out)
{
    const uint8_t *items = *(const uint8_t *const *)api_field_at(field, object);
    size_t size = api_type_size(field);
    for (size_t i = 0; i < api_field_count(field, object); i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        print_value(arena, field, items + i * size, false, out);
    }
}

static void print_entry(struct arena *arena, const struct api_field *field, const void *entry,
                        struct buffer *out)
{
    const struct api_field *value = &field->entry->fields[1];
    buffer_append_text(out, field->type == API_QUANTITY ? "s" : "");
    api_print_quoted(api_entry_key(field->entry, entry), out);
    buffer_append_text(out, ": ");
    print_value(arena, value, api_field_at(value, entry), false, out);
}

static void print_map(struct arena *arena, const struct api_field *field, const void *object,
                      struct buffer *out)
{
    void *copy = NULL;
    void **entries = api_map_sorted(field, object, &copy);
    for (size_t i = 0; i < api_field_count(field, object); i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        print_entry(arena, field, entries[i], out);
    }
    free(copy);
}

static bool is_struct(const struct api_field *field)
{
    return field->label == API_SINGLE && field->type >= API_OBJECT &&
           (field->flags & API_POINTER) == 0;
}

static void print_field(struct arena *arena, const struct api_message *table,
                        const struct api_field *field, const void *object, bool typed,
                        struct buffer *out)
{
    bool set = object != NULL && api_field_is_set(field, object);
    bool nilable = field->label != API_SINGLE || (field->flags & API_POINTER) != 0;
    if (!set && nilable) {
        buffer_append_text(out, "nil");
    } else if (is_struct(field) && !set) {
        buffer_printf(out, "%s{}", typed ? go_type_name(arena, field->message) : "");
    } else if (!set) {
        buffer_append_text(out, field->type == API_STRING ? "\"\""
                                : field->type == API_BOOL ? "false"
                                                          : "0");
    } else if (field->label == API_SINGLE) {
        buffer_append_text(out, nilable ? "&" : "");
        print_value(arena, field, api_field_at(field, object), typed, out);
    } else {
        buffer_printf(out, "%s{", typed ? go_list_type(arena, table, field) : "");
        (field->label == API_MAP ? print_map : print_list)(arena, field, object, out);
        buffer_append_text(out, "}");
    }
}

/* Only those that are not empty. */
static void print_members(struct arena *arena, const struct api_message *table, const void *object,
                          struct buffer *out)
{
    struct go_members walk = go_members_of(table);
    const char *between = "";
    buffer_append_text(out, "{");
    for (const struct api_field *field = go_next_member(&walk); object != NULL && field != NULL;
         field = go_next_member(&walk)) {
        CLEANUP(buffer_release) struct buffer value = {0};
        buffer_init(&value, API_SHOWN_MAX);
        print_field(arena, table, field, object, false, &value);
        if (!api_field_is_set(field, object) || strcmp(buffer_text(&value), "{}") == 0) {
            continue;
        }
        buffer_printf(out, "%s%s: %s", between, go_member_name(arena, field), buffer_text(&value));
        between = ", ";
    }
    buffer_append_text(out, "}");
}

/* --- Lines -------------------------------------------------------------------------------------
 */

/* One line, or a block of lines that is indented already, or how many lines were left out. */
struct line {
    char mark;         /* ' ', '-' or '+'. */
    const char *key;   /* NULL where there is none. */
    const char *value; /* Of a line. */
    const char *block;
};

struct printer {
    struct arena *arena;
    const struct api_message *table; /* Whose members the lines are. */
    struct line *lines;
    size_t count;
    unsigned depth;
};

static struct printer printer_of(struct arena *arena, const struct api_message *table,
                                 unsigned depth)
{
    return (struct printer){.arena = arena,
                            .table = table,
                            .lines = arena_array(arena, LINES_MAX, sizeof(struct line)),
                            .depth = depth};
}

static void add(struct printer *printer, struct line line)
{
    if (printer->count < LINES_MAX) {
        printer->lines[printer->count++] = line;
    }
}

static void indent(char mark, unsigned depth, struct buffer *out)
{
    buffer_printf(out, "%c ", mark);
    for (unsigned i = 0; i < depth; i++) {
        buffer_append_text(out, "\t");
    }
}

/* Values of neighbours stand below each other. */
static size_t key_width(const struct printer *printer, size_t at)
{
    size_t width = 0, first = at;
    while (first > 0 && printer->lines[first - 1].key != NULL) {
        first--;
    }
    for (size_t i = first; i < printer->count && printer->lines[i].key != NULL; i++) {
        size_t len = strlen(printer->lines[i].key);
        width = len > width ? len : width;
    }
    return width;
}

static const char *take_lines(const struct printer *printer)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    for (size_t i = 0; i < printer->count; i++) {
        const struct line *line = &printer->lines[i];
        if (line->block != NULL) {
            buffer_append_text(&out, line->block);
            continue;
        }
        indent(line->mark, printer->depth, &out);
        if (line->key != NULL) {
            size_t width = key_width(printer, i);
            buffer_printf(&out, "%s:%*s ", line->key, (int)(width - strlen(line->key)), "");
        }
        buffer_printf(&out, "%s\n", line->value);
    }
    return arena_text(printer->arena, buffer_text(&out));
}

/* `head` and what is inside, one step further in; `inside` is ready-made. */
static void add_block(struct printer *printer, const char *head, const char *inside)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    indent(' ', printer->depth, &out);
    buffer_printf(&out, "%s{\n%s", head, inside);
    indent(' ', printer->depth, &out);
    buffer_append_text(&out, "},\n");
    add(printer, (struct line){.block = arena_text(printer->arena, buffer_text(&out))});
}

/* What is equal, by index, and how one of it is printed. */
struct sequence {
    size_t count;
    const bool *same;
    const char *what; /* "fields" */
};

/* Whether an equal one is near enough to a different one to be shown; else how many from here on
 * are left out. */
static size_t left_out(const struct sequence *all, size_t at)
{
    size_t first = at, end = at;
    while (first > 0 && all->same[first - 1]) {
        first--;
    }
    while (end < all->count && all->same[end]) {
        end++;
    }
    size_t low = first == 0 ? first : first + CONTEXT, high = end;
    if (end < all->count) {
        high = end > low + CONTEXT ? end - CONTEXT : low;
    }
    low = low > end ? end : low;
    /* One line says as much as the line that one is missing. */
    return at == low && high > low + 1 ? high - low : 0;
}

static void add_left_out(struct printer *printer, size_t count, const char *what)
{
    add(printer, (struct line){.mark = ' ',
                               .value = arena_printf(printer->arena, "... // %zu identical %s",
                                                     count, what)});
}

/* --- What differs ------------------------------------------------------------------------------
 */

static const char *members_of(struct arena *arena, const struct api_message *table,
                              const void *before, const void *after, unsigned depth);

static void add_field(struct printer *printer, char mark, const struct api_field *field,
                      const void *object)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    print_field(printer->arena, printer->table, field, object, mark != ' ', &out);
    buffer_append_text(&out, ",");
    add(printer, (struct line){.mark = mark,
                               .key = go_member_name(printer->arena, field),
                               .value = arena_text(printer->arena, buffer_text(&out))});
}

static void add_item(struct printer *printer, char mark, const struct api_field *field,
                     const void *item)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    print_value(printer->arena, field, item, false, &out);
    buffer_append_text(&out, ",");
    add(printer,
        (struct line){.mark = mark, .value = arena_text(printer->arena, buffer_text(&out))});
}

/* Of two lists of messages: those at the same place are compared. */
static const char *items_of(struct arena *arena, const struct api_field *field, const void *before,
                            const void *after, unsigned depth)
{
    struct printer inside = printer_of(arena, field->message, depth);
    size_t old_count = api_field_count(field, before), new_count = api_field_count(field, after);
    size_t count = old_count > new_count ? old_count : new_count;
    void **old_items = *(void ***)api_field_at(field, before);
    void **new_items = *(void ***)api_field_at(field, after);
    bool *same = arena_array(arena, count, sizeof(*same));
    for (size_t i = 0; i < old_count && i < new_count; i++) {
        same[i] = api_message_equal(field->message, old_items[i], new_items[i]);
    }
    struct sequence all = {.count = count, .same = same, .what = "elements"};
    for (size_t i = 0; i < count && inside.count < LINES_MAX; i++) {
        size_t skipped = same[i] ? left_out(&all, i) : 0;
        if (skipped > 0) {
            add_left_out(&inside, skipped, all.what);
            i += skipped - 1;
        } else if (same[i]) {
            add_item(&inside, ' ', field, &old_items[i]);
        } else if (i >= new_count) {
            add_item(&inside, '-', field, &old_items[i]);
        } else if (i >= old_count) {
            add_item(&inside, '+', field, &new_items[i]);
        } else {
            add_block(&inside, "",
                      members_of(arena, field->message, old_items[i], new_items[i], depth + 1));
        }
    }
    return take_lines(&inside);
}

static void add_changed(struct printer *printer, const struct api_field *field, const void *before,
                        const void *after)
{
    struct arena *arena = printer->arena;
    bool both = before != NULL && after != NULL && api_field_is_set(field, before) &&
                api_field_is_set(field, after);
    if (!both || field->type != API_OBJECT || field->label == API_MAP) {
        add_field(printer, '-', field, before);
        add_field(printer, '+', field, after);
        return;
    }
    const char *name = go_member_name(arena, field);
    if (field->label == API_REPEATED) {
        add_block(printer,
                  arena_printf(arena, "%s: %s", name, go_list_type(arena, printer->table, field)),
                  items_of(arena, field, before, after, printer->depth + 1));
        return;
    }
    add_block(printer,
              arena_printf(arena, "%s: %s%s", name, (field->flags & API_POINTER) != 0 ? "&" : "",
                           go_type_name(arena, field->message)),
              members_of(arena, field->message, *(void *const *)api_field_at(field, before),
                         *(void *const *)api_field_at(field, after), printer->depth + 1));
}

/* What differs and is elsewhere inside the API server: hostNetwork and its like, which are said at
 * the end. Returns how many. */
static size_t add_others(const struct api_message *table, const void *before, const void *after,
                         const struct api_field **fields, bool *same)
{
    size_t count = 0;
    for (size_t i = 0; i < table->member_count; i++) {
        const struct api_field *field = table->members[i].field;
        bool listed = table->members[i].via[0] != NULL;
        struct go_members walk = go_members_of(table);
        for (const struct api_field *other = go_next_member(&walk); other != NULL && !listed;
             other = go_next_member(&walk)) {
            listed = other == field;
        }
        if (!listed && (field->flags & API_DEPRECATED) == 0 && before != NULL && after != NULL &&
            !api_field_equal(field, before, after)) {
            fields[count] = field;
            same[count++] = false;
        }
    }
    return count;
}

static const char *members_of(struct arena *arena, const struct api_message *table,
                              const void *before, const void *after, unsigned depth)
{
    struct printer inside = printer_of(arena, table, depth);
    const struct api_field **fields = arena_array(arena, table->member_count, sizeof(*fields));
    bool *same = arena_array(arena, table->member_count, sizeof(*same));
    struct go_members walk = go_members_of(table);
    struct sequence all = {.same = same, .what = "fields"};
    for (const struct api_field *field = go_next_member(&walk); field != NULL;
         field = go_next_member(&walk)) {
        fields[all.count] = field;
        same[all.count++] = before != NULL && after != NULL ? api_field_equal(field, before, after)
                                                            : before == after;
    }
    all.count += add_others(table, before, after, fields + all.count, same + all.count);
    for (size_t i = 0; i < all.count; i++) {
        size_t skipped = same[i] ? left_out(&all, i) : 0;
        if (skipped > 0) {
            add_left_out(&inside, skipped, all.what);
            i += skipped - 1;
        } else if (same[i]) {
            add_field(&inside, ' ', fields[i], before);
        } else {
            add_changed(&inside, fields[i], before, after);
        }
    }
    return take_lines(&inside);
}

const char *api_shown_difference(struct arena *arena, const struct api_message *table,
                                 const void *before, const void *after)
{
    return arena_printf(arena, "  %s{\n%s  }\n", go_type_name(arena, table),
                        members_of(arena, table, before, after, 1));
}
