#include "apiserver/token_review.h"

#include "apiserver/config_reader.h"
#include <errno.h>

void token_review_print(const char *version, struct slice token, const struct text_list *audiences,
                        struct buffer *out)
{
    buffer_printf(out,
                  "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/%s\","
                  "\"metadata\":{\"creationTimestamp\":null},\"spec\":{\"token\":",
                  version);
    json_print_string(token, out);
    for (size_t i = 0; i < audiences->count; i++) {
        buffer_append_text(out, i == 0 ? ",\"audiences\":[" : ",");
        json_print_string(slice_text(audiences->items[i]), out);
    }
    buffer_append_text(out, audiences->count > 0 ? "]" : "");
    buffer_append_text(out, "},\"status\":{\"user\":{}}}");
}

static void read_extra(struct config_reader *reader, const struct json_value *info,
                       struct user *user)
{
    const struct json_value *extra = config_map(reader, info, "status.user", "extra");
    for (size_t i = 0; extra != NULL && i < extra->count; i++) {
        struct slice name = extra->members[i].name;
        const char *key = arena_text_n(reader->arena, (const char *)name.data, name.len);
        struct text_list values = config_texts(reader, extra, "status.user.extra", key);
        for (size_t j = 0; j < values.count; j++) {
            struct user_extra *extras =
                arena_array_grown(reader->arena, user->extras, user->extra_count, sizeof(*extras));
            extras[user->extra_count++] = (struct user_extra){key, values.items[j]};
            user->extras = extras;
        }
    }
}

static void read_user(struct config_reader *reader, const struct json_value *status,
                      struct user *user)
{
    const struct json_value *info = config_map(reader, status, "status", "user");
    if (info == NULL) {
        return;
    }
    struct text_list groups = config_texts(reader, info, "status.user", "groups");
    user->name = config_text(reader, info, "status.user", "username");
    user->uid = config_text(reader, info, "status.user", "uid");
    user->groups = groups.items;
    user->group_count = groups.count;
    read_extra(reader, info, user);
}

int token_review_read(struct arena *arena, const char *version, struct slice json,
                      struct token_review_answer *ret_answer, struct error *reterr)
{
    struct token_review_answer answer = {.error = "", .user = {.name = "", .uid = ""}};
    struct config_reader reader = {.arena = arena, .reterr = reterr};
    const char *wanted = arena_printf(arena, "authentication.k8s.io/%s", version);
    const struct json_value *status = config_review_status(&reader, json, "TokenReview", wanted);
    if (status == NULL) {
        return reader.status;
    }
    answer.authenticated = config_bool(&reader, status, "status", "authenticated", false);
    answer.error = config_text(&reader, status, "status", "error");
    answer.audiences = config_texts(&reader, status, "status", "audiences");
    read_user(&reader, status, &answer.user);
    if (answer.authenticated && answer.user.name[0] == 0 && reader.status == 0) {
        config_fail(&reader, "status.user.username: must be given");
    }
    if (reader.status == 0) {
        *ret_answer = answer;
    }
    return reader.status;
}
