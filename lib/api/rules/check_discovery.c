/* Checks of Endpoints, EndpointSlice and Events. */
#include "lib/api/rules/rules.h"
#include "lib/api/time.h"

static const char *const PROTOCOLS[] = {"SCTP", "TCP", "UDP", NULL};

void rules_non_special_ip(struct api_causes *causes, const struct api_path *at, const char *ip)
{
    uint8_t bytes[16];
    bool is_v6 = false;
    if (!api_ip_parse(ip, bytes, &is_v6)) {
        api_cause_invalid(causes, at, api_shown_text(ip), "must be a valid IP address");
        return;
    }
    static const uint8_t zero[16] = {0};
    const uint8_t *v4 = bytes + 12;
    bool loopback = is_v6 ? memcmp(bytes, zero, 15) == 0 && bytes[15] == 1 : v4[0] == 127;
    bool unspecified = is_v6 ? memcmp(bytes, zero, 16) == 0 : memcmp(v4, zero, 4) == 0;
    bool link_local =
        is_v6 ? bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 : v4[0] == 169 && v4[1] == 254;
    bool multicast = is_v6 ? bytes[0] == 0xff && (bytes[1] & 0x0f) == 2
                           : v4[0] == 224 && v4[1] == 0 && v4[2] == 0;
    if (unspecified) {
        api_cause_invalid(causes, at, api_shown_text(ip), "may not be unspecified (0.0.0.0 or ::)");
    }
    if (loopback) {
        api_cause_invalid(causes, at, api_shown_text(ip),
                          "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if (link_local) {
        api_cause_invalid(causes, at, api_shown_text(ip),
                          "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if (multicast) {
        api_cause_invalid(causes, at, api_shown_text(ip),
                          "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/* --- Endpoints ---------------------------------------------------------------------------------
 */

static void check_addresses(struct api_causes *causes, const struct api_path *subset,
                            const char *name, Core__V1__EndpointAddress *const *addresses,
                            size_t count)
{
    struct api_path list = api_path_field(subset, name);
    for (size_t i = 0; i < count; i++) {
        const Core__V1__EndpointAddress *address = addresses[i];
        struct api_path at = api_path_index(&list, i);
        struct api_path ip = api_path_field(&at, "ip");
        rules_invalid_each(causes, &ip, api_shown_text(address->ip),
                           api_syntax_ip(rules_text(address->ip)));
        rules_non_special_ip(causes, &ip, rules_text(address->ip));
        if (!rules_empty(address->hostname)) {
            rules_check_text(causes, &at, "hostname", address->hostname, api_syntax_dns1123_label);
        }
        if (address->node_name != NULL) {
            rules_check_text(causes, &at, "nodeName", address->node_name,
                             api_syntax_dns1123_subdomain);
        }
    }
}

static void check_endpoint_ports(struct api_causes *causes, const struct api_path *subset,
                                 const Core__V1__EndpointSubset *endpoints)
{
    struct api_path list = api_path_field(subset, "ports");
    for (size_t i = 0; i < endpoints->n_ports; i++) {
        const Core__V1__EndpointPort *port = endpoints->ports[i];
        struct api_path at = api_path_index(&list, i);
        struct api_path protocol = api_path_field(&at, "protocol");
        if (rules_empty(port->name)) {
            if (endpoints->n_ports > 1) {
                rules_required(causes, &at, "name", "");
            }
        } else {
            rules_check_text(causes, &at, "name", port->name, api_syntax_dns1123_label);
        }
        rules_check_number(causes, &at, "port", port->port, api_syntax_port_number);
        rules_enum(causes, &protocol, port->protocol, PROTOCOLS);
        if (port->app_protocol != NULL) {
            rules_check_text(causes, &at, "appProtocol", port->app_protocol,
                             api_syntax_qualified_name);
        }
    }
}

void rules_check_endpoints(struct api_causes *causes, const void *message)
{
    const Core__V1__Endpoints *endpoints = message;
    struct api_path list = api_path_field(NULL, "subsets");
    for (size_t i = 0; i < endpoints->n_subsets; i++) {
        const Core__V1__EndpointSubset *subset = endpoints->subsets[i];
        struct api_path at = api_path_index(&list, i);
        if (subset->n_addresses == 0 && subset->n_not_ready_addresses == 0) {
            api_cause_required(causes, &at, "must specify `addresses` or `notReadyAddresses`");
        }
        check_addresses(causes, &at, "addresses", subset->addresses, subset->n_addresses);
        check_addresses(causes, &at, "notReadyAddresses", subset->not_ready_addresses,
                        subset->n_not_ready_addresses);
        check_endpoint_ports(causes, &at, subset);
    }
}

/* --- EndpointSlice -----------------------------------------------------------------------------
 */

enum {
    SLICE_ENDPOINTS_MAX = 1000,
    SLICE_PORTS_MAX = 20000,
    SLICE_ADDRESSES_MAX = 100,
    SLICE_HINTS_MAX = 8,
};

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
                          is_v6 ? "must be an IPv4 address" : "must be an IPv6 address");
    } else {
        rules_non_special_ip(causes, at, address);
    }
}

static void check_endpoint(struct api_causes *causes, const struct api_path *at, const char *type,
                           const Discovery__V1__Endpoint *endpoint)
{
    struct api_path list = api_path_field(at, "addresses");
    if (endpoint->n_addresses == 0) {
        api_cause_required(causes, &list, "must contain at least 1 address");
    } else if (endpoint->n_addresses > SLICE_ADDRESSES_MAX) {
        api_cause_too_many(causes, &list, endpoint->n_addresses, SLICE_ADDRESSES_MAX);
        return;
    }
    for (size_t i = 0; i < endpoint->n_addresses; i++) {
        struct api_path item = api_path_index(&list, i);
        check_slice_address(causes, &item, type, rules_text(endpoint->addresses[i]));
    }
    if (endpoint->node_name != NULL) {
        rules_check_text(causes, at, "nodeName", endpoint->node_name, api_syntax_dns1123_subdomain);
    }
    if (endpoint->hostname != NULL) {
        rules_check_text(causes, at, "hostname", endpoint->hostname, api_syntax_dns1123_label);
    }
}

static void check_slice_ports(struct api_causes *causes, const Discovery__V1__EndpointSlice *slice)
{
    struct api_path list = api_path_field(NULL, "ports");
    if (slice->n_ports > SLICE_PORTS_MAX) {
        api_cause_too_many(causes, &list, slice->n_ports, SLICE_PORTS_MAX);
        return;
    }
    for (size_t i = 0; i < slice->n_ports; i++) {
        const Discovery__V1__EndpointPort *port = slice->ports[i];
        struct api_path at = api_path_index(&list, i);
        struct api_path protocol = api_path_field(&at, "protocol");
        struct api_path name = api_path_field(&at, "name");
        if (!rules_empty(port->name)) {
            rules_invalid_each(causes, &name, api_shown_text(port->name),
                               api_syntax_dns1123_label(port->name));
        }
        for (size_t j = 0; j < i; j++) {
            if (rules_is(slice->ports[j]->name, rules_text(port->name))) {
                api_cause_duplicate(causes, &name, api_shown_text(port->name));
                break;
            }
        }
        rules_enum(causes, &protocol, port->protocol, PROTOCOLS);
        if (port->app_protocol != NULL) {
            rules_check_text(causes, &at, "appProtocol", port->app_protocol,
                             api_syntax_qualified_name);
        }
    }
}

void rules_check_endpoint_slice(struct api_causes *causes, const void *message)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    const Discovery__V1__EndpointSlice *slice = message;
    struct api_path type = api_path_field(NULL, "addressType");
    struct api_path list = api_path_field(NULL, "endpoints");
    rules_enum(causes, &type, slice->address_type, types);
    if (rules_one_of(slice->address_type, types)) {
        if (slice->n_endpoints > SLICE_ENDPOINTS_MAX) {
            api_cause_too_many(causes, &list, slice->n_endpoints, SLICE_ENDPOINTS_MAX);
            return;
        }
        for (size_t i = 0; i < slice->n_endpoints; i++) {
            struct api_path item = api_path_index(&list, i);
            check_endpoint(causes, &item, slice->address_type, slice->endpoints[i]);
        }
    }
    check_slice_ports(causes, slice);
}

void rules_update_endpoint_slice(struct api_causes *causes, const void *before, const void *after)
{
    const Discovery__V1__EndpointSlice *old_slice = before, *slice = after;
    rules_check_endpoint_slice(causes, after);
    rules_immutable(causes, NULL, "addressType",
                    rules_is(old_slice->address_type, rules_text(slice->address_type)));
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
    const char *own = rules_text(meta->namespace_);
    const char *other = object == NULL ? "" : rules_text(object->namespace_);
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
    if (strlen(rules_text(value)) > EVENT_NOTE_MAX) {
        rules_invalid(causes, NULL, name, api_shown_text(""), "can have at most 1024 characters");
    }
}

static void check_reporter(struct api_causes *causes, const char *name, const char *value)
{
    struct api_path at = api_path_field(NULL, name);
    if (rules_empty(value)) {
        api_cause_required(causes, &at, "");
    }
    rules_invalid_each(causes, &at, api_shown_text(value),
                       api_syntax_qualified_name(rules_text(value)));
}

static void check_event_type(struct api_causes *causes, const char *type)
{
    static const char *const types[] = {"Normal", "Warning", NULL};
    if (!rules_one_of(type, types)) {
        rules_invalid(causes, NULL, "type", api_shown_text(""),
                      arena_printf(causes->arena, "has invalid value: %s", rules_text(type)));
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
    check_event_type(causes, event->type);
    check_reporter(causes, "reportingController", event->reporting_controller);
    check_event_text(causes, "reportingInstance", event->reporting_instance);
    check_event_text(causes, "action", event->action);
    check_event_text(causes, "reason", event->reason);
    check_event_note(causes, "message", event->note);
}

void rules_update_event_v1(struct api_causes *causes, const void *before, const void *after)
{
    const Events__V1__Event *old_event = before, *event = after;
    const struct api_message *reference = api_message_find("k8s.io.api.core.v1.ObjectReference");
    rules_immutable(causes, NULL, "involvedObject",
                    api_message_equal(reference, old_event->regarding, event->regarding));
    rules_immutable(causes, NULL, "reason", rules_is(old_event->reason, rules_text(event->reason)));
    rules_immutable(causes, NULL, "message", rules_is(old_event->note, rules_text(event->note)));
    rules_immutable(causes, NULL, "type", rules_is(old_event->type, rules_text(event->type)));
    rules_immutable(causes, NULL, "eventTime",
                    api_micro_time_nanos(old_event->event_time) ==
                        api_micro_time_nanos(event->event_time));
    rules_immutable(causes, NULL, "action", rules_is(old_event->action, rules_text(event->action)));
    rules_immutable(causes, NULL, "related",
                    api_message_equal(reference, old_event->related, event->related));
    rules_immutable(
        causes, NULL, "reportingController",
        rules_is(old_event->reporting_controller, rules_text(event->reporting_controller)));
    rules_immutable(causes, NULL, "reportingInstance",
                    rules_is(old_event->reporting_instance, rules_text(event->reporting_instance)));
}
