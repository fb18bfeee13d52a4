/* From JSON to a message, field by field. */
#include "lib/api/json_decode.h"

#include "lib/api/custom.h"
#include "lib/api/fields.h"
#include "lib/api/limits.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int json_decode_exhausted(struct json_decode *decode)
{
    return json_scan_fail_code(&decode->scan, -E2BIG, "object is too large");
}

/* --- Scalars ---------------------------------------------------------------------------------- */

static int decode_bool(struct json_decode *decode, const struct api_field *field, void *at,
                       const struct json_frame *frame)
{
    int byte = json_scan_peek(&decode->scan);
    if (byte != 't' && byte != 'f') {
        return json_decode_wrong_type(decode, field, /* whole= */ false, frame);
    }
    *(protobuf_c_boolean *)at = byte == 't';
    return json_scan_literal(&decode->scan, byte == 't' ? "true" : "false");
}

/* Integers, and fractions whose value is one: 1.0, 1e3. */
static bool read_integer(struct slice text, int64_t *ret_value)
{
    struct json_value value = {.type = JSON_NUMBER, .text = text};
    return json_int64(&value, ret_value) == 0;
}

static int decode_integer(struct json_decode *decode, const struct api_field *field, void *at,
                          const struct json_frame *frame)
{
    int byte = json_scan_peek(&decode->scan);
    struct slice text;
    int64_t value;
    int r;

    if (byte != '-' && (byte < '0' || byte > '9')) {
        return json_decode_wrong_type(decode, field, /* whole= */ false, frame);
    }
    if ((r = json_scan_number(&decode->scan, &text)) < 0) {
        return r;
    }
    if (!read_integer(text, &value) ||
        (field->type == API_INT32 && (value > INT32_MAX || value < INT32_MIN))) {
        char shown[128];
        (void)snprintf(shown, sizeof(shown), "number %.*s", (int)(text.len < 100 ? text.len : 100),
                       (const char *)text.data);
        json_decode_mismatch(decode, frame, shown, json_decode_go_value_name(field));
        return 0;
    }
    if (field->type == API_INT32) {
        *(int32_t *)at = (int32_t)value;
    } else {
        *(int64_t *)at = value;
    }
    return 0;
}

static int decode_double(struct json_decode *decode, const struct api_field *field, void *at,
                         const struct json_frame *frame)
{
    int byte = json_scan_peek(&decode->scan);
    struct json_value value = {.type = JSON_NUMBER};
    int r;
    if (byte != '-' && (byte < '0' || byte > '9')) {
        return json_decode_wrong_type(decode, field, /* whole= */ false, frame);
    }
    if ((r = json_scan_number(&decode->scan, &value.text)) < 0) {
        return r;
    }
    if (json_double(&value, at) < 0) {
        json_decode_mismatch(decode, frame, "number", "float64");
    }
    return 0;
}

/* Text as the C structs hold it. They end it with NUL, so that one inside cannot be kept. */
int json_decode_text(struct json_decode *decode, struct json_token token, char **ret_text)
{
    struct slice text;
    if (token.plain) {
        text = token.raw;
    } else if (token.raw.len * 3 + 1 > decode->memory.left) {
        return json_decode_exhausted(decode);
    } else {
        text = json_token_text(decode->memory.arena, token);
        if (memchr(text.data, '\0', text.len) != NULL) {
            json_decode_error(decode, "strings must not contain the NUL character");
        }
    }
    *ret_text = decode_text(&decode->memory, text);
    return *ret_text == NULL ? json_decode_exhausted(decode) : 0;
}

static int decode_string(struct json_decode *decode, const struct api_field *field, void *at,
                         const struct json_frame *frame)
{
    struct json_token token;
    int r;
    if (json_scan_peek(&decode->scan) != '"') {
        return json_decode_wrong_type(decode, field, /* whole= */ false, frame);
    }
    if ((r = json_scan_string(&decode->scan, &token)) < 0) {
        return r;
    }
    return json_decode_text(decode, token, at);
}

