/* events.k8s.io/v1 Event is another view of core/v1 Event. */
#include "lib/api/rules/rules.h"

void *rules_event_to_stored(struct arena *arena, const void *message)
{
    const Events__V1__Event *from = message;
    Core__V1__Event *to = rules_new(arena, "k8s.io.api.core.v1.Event");
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
        to->series = rules_new(arena, "k8s.io.api.core.v1.EventSeries");
        to->series->has_count = true;
        to->series->count = from->series->count;
        to->series->last_observed_time = from->series->last_observed_time;
    }
    return to;
}

void *rules_event_from_stored(struct arena *arena, const void *message)
{
    const Core__V1__Event *from = message;
    Events__V1__Event *to = rules_new(arena, "k8s.io.api.events.v1.Event");
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
        to->series = rules_new(arena, "k8s.io.api.events.v1.EventSeries");
        to->series->has_count = true;
        to->series->count = from->series->count;
        to->series->last_observed_time = from->series->last_observed_time;
    }
    return to;
}
