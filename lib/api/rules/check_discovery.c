/* Rules of Endpoints and EndpointSlice. */
#include "lib/api/rules/rules.h"

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
    bool is_v6 = false, wants_v6 = strcmp(type, "IPv6") == 0;
    if (strcmp(type, "FQDN") == 0) {
        rules_invalid_each(causes, at, api_shown_text(address), api_syntax_fqdn(address));
        return;
    }
    if (!api_ip_parse(address, bytes, &is_v6) || is_v6 != wants_v6) {
        api_cause_invalid(causes, at, api_shown_text(address),
                          wants_v6 ? "must be a valid IPv6 address"
                                   : "must be a valid IPv4 address");
    }
    rules_invalid_each(causes, at, api_shown_text(address), api_syntax_non_special_ip(address));
}

/* Too many of them are looked at all the same. */
bool rules_slice_addresses(struct api_causes *causes, const struct api_frame *frame)
{
    const Discovery__V1__Endpoint *endpoint = frame->message;
    const Discovery__V1__EndpointSlice *slice = frame->parent->message;
    struct api_path list = api_path_field(frame->at, "addresses");
    for (size_t i = 0; i < endpoint->n_addresses && !api_causes_full(causes); i++) {
        struct api_path item = api_path_index(&list, i);
        check_slice_address(causes, &item, slice->address_type,
                            text_or_empty(endpoint->addresses[i]));
    }
    return true;
}

static const char *zone_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    (void)arena, (void)of;
    return text_or_empty(((const Discovery__V1__ForZone *const *)list)[index]->name);
}

bool rules_slice_zone(struct api_causes *causes, const struct api_frame *frame)
{
    const Discovery__V1__ForZone *zone = frame->message;
    const Discovery__V1__EndpointHints *hints = frame->parent->message;
    struct api_path at = api_path_field(frame->at, "name");
    if (api_seen_before(causes, zone_name, hints->for_zones, NULL, frame->index)) {
        api_cause_duplicate(causes, &at, api_shown_text(zone->name));
    }
    return true;
}

static const char *port_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    (void)arena, (void)of;
    return text_or_empty(((const Discovery__V1__EndpointPort *const *)list)[index]->name);
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
    if (api_seen_before(causes, port_name, slice->ports, NULL, frame->index)) {
        api_cause_duplicate(causes, &at, api_shown_text(port->name));
    }
    return true;
}