/* --- Lists ------------------------------------------------------------------------------------ */

int json_decode_list(struct json_decode *decode, const struct api_field *field, void *object,
                     const struct json_frame *frame)
{
    struct decode_list list = {.item_size = api_type_size(field)};
    struct json_frame item = {.parent = frame, .kind = JSON_FRAME_INDEX};
    bool first = true;
    int r;

    if (json_scan_peek(&decode->scan) != '[') {
        return json_decode_wrong_type(decode, field, /* whole= */ true, frame);
    }
    r = json_scan_enter(&decode->scan);
    while (r == 0 && (r = json_scan_next_item(&decode->scan, &first)) > 0) {
        void *at = decode_list_add(&decode->memory, &list);
        if (at == NULL) {
            return json_decode_exhausted(decode);
        }
        item.index = list.count - 1;
        r = json_decode_item(decode, field, at, &item);
    }
    if (r == 0) {
        if (list.items == NULL && (list.items = decode_take(&decode->memory, 1)) == NULL) {
            return json_decode_exhausted(decode);
        }
        *(void **)api_field_at(field, object) = list.items; /* Not NULL: empty is not absent. */
        api_set_count(field, object, list.count);
    }
    return r;
}

/* --- Maps ------------------------------------------------------------------------------------- */

/* Sorts by key and keeps the last of equal keys (they stand in the order of the input). */
static int by_key(const void *a, const void *b, void *data)
{
    const struct api_message *entry = data;
    void *const *left = a, *const *right = b;
    return strcmp(api_entry_key(entry, *left), api_entry_key(entry, *right));
}

static size_t finish_map(struct json_decode *decode, const struct api_field *field, void **entries,
                         size_t count, const struct json_frame *frame)
{
    struct api_message *entry = (struct api_message *)(uintptr_t)field->entry;
    bool sorted = true;
    size_t kept = 0;

    for (size_t i = 1; i < count && sorted; i++) {
        sorted = by_key(&entries[i - 1], &entries[i], entry) < 0;
    }
    if (sorted) {
        return count;
    }
    /* glibc's qsort_r merges, so equal keys keep their order; its fallback for huge arrays need
     * not, which only matters to which of two duplicates wins. */
    qsort_r(entries, count, sizeof(void *), by_key, entry);
    for (size_t i = 0; i < count; i++) {
        const char *key = api_entry_key(entry, entries[i]);
        if (i + 1 < count && strcmp(key, api_entry_key(entry, entries[i + 1])) == 0) {
            json_decode_report(decode, "duplicate field", frame, slice_text(key));
            continue;
        }
        entries[kept++] = entries[i];
    }
    return kept;
}

static int decode_entry(struct json_decode *decode, const struct api_field *field,
                        struct json_token name, struct decode_list *list,
                        const struct json_frame *frame)
{
    const struct api_field *key = &field->entry->fields[0], *value = &field->entry->fields[1];
    struct json_frame inner = {.parent = frame, .kind = JSON_FRAME_KEY};
    void **slot = decode_list_add(&decode->memory, list);
    void *entry = slot == NULL ? NULL : decode_message_new(&decode->memory, field->entry);
    char **key_at;
    int r;

    if (entry == NULL) {
        return json_decode_exhausted(decode);
    }
    *slot = entry;
    key_at = api_field_at(key, entry);
    if ((r = json_decode_text(decode, name, key_at)) < 0) {
        return r;
    }
    inner.name = slice_text(*key_at);
    api_set_presence(value, entry);
    return json_decode_item(decode, value, api_field_at(value, entry), &inner);
}

