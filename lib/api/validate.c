/* Validation by kind: metadata, what the options of the .proto files say, the kind's own rules. */
#include "lib/api/validate.h"

#include "lib/api/custom.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"

/* `before` is NULL on creation. */
static void check_object(struct api_causes *causes, const struct rules_kind *rules,
                         const struct api_frame *object, const void *before)
{
    api_check_message(causes, object);
    if (before != NULL && rules->replace != NULL) {
        rules->replace(causes, before, object->message);
    } else if (rules->create != NULL) {
        rules->create(causes, object->message);
    }
}

void api_validate_create(struct arena *arena, const struct api_kind *kind, const void *message,
                         struct api_causes *causes)
{
    (void)arena; /* Causes carry the arena that their text lives in. */
    const struct rules_kind *rules = rules_of_kind(kind->message);
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    struct api_frame object = api_frame_object(kind->message, message);
    if (meta != NULL) {
        rules_object_meta(causes, &object, meta, kind->namespaced, api_syntax_by_id(kind->names));
    }
    if (custom_of(kind) != NULL) {
        custom_validate(causes, kind, NULL, message);
        return;
    }
    check_object(causes, rules, &object, NULL);
}

static void check_change(struct api_causes *causes, const struct rules_kind *rules,
                         const struct api_frame *object, const void *before)
{
    api_check_immutable(causes, object->table, before, object->message);
    if (rules->update != NULL) {
        rules->update(causes, before, object->message);
    }
}

static void check_update(struct api_causes *causes, const struct rules_kind *rules,
                         const struct api_frame *object, const void *before)
{
    switch (rules->order) {
    case RULES_UPDATE_AFTER:
        check_object(causes, rules, object, before);
        check_change(causes, rules, object, before);
        break;
    case RULES_UPDATE_FIRST:
        check_change(causes, rules, object, before);
        check_object(causes, rules, object, before);
        break;
    case RULES_UPDATE_ALONE:
        check_change(causes, rules, object, before);
        break;
    }
}

static void check_status(struct api_causes *causes, rules_update *rule,
                         const struct api_frame *object, const void *before)
{
    if (api_message_member_text(object->table, "status") != NULL) {
        api_check_member(causes, object, "status");
    }
    if (rule != NULL) {
        rule(causes, before, object->message);
    }
}

void api_validate_update(struct arena *arena, const struct api_kind *kind, const void *old_message,
                         const void *new_message, const char *subresource,
                         struct api_causes *causes)
{
    const struct rules_kind *rules = rules_of_kind(kind->message);
    (void)arena; /* As above. */
    const Meta__V1__ObjectMeta *before = api_message_meta(kind->message, old_message);
    const Meta__V1__ObjectMeta *after = api_message_meta(kind->message, new_message);
    struct api_frame object = api_frame_object(kind->message, new_message);
    object.before = old_message;
    if (before != NULL && after != NULL) {
        rules_object_meta_update(causes, &object, before, after);
    }
    if (custom_of(kind) != NULL) {
        custom_validate(causes, kind, old_message, new_message);
    } else if (strcmp(subresource, "status") == 0) {
        check_status(causes, rules->status, &object, old_message);
    } else if (strcmp(subresource, "approval") == 0) {
        check_status(causes, rules->approval, &object, old_message);
    } else if (strcmp(subresource, "ephemeralcontainers") == 0) {
        rules_update_pod_ephemeral(causes, old_message, new_message);
    } else {
        check_update(causes, rules, &object, old_message);
    }
}
