#include "apiserver/access_selector.h"

#include "k8s/authorization_v1.pb-c.h"
#include <string.h>

static struct access_selector unreadable(void)
{
    return (struct access_selector){.faulty = true};
}

static struct api_requirement field_requirement(struct arena *arena, const char *field,
                                                const char *value, bool negated)
{
    const char **values = arena_array(arena, 1, sizeof(*values));
    values[0] = value;
    return (struct api_requirement){.key = field,
                                    .op = negated ? API_SELECTOR_NOT_IN : API_SELECTOR_IN,
                                    .values = values,
                                    .value_count = 1};
}

struct access_selector access_selector_of_fields(struct arena *arena, const char *text)
{
    struct api_field_selector parsed;
    if (text_or_empty(text)[0] == 0) {
        return (struct access_selector){.count = 0};
    }
    if (api_field_selector_parse(arena, NULL, slice_text(text), &parsed, NULL) < 0) {
        return unreadable();
    }
    struct api_requirement *items = arena_array(arena, parsed.count + 1, sizeof(*items));
    for (size_t i = 0; i < parsed.count; i++) {
        const struct api_field_requirement *each = &parsed.requirements[i];
        items[i] = field_requirement(arena, each->field, each->value, each->negated);
    }
    return (struct access_selector){.items = items, .count = parsed.count};
}

struct access_selector access_selector_of_labels(struct arena *arena, const char *text)
{
    struct api_label_selector parsed;
    if (text_or_empty(text)[0] == 0) {
        return (struct access_selector){.count = 0};
    }
    if (api_label_selector_parse(arena, slice_text(text), &parsed, NULL) < 0) {
        return unreadable();
    }
    return (struct access_selector){.items = parsed.requirements, .count = parsed.count};
}

/* Fields have one value, and are there. */
static bool read_field(struct arena *arena, const Meta__V1__FieldSelectorRequirement *from,
                       struct api_requirement *ret_requirement)
{
    const char *op = text_or_empty(from->operator_);
    bool negated = strcmp(op, "NotIn") == 0;
    if (from->n_values != 1 || (!negated && strcmp(op, "In") != 0)) {
        return false;
    }
    *ret_requirement =
        field_requirement(arena, text_or_empty(from->key), text_or_empty(from->values[0]), negated);
    return true;
}

struct access_selector
access_selector_of_reviewed_fields(struct arena *arena,
                                   const Authorization__V1__FieldSelectorAttributes *from)
{
    if (from == NULL || from->n_requirements == 0) {
        return access_selector_of_fields(arena, from == NULL ? NULL : from->raw_selector);
    }
    struct api_requirement *items = arena_array(arena, from->n_requirements, sizeof(*items));
    struct access_selector selector = {.items = items};
    for (size_t i = 0; i < from->n_requirements; i++) {
        if (read_field(arena, from->requirements[i], &items[selector.count])) {
            selector.count++;
        } else {
            selector.faulty = true;
        }
    }
    return selector;
}

static bool read_label(struct arena *arena, Meta__V1__LabelSelectorRequirement *from,
                       struct api_requirement *ret_requirement)
{
    Meta__V1__LabelSelector one = META__V1__LABEL_SELECTOR__INIT;
    struct api_label_selector parsed;
    one.match_expressions = &from;
    one.n_match_expressions = 1;
    if (api_label_selector_from_message(arena, &one, &parsed, NULL) < 0) {
        return false;
    }
    *ret_requirement = parsed.requirements[0];
    return true;
}

struct access_selector
access_selector_of_reviewed_labels(struct arena *arena,
                                   const Authorization__V1__LabelSelectorAttributes *from)
{
    if (from == NULL || from->n_requirements == 0) {
        return access_selector_of_labels(arena, from == NULL ? NULL : from->raw_selector);
    }
    struct api_requirement *items = arena_array(arena, from->n_requirements, sizeof(*items));
    struct access_selector selector = {.items = items};
    for (size_t i = 0; i < from->n_requirements; i++) {
        if (read_label(arena, from->requirements[i], &items[selector.count])) {
            selector.count++;
        } else {
            selector.faulty = true;
        }
    }
    return selector;
}

static const char *const *copied_values(struct arena *arena, const struct api_requirement *from)
{
    const char **values = arena_array(arena, from->value_count + 1, sizeof(*values));
    for (size_t i = 0; i < from->value_count; i++) {
        values[i] = arena_text(arena, from->values[i]);
    }
    return values;
}

struct access_selector access_selector_copy(struct arena *arena,
                                            const struct access_selector *selector)
{
    struct api_requirement *items = arena_array(arena, selector->count + 1, sizeof(*items));
    for (size_t i = 0; i < selector->count; i++) {
        items[i] = selector->items[i];
        items[i].key = arena_text(arena, selector->items[i].key);
        items[i].values = copied_values(arena, &selector->items[i]);
    }
    return (struct access_selector){
        .items = items, .count = selector->count, .faulty = selector->faulty};
}

static bool requirement_equal(const struct api_requirement *a, const struct api_requirement *b)
{
    bool equal = strcmp(a->key, b->key) == 0 && a->op == b->op && a->value_count == b->value_count;
    for (size_t i = 0; equal && i < a->value_count; i++) {
        equal = strcmp(a->values[i], b->values[i]) == 0;
    }
    return equal;
}

bool access_selector_equal(const struct access_selector *a, const struct access_selector *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = requirement_equal(&a->items[i], &b->items[i]);
    }
    return equal;
}

const char *access_selector_pinned(const struct access_selector *selector, const char *field)
{
    for (size_t i = 0; i < selector->count; i++) {
        const struct api_requirement *each = &selector->items[i];
        if (each->op == API_SELECTOR_IN && each->value_count == 1 &&
            strcmp(each->key, field) == 0) {
            return each->values[0];
        }
    }
    return NULL;
}

const char *access_selector_operator(enum api_selector_op op)
{
    switch (op) {
    case API_SELECTOR_IN:
        return "In";
    case API_SELECTOR_NOT_IN:
        return "NotIn";
    case API_SELECTOR_EXISTS:
        return "Exists";
    case API_SELECTOR_NOT_EXISTS:
        return "DoesNotExist";
    case API_SELECTOR_GREATER:
    case API_SELECTOR_LESS:
        return NULL;
    }
    return NULL;
}
