#include "lib/api/check.h"

#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/intstr.h"
#include "lib/api/quantity.h"
#include "lib/api/shown.h"
#include "lib/api/syntax.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <protobuf-c/protobuf-c.h>

static api_syntax_rule *const SYNTAXES[] = {[API_SYNTAX_NONE] = NULL,
#define X(NAME, name) [API_SYNTAX_##NAME] = api_syntax_##name,
                                            API_SYNTAX_RULES(X)
#undef X
};

api_syntax_rule *api_syntax_by_id(enum api_syntax_id id)
{
    return SYNTAXES[id];
}

/* A field of a message while it is checked. */
struct place {
    struct api_causes *causes;
    const struct api_frame *frame;
    const struct api_field *field;
    const struct api_check *check; /* Its own, or that of the inline field it is reached through. */
    const struct api_path *at;
};

struct api_frame api_frame_object(const struct api_message *table, const void *message)
{
    return (struct api_frame){.table = table, .message = message};
}

const struct api_frame *api_frame_find(const struct api_frame *frame,
                                       const struct api_message *table)
{
    while (frame != NULL && frame->table != table) {
        frame = frame->parent;
    }
    return frame;
}

/* --- One value ---------------------------------------------------------------------------------
 */

static void check_text(const struct place *place, const struct api_path *at, const char *text,
                       enum api_syntax_id syntax)
{
    struct api_syntax wrong = SYNTAXES[syntax](text);
    for (size_t i = 0; i < wrong.count; i++) {
        api_cause_invalid(place->causes, at, api_shown_text(text), wrong.messages[i]);
    }
}

static bool is_one_of(const char *text, const char *const *values)
{
    for (; *values != NULL; values++) {
        if (strcmp(*values, text) == 0) {
            return true;
        }
    }
    return false;
}

static void check_string(const struct place *place, const struct api_path *at, const char *value)
{
    const char *text = value == NULL ? "" : value;
    if (place->check->syntax != API_SYNTAX_NONE) {
        check_text(place, at, text, place->check->syntax);
    }
    const char *const *values = place->field->rules->values;
    if ((place->check->flags & API_CHECK_VALUES) == 0 || is_one_of(text, values)) {
        return;
    }
    if ((place->check->flags & API_CHECK_AS_LISTED) != 0) {
        api_cause_not_among(place->causes, at, api_shown_text(text), values);
    } else {
        api_cause_not_supported(place->causes, at, api_shown_text(text), values);
    }
}

static const char *range_words(struct arena *arena, const struct api_check *check)
{
    if (check->range != NULL) {
        return check->range;
    }
    if ((check->flags & API_CHECK_MAX) != 0) {
        return arena_printf(arena, "must be between %lld and %lld, inclusive",
                            (long long)check->min, (long long)check->max);
    }
    return check->min == 0
               ? "must be greater than or equal to 0"
               : arena_printf(arena, "must be greater than %lld", (long long)check->min - 1);
}

static void check_number(const struct place *place, const struct api_path *at, int64_t number)
{
    const struct api_check *check = place->check;
    if (((check->flags & API_CHECK_MIN) != 0 && number < check->min) ||
        ((check->flags & API_CHECK_MAX) != 0 && number > check->max)) {
        api_cause_invalid(place->causes, at, api_shown_int(number),
                          range_words(place->causes->arena, check));
    }
}

/* `min` is all that the .proto files ask of amounts. */
static void check_quantity(const struct place *place, const struct api_path *at,
                           const Quantity__Quantity *value)
{
    const struct api_check *check = place->check;
    struct quantity amount = quantity_read(value);
    if ((check->flags & API_CHECK_MIN) != 0 &&
        quantity_compare(amount, quantity_of(check->min, amount.format)) < 0) {
        char text[QUANTITY_TEXT_SIZE];
        quantity_format(amount, text);
        api_cause_invalid(place->causes, at, api_shown_text(text),
                          range_words(place->causes->arena, check));
    }
}

static int64_t number_at(const struct api_field *field, const void *value)
{
    return field->type == API_INT64 ? *(const int64_t *)value : *(const int32_t *)value;
}

/* A value that is there; lists and maps come with each item in turn. */
static void check_value(const struct place *place, const struct api_path *at, const void *value)
{
    switch ((enum api_type)place->field->type) {
    case API_STRING:
        check_string(place, at, *(const char *const *)value);
        break;
    case API_INT32:
    case API_INT64:
        check_number(place, at, number_at(place->field, value));
        break;
    case API_INT_OR_STRING: {
        const Intstr__IntOrString *either = *(const Intstr__IntOrString *const *)value;
        if (intstr_is_text(either)) {
            check_string(place, at, intstr_text(either));
        } else {
            check_number(place, at, intstr_int(either));
        }
        break;
    }
    case API_QUANTITY:
        check_quantity(place, at, *(const Quantity__Quantity *const *)value);
        break;
    case API_BOOL:
    case API_DOUBLE:
    case API_BYTES:
    case API_OBJECT:
    case API_TIME:
    case API_MICRO_TIME:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        break; /* Nothing of their own: what is inside is checked, or rules do it. */
    }
}