static int decode_map(struct json_decode *decode, const struct api_field *field, void *object,
                      const struct json_frame *frame)
{
    struct decode_list list = {.item_size = sizeof(void *)};
    struct json_token name;
    bool first = true;
    int r;

    if (json_scan_peek(&decode->scan) != '{') {
        return json_decode_wrong_type(decode, field, /* whole= */ true, frame);
    }
    r = json_scan_enter(&decode->scan);
    while (r == 0 && (r = json_scan_next_member(&decode->scan, &first, &name)) > 0) {
        r = decode_entry(decode, field, name, &list, frame);
    }
    if (r == 0) {
        void **entries = (void **)(void *)list.items;
        size_t count =
            list.count > 1 ? finish_map(decode, field, entries, list.count, frame) : list.count;
        if (entries == NULL && (entries = decode_take(&decode->memory, 1)) == NULL) {
            return json_decode_exhausted(decode);
        }
        *(void **)api_field_at(field, object) = entries;
        api_set_count(field, object, count);
    }
    return r;
}

/* --- Objects ---------------------------------------------------------------------------------- */

/* One value, not null: of a field, a list item or a map value. */
static int decode_value(struct json_decode *decode, const struct api_field *field, void *at,
                        const struct json_frame *frame)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return decode_bool(decode, field, at, frame);
    case API_INT32:
    case API_INT64:
        return decode_integer(decode, field, at, frame);
    case API_DOUBLE:
        return decode_double(decode, field, at, frame);
    case API_STRING:
        return decode_string(decode, field, at, frame);
    case API_BYTES:
        return json_decode_bytes(decode, field, at, frame);
    case API_OBJECT: {
        void **slot = at;
        if (json_scan_peek(&decode->scan) != '{') {
            return json_decode_wrong_type(decode, field, /* whole= */ false, frame);
        }
        if (*slot == NULL &&
            (*slot = decode_message_new(&decode->memory, field->message)) == NULL) {
            return json_decode_exhausted(decode);
        }
        return json_decode_object(decode, field->message, *slot, frame);
    }
    case API_QUANTITY:
    case API_TIME:
    case API_MICRO_TIME:
    case API_INT_OR_STRING:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        break;
    }
    return json_decode_special(decode, field, at, frame);
}

/* As above, null included: a null item is the zero value. */
int json_decode_item(struct json_decode *decode, const struct api_field *field, void *at,
                     const struct json_frame *frame)
{
    if (json_scan_peek(&decode->scan) != 'n') {
        return decode_value(decode, field, at, frame);
    }
    if (field->type == API_STRING) {
        *(char **)at = decode_text(&decode->memory, slice_of(NULL, 0));
    } else if (field->type >= API_OBJECT && *(void **)at == NULL) {
        *(void **)at = decode_message_new(&decode->memory, field->message);
    }
    if (decode->memory.exhausted) {
        return json_decode_exhausted(decode);
    }
    return json_scan_literal(&decode->scan, "null");
}

static int decode_field(struct json_decode *decode, const struct api_field *field, void *object,
                        const struct json_frame *frame)
{
    if (json_scan_peek(&decode->scan) == 'n') {
        return json_scan_literal(&decode->scan, "null");
    }
    if (field->label == API_REPEATED) {
        return json_decode_list(decode, field, object, frame);
    }
    if (field->label == API_MAP) {
        return decode_map(decode, field, object, frame);
    }
    api_set_presence(field, object);
    return decode_value(decode, field, api_field_at(field, object), frame);
}

static bool is_type_meta(struct slice name)
{
    return slice_is(name, "kind") || slice_is(name, "apiVersion");
}

static int skip_type_meta(struct json_decode *decode, const struct api_message *message,
                          struct slice name, const struct json_frame *parent)
{
    struct json_frame frame = {parent, JSON_FRAME_FIELD, name, 0, message};
    int byte = json_scan_peek(&decode->scan);
    if (byte != '"' && byte != 'n') {
        json_decode_mismatch(decode, &frame, json_decode_value_name(byte), "string");
    }
    return json_scan_skip(&decode->scan);
}

/* Bits of the members seen: 512, the most that a message has. */
struct seen {
    uint64_t bits[8];
};

static bool was_seen(struct seen *seen, size_t index)
{
    uint64_t bit = UINT64_C(1) << (index % 64);
    bool before = (seen->bits[index / 64] & bit) != 0;
    seen->bits[index / 64] |= bit;
    return before;
}

