/* The AuthorizationConfiguration that an operator writes, whose conditions then look at a request;
 * and what a webhook answers to a SubjectAccessReview. */
#include "apiserver/access_review.h"
#include "apiserver/authz_config.h"
#include "apiserver/cel_tree.h"
#include "lib/api/cel_functions.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct arena *arena, const struct authz_webhook_options *webhook)
{
    static const char *const groups[] = {"a", "system:authenticated"};
    const struct user user = {.name = "ann", .uid = "", .groups = groups, .group_count = 2};
    const struct access access = {.verb = "get",
                                  .is_resource = true,
                                  .group = "",
                                  .resource = "pods",
                                  .subresource = "",
                                  .namespace = "ns",
                                  .name = "p"};
    CLEANUP(buffer_release) struct buffer json;
    struct json_value *spec = NULL;
    buffer_init(&json, 4096);
    access_review_print_spec(&user, &access, &json);
    int status = json_parse(arena, buffer_slice(&json), &spec, NULL);
    assert(status == 0);
    (void)status;
    const struct cel_value request = cel_tree_value(spec);
    for (size_t i = 0; i < webhook->condition_count; i++) {
        struct cel_result result =
            cel_evaluate(webhook->conditions[i].program, arena, &request, 1000000);
        assert(result.value.kind == CEL_BOOL || cel_is_error(&result.value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cel_functions *functions; /* Takes its time to make. */
    if (functions == NULL) {
        functions = api_cel_functions_new();
    }
    struct authz_config config;
    struct access_review_answer answer;
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    int status = authz_config_parse(arena, functions, slice_of(data, size), &config, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    for (size_t i = 0; status == 0 && i < config.count; i++) {
        if (config.items[i].type == AUTHORIZER_WEBHOOK) {
            assert(config.items[i].webhook.timeout_ms > 0);
            look(arena, &config.items[i].webhook);
        }
    }
    status = access_review_read(arena, "v1", slice_of(data, size), &answer, NULL);
    assert(status == -EINVAL || (status == 0 && !(answer.allowed && answer.denied)));
    arena_free(arena);
    return 0;
}
