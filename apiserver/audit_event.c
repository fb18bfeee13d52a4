#include "apiserver/audit_event.h"

#include "apiserver/limits.h"
#include "lib/base/time_text.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

/* --- Members: each begins with its comma, as "kind" always comes first --- */

static void put_name(struct buffer *out, const char *name)
{
    buffer_printf(out, ",\"%s\":", name);
}

static void put_value(struct buffer *out, const char *text)
{
    json_print_string(slice_text(text), out);
}

static void put_text(struct buffer *out, const char *name, const char *text)
{
    put_name(out, name);
    put_value(out, text);
}

static void put_optional(struct buffer *out, const char *name, const char *text, bool *first)
{
    if (text == NULL || text[0] == 0) {
        return;
    }
    buffer_printf(out, "%s\"%s\":", *first ? "" : ",", name);
    put_value(out, text);
    *first = false;
}

static void put_texts(struct buffer *out, const char *const *texts, size_t count)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        put_value(out, texts[i]);
    }
    buffer_append_byte(out, ']');
}

static void put_time(struct buffer *out, const char *name, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];
    time_format_local(time_us / 1000000, text);
    put_name(out, name);
    buffer_printf(out, "\"%s.%06dZ\"", text, (int)(time_us % 1000000));
}

/* Keys of extras may come several times, each with a value; they are shown by key. */
static void put_extras(struct buffer *out, const struct user *user)
{
    bool first = true;
    buffer_append_byte(out, '{');
    const char *last = NULL;
    for (;;) {
        const char *key = NULL;
        for (size_t i = 0; i < user->extra_count; i++) {
            const char *each = user->extras[i].key;
            if ((last == NULL || strcmp(each, last) > 0) &&
                (key == NULL || strcmp(each, key) < 0)) {
                key = each;
            }
        }
        if (key == NULL) {
            break;
        }
        buffer_append_text(out, first ? "" : ",");
        put_value(out, key);
        buffer_append_text(out, ":[");
        bool first_value = true;
        for (size_t i = 0; i < user->extra_count; i++) {
            assert(user->extras[i].key != NULL);
            if (strcmp(user->extras[i].key, key) == 0) {
                buffer_append_text(out, first_value ? "" : ",");
                put_value(out, user->extras[i].value);
                first_value = false;
            }
        }
        buffer_append_byte(out, ']');
        first = false;
        last = key;
    }
    buffer_append_byte(out, '}');
}

static void put_user(struct buffer *out, const char *name, const struct user *user)
{
    bool first = true;
    put_name(out, name);
    buffer_append_byte(out, '{');
    if (user != NULL) {
        put_optional(out, "username", user->name, &first);
        put_optional(out, "uid", user->uid, &first);
    }
    if (user != NULL && user->group_count > 0) {
        buffer_append_text(out, first ? "\"groups\":" : ",\"groups\":");
        put_texts(out, user->groups, user->group_count);
        first = false;
    }
    if (user != NULL && user->extra_count > 0) {
        buffer_append_text(out, first ? "\"extra\":" : ",\"extra\":");
        put_extras(out, user);
    }
    buffer_append_byte(out, '}');
}

static void put_object(struct buffer *out, const struct audit_object *object)
{
    bool first = true;
    buffer_append_text(out, ",\"objectRef\":{");
    put_optional(out, "resource", object->resource, &first);
    put_optional(out, "namespace", object->namespace, &first);
    put_optional(out, "name", object->name, &first);
    put_optional(out, "uid", object->uid, &first);
    put_optional(out, "apiGroup", object->group, &first);
    put_optional(out, "apiVersion", object->version, &first);
    put_optional(out, "resourceVersion", object->resource_version, &first);
    put_optional(out, "subresource", object->subresource, &first);
    buffer_append_byte(out, '}');
}

/* The Status without its kind; with the code that was sent. */
static void put_status(const struct audit_event *event, struct buffer *out)
{
    struct arena *arena = event->notes.arena;
    buffer_append_text(out, ",\"responseStatus\":");
    if (event->status == NULL) {
        buffer_append_text(out, "{\"metadata\":{}");
        if (event->status_message != NULL) {
            put_text(out, "message", event->status_message);
        }
        buffer_printf(out, ",\"code\":%u}", event->code);
        return;
    }
    Meta__V1__Status *status = api_status_message(arena, event->status);
    status->code = (int32_t)event->code;
    static const char schema[] = "k8s.io.apimachinery.pkg.apis.meta.v1.Status";
    api_encode_json(api_message_find(schema), status, NULL, out);
}

static void put_notes(const struct audit_notes *notes, bool truncated, struct buffer *out)
{
    static const char key[] = "audit.k8s.io/truncated";
    if (notes->count == 0 && !truncated) {
        return;
    }
    buffer_append_text(out, ",\"annotations\":{");
    bool first = true;
    for (size_t i = 0; i < notes->count; i++) {
        if (truncated && strcmp(notes->items[i].key, key) > 0) {
            put_optional(out, key, "true", &first);
            truncated = false;
        }
        buffer_append_text(out, first ? "" : ",");
        put_value(out, notes->items[i].key);
        buffer_append_byte(out, ':');
        put_value(out, notes->items[i].value);
        first = false;
    }
    put_optional(out, key, truncated ? "true" : "", &first);
    buffer_append_byte(out, '}');
}

static void print(const struct audit_event *event, enum audit_stage stage, int64_t now_us,
                  bool truncated, struct buffer *out)
{
    buffer_append_text(out, AUDIT_EVENT_HEAD "\"level\":");
    put_value(out, audit_level_name(event->decision.level));
    put_text(out, "auditID", event->id);
    put_text(out, "stage", audit_stage_name(stage));
    put_text(out, "requestURI", event->uri);
    put_text(out, "verb", event->verb);
    put_user(out, "user", event->user);
    if (event->impersonated != NULL) {
        put_user(out, "impersonatedUser", event->impersonated);
    }
    if (event->source_ip_count > 0) {
        put_name(out, "sourceIPs");
        put_texts(out, event->source_ips, event->source_ip_count);
    }
    if (event->user_agent[0] != 0) {
        put_text(out, "userAgent", event->user_agent);
    }
    if (event->has_object) {
        put_object(out, &event->object);
    }
    if (stage != AUDIT_REQUEST_RECEIVED) {
        put_status(event, out);
    }
    if (event->request_object.len > 0 && !truncated) {
        put_name(out, "requestObject");
        buffer_append_slice(out, event->request_object);
    }
    if (event->response_object.len > 0 && !truncated) {
        put_name(out, "responseObject");
        buffer_append_slice(out, event->response_object);
    }
    put_time(out, "requestReceivedTimestamp", event->received_us);
    put_time(out, "stageTimestamp", now_us);
    put_notes(&event->notes, truncated, out);
    buffer_append_text(out, "}\n");
}

int audit_event_print(const struct audit_event *event, enum audit_stage stage, int64_t now_us,
                      struct buffer *out)
{
    assert(out->len == 0);
    size_t objects = event->request_object.len + event->response_object.len;
    bool truncated = event->truncated || objects > out->max;
    print(event, stage, now_us, truncated, out);
    if (buffer_error(out) < 0 && objects > 0 && !truncated) {
        buffer_clear(out);
        print(event, stage, now_us, /* truncated= */ true, out);
    }
    return buffer_error(out) < 0 ? -EMSGSIZE : 0;
}
