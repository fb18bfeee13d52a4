/* Whether the outcome of a request is what was recorded. */
#include "tests/unit/api/semantics/golden_replay.h"

#include "k8s/core_v1.pb-c.h"
#include "lib/api/object.h"
#include "lib/api/table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Comparison --------------------------------------------------------------------------------
 */

bool golden_status_is(const struct json_value *expect, int status)
{
    const struct json_value *wanted = json_get_text(expect, "status");
    int64_t number = 0;
    size_t count = wanted->type == JSON_ARRAY ? wanted->count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct json_value *one = wanted->type == JSON_ARRAY ? wanted->items[i] : wanted;
        if (json_int64(one, &number) == 0 && number == status) {
            return true;
        }
    }
    return false;
}

/* Long messages were recorded cut, with three dots at the end. */
static bool cut_matches(const char *wanted, const char *have)
{
    size_t len = strlen(wanted);
    return len > 3 && strcmp(wanted + len - 3, "...") == 0 && strncmp(wanted, have, len - 3) == 0;
}

/* What follows the last "}: " of a value that is a Go struct: how the struct looks is Go's. */
static const char *after_value(const char *message)
{
    const char *end = strstr(message, ": ");
    for (const char *at = message; (at = strstr(at, "}: ")) != NULL; at++) {
        end = at + 1;
    }
    return end == NULL ? message : end;
}

static bool message_matches(const char *wanted, const char *have)
{
    static const char structs[] = "Invalid value: ", address[] = "\"10.96.";
    if (strcmp(wanted, have) == 0 || cut_matches(wanted, have)) {
        return true;
    }
    if (strncmp(wanted, "Duplicate value: core.", 22) == 0) {
        return strncmp(have, "Duplicate value: core.", 22) == 0;
    }
    if (strncmp(wanted, structs, strlen(structs)) != 0 ||
        strncmp(have, structs, strlen(structs)) != 0) {
        return false;
    }
    const char *value = wanted + strlen(structs);
    if (strncmp(value, address, strlen(address)) ==
        0) { /* Another cluster gives other addresses. */
        return strstr(have, address) != NULL;
    }
    size_t len = strlen(wanted);
    bool is_struct = strchr(value, '{') != NULL && *value != '"';
    return is_struct &&
           (strcmp(wanted + len - 3, "...") == 0 || strstr(have, after_value(wanted)) != NULL);
}

/* The same causes in the same order. */
bool golden_causes_match(struct replay *replay, const struct json_value *body,
                         const struct api_causes *causes)
{
    const struct json_value *details = body == NULL ? NULL : json_get_text(body, "details");
    const struct json_value *wanted = details == NULL ? NULL : json_get_text(details, "causes");
    size_t count = wanted == NULL ? 0 : wanted->count;
    for (size_t i = 0; i < count || i < causes->count; i++) {
        const struct json_value *item = i < count ? wanted->items[i] : NULL;
        const struct api_cause *have = i < causes->count ? &causes->items[i] : NULL;
        if (item == NULL || have == NULL ||
            strcmp(golden_text(item, "reason"), have->reason) != 0 ||
            strcmp(golden_text(item, "field"), have->field) != 0 ||
            !message_matches(golden_text(item, "message"), have->message)) {
            replay->why =
                arena_printf(replay->arena, "cause %zu: expected %s %s: %s; have %s %s: %s", i,
                             item == NULL ? "none" : golden_text(item, "reason"),
                             item == NULL ? "" : golden_text(item, "field"),
                             item == NULL ? "" : golden_text(item, "message"),
                             have == NULL ? "none" : have->reason, have == NULL ? "" : have->field,
                             have == NULL ? "" : have->message);
            return false;
        }
    }
    return true;
}

/* The value at a dotted path in which ~1 stands for a dot. */
static const struct json_value *value_at(struct arena *arena, const struct json_value *value,
                                         const char *path)
{
    while (value != NULL && *path != '\0') {
        size_t len = strcspn(path, "."), used = 0;
        char *name = arena_text_n(arena, path, len);
        for (size_t i = 0; i < len; i++) {
            bool dot = i + 1 < len && path[i] == '~' && path[i + 1] == '1';
            name[used++] = dot ? '.' : path[i];
            i += dot;
        }
        value = value->type == JSON_OBJECT ? json_get(value, slice_of(name, used)) : NULL;
        path += len + (path[len] == '.');
    }
    return value;
}

static bool picks_match(struct replay *replay, const struct json_value *expected,
                        const struct json_value *actual)
{
    for (size_t i = 0; i < expected->count; i++) {
        const char *path = (const char *)expected->members[i].name.data;
        if (strchr(path, '|') != NULL) {
            continue;
        }
        const struct json_value *value = value_at(replay->arena, actual, path);
        if (value == NULL && expected->members[i].value->type == JSON_NULL) {
            continue;
        }
        if (value == NULL ||
            !golden_matches(replay->arena, expected->members[i].value, value, path, &replay->why)) {
            replay->why = value == NULL ? path : replay->why;
            return false;
        }
    }
    return true;
}

