/* Rules of FlowSchemas and priority levels. */
#include "lib/api/flow_fixed.h"
#include "lib/api/limits.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include <string.h>

static const char EXEMPT[] = "exempt";

static const char *name_of(const struct api_frame *frame)
{
    const Flowcontrol__V1__FlowSchema *object = frame->parent->message; /* Metadata comes first. */
    return text_or_empty(object->metadata->name);
}

/* --- What must be as it is ---------------------------------------------------------------------
 */

bool rules_flow_fixed(struct api_causes *causes, const struct api_frame *frame)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *name = name_of(frame);
    const void *fixed = api_flow_schema_fixed(name, arena);
    if (fixed != NULL && !api_message_equal(frame->table, fixed, frame->message)) {
        api_cause_invalid(
            causes, frame->at, api_shown_message(causes->arena, frame->table, frame->message),
            arena_printf(causes->arena, "spec of '%s' must equal the fixed value", name));
    }
    return true;
}

static void check_level_fixed(struct api_causes *causes, const struct api_frame *frame)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const Flowcontrol__V1__PriorityLevelConfiguration *level = frame->parent->message;
    const char *name = text_or_empty(level->metadata->name);
    Flowcontrol__V1__PriorityLevelConfigurationSpec spec = *level->spec;
    bool exempt = strcmp(name, EXEMPT) == 0;
    spec.exempt = exempt ? NULL : spec.exempt;
    const void *fixed = api_priority_level_fixed(name, arena);
    if (fixed != NULL && !api_message_equal(frame->table, fixed, &spec)) {
        api_cause_invalid(causes, frame->at,
                          api_shown_message(causes->arena, frame->table, frame->message),
                          arena_printf(causes->arena, "spec of '%s' %smust equal the fixed value",
                                       name, exempt ? "except the 'spec.exempt' field " : ""));
    }
}

/* --- PriorityLevelConfiguration ----------------------------------------------------------------
 */

/* Only what belongs to the type is looked into. */
bool rules_priority_level(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec = frame->message;
    bool exempt = rules_is(spec->type, "Exempt");
    const Flowcontrol__V1__PriorityLevelConfiguration *level = frame->parent->message;
    if (rules_is(level->metadata->name, EXEMPT) != exempt) {
        rules_invalid(causes, frame->at, "type", api_shown_text(spec->type),
                      "type must be 'Exempt' if and only if name is 'exempt'");
    }
    if (exempt) {
        if (spec->limited != NULL) {
            rules_forbidden(causes, frame->at, "limited", "must be nil if the type is not Limited");
        }
        api_check_member(causes, frame, "exempt");
    } else if (rules_is(spec->type, "Limited")) {
        if (spec->exempt != NULL) {
            rules_forbidden(causes, frame->at, "exempt", "must be nil if the type is Limited");
        }
        if (spec->limited == NULL) {
            rules_required(causes, frame->at, "limited", "must not be empty when type is Limited");
        }
        api_check_member(causes, frame, "limited");
    } else {
        api_check_member(causes, frame, "type");
    }
    check_level_fixed(causes, frame);
    return false;
}

