/* Rules of FlowSchemas and priority levels. */
#include "lib/api/rules/rules.h"

static const char EXEMPT[] = "exempt";

static const char *name_of(const struct api_frame *frame)
{
    const Flowcontrol__V1__FlowSchema *object = frame->parent->message; /* Metadata comes first. */
    return text_or_empty(object->metadata->name);
}

/* --- PriorityLevelConfiguration ----------------------------------------------------------------
 */

bool rules_priority_level(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec = frame->message;
    bool exempt = rules_is(spec->type, "Exempt");
    const Flowcontrol__V1__PriorityLevelConfiguration *level = frame->parent->message;
    if (rules_is(level->metadata->name, EXEMPT) != exempt) {
        rules_invalid(causes, frame->at, "type", api_shown_text(spec->type),
                      "type must be 'Exempt' if and only if name is 'exempt'");
    }
    if (exempt && spec->limited != NULL) {
        rules_forbidden(causes, frame->at, "limited", "must be nil if the type is not Limited");
    }
    if (rules_is(spec->type, "Limited")) {
        if (spec->exempt != NULL) {
            rules_forbidden(causes, frame->at, "exempt", "must be nil if the type is Limited");
        }
        if (spec->limited == NULL) {
            rules_required(causes, frame->at, "limited", "must not be empty when type is Limited");
        }
    }
    return true;
}

bool rules_limit_response(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__LimitResponse *response = frame->message;
    if (rules_is(response->type, "Reject") && response->queuing != NULL) {
        rules_forbidden(causes, frame->at, "queuing",
                        "must be nil if limited.limitResponse.type is not Limited");
        return false;
    }
    if (rules_is(response->type, "Queue") && response->queuing == NULL) {
        rules_required(causes, frame->at, "queuing",
                       "must not be empty if limited.limitResponse.type is Limited");
    }
    return true;
}

/* Whether a hash has enough bits to deal a hand: deck to the power of hand is at most 2^60. */
static bool can_deal(int32_t deck, int32_t hand)
{
    enum { HASH_BITS = 60 };
    uint64_t hands = 1;
    for (int32_t i = 0; i < hand && deck > 1; i++) {
        if (hands > (UINT64_C(1) << HASH_BITS) / (uint64_t)deck) {
            return false;
        }
        hands *= (uint64_t)deck;
    }
    return true;
}

bool rules_queuing(struct api_causes *causes, const struct api_frame *frame)
{
    enum { QUEUES_MAX = 10 * 1000 * 1000 };
    const Flowcontrol__V1__QueuingConfiguration *queuing = frame->message;
    struct api_shown hand = api_shown_int(queuing->hand_size);
    if (queuing->queues > QUEUES_MAX) {
        rules_invalid(causes, frame->at, "queues", api_shown_int(queuing->queues),
                      arena_printf(causes->arena, "must not be greater than %d", QUEUES_MAX));
    } else if (queuing->hand_size > queuing->queues) {
        rules_invalid(
            causes, frame->at, "handSize", hand,
            arena_printf(causes->arena, "should not be greater than queues (%d)", queuing->queues));
    } else if (!can_deal(queuing->queues, queuing->hand_size)) {
        rules_invalid(causes, frame->at, "handSize", hand,
                      arena_printf(causes->arena,
                                   "required entropy bits of deckSize %d and handSize %d should "
                                   "not be greater than 60",
                                   queuing->queues, queuing->hand_size));
    }
    return true;
}

/* --- FlowSchema --------------------------------------------------------------------------------
 */

bool rules_flow_schema(struct api_causes *causes, const struct api_frame *frame)
{
    enum { PRECEDENCE_MAX = 10000 };
    static const char *const methods[] = {"ByNamespace", "ByUser", NULL};
    const Flowcontrol__V1__FlowSchemaSpec *spec = frame->message;
    struct api_shown precedence = api_shown_int(spec->matching_precedence);
    if (spec->matching_precedence <= 0) {
        rules_invalid(causes, frame->at, "matchingPrecedence", precedence,
                      "must be a positive value");
    } else if (spec->matching_precedence > PRECEDENCE_MAX) {
        rules_invalid(causes, frame->at, "matchingPrecedence", precedence,
                      "must not be greater than 10000");
    } else if (spec->matching_precedence == 1 && strcmp(name_of(frame), EXEMPT) != 0) {
        rules_invalid(causes, frame->at, "matchingPrecedence", precedence,
                      "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if (spec->distinguisher_method != NULL &&
        !rules_one_of(spec->distinguisher_method->type, methods)) {
        rules_not_supported(causes, frame->at, "distinguisherMethod",
                            spec->distinguisher_method->type, methods);
    }
    return true;
}

bool rules_flow_rules(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__PolicyRulesWithSubjects *rules = frame->message;
    if (rules->n_resource_rules == 0 && rules->n_non_resource_rules == 0) {
        api_cause_required(
            causes, frame->at,
            "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    return true;
}

bool rules_flow_resources(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__ResourcePolicyRule *rule = frame->message;
    rules_star_alone(causes, frame->at, "verbs", rule->verbs, rule->n_verbs, "verbs");
    rules_star_alone(causes, frame->at, "apiGroups", rule->api_groups, rule->n_api_groups,
                     "api groups");
    rules_star_alone(causes, frame->at, "resources", rule->resources, rule->n_resources,
                     "resources");
    rules_star_alone(causes, frame->at, "namespaces", rule->namespaces, rule->n_namespaces,
                     "namespaces");
    if (rule->n_namespaces == 0 && !rule->cluster_scope) {
        rules_required(causes, frame->at, "namespaces",
                       "resource rules that are not cluster scoped must supply at least one "
                       "namespace");
    }
    return true;
}

bool rules_flow_paths(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__NonResourcePolicyRule *rule = frame->message;
    rules_star_alone(causes, frame->at, "verbs", rule->verbs, rule->n_verbs, "verbs");
    rules_star_alone(causes, frame->at, "nonResourceURLs", rule->non_resource_urls,
                     rule->n_non_resource_urls, "non-resource URLs");
    return true;
}

/* "*" is every service account of the namespace. */
bool rules_flow_account(struct api_causes *causes, const struct api_frame *frame)
{
    const char *name = ((const Flowcontrol__V1__ServiceAccountSubject *)frame->message)->name;
    if (!rules_empty(name) && !rules_is(name, "*")) {
        rules_check_text(causes, frame->at, "name", name, api_syntax_dns1123_subdomain);
    }
    return true;
}

/* Exactly the member that the kind is about. */
bool rules_flow_subject(struct api_causes *causes, const struct api_frame *frame)
{
    static const struct {
        const char *kind, *member;
    } members[] = {{"ServiceAccount", "serviceAccount"}, {"User", "user"}, {"Group", "group"}};
    const char *kind = ((const Flowcontrol__V1__Subject *)frame->message)->kind;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct api_member *member = api_message_member_text(frame->table, members[i].member);
        bool present = api_field_is_set(member->field, frame->message);
        if (rules_is(kind, members[i].kind) && !present) {
            rules_required(causes, frame->at, members[i].member,
                           arena_printf(causes->arena, "%s is required when subject kind is '%s'",
                                        members[i].member, members[i].kind));
        } else if (!rules_is(kind, members[i].kind) && present) {
            rules_forbidden(causes, frame->at, members[i].member,
                            arena_printf(causes->arena,
                                         "%s is forbidden when subject kind is not '%s'",
                                         members[i].member, members[i].kind));
        }
    }
    return true;
}