/* Most writers keep the order of the struct, so the member after the last one is tried first. */
static const struct api_member *find_member(const struct api_message *message, struct slice name,
                                            size_t *next)
{
    const struct api_member *member;
    if (*next < message->member_count) {
        member = &message->members[*next];
        if (member->field->name_len == name.len &&
            memcmp(member->field->name, name.data, name.len) == 0) {
            (*next)++;
            return member;
        }
    }
    member = api_message_member(message, name);
    if (member != NULL) {
        *next = (size_t)(member - message->members) + 1;
    }
    return member;
}

static int decode_member(struct json_decode *decode, const struct api_message *message,
                         void *object, struct json_token token, size_t *next, struct seen *seen,
                         const struct json_frame *parent)
{
    struct slice name = token.plain ? token.raw : json_token_text(decode->memory.arena, token);
    const struct api_member *member = find_member(message, name, next);
    struct json_frame frame = {parent, JSON_FRAME_FIELD, name, 0, message};
    void *holder;

    if (member == NULL) {
        if (message->type_meta && is_type_meta(name)) {
            if (was_seen(seen, slice_is(name, "kind") ? 511 : 510)) {
                json_decode_report(decode, "duplicate field", parent, name);
            }
            return skip_type_meta(decode, message, name, parent);
        }
        if (message->custom != NULL) {
            return json_decode_content(decode, object, name, parent);
        }
        json_decode_report(decode, "unknown field", parent, name);
        return json_scan_skip(&decode->scan);
    }
    if (was_seen(seen, (size_t)(member - message->members))) {
        json_decode_report(decode, "duplicate field", parent, name);
    }
    holder = api_member_holder(member, object);
    return decode_field(decode, member->field, holder, &frame);
}

int json_decode_object(struct json_decode *decode, const struct api_message *message, void *object,
                       const struct json_frame *frame)
{
    struct seen seen = {{0}};
    struct json_token name;
    size_t next = 0;
    bool first = true;
    int r;

    if (++decode->depth > API_OBJECT_DEPTH_MAX) {
        return json_scan_fail_code(&decode->scan, -E2BIG, "exceeded max depth");
    }
    r = json_scan_enter(&decode->scan);
    while (r == 0 && (r = json_scan_next_member(&decode->scan, &first, &name)) > 0) {
        if (!name.plain && name.raw.len * 3 + 1 > decode->memory.left) {
            return json_decode_exhausted(decode);
        }
        r = decode_member(decode, message, object, name, &next, &seen, frame);
    }
    decode->depth--;
    return r;
}

/* --- Whole documents -------------------------------------------------------------------------- */

static int decode_document(struct json_decode *decode, const struct api_message *message,
                           void **ret_object)
{
    int byte = json_scan_peek(&decode->scan);
    int r;

    *ret_object = decode_message_new(&decode->memory, message);
    if (*ret_object == NULL) {
        return json_decode_exhausted(decode);
    }
    if (byte == '{') {
        r = json_decode_object(decode, message, *ret_object, NULL);
    } else {
        if (byte != 'n' && byte != -1) {
            json_decode_mismatch(decode, NULL, json_decode_value_name(byte),
                                 json_decode_go_message_name(message));
        }
        r = json_scan_skip(&decode->scan);
    }
    return r == 0 ? json_scan_end(&decode->scan) : r;
}

int api_decode_json(struct arena *arena, const struct api_message *message, struct slice text,
                    struct api_problems *problems, void **ret_object, struct error *reterr)
{
    struct json_decode decode = {.problems = problems};
    void *object = NULL;
    int r;

    decode_memory_init(&decode.memory, arena);
    json_scan_init(&decode.scan, text, reterr);
    r = decode_document(&decode, message, &object);
    if (r == 0 && decode.type_error.code != 0) {
        r = error_set(reterr, -EINVAL, "%s", error_message(&decode.type_error));
    }
    error_release(&decode.type_error);
    if (r < 0) {
        return r;
    }
    if (message->custom != NULL) {
        custom_prune(arena, message, object, problems);
    }
    *ret_object = object;
    return 0;
}