bool rules_limit_response(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__LimitResponse *response = frame->message;
    if (rules_is(response->type, "Reject")) {
        if (response->queuing != NULL) {
            rules_forbidden(causes, frame->at, "queuing",
                            "must be nil if limited.limitResponse.type is not Limited");
        }
        return false;
    }
    if (rules_is(response->type, "Queue") && response->queuing == NULL) {
        rules_required(causes, frame->at, "queuing",
                       "must not be empty if limited.limitResponse.type is Limited");
    }
    api_check_member(causes, frame, rules_is(response->type, "Queue") ? "queuing" : "type");
    return false;
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

bool rules_queues(struct api_causes *causes, const struct api_frame *frame)
{
    enum { QUEUES_MAX = 10 * 1000 * 1000 };
    const Flowcontrol__V1__QueuingConfiguration *queuing = frame->message;
    if (queuing->queues > QUEUES_MAX) {
        rules_invalid(causes, frame->at, "queues", api_shown_int(queuing->queues),
                      arena_printf(causes->arena, "must not be greater than %d", QUEUES_MAX));
    }
    return true;
}

bool rules_hand_size(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__QueuingConfiguration *queuing = frame->message;
    struct api_shown hand = api_shown_int(queuing->hand_size);
    if (queuing->hand_size <= 0) {
        return true; /* Said already. */
    }
    if (queuing->hand_size > queuing->queues) {
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
        CLEANUP(buffer_release) struct buffer shown;
        struct api_path method = api_path_field(frame->at, "distinguisherMethod");
        struct api_path at = api_path_field(&method, "type");
        buffer_init(&shown, API_SHOWN_MAX);
        buffer_append_text(&shown, "flowcontrol.FlowDistinguisherMethod{Type:");
        api_print_quoted(text_or_empty(spec->distinguisher_method->type), &shown);
        buffer_append_text(&shown, "}");
        api_cause_not_supported(causes, &at, api_shown_raw(buffer_text(&shown)), methods);
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

static void check_verbs(struct api_causes *causes, const struct api_path *parent,
                        char *const *verbs, size_t count)
{
    static const char *const known[] = {"create", "delete", "deletecollection", "get",   "list",
                                        "patch",  "proxy",  "update",           "watch", NULL};
    struct api_path at = api_path_field(parent, "verbs");
    rules_star_alone(causes, parent, "verbs", verbs, count, "verbs");
    if (rules_has(verbs, count, "*")) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!rules_one_of(verbs[i], known)) {
            api_cause_not_supported(causes, &at, api_shown_texts(causes->arena, verbs, count),
                                    known);
            return;
        }
    }
}

static void check_namespaces(struct api_causes *causes, const struct api_path *parent,
                             const Flowcontrol__V1__ResourcePolicyRule *rule)
{
    struct api_path list = api_path_field(parent, "namespaces");
    rules_star_alone(causes, parent, "namespaces", rule->namespaces, rule->n_namespaces,
                     "namespaces");
    if (rules_has(rule->namespaces, rule->n_namespaces, "*")) {
        return;
    }
    for (size_t i = 0; i < rule->n_namespaces; i++) {
        const char *name = text_or_empty(rule->namespaces[i]);
        struct api_path at = api_path_index(&list, i);
        struct api_syntax wrong = api_syntax_dns1123_label(name);
        for (size_t j = 0; j < wrong.count; j++) {
            api_cause_invalid(causes, &at, api_shown_text(name),
                              arena_printf(causes->arena,
                                           "each member of this list must be '*' or a DNS-1123 "
                                           "label; %s",
                                           wrong.messages[j]));
        }
    }
}

bool rules_flow_verbs(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__ResourcePolicyRule *rule = frame->message;
    check_verbs(causes, frame->at, rule->verbs, rule->n_verbs);
    return true;
}

bool rules_flow_groups(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__ResourcePolicyRule *rule = frame->message;
    rules_star_alone(causes, frame->at, "apiGroups", rule->api_groups, rule->n_api_groups,
                     "api groups");
    return true;
}

bool rules_flow_resources(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__ResourcePolicyRule *rule = frame->message;
    rules_star_alone(causes, frame->at, "resources", rule->resources, rule->n_resources,
                     "resources");
    return true;
}

bool rules_flow_namespaces(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__ResourcePolicyRule *rule = frame->message;
    if (rule->n_namespaces == 0 && !rule->cluster_scope) {
        rules_required(causes, frame->at, "namespaces",
                       "resource rules that are not cluster scoped must supply at least one "
                       "namespace");
    }
    check_namespaces(causes, frame->at, rule);
    return true;
}

/* NULL when it is one. */
static const char *wrong_path(const char *path)
{
    const char *star = strchr(path, '*');
    if (*path == '\0') {
        return "must not be empty";
    }
    if (strcmp(path, "/") == 0) {
        return NULL;
    }
    if (*path != '/') {
        return "must start with slash";
    }
    if (strchr(path, ' ') != NULL) {
        return "must not contain white-space";
    }
    if (strstr(path, "//") != NULL) {
        return "must not contain double slash";
    }
    return star != NULL && (star[1] != '\0' || star[-1] != '/')
               ? "wildcard can only do suffix matching"
               : NULL;
}

bool rules_flow_path_verbs(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__NonResourcePolicyRule *rule = frame->message;
    check_verbs(causes, frame->at, rule->verbs, rule->n_verbs);
    return true;
}

bool rules_flow_paths(struct api_causes *causes, const struct api_frame *frame)
{
    const Flowcontrol__V1__NonResourcePolicyRule *rule = frame->message;
    struct api_path list = api_path_field(frame->at, "nonResourceURLs");
    rules_star_alone(causes, frame->at, "nonResourceURLs", rule->non_resource_urls,
                     rule->n_non_resource_urls, "non-resource URLs");
    if (rules_has(rule->non_resource_urls, rule->n_non_resource_urls, "*")) {
        return true;
    }
    for (size_t i = 0; i < rule->n_non_resource_urls; i++) {
        struct api_path at = api_path_index(&list, i);
        const char *path = text_or_empty(rule->non_resource_urls[i]);
        const char *wrong = wrong_path(path);
        if (wrong != NULL) {
            api_cause_invalid(causes, &at, api_shown_text(path), wrong);
        }
    }
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

static bool has_member(const struct api_frame *frame, const char *name)
{
    const struct api_member *member = api_message_member_text(frame->table, name);
    return api_field_is_set(member->field, frame->message);
}

/* Exactly the member that the kind is about. */
bool rules_flow_subject(struct api_causes *causes, const struct api_frame *frame)
{
    static const struct {
        const char *kind, *member;
    } members[] = {{"ServiceAccount", "serviceAccount"}, {"User", "user"}, {"Group", "group"}};
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    const char *kind = ((const Flowcontrol__V1__Subject *)frame->message)->kind;
    if (!rules_one_of(kind, kinds)) {
        return false; /* Said already. */
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!rules_is(kind, members[i].kind)) {
            continue;
        }
        if (!has_member(frame, members[i].member)) {
            rules_required(causes, frame->at, members[i].member,
                           arena_printf(causes->arena, "%s is required when subject kind is '%s'",
                                        members[i].member, members[i].kind));
        }
        api_check_member(causes, frame, members[i].member);
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!rules_is(kind, members[i].kind) && has_member(frame, members[i].member)) {
            rules_forbidden(causes, frame->at, members[i].member,
                            arena_printf(causes->arena,
                                         "%s is forbidden when subject kind is not '%s'",
                                         members[i].member, members[i].kind));
        }
    }
    return false; /* What is forbidden is not looked into. */
}
