#include "lib/api/json_value.h"

#include "lib/api/json_print.h"
#include "lib/api/json_scan.h"
#include "lib/api/limits.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* What a value of a document costs at most per byte of text, with room for growing arrays. */

static struct json_value *new_value(struct arena *arena, enum json_type type)
{
    struct json_value *value = arena_zeroed(arena, sizeof(*value));
    value->type = type;
    return value;
}

struct json_value *json_new_null(struct arena *arena)
{
    return new_value(arena, JSON_NULL);
}

struct json_value *json_new_bool(struct arena *arena, bool boolean)
{
    struct json_value *value = new_value(arena, JSON_BOOL);
    value->boolean = boolean;
    return value;
}

struct json_value *json_new_int(struct arena *arena, int64_t number)
{
    struct json_value *value = new_value(arena, JSON_NUMBER);
    value->text = slice_text(arena_printf(arena, "%" PRId64, number));
    return value;
}

static struct slice copy_text(struct arena *arena, struct slice text)
{
    return slice_of(arena_text_n(arena, (const char *)text.data, text.len), text.len);
}

struct json_value *json_new_string(struct arena *arena, struct slice text)
{
    struct json_value *value = new_value(arena, JSON_STRING);
    value->text = copy_text(arena, text);
    return value;
}

struct json_value *json_new_text(struct arena *arena, const char *text)
{
    return json_new_string(arena, slice_text(text));
}

struct json_value *json_new_array(struct arena *arena)
{
    return new_value(arena, JSON_ARRAY);
}

struct json_value *json_new_object(struct arena *arena)
{
    return new_value(arena, JSON_OBJECT);
}

/* --- Names of objects --------------------------------------------------------------------------
 * A few members are searched, many are found by an index.
 */

enum { INDEX_FROM = 32 }; /* Members. */

static void index_members(struct arena *arena, struct json_value *object)
{
    object->names = NULL;
    if (object->count < INDEX_FROM) {
        return;
    }
    object->names = arena_zeroed(arena, sizeof(*object->names));
    for (size_t i = 0; i < object->count; i++) {
        name_index_add(object->names, arena, object->members[i].name, i);
    }
}

static void index_last_member(struct arena *arena, struct json_value *object)
{
    if (object->names != NULL) {
        size_t last = object->count - 1;
        name_index_add(object->names, arena, object->members[last].name, last);
    } else {
        index_members(arena, object);
    }
}

/* Of members of one name the first. */
static struct json_member *indexed_member(const struct json_value *object, struct slice name)
{
    for (struct name_search search = name_index_find(object->names, name);
         name_index_next(&search);) {
        struct json_member *member = &object->members[search.place];
        if (slice_equal(member->name, name)) {
            return member;
        }
    }
    return NULL;
}

void json_reordered(struct json_value *object)
{
    object->names = NULL;
}

struct json_value *json_copy(struct arena *arena, const struct json_value *value)
{
    struct json_value *copy = arena_zeroed(arena, sizeof(*copy));
    *copy = *value;
    copy->capacity = value->count;
    if (value->type == JSON_STRING || value->type == JSON_NUMBER) {
        copy->text = copy_text(arena, value->text);
    } else if (value->type == JSON_ARRAY) {
        copy->items = arena_array(arena, value->count, sizeof(struct json_value *));
        for (size_t i = 0; i < value->count; i++) {
            copy->items[i] = json_copy(arena, value->items[i]);
        }
    } else if (value->type == JSON_OBJECT) {
        copy->members = arena_array(arena, value->count, sizeof(struct json_member));
        for (size_t i = 0; i < value->count; i++) {
            copy->members[i].name = copy_text(arena, value->members[i].name);
            copy->members[i].value = json_copy(arena, value->members[i].value);
        }
        index_members(arena, copy);
    }
    return copy;
}

struct json_value *json_copy_members(struct arena *arena, const struct json_value *object)
{
    struct json_value *copy = json_new_object(arena);
    copy->count = copy->capacity = object->count;
    copy->members = arena_array(arena, object->count, sizeof(*copy->members));
    for (size_t i = 0; i < object->count; i++) {
        copy->members[i] = object->members[i];
    }
    index_members(arena, copy);
    return copy;
}

