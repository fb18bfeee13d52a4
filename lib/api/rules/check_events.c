/* Rules of Events. All are held to what the old group asks of them; what comes in the new group's
 * form is held to more, in the old group's names. */
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/time.h"

enum { EVENT_NAME_MAX = 128, EVENT_NOTE_MAX = 1024 };

/* What both forms say, and how the old group's rules call the member that differs. */
struct said {
    const Meta__V1__ObjectMeta *metadata;
    const Core__V1__ObjectReference *about;
    const char *controller_name;
    const char *controller, *instance, *action, *reason, *note;
    bool timed; /* With an eventTime, which old clients do not send. */
};

/* --- What the old group asks -------------------------------------------------------------------
 */

/* Events of objects without a namespace live in "default"; some are in "kube-system". */
static void check_namespace(struct api_causes *causes, const struct said *said)
{
    struct api_path at = api_path_field(NULL, "involvedObject");
    const char *own = text_or_empty(said->metadata->namespace_);
    const char *other = said->about == NULL ? "" : text_or_empty(said->about->namespace_);
    bool matches = strcmp(own, other) == 0 || (*other != '\0' && said->timed);
    if (*other == '\0') {
        matches = strcmp(own, "default") == 0 || (said->timed && strcmp(own, "kube-system") == 0);
    }
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

static void check_reporter(struct api_causes *causes, const char *name, const char *value)
{
    struct api_path at = api_path_field(NULL, name);
    if (rules_empty(value)) {
        api_cause_required(causes, &at, "");
    }
    rules_invalid_each(causes, &at, api_shown_text(value),
                       api_syntax_qualified_name(text_or_empty(value)));
}

static void check_said(struct api_causes *causes, const struct said *said)
{
    check_namespace(causes, said);
    if (!said->timed) {
        return;
    }
    check_reporter(causes, said->controller_name, said->controller);
    check_event_text(causes, "reportingInstance", said->instance);
    check_event_text(causes, "action", said->action);
    check_event_text(causes, "reason", said->reason);
    if (strlen(text_or_empty(said->note)) > EVENT_NOTE_MAX) {
        rules_invalid(causes, NULL, "message", api_shown_text(""),
                      "can have at most 1024 characters");
    }
}

void rules_check_event(struct api_causes *causes, const void *message)
{
    const Core__V1__Event *event = message;
    const struct said said = {.metadata = event->metadata,
                              .about = event->involved_object,
                              .controller_name = "reportingComponent",
                              .controller = event->reporting_component,
                              .instance = event->reporting_instance,
                              .action = event->action,
                              .reason = event->reason,
                              .note = event->message,
                              .timed = !api_micro_time_is_zero(event->event_time)};
    check_said(causes, &said);
}

/* --- What the new group asks -------------------------------------------------------------------
 */

static void check_said_v1(struct api_causes *causes, const Events__V1__Event *event)
{
    const struct said said = {.metadata = event->metadata,
                              .about = event->regarding,
                              .controller_name = "reportingController",
                              .controller = event->reporting_controller,
                              .instance = event->reporting_instance,
                              .action = event->action,
                              .reason = event->reason,
                              .note = event->note,
                              .timed = !api_micro_time_is_zero(event->event_time)};
    check_said(causes, &said);
}

static void check_series(struct api_causes *causes, const Events__V1__EventSeries *series)
{
    if (series == NULL) {
        return;
    }
    if (series->count < 2) {
        rules_invalid(causes, NULL, "series.count", api_shown_text(""), "should be at least 2");
    }
    if (api_micro_time_is_zero(series->last_observed_time)) {
        rules_required(causes, NULL, "series.lastObservedTime", "");
    }
}

static void check_unset(struct api_causes *causes, const char *name, bool set)
{
    if (set) {
        rules_invalid(causes, NULL, name, api_shown_text(""), "needs to be unset");
    }
}

void rules_check_event_v1(struct api_causes *causes, const void *message)
{
    static const char *const types[] = {"Normal", "Warning", NULL};
    const Events__V1__Event *event = message;
    const Core__V1__EventSource *source = event->deprecated_source;
    check_said_v1(causes, event);
    check_series(causes, event->series);
    if (api_micro_time_is_zero(event->event_time)) {
        rules_required(causes, NULL, "eventTime", "");
    }
    if (!rules_one_of(event->type, types)) {
        rules_invalid(
            causes, NULL, "type", api_shown_text(""),
            arena_printf(causes->arena, "has invalid value: %s", text_or_empty(event->type)));
    }
    check_unset(causes, "firstTimestamp", !api_time_is_zero(event->deprecated_first_timestamp));
    check_unset(causes, "lastTimestamp", !api_time_is_zero(event->deprecated_last_timestamp));
    check_unset(causes, "count", event->deprecated_count != 0);
    check_unset(causes, "source",
                source != NULL && (!rules_empty(source->component) || !rules_empty(source->host)));
}

/* --- What may not change -----------------------------------------------------------------------
 */

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

/* Of a member that is a time and no pointer to one. */
static struct api_shown instant_shown(struct arena *arena, int64_t unix_nanos)
{
    enum { NANOS = 1000000000, MICROS = 1000, DIGITS = 6 };
    Meta__V1__Time whole = META__V1__TIME__INIT;
    int64_t micros = unix_nanos % NANOS / MICROS;
    if (unix_nanos == 0) {
        return api_shown_raw("0001-01-01 00:00:00 +0000 UTC");
    }
    whole.has_seconds = true;
    whole.seconds = unix_nanos / NANOS;
    const char *text = api_shown_time(arena, &whole).text;
    if (micros == 0) {
        return api_shown_raw(text);
    }
    int digits = DIGITS;
    while (micros % 10 == 0) {
        micros /= 10;
        digits--;
    }
    int seconds = (int)strlen("2006-01-02 15:04:05");
    return api_shown_raw(arena_printf(arena, "%.*s.%0*lld%s", seconds, text, digits,
                                      (long long)micros, text + seconds));
}

static struct api_shown time_shown(struct arena *arena, const Meta__V1__Time *time)
{
    return api_time_is_zero(time) ? instant_shown(arena, 0) : api_shown_time(arena, time);
}

static void same_old_members(struct api_causes *causes, const Events__V1__Event *before,
                             const Events__V1__Event *after)
{
    same(causes, "source",
         api_message_equal(&core__v1__event_source__schema, before->deprecated_source,
                           after->deprecated_source),
         api_shown_message(causes->arena, &core__v1__event_source__schema,
                           after->deprecated_source));
    same(causes, "firstTimestamp",
         api_time_seconds(before->deprecated_first_timestamp) ==
             api_time_seconds(after->deprecated_first_timestamp),
         time_shown(causes->arena, after->deprecated_first_timestamp));
    same(causes, "lastTimestamp",
         api_time_seconds(before->deprecated_last_timestamp) ==
             api_time_seconds(after->deprecated_last_timestamp),
         time_shown(causes->arena, after->deprecated_last_timestamp));
    same(causes, "count", before->deprecated_count == after->deprecated_count,
         api_shown_int(after->deprecated_count));
}

/* All but the series, which counts on. */
void rules_update_event_v1(struct api_causes *causes, const void *before, const void *after)
{
    const Events__V1__Event *old_event = before, *event = after;
    const struct api_message *reference = &core__v1__object_reference__schema;
    check_said_v1(causes, event);
    if (!api_message_equal(&events__v1__event_series__schema, old_event->series, event->series)) {
        check_series(causes, event->series);
    }
    same(causes, "involvedObject",
         api_message_equal(reference, old_event->regarding, event->regarding),
         api_shown_message(causes->arena, reference, event->regarding));
    same_text(causes, "reason", old_event->reason, event->reason);
    same_text(causes, "message", old_event->note, event->note);
    same_old_members(causes, old_event, event);
    same_text(causes, "reason", old_event->reason, event->reason); /* v1.32 says it again. */
    same_text(causes, "type", old_event->type, event->type);
    same(causes, "eventTime",
         api_micro_time_nanos(old_event->event_time) == api_micro_time_nanos(event->event_time),
         instant_shown(causes->arena, api_micro_time_nanos(event->event_time)));
    same_text(causes, "action", old_event->action, event->action);
    same(causes, "related", api_message_equal(reference, old_event->related, event->related),
         api_shown_message(causes->arena, reference, event->related));
    same_text(causes, "reportingController", old_event->reporting_controller,
              event->reporting_controller);
    same_text(causes, "reportingInstance", old_event->reporting_instance,
              event->reporting_instance);
}
