/* What the registry writes into an object because of when a request comes and from whom: dates of a
 * status that the pure strategy has made, and who asks for a certificate. */
#include "apiserver/operation.h"
#include "k8s/certificates_v1.pb-c.h"
#include "k8s/tables.h"
#include "lib/api/time.h"

static const struct api_field *field_of(const struct api_message *table, const char *name)
{
    const struct api_member *member = api_message_member_text(table, name);
    return member == NULL ? NULL : member->field;
}

static void date_time(struct operation *operation, const struct api_field *field, void *message)
{
    if (field == NULL || field->type != API_TIME) {
        return;
    }
    Meta__V1__Time **at = api_field_at(field, message);
    if (api_time_is_zero(*at)) {
        *at = api_time_new(operation->arena, operation_now_s(operation));
    }
}

/* Conditions that have no date yet get this one. */
static void date_conditions(struct operation *operation, const struct api_kind *kind, void *message)
{
    const struct api_field *status = field_of(kind->message, "status");
    const struct api_field *list =
        status == NULL || status->message == NULL ? NULL : field_of(status->message, "conditions");
    if (list == NULL || list->label != API_REPEATED || list->type != API_OBJECT) {
        return;
    }
    void **holder = api_field_at(status, message);
    for (size_t i = 0; *holder != NULL && i < api_field_count(list, *holder); i++) {
        void ***items = api_field_at(list, *holder);
        date_time(operation, field_of(list->message, "lastTransitionTime"), (*items)[i]);
        date_time(operation, field_of(list->message, "lastUpdateTime"), (*items)[i]);
    }
}

/* --- CertificateSigningRequest -----------------------------------------------------------------
 */

static void add_extra(struct arena *arena, Certificates__V1__CertificateSigningRequestSpec *spec,
                      const struct user_extra *extra)
{
    const struct api_field *field =
        field_of(&certificates__v1__certificate_signing_request_spec__schema, "extra");
    for (size_t i = 0; i < spec->n_extra; i++) {
        Certificates__V1__ExtraValue *value = spec->extra[i]->value;
        if (strcmp(spec->extra[i]->key, extra->key) == 0) {
            value->items = arena_array_grown(arena, value->items, value->n_items, sizeof(char *));
            value->items[value->n_items++] = arena_text(arena, extra->value);
            return;
        }
    }
    Certificates__V1__CertificateSigningRequestSpec__ExtraEntry *entry =
        api_message_new(arena, field->entry);
    entry->key = arena_text(arena, extra->key);
    entry->value = api_message_new(arena, &certificates__v1__extra_value__schema);
    entry->value->items = arena_array(arena, 1, sizeof(char *));
    entry->value->items[entry->value->n_items++] = arena_text(arena, extra->value);
    spec->extra = arena_array_grown(arena, spec->extra, spec->n_extra, sizeof(*spec->extra));
    spec->extra[spec->n_extra++] = entry;
}

/* Whoever signs has to know who asked, and not from the request. */
static void name_requester(struct operation *operation,
                           Certificates__V1__CertificateSigningRequestSpec *spec)
{
    const struct user *user = operation->call->user;
    struct arena *arena = operation->arena;
    spec->username = arena_text(arena, user->name);
    spec->uid = arena_text(arena, user->uid);
    spec->groups = arena_array(arena, user->group_count, sizeof(char *));
    for (spec->n_groups = 0; spec->n_groups < user->group_count; spec->n_groups++) {
        spec->groups[spec->n_groups] = arena_text(arena, user->groups[spec->n_groups]);
    }
    spec->extra = NULL;
    spec->n_extra = 0;
    for (size_t i = 0; i < user->extra_count; i++) {
        add_extra(arena, spec, &user->extras[i]);
    }
}

/* --- Both ways in ------------------------------------------------------------------------------
 */

void stamp_new_object(struct operation *operation, const struct api_kind *kind, void *message)
{
    if (!kind->keep_status_on_create) {
        date_conditions(operation, kind, message);
    }
    if (kind->message == &core__v1__persistent_volume__schema) {
        Core__V1__PersistentVolume *volume = message;
        volume->status->last_phase_transition_time =
            api_time_new(operation->arena, operation_now_s(operation));
    } else if (kind->message == &certificates__v1__certificate_signing_request__schema) {
        Certificates__V1__CertificateSigningRequest *request = message;
        name_requester(operation, request->spec);
    }
}

void stamp_change(struct operation *operation, const struct api_kind *kind, const void *before,
                  void *message)
{
    if (kind->message == &certificates__v1__certificate_signing_request__schema) {
        date_conditions(operation, kind, message);
    } else if (kind->message == &core__v1__persistent_volume__schema) {
        const Core__V1__PersistentVolumeStatus *old_status =
            ((const Core__V1__PersistentVolume *)before)->status;
        Core__V1__PersistentVolumeStatus *status = ((Core__V1__PersistentVolume *)message)->status;
        if (strcmp(text_or_empty(old_status->phase), text_or_empty(status->phase)) != 0 &&
            api_message_equal(&meta__v1__time__schema, old_status->last_phase_transition_time,
                              status->last_phase_transition_time)) {
            status->last_phase_transition_time =
                api_time_new(operation->arena, operation_now_s(operation));
        }
    }
}