/* Entries in any order, but for their times. */
static bool owners_match(struct replay *replay, const struct json_value *expected,
                         const struct json_value *actual)
{
    const struct json_value *wanted = json_get_text(expected, "metadata");
    const struct json_value *have = json_get_text(actual, "metadata");
    wanted = wanted == NULL ? NULL : json_get_text(wanted, "managedFields");
    have = have == NULL ? NULL : json_get_text(have, "managedFields");
    size_t count = have == NULL ? 0 : have->count;
    if (count != (wanted == NULL ? 0 : wanted->count)) {
        replay->why = arena_printf(replay->arena, "%zu managers", count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        (void)json_remove(have->items[i], slice_text("time")); /* May be absent. */
        for (size_t j = 0; j < count; j++) {
            (void)json_remove(wanted->items[j], slice_text("time")); /* As above. */
            found = found || json_equal(have->items[i], wanted->items[j]);
        }
        if (!found) {
            replay->why =
                arena_printf(replay->arena, "managedFields: have %s",
                             (const char *)golden_print(replay->arena, have->items[i]).data);
            return false;
        }
    }
    return true;
}

bool golden_object_matches(struct replay *replay, const struct request *request,
                           const struct json_value *step, const struct json_value *body,
                           void *message)
{
    const struct json_value *expect = json_get_text(step, "expect");
    struct json_value *expected = json_get_text(expect, "body");
    const struct api_object object = {request->kind, message};
    struct api_type_meta meta = api_object_type_meta(&object);
    if (expected == NULL || strcmp(golden_text(step, "compare"), "status") == 0) {
        return true;
    }
    struct json_value *actual =
        api_message_to_json(replay->arena, request->kind->message, message, &meta);
    bool picked = json_get_text(step, "pick") != NULL;
    struct json_value *whole = expected;
    if (picked) { /* Strip works on objects: a picked spec is put into one. */
        struct json_value *spec = json_get_text(expected, "spec");
        whole = json_new_object(replay->arena);
        if (spec != NULL) {
            json_set_text(replay->arena, whole, "spec", spec);
        }
    }
    if (json_get_text(step, "managedFields") != NULL && !picked &&
        !owners_match(replay, expected, actual)) {
        return false;
    }
    golden_strip(replay->arena, request->kind->kind, body, whole, actual);
    return picked ? picks_match(replay, expected, actual)
                  : golden_matches(replay->arena, expected, actual, "", &replay->why);
}

/* --- Tables ------------------------------------------------------------------------------------
 */

static bool cell_matches(const struct json_value *expected, const struct api_table_cell *cell)
{
    int64_t number = 0;
    if (cell->type == API_CELL_INTEGER) {
        return json_int64(expected, &number) == 0 && number == cell->number;
    }
    return expected->type == JSON_STRING &&
           (memchr(expected->text.data, '<', expected->text.len) != NULL ||
            slice_is(expected->text, cell->text));
}

static bool columns_match(const struct json_value *expected, const struct api_kind *kind)
{
    size_t count = 0;
    const struct api_table_column *columns = api_table_columns(kind, &count);
    if (expected == NULL || expected->count != count) {
        return expected == NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const struct json_value *priority = json_get_text(expected->items[i], "priority");
        int64_t number = 0;
        if (strcmp(golden_text(expected->items[i], "name"), columns[i].name) != 0 ||
            strcmp(golden_text(expected->items[i], "type"), columns[i].type) != 0 ||
            strcmp(golden_text(expected->items[i], "format"), columns[i].format) != 0 ||
            (priority != NULL &&
             (json_int64(priority, &number) != 0 || number != columns[i].priority))) {
            return false;
        }
    }
    return true;
}

bool golden_table_matches(struct replay *replay, const struct request *request,
                          const struct json_value *table)
{
    const struct json_value *rows = json_get_text(table, "rows");
    size_t columns = 0;
    (void)api_table_columns(request->kind, &columns);
    if (!columns_match(json_get_text(table, "columnDefinitions"), request->kind)) {
        replay->why = "columns";
        return false;
    }
    for (size_t r = 0; rows != NULL && rows->type == JSON_ARRAY && r < rows->count; r++) {
        const struct json_value *object = json_get_text(rows->items[r], "object");
        const struct json_value *meta = object == NULL ? NULL : json_get_text(object, "metadata");
        const struct json_value *cells = json_get_text(rows->items[r], "cells");
        struct stored *stored = golden_find(replay, request, golden_text(meta, "name"));
        struct api_table_cell actual[API_TABLE_COLUMNS_MAX];
        struct api_table_condition condition;
        if (stored == NULL) {
            continue;
        }
        api_table_row(replay->arena, stored->kind, stored->message, NOW_S, actual, &condition);
        for (size_t c = 0; c < columns; c++) {
            if (c >= cells->count || !cell_matches(cells->items[c], &actual[c])) {
                replay->why = arena_printf(
                    replay->arena, "row %zu cell %zu: expected %s, have %s %lld", r, c,
                    c < cells->count
                        ? (const char *)golden_print(replay->arena, cells->items[c]).data
                        : "nothing",
                    actual[c].text == NULL ? "" : actual[c].text, (long long)actual[c].number);
                return false;
            }
        }
    }
    return true;
}
