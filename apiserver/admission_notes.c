#include "apiserver/admission_notes.h"

#include "apiserver/audit_notes.h"

static struct audit_notes *notes_of(const struct operation *operation)
{
    return operation->call->notes;
}

static const char *key_of(const struct operation *operation, const char *topic,
                          const struct hook_place *place)
{
    return arena_printf(operation->arena, "%s.admission.k8s.io/round_%u_index_%zu", topic,
                        place->round, place->index);
}

/* {"configuration":...,"webhook":... and open. */
static void print_place(const struct hook_place *place, struct buffer *out)
{
    buffer_append_text(out, "{\"configuration\":");
    json_print_string(slice_text(place->configuration), out);
    buffer_append_text(out, ",\"webhook\":");
    json_print_string(slice_text(place->webhook), out);
}

void admission_note_mutation(const struct operation *operation, const struct hook_place *place,
                             bool changed, struct slice patch)
{
    struct audit_notes *notes = notes_of(operation);
    if (notes == NULL) {
        return;
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    print_place(place, &out);
    buffer_printf(&out, ",\"mutated\":%s}", changed ? "true" : "false");
    audit_note(notes, key_of(operation, "mutation.webhook", place), buffer_text(&out));
    if (!changed || !notes->has_bodies) {
        return;
    }
    buffer_clear(&out);
    print_place(place, &out);
    buffer_append_text(&out, ",\"patch\":");
    buffer_append_slice(&out, patch);
    buffer_append_text(&out, ",\"patchType\":\"JSONPatch\"}");
    if (buffer_error(&out) == 0) {
        audit_note(notes, key_of(operation, "patch.webhook", place), buffer_text(&out));
    }
}

void admission_note_failure(const struct operation *operation, const struct hook_place *place)
{
    const char *key =
        arena_printf(operation->arena, "failed-open.%s.webhook.admission.k8s.io/round_%u_index_%zu",
                     place->mutating ? "mutating" : "validating", place->round, place->index);
    audit_note(notes_of(operation), key, place->webhook);
}

void admission_note_answer(const struct operation *operation, const struct hook_place *place,
                           const struct review_answer *answer)
{
    for (size_t i = 0; i < answer->note_count; i++) {
        audit_note(notes_of(operation),
                   arena_printf(operation->arena, "%s/%s", place->webhook, answer->notes[i].key),
                   answer->notes[i].value);
    }
}
