/* Label and field selectors of one request, compiled once. */
#include "apiserver/operation.h"
#include "lib/api/convert.h"
#include "lib/api/selector.h"
#include <errno.h>

struct registry_filter {
    const struct api_kind *kind; /* As it is stored. */
    const struct api_kind *form; /* Whose fields the selector names. */
    const char *namespace;
    const char *name; /* "" for any. */
    struct api_label_selector labels;
    struct api_field_selector fields;
    bool has_labels;
    bool has_fields;
};

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

int registry_filter_new(struct arena *arena, const struct api_kind *asked, const char *namespace,
                        const char *name, const struct registry_options *options,
                        struct registry_filter **ret_filter, const struct api_status **ret_status)
{
    struct registry_filter *filter = arena_zeroed(arena, sizeof(*filter));
    filter->kind = api_stored_kind(asked);
    /* Of custom resources: those of the version that is stored. */
    filter->form = asked->message->custom == NULL ? asked : filter->kind;
    filter->namespace = namespace == NULL ? "" : namespace;
    filter->name = name == NULL ? "" : name;
    filter->has_labels = !is_empty(options->label_selector);
    filter->has_fields = !is_empty(options->field_selector);
    CLEANUP(error_release) struct error error = {0};
    int status = 0;
    if (filter->has_labels) {
        status = api_label_selector_parse(arena, slice_text(options->label_selector),
                                          &filter->labels, &error);
    }
    if (status == 0 && filter->has_fields) {
        status = api_field_selector_parse(arena, filter->form, slice_text(options->field_selector),
                                          &filter->fields, &error);
    }
    if (status < 0) {
        *ret_status = api_status_bad_request(arena, "%s", error_message(&error));
        return -EINVAL;
    }
    *ret_filter = filter;
    return 0;
}

bool registry_filter_selects(const struct registry_filter *filter)
{
    return filter->has_labels || filter->has_fields;
}

static bool selects(const struct registry_filter *filter, const void *message)
{
    const Meta__V1__ObjectMeta *meta = message_meta(filter->kind, message);
    return api_label_selector_matches(&filter->labels,
                                      API_STRING_MAP(meta->labels, meta->n_labels));
}

bool registry_filter_matches_message(const struct registry_filter *filter, struct arena *scratch,
                                     const void *message)
{
    if (filter->has_labels && !selects(filter, message)) {
        return false;
    }
    if (filter->has_fields && filter->form->message != filter->kind->message) {
        message = api_convert_from_stored(scratch, filter->form, message);
    }
    return !filter->has_fields ||
           api_field_selector_matches(scratch, filter->form, &filter->fields, message);
}

int registry_filter_match(const struct registry_filter *filter, const struct cached_object *object)
{
    if (filter->namespace[0] != 0 &&
        strcmp(filter->namespace, cached_object_namespace(object)) != 0) {
        return 0;
    }
    if (filter->name[0] != 0 && strcmp(filter->name, cached_object_name(object)) != 0) {
        return 0;
    }
    if (!filter->has_labels && !filter->has_fields) {
        return 1;
    }
    struct api_label_room room;
    struct api_string_map labels;
    bool has_labels = filter->has_labels && cached_object_labels(object, &room, &labels);
    if (has_labels && !api_label_selector_matches(&filter->labels, labels)) {
        return 0;
    }
    if ((!filter->has_labels || has_labels) && !filter->has_fields) {
        return 1;
    }
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const void *message = cached_object_decode(object, scratch);
    if (message == NULL) {
        return -EBADMSG;
    }
    return registry_filter_matches_message(filter, scratch, message);
}
