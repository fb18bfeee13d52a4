#include "apiserver/event_conversion.h"

#include "k8s/core_v1.pb-c.h"
#include "k8s/events_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/status.h"
#include <string.h>

const struct api_kind *stored_kind_of(const struct api_kind *kind)
{
    bool event = strcmp(kind->group, "events.k8s.io") == 0 && strcmp(kind->kind, "Event") == 0;
    return event ? api_kind_find("", "v1", "events") : kind;
}

void *event_to_core(struct arena *arena, const void *message)
{
    const Events__V1__Event *from = message;
    Core__V1__Event *to = api_message_new(arena, api_message_find("k8s.io.api.core.v1.Event"));
    to->metadata = from->metadata;
    to->event_time = from->event_time;
    to->reporting_component = from->reporting_controller;
    to->reporting_instance = from->reporting_instance;
    to->action = from->action;
    to->reason = from->reason;
    to->type = from->type;
    to->message = from->note;
    if (from->regarding != NULL) {
        to->involved_object = from->regarding;
    }
    to->related = from->related;
    if (from->deprecated_source != NULL) {
        to->source = from->deprecated_source;
    }
    to->first_timestamp = from->deprecated_first_timestamp;
    to->last_timestamp = from->deprecated_last_timestamp;
    to->has_count = from->has_deprecated_count;
    to->count = from->deprecated_count;
    if (from->series != NULL) {
        to->series = api_message_new(arena, api_message_find("k8s.io.api.core.v1.EventSeries"));
        to->series->has_count = true;
        to->series->count = from->series->count;
        to->series->last_observed_time = from->series->last_observed_time;
    }
    return to;
}

void *event_from_core(struct arena *arena, const void *message)
{
    const Core__V1__Event *from = message;
    Events__V1__Event *to = api_message_new(arena, api_message_find("k8s.io.api.events.v1.Event"));
    to->metadata = from->metadata;
    to->event_time = from->event_time;
    to->reporting_controller = from->reporting_component;
    to->reporting_instance = from->reporting_instance;
    to->action = from->action;
    to->reason = from->reason;
    to->type = from->type;
    to->note = from->message;
    if (from->involved_object != NULL) {
        to->regarding = from->involved_object;
    }
    to->related = from->related;
    if (from->source != NULL) {
        to->deprecated_source = from->source;
    }
    to->deprecated_first_timestamp = from->first_timestamp;
    to->deprecated_last_timestamp = from->last_timestamp;
    to->has_deprecated_count = from->has_count;
    to->deprecated_count = from->count;
    if (from->series != NULL) {
        to->series = api_message_new(arena, api_message_find("k8s.io.api.events.v1.EventSeries"));
        to->series->has_count = true;
        to->series->count = from->series->count;
        to->series->last_observed_time = from->series->last_observed_time;
    }
    return to;
}

const struct api_status *status_as_asked(const struct registry_call *call,
                                         const struct api_status *status)
{
    if (call->asked == NULL || strcmp(status->kind, call->kind->plural) != 0) {
        return status;
    }
    struct api_status *named = arena_alloc(call->arena, sizeof(*named));
    *named = *status;
    named->group = call->asked->group;
    size_t len = strlen(call->kind->plural);
    if (strncmp(status->message, call->kind->plural, len) == 0) {
        named->message = arena_printf(call->arena, "%s.%s%s", call->asked->plural,
                                      call->asked->group, status->message + len);
    }
    return named;
}