/* --- Objects and arrays ----------------------------------------------------------------------- */

static struct json_member *find_member(const struct json_value *object, struct slice name)
{
    if (object == NULL || object->type != JSON_OBJECT) {
        return NULL;
    }
    if (object->names != NULL) {
        return indexed_member(object, name);
    }
    for (size_t i = 0; i < object->count; i++) {
        if (slice_equal(object->members[i].name, name)) {
            return &object->members[i];
        }
    }
    return NULL;
}

struct json_value *json_get(const struct json_value *object, struct slice name)
{
    struct json_member *member = find_member(object, name);
    return member == NULL ? NULL : member->value;
}

struct json_value *json_get_text(const struct json_value *object, const char *name)
{
    return json_get(object, slice_text(name));
}

void json_add(struct arena *arena, struct json_value *object, struct slice name,
              struct json_value *value)
{
    json_add_lent(arena, object, copy_text(arena, name), value);
}

void json_add_lent(struct arena *arena, struct json_value *object, struct slice name,
                   struct json_value *value)
{
    if (object->count == object->capacity) {
        /* Keys of items and sets of fields have one member each, and are made in thousands. */
        size_t capacity = object->capacity == 0  ? 1
                          : object->capacity < 4 ? 4
                                                 : object->capacity * 2;
        struct json_member *members = arena_array(arena, capacity, sizeof(*members));
        if (object->count > 0) {
            memcpy(members, object->members, object->count * sizeof(*members));
        }
        object->members = members;
        object->capacity = capacity;
    }
    object->members[object->count++] = (struct json_member){.name = name, .value = value};
    index_last_member(arena, object);
}

void json_set(struct arena *arena, struct json_value *object, struct slice name,
              struct json_value *value)
{
    struct json_member *member = find_member(object, name);
    assert(object->type == JSON_OBJECT);
    if (member != NULL) {
        member->value = value;
    } else {
        json_add(arena, object, name, value);
    }
}

void json_set_text(struct arena *arena, struct json_value *object, const char *name,
                   struct json_value *value)
{
    json_set(arena, object, slice_text(name), value);
}

bool json_remove(struct json_value *object, struct slice name)
{
    struct json_member *member = find_member(object, name);
    size_t at;
    if (member == NULL) {
        return false;
    }
    at = (size_t)(member - object->members);
    memmove(member, member + 1, (object->count - at - 1) * sizeof(*member));
    object->count--;
    json_reordered(object);
    return true;
}

void json_drop(struct json_value *object, struct slice name)
{
    struct json_member *member = find_member(object, name);
    if (member != NULL) {
        member->value = NULL;
    }
}

void json_sweep(struct arena *arena, struct json_value *object)
{
    size_t kept = 0;
    for (size_t i = 0; i < object->count; i++) {
        if (object->members[i].value != NULL) {
            object->members[kept++] = object->members[i];
        }
    }
    if (kept < object->count) {
        object->count = kept;
        index_members(arena, object);
    }
}

void json_append(struct arena *arena, struct json_value *array, struct json_value *value)
{
    json_insert(arena, array, array->count, value);
}

void json_insert(struct arena *arena, struct json_value *array, size_t index,
                 struct json_value *value)
{
    assert(array->type == JSON_ARRAY);
    assert(index <= array->count);
    if (array->count == array->capacity) {
        size_t capacity = array->capacity == 0 ? 4 : array->capacity * 2;
        struct json_value **items = arena_array(arena, capacity, sizeof(*items));
        if (array->count > 0) {
            memcpy(items, array->items, array->count * sizeof(*items));
        }
        array->items = items;
        array->capacity = capacity;
    }
    memmove(array->items + index + 1, array->items + index,
            (array->count - index) * sizeof(*array->items));
    array->items[index] = value;
    array->count++;
}

