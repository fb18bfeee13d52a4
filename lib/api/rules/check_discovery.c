/* Rules of Endpoints, EndpointSlice and Events. */
#include "lib/api/rules/rules.h"
#include "lib/api/time.h"

/* --- Endpoints ---------------------------------------------------------------------------------
 */

bool rules_subset(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__EndpointSubset *subset = frame->message;
    if (subset->n_addresses == 0 && subset->n_not_ready_addresses == 0) {
        api_cause_required(causes, frame->at, "must specify `addresses` or `notReadyAddresses`");
    }
    return true;
}

bool rules_endpoint_port(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__EndpointPort *port = frame->message;
    const Core__V1__EndpointSubset *subset = frame->parent->message;
    if (rules_empty(port->name) && subset->n_ports > 1) {
        rules_required(causes, frame->at, "name", "");
    }
    return true;
}

/* --- EndpointSlice -----------------------------------------------------------------------------
 */

static const char *const ADDRESS_TYPES[] = {"FQDN", "IPv4", "IPv6", NULL};

/* What an address must be is known only when the type is. */
bool rules_slice_endpoint(struct api_causes *causes, const struct api_frame *frame)
{
    const Discovery__V1__EndpointSlice *slice = frame->parent->message;
    (void)causes;
    return rules_one_of(slice->address_type, ADDRESS_TYPES);
}

static void check_slice_address(struct api_causes *causes, const struct api_path *at,
                                const char *type, const char *address)
{
    uint8_t bytes[16];
    bool is_v6 = false;
    if (strcmp(type, "FQDN") == 0) {
        rules_invalid_each(causes, at, api_shown_text(address), api_syntax_fqdn(address));
    } else if (!api_ip_parse(address, bytes, &is_v6)) {
        rules_invalid_each(causes, at, api_shown_text(address), api_syntax_ip(address));
    } else if (is_v6 != (strcmp(type, "IPv6") == 0)) {
        api_cause_invalid(causes, at, api_shown_text(address),
                          is_v6 ? "must be a valid IPv4 address" : "must be a valid IPv6 address");
    } else {
        rules_invalid_each(causes, at, api_shown_text(address), api_syntax_non_special_ip(address));
    }
}

bool rules_slice_addresses(struct api_causes *causes, const struct api_frame *frame)
{
    const Discovery__V1__Endpoint *endpoint = frame->message;
    const Discovery__V1__EndpointSlice *slice = frame->parent->message;
    struct api_path list = api_path_field(frame->at, "addresses");
    const struct api_member *member = api_message_member_text(frame->table, "addresses");
    if (endpoint->n_addresses > member->field->rules->check->max_items) {
        return false;
    }
    for (size_t i = 0; i < endpoint->n_addresses; i++) {
        struct api_path item = api_path_index(&list, i);
        check_slice_address(causes, &item, slice->address_type,
                            text_or_empty(endpoint->addresses[i]));
    }
    return true;
}

/* Here no name is a name too: only one port may do without. */
bool rules_slice_port_name(struct api_causes *causes, const struct api_frame *frame)
{
    const Discovery__V1__EndpointPort *port = frame->message;
    const Discovery__V1__EndpointSlice *slice = frame->parent->message;
    struct api_path at = api_path_field(frame->at, "name");
    if (!rules_empty(port->name)) {
        rules_check_text(causes, frame->at, "name", port->name, api_syntax_dns1123_label);
    }
    for (size_t i = 0; i < frame->index; i++) {
        if (rules_is(slice->ports[i]->name, text_or_empty(port->name))) {
            api_cause_duplicate(causes, &at, api_shown_text(port->name));
            break;
        }
    }
    return true;
}

/* --- Events ------------------------------------------------------------------------------------
 */

enum { EVENT_NAME_MAX = 128, EVENT_NOTE_MAX = 1024 };

/* Events of objects without a namespace live in "default". */
static void check_event_namespace(struct api_causes *causes, const char *field,
                                  const Meta__V1__ObjectMeta *meta,
                                  const Core__V1__ObjectReference *object)
{
    struct api_path at = api_path_field(NULL, field);
    const char *own = text_or_empty(meta->namespace_);
    const char *other = object == NULL ? "" : text_or_empty(object->namespace_);
    bool matches = *other == '\0' ? strcmp(own, "default") == 0 || strcmp(own, "kube-system") == 0
                                  : strcmp(own, other) == 0;
    if (!matches) {
        rules_invalid(causes, &at, "namespace", api_shown_text(other),
                      "does not match event.namespace");
    }
}

