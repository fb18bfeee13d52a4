/* Rules of PodDisruptionBudgets. */
#include "lib/api/intstr.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

static void check_share(struct api_causes *causes, const struct api_path *parent, const char *name,
                        const Intstr__IntOrString *value)
{
    enum { WHOLE = 100 };
    if (value == NULL) {
        return;
    }
    rules_check_amount(causes, parent, name, value);
    if (intstr_is_text(value) && rules_amount(value) > WHOLE) {
        rules_invalid(causes, parent, name, api_shown_raw(rules_amount_shown(causes->arena, value)),
                      "must not be greater than 100%");
    }
}

bool rules_disruption_budget(struct api_causes *causes, const struct api_frame *frame)
{
    const Policy__V1__PodDisruptionBudgetSpec *spec = frame->message;
    if (spec->min_available != NULL && spec->max_unavailable != NULL) {
        api_cause_invalid(causes, frame->at, api_shown_message(causes->arena, frame->table, spec),
                          "minAvailable and maxUnavailable cannot be both set");
    }
    check_share(causes, frame->at, "minAvailable", spec->min_available);
    check_share(causes, frame->at, "maxUnavailable", spec->max_unavailable);
    return true;
}