void json_remove_at(struct json_value *array, size_t index)
{
    assert(array->type == JSON_ARRAY);
    assert(index < array->count);
    memmove(array->items + index, array->items + index + 1,
            (array->count - index - 1) * sizeof(*array->items));
    array->count--;
}

/* --- Parsing ---------------------------------------------------------------------------------- */

static int parse_value(struct json_scan *scan, struct arena *arena, struct json_value **ret_value);

/* A later member of the same name wins. To find one needs no search while names ascend or are few;
 * this bounds the cost of an object with very many names by looking only after parsing. */
static int by_name(const void *a, const void *b)
{
    const struct json_member *const *left = a;
    const struct json_member *const *right = b;
    int order = slice_compare((*left)->name, (*right)->name);
    return order != 0 ? order : (*left < *right ? -1 : *left > *right);
}

static void drop_duplicates(struct arena *arena, struct json_value *object)
{
    struct json_member **sorted;
    bool found = false;

    if (object->count < 2) {
        return;
    }
    sorted = arena_array(arena, object->count, sizeof(struct json_member *));
    for (size_t i = 0; i < object->count; i++) {
        sorted[i] = &object->members[i];
    }
    qsort(sorted, object->count, sizeof(struct json_member *), by_name);
    for (size_t i = 0; i + 1 < object->count; i++) {
        if (slice_equal(sorted[i]->name, sorted[i + 1]->name)) {
            /* The first keeps its place, the last gives the value: carry it from pair to pair. */
            struct json_member *first = sorted[i];
            first->value = sorted[i + 1]->value;
            sorted[i + 1]->value = NULL;
            sorted[i + 1] = first;
            found = true;
        }
    }
    if (found) {
        json_sweep(arena, object);
    }
}

static int parse_object(struct json_scan *scan, struct arena *arena, struct json_value *object)
{
    struct json_token name;
    bool first = true;
    int r = json_scan_enter(scan);
    while (r == 0 && (r = json_scan_next_member(scan, &first, &name)) > 0) {
        struct json_value *value = NULL;
        r = parse_value(scan, arena, &value);
        if (r == 0) {
            json_add(arena, object, json_token_text(arena, name), value);
        }
    }
    if (r == 0) {
        drop_duplicates(arena, object);
    }
    return r;
}

static int parse_array(struct json_scan *scan, struct arena *arena, struct json_value *array)
{
    bool first = true;
    int r = json_scan_enter(scan);
    while (r == 0 && (r = json_scan_next_item(scan, &first)) > 0) {
        struct json_value *value = NULL;
        r = parse_value(scan, arena, &value);
        if (r == 0) {
            json_append(arena, array, value);
        }
    }
    return r;
}

static int parse_value(struct json_scan *scan, struct arena *arena, struct json_value **ret_value)
{
    struct json_value *value = new_value(arena, JSON_NULL);
    struct json_token token;
    struct slice number;
    int r;

    *ret_value = value;
    switch (json_scan_peek(scan)) {
    case '{':
        value->type = JSON_OBJECT;
        return parse_object(scan, arena, value);
    case '[':
        value->type = JSON_ARRAY;
        return parse_array(scan, arena, value);
    case '"':
        value->type = JSON_STRING;
        if ((r = json_scan_string(scan, &token)) == 0) {
            value->text = copy_text(arena, json_token_text(arena, token));
        }
        return r;
    case 't':
    case 'f':
        value->type = JSON_BOOL;
        value->boolean = *scan->at == 't';
        return json_scan_literal(scan, value->boolean ? "true" : "false");
    case 'n':
        return json_scan_literal(scan, "null");
    default:
        value->type = JSON_NUMBER;
        if ((r = json_scan_number(scan, &number)) == 0) {
            value->text = copy_text(arena, number);
        }
        return r;
    }
}

int json_parse(struct arena *arena, struct slice text, struct json_value **ret_value,
               struct error *reterr)
{
    struct json_scan scan;
    struct json_value *value = NULL;
    int r;

