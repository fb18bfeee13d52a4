/* Rules of NetworkPolicies. */
#include "lib/api/intstr.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

/* --- Ports -------------------------------------------------------------------------------------
 */

static void check_numbers(struct api_causes *causes, const struct api_path *at,
                          const Networking__V1__NetworkPolicyPort *port)
{
    int32_t number = intstr_int(port->port);
    struct api_path port_at = api_path_field(at, "port");
    struct api_path end_at = api_path_field(at, "endPort");
    rules_invalid_each(causes, &port_at, api_shown_int(number), api_syntax_port_number(number));
    if (!port->has_end_port) {
        return;
    }
    if (port->end_port < number) {
        api_cause_invalid(causes, &end_at, api_shown_int(number),
                          "must be greater than or equal to `port`");
    }
    rules_invalid_each(causes, &end_at, api_shown_int(port->end_port),
                       api_syntax_port_number(port->end_port));
}

bool rules_policy_port(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__NetworkPolicyPort *port = frame->message;
    bool named = port->port != NULL && intstr_is_text(port->port);
    if (port->has_end_port && (named || port->port == NULL)) {
        rules_invalid(causes, frame->at, "endPort", api_shown_int(port->end_port),
                      named ? "may not be specified when `port` is non-numeric"
                            : "may not be specified when `port` is not specified");
    }
    if (named) {
        rules_check_text(causes, frame->at, "port", intstr_text(port->port), api_syntax_port_name);
    } else if (port->port != NULL) {
        check_numbers(causes, frame->at, port);
    }
    return true;
}

/* --- Peers -------------------------------------------------------------------------------------
 */

bool rules_policy_peer(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__NetworkPolicyPeer *peer = frame->message;
    bool selected = peer->pod_selector != NULL || peer->namespace_selector != NULL;
    if (!selected && peer->ip_block == NULL) {
        api_cause_required(causes, frame->at, "must specify a peer");
    } else if (selected && peer->ip_block != NULL) {
        api_cause_forbidden(causes, frame->at, "may not specify both ipBlock and another peer");
    }
    return true;
}

static bool has_prefix(const uint8_t ip[16], const uint8_t net[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xFF00U >> rest);
    return memcmp(ip, net, whole) == 0 && (rest == 0 || (ip[whole] & mask) == (net[whole] & mask));
}

/* Whether all of `inner` is in `outer`, and not all of `outer` in it. */
static bool is_part_of(const char *inner, const char *outer)
{
    enum { IPV4_PREFIX_BITS = 96 };
    uint8_t ip[16], net[16];
    unsigned ip_bits = 0, net_bits = 0;
    bool is_v6 = false, net_is_v6 = false;
    return api_cidr_parse(inner, ip, &ip_bits, &is_v6) &&
           api_cidr_parse(outer, net, &net_bits, &net_is_v6) && is_v6 == net_is_v6 &&
           net_bits < ip_bits && has_prefix(ip, net, net_bits + (net_is_v6 ? 0 : IPV4_PREFIX_BITS));
}

bool rules_ip_block(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__IPBlock *block = frame->message;
    struct api_path except = api_path_field(frame->at, "except");
    if (rules_empty(block->cidr)) {
        rules_required(causes, frame->at, "cidr", "");
        return false;
    }
    struct api_syntax wrong = api_syntax_cidr(block->cidr);
    rules_check_text(causes, frame->at, "cidr", block->cidr, api_syntax_cidr);
    for (size_t i = 0; wrong.count == 0 && i < block->n_except; i++) {
        struct api_path item = api_path_index(&except, i);
        struct api_shown shown = api_shown_text(block->except[i]);
        struct api_syntax inner = api_syntax_cidr(text_or_empty(block->except[i]));
        rules_invalid_each(causes, &item, shown, inner);
        if (inner.count == 0 && !is_part_of(block->except[i], block->cidr)) {
            api_cause_invalid(causes, &item, shown, "must be a strict subset of `cidr`");
        }
    }
    return false;
}

/* --- The policy --------------------------------------------------------------------------------
 */

bool rules_policy_types(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__NetworkPolicySpec *spec = frame->message;
    enum { TYPES = 2 };
    if (spec->n_policy_types > TYPES) {
        rules_invalid(causes, frame->at, "policyTypes",
                      api_shown_typed_texts(causes->arena, "networking.PolicyType",
                                            spec->policy_types, spec->n_policy_types),
                      "may not specify more than two policyTypes");
        return false;
    }
    return true;
}

/* A policy that says nothing is about incoming traffic, and about outgoing where it has rules. */
void default_network_policy(struct arena *arena, void *message)
{
    Networking__V1__NetworkPolicySpec *spec = message;
    if (spec->n_policy_types > 0) {
        return;
    }
    spec->policy_types = arena_array(arena, 2, sizeof(char *));
    spec->policy_types[spec->n_policy_types++] = arena_text(arena, "Ingress");
    if (spec->n_egress > 0) {
        spec->policy_types[spec->n_policy_types++] = arena_text(arena, "Egress");
    }
}
