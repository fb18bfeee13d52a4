#include "apiserver/access_review_checks.h"

#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/shown.h"
#include "lib/api/syntax.h"
#include <string.h>

void access_review_check_attributes(struct api_causes *causes,
                                    const Authorization__V1__ResourceAttributes *resource,
                                    const Authorization__V1__NonResourceAttributes *path)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path resource_at = api_path_field(&spec, "resourceAttributes");
    struct api_path path_at = api_path_field(&spec, "nonResourceAttributes");
    if (resource != NULL && path != NULL) {
        api_cause_invalid(causes, &path_at,
                          api_shown_message(causes->arena,
                                            &authorization__v1__non_resource_attributes__schema,
                                            path),
                          "cannot be specified in combination with resourceAttributes");
    } else if (resource == NULL && path == NULL) {
        api_cause_invalid(causes, &resource_at, api_shown_null(),
                          "exactly one of nonResourceAttributes or resourceAttributes must be "
                          "specified");
    }
}

/* Either a text or a list. `name` is what the selector is called. */
static void check_form(struct api_causes *causes, const struct api_path *at, const char *name,
                       const char *raw, size_t count)
{
    struct api_path raw_at = api_path_field(at, "rawSelector");
    struct api_path list_at = api_path_field(at, "requirements");
    if (text_or_empty(raw)[0] != 0 && count > 0) {
        api_cause_invalid(causes, &raw_at, api_shown_text(raw),
                          "may not specified at the same time as requirements");
    }
    if (text_or_empty(raw)[0] == 0 && count == 0) {
        CLEANUP(buffer_release) struct buffer text;
        buffer_init(&text, 256);
        buffer_printf(&text,
                      "when spec.resourceAttributes.%s is specified, requirements or rawSelector "
                      "is required",
                      name);
        api_cause_required(causes, &list_at, buffer_text(&text));
    }
}

static void check_values(struct api_causes *causes, const struct api_path *at, const char *op,
                         size_t count)
{
    struct api_path values = api_path_field(at, "values");
    if ((strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0) && count == 0) {
        api_cause_required(causes, &values, "must be specified when `operator` is 'In' or 'NotIn'");
    }
    if ((strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0) && count > 0) {
        api_cause_forbidden(causes, &values,
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
}

static void check_fields(struct api_causes *causes, const struct api_path *at,
                         const Authorization__V1__FieldSelectorAttributes *selector)
{
    struct api_path list = api_path_field(at, "requirements");
    check_form(causes, at, "fieldSelector", selector->raw_selector, selector->n_requirements);
    for (size_t i = 0; i < selector->n_requirements; i++) {
        const Meta__V1__FieldSelectorRequirement *each = selector->requirements[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path key = api_path_field(&item, "key");
        if (text_or_empty(each->key)[0] == 0) {
            api_cause_required(causes, &key, "must be specified");
        }
        check_values(causes, &item, text_or_empty(each->operator_), each->n_values);
    }
}

static void check_syntax(struct api_causes *causes, const struct api_path *at, const char *text,
                         api_syntax_rule *rule)
{
    struct api_syntax syntax = rule(text_or_empty(text));
    for (size_t i = 0; i < syntax.count; i++) {
        api_cause_invalid(causes, at, api_shown_text(text), syntax.messages[i]);
    }
}

static void check_labels(struct api_causes *causes, const struct api_path *at,
                         const Authorization__V1__LabelSelectorAttributes *selector)
{
    struct api_path list = api_path_field(at, "requirements");
    check_form(causes, at, "labelSelector", selector->raw_selector, selector->n_requirements);
    for (size_t i = 0; i < selector->n_requirements; i++) {
        const Meta__V1__LabelSelectorRequirement *each = selector->requirements[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path key = api_path_field(&item, "key");
        struct api_path values = api_path_field(&item, "values");
        check_values(causes, &item, text_or_empty(each->operator_), each->n_values);
        check_syntax(causes, &key, each->key, api_syntax_qualified_name);
        for (size_t j = 0; j < each->n_values; j++) {
            struct api_path value = api_path_index(&values, j);
            check_syntax(causes, &value, each->values[j], api_syntax_label_value);
        }
    }
}

void access_review_check_selectors(struct api_causes *causes,
                                   const Authorization__V1__ResourceAttributes *resource)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path at = api_path_field(&spec, "resourceAttributes");
    struct api_path fields = api_path_field(&at, "fieldSelector");
    struct api_path labels = api_path_field(&at, "labelSelector");
    if (resource != NULL && resource->field_selector != NULL) {
        check_fields(causes, &fields, resource->field_selector);
    }
    if (resource != NULL && resource->label_selector != NULL) {
        check_labels(causes, &labels, resource->label_selector);
    }
}

void access_review_check_metadata(struct api_causes *causes, const Meta__V1__ObjectMeta *given,
                                  bool local)
{
    const struct api_message *table = &meta__v1__object_meta__schema;
    Meta__V1__ObjectMeta empty = META__V1__OBJECT_META__INIT, rest = empty;
    struct api_path at = api_path_field(NULL, "metadata");
    if (given != NULL) {
        rest = *given;
    }
    rest.n_managed_fields = 0;
    rest.namespace_ = local ? NULL : rest.namespace_;
    if (!api_message_equal(table, &rest, &empty)) {
        api_cause_invalid(causes, &at, api_shown_message(causes->arena, table, given),
                          local ? "must be empty except for namespace" : "must be empty");
    }
}
