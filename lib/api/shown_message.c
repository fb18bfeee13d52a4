/* Whole messages in Go's syntax, as the types inside the API server have their members. */
#include "k8s/tables.h"
#include "lib/api/fields.h"
#include "lib/api/go_names.h"
#include "lib/api/intstr.h"
#include "lib/api/limits.h"
#include "lib/api/quantity.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is behind a pointer is not shown but where it is, which says nothing to anybody. */
#define SOMEWHERE "0xc000000000"

static void print_struct(struct arena *arena, const struct api_message *table, const void *object,
                         struct buffer *out);

/* --- Values ------------------------------------------------------------------------------------
 */

static void print_time(const Meta__V1__Time *time, struct buffer *out)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    enum { FIRST_YEAR = 1900 };
    time_t seconds = time == NULL ? 0 : (time_t)api_time_seconds(time);
    struct tm parts;
    if (api_time_is_zero(time) || gmtime_r(&seconds, &parts) == NULL) {
        buffer_append_text(out, "time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC)");
        return;
    }
    buffer_printf(out, "time.Date(%d, time.%s, %d, %d, %d, %d, 0, time.Local)",
                  parts.tm_year + FIRST_YEAR, months[parts.tm_mon], parts.tm_mday, parts.tm_hour,
                  parts.tm_min, parts.tm_sec);
}

static void print_quantity(struct arena *arena, const Quantity__Quantity *value, struct buffer *out)
{
    char text[QUANTITY_TEXT_SIZE];
    quantity_format(quantity_read(value), text);
    buffer_append_text(out, api_shown_quantity(arena, text).text);
}

static void print_amount(const Intstr__IntOrString *value, struct buffer *out)
{
    buffer_printf(out,
                  "intstr.IntOrString{Type:%d, IntVal:%d, StrVal:", intstr_is_text(value) ? 1 : 0,
                  intstr_int(value));
    api_print_quoted(intstr_is_text(value) ? intstr_text(value) : "", out);
    buffer_append_text(out, "}");
}

static void print_bytes(const ProtobufCBinaryData *bytes, struct buffer *out)
{
    buffer_append_text(out, bytes->len == 0 ? "[]byte(nil)" : "[]byte{");
    for (size_t i = 0; i < bytes->len; i++) {
        buffer_printf(out, "%s0x%x", i == 0 ? "" : ", ", bytes->data[i]);
    }
    buffer_append_text(out, bytes->len == 0 ? "" : "}");
}

