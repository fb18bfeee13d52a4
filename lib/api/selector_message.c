/* Label selectors from the LabelSelector message. */
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/selector.h"
#include <errno.h>
#include <stdlib.h>

static int by_text(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static int by_key(const void *a, const void *b)
{
    const struct api_requirement *left = a, *right = b;
    return strcmp(left->key, right->key);
}

static int from_expression(struct arena *arena,
                           const Meta__V1__LabelSelectorRequirement *expression,
                           struct api_requirement *requirement, struct error *reterr)
{
    const char *op = expression->operator_ == NULL ? "" : expression->operator_;
    requirement->key = expression->key == NULL ? "" : expression->key;
    if (strcmp(op, "In") == 0) {
        requirement->op = API_SELECTOR_IN;
    } else if (strcmp(op, "NotIn") == 0) {
        requirement->op = API_SELECTOR_NOT_IN;
    } else if (strcmp(op, "Exists") == 0) {
        requirement->op = API_SELECTOR_EXISTS;
    } else if (strcmp(op, "DoesNotExist") == 0) {
        requirement->op = API_SELECTOR_NOT_EXISTS;
    } else {
        return error_set(reterr, -EINVAL, "\"%s\" is not a valid label selector operator", op);
    }
    const char **values = arena_array(arena, expression->n_values, sizeof(*values));
    for (size_t i = 0; i < expression->n_values; i++) {
        values[i] = expression->values[i];
    }
    if (expression->n_values > 1) {
        qsort(values, expression->n_values, sizeof(*values), by_text);
    }
    requirement->values = values;
    requirement->value_count = expression->n_values;
    return 0;
}

int api_label_selector_from_message(struct arena *arena, const Meta__V1__LabelSelector *message,
                                    struct api_label_selector *ret_selector, struct error *reterr)
{
    if (message == NULL) {
        *ret_selector = (struct api_label_selector){.nothing = true};
        return 0;
    }
    struct api_label_selector labels = api_label_selector_from_map(
        arena, API_STRING_MAP(message->match_labels, message->n_match_labels));
    size_t count = labels.count + message->n_match_expressions;
    struct api_requirement *all = arena_array(arena, count, sizeof(*all));
    if (labels.count > 0) {
        memcpy(all, labels.requirements, labels.count * sizeof(*all));
    }
    for (size_t i = 0; i < message->n_match_expressions; i++) {
        int result =
            from_expression(arena, message->match_expressions[i], &all[labels.count + i], reterr);
        if (result != 0) {
            return result;
        }
    }
    if (count > 1) {
        qsort(all, count, sizeof(*all), by_key);
    }
    *ret_selector = (struct api_label_selector){.requirements = all, .count = count};
    return 0;
}
