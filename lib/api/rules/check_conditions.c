/* Rules of the conditions in a status that v1.32 looks at: those of the common form. */
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"
#include "lib/base/name_index.h"

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_in_reason(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* Not empty. */
static bool is_reason(const char *text)
{
    size_t len = 0;
    while (is_in_reason(text[len]) || text[len] == ',' || text[len] == ':') {
        len++;
    }
    return text[len] == '\0' && is_letter(text[0]) && is_in_reason(text[len - 1]);
}

static void check_reason(struct api_causes *causes, const struct api_path *condition,
                         const char *reason)
{
    enum { REASON_BYTES_MAX = 1024 };
    struct api_path at = api_path_field(condition, "reason");
    if (rules_empty(reason)) {
        api_cause_required(causes, &at, "must be set");
        return;
    }
    if (!is_reason(reason)) {
        api_cause_invalid(causes, &at, api_shown_text(reason),
                          "a condition reason must start with alphabetic character, optionally "
                          "followed by a string of alphanumeric characters or '_,:', and must end "
                          "with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  "
                          "or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used "
                          "for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
    }
    if (strlen(reason) > REASON_BYTES_MAX) {
        api_cause_too_long(causes, &at, REASON_BYTES_MAX);
    }
}

static void check_condition(struct api_causes *causes, const struct api_path *at,
                            const Meta__V1__Condition *condition)
{
    enum { MESSAGE_BYTES_MAX = 32 * 1024 };
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    struct api_path message = api_path_field(at, "message");
    rules_check_text(causes, at, "type", text_or_empty(condition->type), api_syntax_qualified_name);
    if (!rules_one_of(condition->status, statuses)) {
        rules_not_supported(causes, at, "status", text_or_empty(condition->status), statuses);
    }
    if (condition->observed_generation < 0) {
        rules_invalid(causes, at, "observedGeneration",
                      api_shown_int(condition->observed_generation),
                      "must be greater than or equal to zero");
    }
    if (api_time_is_zero(condition->last_transition_time)) {
        rules_required(causes, at, "lastTransitionTime", "must be set");
    }
    check_reason(causes, at, condition->reason);
    if (strlen(text_or_empty(condition->message)) > MESSAGE_BYTES_MAX) {
        api_cause_too_long(causes, &message, MESSAGE_BYTES_MAX);
    }
}

static void check_conditions(struct api_causes *causes, const struct api_path *status,
                             Meta__V1__Condition *const *conditions, size_t count)
{
    struct text_set types = {.arena = causes->arena};
    struct api_path list = api_path_field(status, "conditions");
    for (size_t i = 0; i < count && !api_causes_full(causes); i++) {
        struct api_path at = api_path_index(&list, i);
        struct api_path type = api_path_field(&at, "type");
        const char *text = text_or_empty(conditions[i]->type);
        if (!text_set_add(&types, text)) {
            api_cause_duplicate(causes, &type, api_shown_text(text));
        }
        check_condition(causes, &at, conditions[i]);
    }
}

bool rules_budget_conditions(struct api_causes *causes, const struct api_frame *frame)
{
    const Policy__V1__PodDisruptionBudgetStatus *status = frame->message;
    check_conditions(causes, frame->at, status->conditions, status->n_conditions);
    return true;
}

bool rules_policy_conditions(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ValidatingAdmissionPolicyStatus *status = frame->message;
    check_conditions(causes, frame->at, status->conditions, status->n_conditions);
    return true;
}