static struct api_shown shown_value(const struct api_field *field, const void *value)
{
    return field->type == API_STRING ? api_shown_text(*(const char *const *)value)
           : field->type == API_INT32 || field->type == API_INT64
               ? api_shown_int(number_at(field, value))
               : api_shown_raw("object");
}

/* --- Lists and maps ----------------------------------------------------------------------------
 */

static const void *item_at(const struct api_field *field, const void *object, size_t index)
{
    const uint8_t *items = *(const uint8_t *const *)api_field_at(field, object);
    size_t size = sizeof(void *); /* Entries, messages and texts. */
    if (field->label == API_REPEATED && field->type == API_INT32) {
        size = sizeof(int32_t);
    } else if (field->label == API_REPEATED && field->type == API_INT64) {
        size = sizeof(int64_t);
    }
    return items + index * size;
}

static const char *text_or_number(struct arena *arena, const void *list, const void *of,
                                  size_t index)
{
    const struct api_field *field = of;
    const void *item = item_at(field, list, index);
    if (field->type == API_STRING) {
        const char *text = *(const char *const *)item;
        return text == NULL ? "" : text;
    }
    return arena_printf(arena, "%lld", (long long)number_at(field, item));
}

static void check_item_unique(const struct place *place, const struct api_path *at,
                              const void *object, size_t index)
{
    if (api_seen_before(place->causes, text_or_number, object, place->field, index)) {
        api_cause_duplicate(place->causes, at,
                            shown_value(place->field, item_at(place->field, object, index)));
    }
}

/* The text of member `of` of a message of the list, if it has one. */
static const char *member_text(struct arena *arena, const void *list, const void *of, size_t index)
{
    const void *const *messages = list;
    const char *text = *(const char *const *)api_field_at(of, messages[index]);
    (void)arena;
    return text == NULL || *text == '\0' ? NULL : text;
}

/* Runs while the member that `unique_by` names is checked inside the item. */
static void check_unique_member(const struct place *place)
{
    const struct api_frame *item = place->frame;
    const void *list = item_at(item->via, item->parent->message, 0);
    const char *text = *(const char *const *)api_field_at(place->field, item->message);
    if (text != NULL && *text != '\0' &&
        api_find_item(place->causes, member_text, list, place->field, item->index, text) <
            item->index) {
        api_cause_duplicate(place->causes, place->at, api_shown_text(text));
    }
}

static void check_items(const struct place *place, const void *object)
{
    size_t count = api_field_count(place->field, object);
    bool whole = (place->check->flags & API_CHECK_WHOLE) != 0;
    for (size_t i = 0; i < count && !api_causes_full(place->causes); i++) {
        struct api_path item = api_path_index(place->at, i);
        const struct api_path *at = whole ? place->at : &item;
        check_value(place, at, item_at(place->field, object, i));
        if ((place->check->flags & API_CHECK_UNIQUE) != 0) {
            check_item_unique(place, at, object, i);
        }
    }
}

static void check_entries(const struct place *place, const void *object)
{
    const struct api_field *key_field = api_message_field(place->field->entry, 1);
    const struct api_field *value_field = api_message_field(place->field->entry, 2);
    size_t count = api_field_count(place->field, object);
    assert(key_field != NULL && value_field != NULL);
    for (size_t i = 0; i < count && !api_causes_full(place->causes); i++) {
        const void *entry = *(const void *const *)item_at(place->field, object, i);
        const char *key = *(const char *const *)api_field_at(key_field, entry);
        struct api_path item = api_path_key(place->at, key == NULL ? "" : key);
        const struct api_path *at =
            (place->check->flags & API_CHECK_WHOLE) != 0 ? place->at : &item;
        if (place->check->keys != API_SYNTAX_NONE) {
            check_text(place, at, key == NULL ? "" : key, place->check->keys);
        }
        check_value(place, at, api_field_at(value_field, entry));
    }
}

/* Whether the items are to be looked at. */
static bool check_count(const struct place *place, const void *object)
{
    const struct api_check *check = place->check;
    size_t count = api_field_count(place->field, object);
    if (check->max_items == 0 || count <= check->max_items) {
        return true;
    }
    if (check->too_many == NULL) {
        api_cause_too_many(place->causes, place->at, count, check->max_items);
        return false;
    }
    api_cause_invalid(
        place->causes, place->at,
        api_shown_member(place->causes->arena, place->frame->table, place->field->name, object),
        check->too_many);
    return true;
}