static void check_event_text(struct api_causes *causes, const char *name, const char *value)
{
    struct api_path at = api_path_field(NULL, name);
    if (rules_empty(value)) {
        api_cause_required(causes, &at, "");
    } else if (strlen(value) > EVENT_NAME_MAX) {
        api_cause_invalid(causes, &at, api_shown_text(""), "can have at most 128 characters");
    }
}

static void check_event_note(struct api_causes *causes, const char *name, const char *value)
{
    if (strlen(text_or_empty(value)) > EVENT_NOTE_MAX) {
        rules_invalid(causes, NULL, name, api_shown_text(""), "can have at most 1024 characters");
    }
}

static void same(struct api_causes *causes, const char *name, bool equal, struct api_shown value)
{
    if (!equal) {
        rules_invalid(causes, NULL, name, value, "field is immutable");
    }
}

static void same_text(struct api_causes *causes, const char *name, const char *before,
                      const char *after)
{
    same(causes, name, rules_is(before, text_or_empty(after)), api_shown_text(after));
}

static void check_reporter(struct api_causes *causes, const char *name, const char *value)
{
    struct api_path at = api_path_field(NULL, name);
    if (rules_empty(value)) {
        api_cause_required(causes, &at, "");
    }
    rules_invalid_each(causes, &at, api_shown_text(value),
                       api_syntax_qualified_name(text_or_empty(value)));
}

static void check_event_type(struct api_causes *causes, const char *type)
{
    static const char *const types[] = {"Normal", "Warning", NULL};
    if (!rules_one_of(type, types)) {
        rules_invalid(causes, NULL, "type", api_shown_text(""),
                      arena_printf(causes->arena, "has invalid value: %s", text_or_empty(type)));
    }
}

/* The old group was never strict: only what newer clients send (eventTime) is checked. */
void rules_check_event(struct api_causes *causes, const void *message)
{
    const Core__V1__Event *event = message;
    check_event_namespace(causes, "involvedObject", event->metadata, event->involved_object);
    if (api_micro_time_is_zero(event->event_time)) {
        return;
    }
    check_reporter(causes, "reportingController", event->reporting_component);
    check_event_text(causes, "reportingInstance", event->reporting_instance);
    check_event_text(causes, "action", event->action);
    check_event_text(causes, "reason", event->reason);
    check_event_note(causes, "message", event->message);
}

void rules_check_event_v1(struct api_causes *causes, const void *message)
{
    const Events__V1__Event *event = message;
    check_event_namespace(causes, "involvedObject", event->metadata, event->regarding);
    if (api_micro_time_is_zero(event->event_time)) {
        rules_required(causes, NULL, "eventTime", "");
    }
    check_reporter(causes, "reportingController", event->reporting_controller);
    check_event_text(causes, "reportingInstance", event->reporting_instance);
    check_event_text(causes, "action", event->action);
    check_event_text(causes, "reason", event->reason);
    check_event_type(causes, event->type);
    check_event_note(causes, "message", event->note);
}

void rules_update_event_v1(struct api_causes *causes, const void *before, const void *after)
{
    const Events__V1__Event *old_event = before, *event = after;
    const struct api_message *reference = &core__v1__object_reference__schema;
    /* No options: the names in the paths are those of the old group. */
    same(causes, "involvedObject",
         api_message_equal(reference, old_event->regarding, event->regarding),
         api_shown_raw("object"));
    same_text(causes, "reason", old_event->reason, event->reason);
    same_text(causes, "message", old_event->note, event->note);
    same_text(causes, "type", old_event->type, event->type);
    same(causes, "eventTime",
         api_micro_time_nanos(old_event->event_time) == api_micro_time_nanos(event->event_time),
         api_shown_raw("time"));
    same(causes, "source",
         api_message_equal(&core__v1__event_source__schema, old_event->deprecated_source,
                           event->deprecated_source),
         api_shown_raw("object"));
    same(causes, "firstTimestamp",
         api_time_seconds(old_event->deprecated_first_timestamp) ==
             api_time_seconds(event->deprecated_first_timestamp),
         api_shown_raw("time"));
    same(causes, "lastTimestamp",
         api_time_seconds(old_event->deprecated_last_timestamp) ==
             api_time_seconds(event->deprecated_last_timestamp),
         api_shown_raw("time"));
    same(causes, "count", old_event->deprecated_count == event->deprecated_count,
         api_shown_int(event->deprecated_count));
    same_text(causes, "action", old_event->action, event->action);
    same(causes, "related", api_message_equal(reference, old_event->related, event->related),
         api_shown_raw("object"));
    same_text(causes, "reportingController", old_event->reporting_controller,
              event->reporting_controller);
    same_text(causes, "reportingInstance", old_event->reporting_instance,
              event->reporting_instance);
}
