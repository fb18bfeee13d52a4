#include "apiserver/access_review.h"

#include "apiserver/access_selector.h"
#include "apiserver/config_reader.h"
#include <errno.h>

/* Members of one object: the comma before each but the first. */
struct members {
    struct buffer *out;
    bool all; /* Empty ones, too. */
    size_t count;
};

static void begin(struct members *members, const char *name)
{
    buffer_append_text(members->out, members->count++ > 0 ? "," : "");
    json_print_string(slice_text(name), members->out);
    buffer_append_byte(members->out, ':');
}

static void text(struct members *members, const char *name, const char *value)
{
    if (members->all || text_or_empty(value)[0] != 0) {
        begin(members, name);
        json_print_string(slice_text(text_or_empty(value)), members->out);
    }
}

static void print_texts(struct members *members, const char *name, const char *const *values,
                        size_t count)
{
    if (count == 0 && !members->all) {
        return;
    }
    begin(members, name);
    buffer_append_byte(members->out, '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(members->out, i == 0 ? "" : ",");
        json_print_string(slice_text(values[i]), members->out);
    }
    buffer_append_byte(members->out, ']');
}

static size_t first_with_word(const struct access_selector *selector)
{
    size_t first = 0;
    while (first < selector->count && access_selector_operator(selector->items[first].op) == NULL) {
        first++;
    }
    return first;
}

/* What reviews have no word for is left out: it would have narrowed more. */
static void print_selector(struct members *attributes, const char *name,
                           const struct access_selector *selector)
{
    size_t first = first_with_word(selector);
    if (first == selector->count) {
        return;
    }
    begin(attributes, name);
    buffer_append_text(attributes->out, "{\"requirements\":[");
    for (size_t i = first; i < selector->count; i++) {
        const struct api_requirement *each = &selector->items[i];
        const char *word = access_selector_operator(each->op);
        struct members own = {.out = attributes->out, .all = attributes->all};
        if (word != NULL) {
            buffer_append_text(own.out, i == first ? "{" : ",{");
            text(&own, "key", each->key);
            text(&own, "operator", word);
            print_texts(&own, "values", each->values, each->value_count);
            buffer_append_byte(own.out, '}');
        }
    }
    buffer_append_text(attributes->out, "]}");
}

static void print_attributes(struct members *spec, const struct access *access)
{
    struct members own = {.out = spec->out, .all = spec->all};
    begin(spec, access->is_resource ? "resourceAttributes" : "nonResourceAttributes");
    buffer_append_byte(spec->out, '{');
    if (access->is_resource) {
        text(&own, "namespace", access->namespace);
        text(&own, "verb", access->verb);
        text(&own, "group", access->group);
        text(&own, "version", access->version);
        text(&own, "resource", access->resource);
        text(&own, "subresource", access->subresource);
        text(&own, "name", access->name);
        print_selector(&own, "fieldSelector", &access->fields);
        print_selector(&own, "labelSelector", &access->labels);
    } else {
        text(&own, "path", access->path);
        text(&own, "verb", access->verb);
    }
    buffer_append_byte(spec->out, '}');
}

static bool had_before(const struct user *user, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(user->extras[i].key, user->extras[index].key) == 0) {
            return true;
        }
    }
    return false;
}

/* A key that came more than once has all its values. */
static void print_values(const struct user *user, const char *key, struct buffer *out)
{
    const char *before = "[";
    for (size_t i = 0; i < user->extra_count; i++) {
        if (strcmp(user->extras[i].key, key) == 0) {
            buffer_append_text(out, before);
            json_print_string(slice_text(user->extras[i].value), out);
            before = ",";
        }
    }
    buffer_append_byte(out, ']');
}

static void print_extra(struct members *spec, const struct user *user)
{
    struct members own = {.out = spec->out};
    if (user->extra_count == 0 && !spec->all) {
        return;
    }
    begin(spec, "extra");
    buffer_append_byte(spec->out, '{');
    for (size_t i = 0; i < user->extra_count; i++) {
        if (!had_before(user, i)) {
            begin(&own, user->extras[i].key);
            print_values(user, user->extras[i].key, spec->out);
        }
    }
    buffer_append_byte(spec->out, '}');
}

static void print_spec(const char *groups, const struct user *user, const struct access *access,
                       bool all, struct buffer *out)
{
    struct members spec = {.out = out, .all = all};
    buffer_append_byte(out, '{');
    print_attributes(&spec, access);
    text(&spec, "user", user->name);
    print_texts(&spec, groups, user->groups, user->group_count);
    print_extra(&spec, user);
    text(&spec, "uid", user->uid);
    buffer_append_byte(out, '}');
}

void access_review_print(const char *version, const struct user *user, const struct access *access,
                         struct buffer *out)
{
    buffer_printf(out,
                  "{\"kind\":\"SubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/%s\","
                  "\"metadata\":{\"creationTimestamp\":null},\"spec\":",
                  version);
    print_spec(strcmp(version, "v1beta1") == 0 ? "group" : "groups", user, access,
               /* all= */ false, out);
    buffer_append_text(out, ",\"status\":{\"allowed\":false}}");
}

void access_review_print_spec(const struct user *user, const struct access *access,
                              struct buffer *out)
{
    print_spec("groups", user, access, /* all= */ true, out);
}

int access_review_read(struct arena *arena, const char *version, struct slice json,
                       struct access_review_answer *ret_answer, struct error *reterr)
{
    struct config_reader reader = {.arena = arena, .reterr = reterr};
    const char *wanted = arena_printf(arena, "authorization.k8s.io/%s", version);
    const struct json_value *status =
        config_review_status(&reader, json, "SubjectAccessReview", wanted);
    if (status == NULL) {
        return reader.status;
    }
    struct access_review_answer answer = {
        .allowed = config_bool(&reader, status, "status", "allowed", false),
        .denied = config_bool(&reader, status, "status", "denied", false),
        .reason = config_text(&reader, status, "status", "reason"),
        .error = config_text(&reader, status, "status", "evaluationError")};
    if (answer.allowed && answer.denied) {
        config_fail(&reader, "webhook subject access review returned both allow and deny response");
    }
    if (reader.status == 0) {
        *ret_answer = answer;
    }
    return reader.status;
}