    if (text.len > arena_left(arena) / JSON_TREE_BYTES_PER_BYTE) {
        return error_set(reterr, -EINVAL, "JSON document is too large");
    }
    json_scan_init(&scan, text, reterr);
    r = parse_value(&scan, arena, &value);
    if (r == 0) {
        r = json_scan_end(&scan);
    }
    if (r < 0) {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

/* --- Comparing and numbers -------------------------------------------------------------------- */

int json_double(const struct json_value *value, double *ret_value)
{
    char text[512];
    double number;
    if (value->type != JSON_NUMBER || value->text.len >= sizeof(text)) {
        return -EINVAL;
    }
    memcpy(text, value->text.data, value->text.len);
    text[value->text.len] = '\0';
    number = strtod(text, NULL);
    if (!isfinite(number)) {
        return -ERANGE;
    }
    *ret_value = number;
    return 0;
}

int json_int64(const struct json_value *value, int64_t *ret_value)
{
    char text[64];
    char *end;
    double number;
    long long integer;

    if (value->type != JSON_NUMBER) {
        return -EINVAL;
    }
    if (value->text.len < sizeof(text)) {
        memcpy(text, value->text.data, value->text.len);
        text[value->text.len] = '\0';
        errno = 0;
        integer = strtoll(text, &end, 10);
        if (*end == '\0') {
            if (errno == ERANGE) {
                return -ERANGE;
            }
            *ret_value = integer;
            return 0;
        }
    }
    /* Exact only below 2^53, which is also what other readers of JSON guarantee. */
    if (json_double(value, &number) < 0 || number != floor(number) ||
        fabs(number) > 9007199254740992.0) {
        return -ERANGE;
    }
    *ret_value = (int64_t)number;
    return 0;
}

/* Digits alone, whatever they come to. */
static bool is_digits(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.' || text.data[i] == 'e' || text.data[i] == 'E') {
            return false;
        }
    }
    return true;
}

bool json_is_real(const struct json_value *value)
{
    enum { INT64_DIGITS = 18 }; /* That any int64 has, and its sign. */
    assert(value->type == JSON_NUMBER);
    if (value->real || !is_digits(value->text)) {
        return true;
    }
    errno = 0;
    return value->text.len > INT64_DIGITS &&
           strtoll((const char *)value->text.data, NULL, 10) != 0 && errno == ERANGE;
}

int json_settle_number(struct arena *arena, struct json_value *value)
{
    enum { NUMBER_TEXT_MAX = 64 };
    assert(value->type == JSON_NUMBER);
    if (!json_is_real(value)) {
        value->text = slice_is(value->text, "-0") ? slice_text("0") : value->text;
        return 0;
    }
    double number = strtod((const char *)value->text.data, NULL);
    if (!isfinite(number)) {
        return -ERANGE;
    }
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, NUMBER_TEXT_MAX);
    json_print_double(number, &text);
    value->text = slice_text(arena_text_n(arena, buffer_text(&text), text.len));
    value->real = true;
    return 0;
}

static bool equal_numbers(const struct json_value *a, const struct json_value *b)
{
    double left, right;
    if (slice_equal(a->text, b->text)) {
        return true;
    }
    return json_double(a, &left) == 0 && json_double(b, &right) == 0 && left == right;
}

static bool equal_objects(const struct json_value *a, const struct json_value *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct json_value *other = json_get(b, a->members[i].name);
        if (other == NULL || !json_equal(a->members[i].value, other)) {
            return false;
        }
    }
    return true;
}

bool json_equal(const struct json_value *a, const struct json_value *b)
{
    if (a == b) {
        return true;
    }
    if (a->type != b->type || a->count != b->count) {
        return false;
    }
    switch (a->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->boolean == b->boolean;
    case JSON_NUMBER:
        return equal_numbers(a, b);
    case JSON_STRING:
        return slice_equal(a->text, b->text);
    case JSON_ARRAY:
        for (size_t i = 0; i < a->count; i++) {
            if (!json_equal(a->items[i], b->items[i])) {
                return false;
            }
        }
        return true;
    case JSON_OBJECT:
        return equal_objects(a, b);
    }
    return false;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "bool",   [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array", [JSON_OBJECT] = "object",
    };
    return names[type];
}