/* `at` is where the value lies; NULL for one that is not there. */
static void print_value(struct arena *arena, const struct api_field *field, const void *at,
                        struct buffer *out)
{
    static const void *const none = NULL;
    const void *message =
        *(const void *const *)(at == NULL || field->type < API_OBJECT ? &none : at);
    switch ((enum api_type)field->type) {
    case API_BOOL:
        buffer_append_text(out,
                           at != NULL && *(const protobuf_c_boolean *)at != 0 ? "true" : "false");
        return;
    case API_INT32:
        buffer_printf(out, "%d", at == NULL ? 0 : *(const int32_t *)at);
        return;
    case API_INT64:
        buffer_printf(out, "%lld", at == NULL ? 0 : (long long)*(const int64_t *)at);
        return;
    case API_DOUBLE:
        buffer_printf(out, "%g", at == NULL ? 0 : *(const double *)at);
        return;
    case API_STRING:
        api_print_quoted(text_or_empty(at == NULL ? NULL : *(const char *const *)at), out);
        return;
    case API_BYTES:
        print_bytes(at == NULL ? &(const ProtobufCBinaryData){0, NULL} : at, out);
        return;
    case API_TIME:
        print_time(message, out);
        return;
    case API_QUANTITY:
        print_quantity(arena, message, out);
        return;
    case API_INT_OR_STRING:
        print_amount(message, out);
        return;
    case API_OBJECT:
        print_struct(arena, field->message, message, out);
        return;
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

/* --- Members -----------------------------------------------------------------------------------
 */

static void print_items(struct arena *arena, const struct api_field *field, const void *object,
                        struct buffer *out)
{
    const uint8_t *items = *(const uint8_t *const *)api_field_at(field, object);
    size_t size = api_type_size(field);
    for (size_t i = 0; i < api_field_count(field, object) && !out->overflowed; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        print_value(arena, field, items + i * size, out);
    }
}

static void print_entries(struct arena *arena, const struct api_field *field, const void *object,
                          struct buffer *out)
{
    void *copy = NULL;
    void **entries = api_map_sorted(field, object, &copy);
    const struct api_field *value = &field->entry->fields[1];
    for (size_t i = 0; i < api_field_count(field, object) && !out->overflowed; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        api_print_quoted(api_entry_key(field->entry, entries[i]), out);
        buffer_append_text(out, ":");
        print_value(arena, value, api_field_at(value, entries[i]), out);
    }
    free(copy);
}

static void print_list(struct arena *arena, const struct api_message *table,
                       const struct api_field *field, const void *object, struct buffer *out)
{
    buffer_append_text(out, go_list_type(arena, table, field));
    if (object == NULL || api_field_count(field, object) == 0) {
        buffer_append_text(out, "(nil)");
        return;
    }
    buffer_append_text(out, "{");
    (field->label == API_MAP ? print_entries : print_items)(arena, field, object, out);
    buffer_append_text(out, "}");
}

/* The partition of a StatefulSet is a number inside the API server, and 0 when it is not said. */
static bool is_pointer(const struct api_message *table, const struct api_field *field)
{
    bool partition = table == &apps__v1__rolling_update_stateful_set_strategy__schema &&
                     field->type == API_INT32;
    return (field->flags & API_POINTER) != 0 && !partition;
}

static void print_member(struct arena *arena, const struct api_message *table,
                         const struct api_field *field, const void *object, struct buffer *out)
{
    bool set = object != NULL && api_field_is_set(field, object);
    if (field->label != API_SINGLE) {
        print_list(arena, table, field, object, out);
    } else if (!is_pointer(table, field)) {
        print_value(arena, field, object == NULL ? NULL : api_field_at(field, object), out);
    } else if (field->type == API_TIME && set) {
        print_value(arena, field, api_field_at(field, object), out);
    } else if (field->type == API_TIME) {
        buffer_append_text(out, "<nil>");
    } else {
        buffer_printf(out, "(*%s)(%s)", go_item_type(arena, table, field), set ? SOMEWHERE : "nil");
    }
}

static void print_struct(struct arena *arena, const struct api_message *table, const void *object,
                         struct buffer *out)
{
    struct go_members walk = go_members_of(table);
    const char *between = "";
    buffer_printf(out, "%s{", go_type_name(arena, table));
    for (const struct api_field *field = go_next_member(&walk); field != NULL;
         field = go_next_member(&walk)) {
        buffer_printf(out, "%s%s:", between, go_member_name(arena, field));
        print_member(arena, table, field, object, out);
        between = ", ";
    }
    buffer_append_text(out, "}");
}

/* --- What callers show -------------------------------------------------------------------------
 */

struct api_shown api_shown_message(struct arena *arena, const struct api_message *table,
                                   const void *message)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    if (message == NULL) {
        return api_shown_null();
    }
    buffer_init(&out, API_SHOWN_MAX);
    print_struct(arena, table, message, &out);
    return api_shown_raw(arena_text(arena, buffer_text(&out)));
}

struct api_shown api_shown_selector(struct arena *arena, const Meta__V1__LabelSelector *selector)
{
    return api_shown_message(arena, &meta__v1__label_selector__schema, selector);
}

struct api_shown api_shown_member(struct arena *arena, const struct api_message *table,
                                  const char *name, const void *message)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    const struct api_member *member = api_message_member_text(table, name);
    assert(member != NULL);
    const struct api_field *field = member->field;
    const void *holder = message == NULL ? NULL : api_member_holder(member, message);
    if (field->label == API_SINGLE && field->type == API_OBJECT) {
        const void *inner =
            holder == NULL ? NULL : *(const void *const *)api_field_at(field, holder);
        return api_shown_message(arena, field->message, inner);
    }
    buffer_init(&out, API_SHOWN_MAX);
    print_member(arena, table, field, holder, &out);
    return api_shown_raw(arena_text(arena, buffer_text(&out)));
}

struct api_shown api_shown_time(struct arena *arena, const Meta__V1__Time *time)
{
    char text[API_TIME_TEXT_SIZE];
    if (api_time_is_zero(time)) {
        return api_shown_null();
    }
    api_time_format(api_time_seconds(time), text); /* 2006-01-02T15:04:05Z */
    enum { DATE = 10, TIME = 8 };
    return api_shown_raw(
        arena_printf(arena, "%.*s %.*s +0000 UTC", DATE, text, TIME, text + DATE + 1));
}