/* --- One field ---------------------------------------------------------------------------------
 */

/* Empty as `required` means it: a pointer to an empty text is empty too. */
static bool is_empty(const struct api_field *field, const void *object)
{
    if (object == NULL || !api_field_is_set(field, object)) {
        return true;
    }
    const void *at = api_field_at(field, object);
    if (field->label == API_SINGLE && field->type == API_STRING) {
        return **(const char *const *)at == '\0';
    }
    if (field->label == API_SINGLE && field->type == API_RAW_OBJECT) {
        const struct api_field *raw = api_message_field(field->message, 1);
        return !api_field_is_set(raw, *(const void *const *)at);
    }
    return false;
}

/* `object` holds the field; NULL when it is part of an inline message that is not there. Returns
 * whether what is inside the field is to be checked. */
static bool check_field(const struct place *place, const void *object)
{
    const struct api_check *check = place->check;
    bool even_empty = (check->flags & API_CHECK_EVEN_EMPTY) != 0;
    if (is_empty(place->field, object)) {
        if ((check->flags & API_CHECK_REQUIRED) != 0) {
            api_cause_required(place->causes, place->at,
                               check->because == NULL ? "" : check->because);
            if (!even_empty) {
                return false;
            }
        } else if (check->when_empty != NULL) {
            api_cause_invalid(place->causes, place->at, api_shown_text(""), check->when_empty);
            return false;
        }
    }
    if (object == NULL || (!even_empty && !api_field_is_set(place->field, object))) {
        return false;
    }
    if (place->field->label == API_SINGLE) {
        check_value(place, place->at, api_field_at(place->field, object));
        return true;
    }
    if (!check_count(place, object)) {
        return false;
    }
    if (place->field->label == API_MAP) {
        check_entries(place, object);
    } else {
        check_items(place, object);
    }
    return true;
}

static void descend(const struct place *place, const void *object)
{
    const struct api_field *field = place->field;
    if (place->check != NULL && (place->check->flags & API_CHECK_OPAQUE) != 0) {
        return;
    }
    if (field->type != API_OBJECT || field->label == API_MAP || object == NULL ||
        !api_field_is_set(field, object)) {
        return;
    }
    bool whole = place->check != NULL && (place->check->flags & API_CHECK_WHOLE) != 0;
    struct api_frame frame = {.parent = place->frame,
                              .via = field,
                              .table = field->message,
                              .at = whole ? place->frame->at : place->at};
    if (field->label == API_SINGLE) {
        frame.message = *(const void *const *)api_field_at(field, object);
        api_check_message(place->causes, &frame);
        return;
    }
    for (size_t i = 0; i < api_field_count(field, object); i++) {
        struct api_path item = api_path_index(place->at, i);
        frame.message = *(const void *const *)item_at(field, object, i);
        frame.at = whole ? place->frame->at : &item;
        frame.index = i;
        api_check_message(place->causes, &frame);
    }
}

static bool is_unique_key(const struct api_frame *frame, const struct api_field *field)
{
    const struct api_check *list = frame->via == NULL ? NULL : frame->via->rules->check;
    return list != NULL && list->unique_by != NULL && strcmp(list->unique_by, field->name) == 0;
}

/* Its own check, or else that of the inline field it is reached through. */
static const struct api_check *check_of(const struct api_member *member)
{
    const struct api_check *check = member->field->rules->check;
    for (size_t i = 0; i < API_INLINE_DEPTH_MAX && check == NULL; i++) {
        check = member->via[i] == NULL ? NULL : member->via[i]->rules->check;
    }
    return check;
}

static void check_one(struct api_causes *causes, const struct api_frame *frame,
                      const struct api_member *member)
{
    const void *object = api_member_holder(member, frame->message);
    const struct api_check *own = member->field->rules->check, *check = check_of(member);
    if (check == NULL && (object == NULL || !api_field_is_set(member->field, object))) {
        return; /* As most members of most messages. */
    }
    bool renamed = own != NULL && own->shown_as != NULL;
    struct api_path at = api_path_field(frame->at, renamed ? own->shown_as : member->field->name);
    struct place place = {
        .causes = causes, .frame = frame, .field = member->field, .check = check, .at = &at};
    size_t before = causes->count;
    if (check == NULL || check_field(&place, object)) {
        descend(&place, object);
    }
    if (causes->count == before && object == frame->message &&
        is_unique_key(frame, member->field)) {
        check_unique_member(&place);
    }
}

/* --- Messages ----------------------------------------------------------------------------------
 */

/* Those that follow the member. Whether to go on. */
static bool run_rules(const struct api_frame_rules *rules, const struct api_member *member,
                      struct api_causes *causes, const struct api_frame *frame)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->members[i] == member && !rules->rows[i].rule(causes, frame)) {
            return false;
        }
    }
    return true;
}

/* Those that follow none: `place` is "" or ".". */
static bool run_apart(const struct api_frame_rules *rules, const char *place,
                      struct api_causes *causes, const struct api_frame *frame)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->members[i] == NULL && strcmp(rules->rows[i].member, place) == 0 &&
            !rules->rows[i].rule(causes, frame)) {
            return false;
        }
    }
    return true;
}

/* The two members of an object that are checked by themselves. */
static bool is_apart(const struct api_frame *frame, const struct api_field *field)
{
    return frame->parent == NULL &&
           (field == frame->table->metadata || strcmp(field->name, "status") == 0);
}

void api_check_message(struct api_causes *causes, const struct api_frame *frame)
{
    const struct api_message *table = frame->table;
    struct api_frame_rules rules = api_frame_rules_of(table);
    if (frame->message == NULL || api_causes_full(causes) ||
        !run_apart(&rules, "", causes, frame)) {
        return;
    }
    for (size_t i = 0; i < table->member_count; i++) {
        size_t at = table->check_order == NULL ? i : table->check_order[i];
        const struct api_member *member = &table->members[at];
        if (is_apart(frame, member->field)) {
            continue;
        }
        check_one(causes, frame, member);
        if (!run_rules(&rules, member, causes, frame)) {
            return;
        }
    }
    (void)run_apart(&rules, ".", causes, frame); /* Nothing follows it. */
}

void api_check_member(struct api_causes *causes, const struct api_frame *frame, const char *name)
{
    const struct api_member *member = api_message_member_text(frame->table, name);
    assert(member != NULL);
    check_one(causes, frame, member);
}

/* --- What may not change -----------------------------------------------------------------------
 */

/* A copy of `before` that has the field of `after`: equal when the field is. */
static bool same_value(const struct api_message *table, const struct api_field *field,
                       const void *before, const void *after)
{
    size_t size = field->label != API_SINGLE || field->type >= API_OBJECT ? sizeof(void *)
                  : field->type == API_BYTES  ? sizeof(ProtobufCBinaryData)
                  : field->type == API_STRING ? sizeof(char *)
                  : field->type == API_INT64 || field->type == API_DOUBLE ? sizeof(int64_t)
                                                                          : sizeof(int32_t);
    CLEANUP(alloc_freep) uint8_t *copy = alloc_bytes(table->size);
    memcpy(copy, before, table->size);
    memcpy(copy + field->offset, (const uint8_t *)after + field->offset, size);
    if (field->presence != API_NO_OFFSET) {
        size_t presence = field->label != API_SINGLE ? sizeof(size_t) : sizeof(protobuf_c_boolean);
        memcpy(copy + field->presence, (const uint8_t *)after + field->presence, presence);
    }
    return api_message_equal(table, before, copy);
}

static struct api_shown changed_value(struct arena *arena, const struct api_message *table,
                                      const struct api_field *field, const void *object)
{
    bool whole = field->label != API_SINGLE || field->type == API_OBJECT;
    return whole ? api_shown_member(arena, table, field->name, object)
                 : shown_value(field, api_field_at(field, object));
}

static void refuse_change(struct api_causes *causes, const struct api_path *at,
                          const struct api_message *table, const struct api_field *field,
                          const void *after)
{
    if (field->rules->immutable_because != NULL) {
        api_cause_forbidden(causes, at, field->rules->immutable_because);
    } else {
        api_cause_invalid(causes, at, changed_value(causes->arena, table, field, after),
                          "field is immutable");
    }
}

void api_check_same(struct api_causes *causes, const struct api_path *parent,
                    const struct api_message *table, const char *name, const void *before,
                    const void *after)
{
    const struct api_member *member = api_message_member_text(table, name);
    assert(member != NULL);
    struct api_path at = api_path_field(parent, name);
    if (!same_value(table, member->field, before, after)) {
        refuse_change(causes, &at, table, member->field, after);
    }
}

static void compare(struct api_causes *causes, const struct api_path *parent,
                    const struct api_message *table, const void *before, const void *after)
{
    for (size_t i = 0; i < table->field_count; i++) {
        const struct api_field *field = &table->fields[i];
        struct api_path at = api_path_field(parent, field->name);
        if ((field->flags & API_IMMUTABLE) != 0 && !same_value(table, field, before, after)) {
            refuse_change(causes, &at, table, field, after);
        } else if (field->type == API_OBJECT && field->label == API_SINGLE) {
            const void *left = *(const void *const *)api_field_at(field, before);
            const void *right = *(const void *const *)api_field_at(field, after);
            if (left != NULL && right != NULL && field != table->metadata) {
                compare(causes, &at, field->message, left, right);
            }
        }
    }
}

void api_check_immutable(struct api_causes *causes, const struct api_message *table,
                         const void *before, const void *after)
{
    compare(causes, NULL, table, before, after);
}
