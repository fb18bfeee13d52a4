/* What a webhook answers to a TokenReview: it is a user, nobody, or refused. And the token that a
 * WebSocket client shows among its protocols. */
#include "apiserver/proxy_headers.h"
#include "apiserver/token_review.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token_review_answer answer;
    struct slice token;
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    int status = token_review_read(arena, "v1", slice_of(data, size), &answer, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    if (status == 0) {
        assert(!answer.authenticated || answer.user.name[0] != 0);
        for (size_t i = 0; i < answer.user.extra_count; i++) {
            assert(answer.user.extras[i].key != NULL && answer.user.extras[i].value != NULL);
        }
    }
    status = websocket_token(arena, slice_of(data, size), &token);
    assert(status == 0 || status == -EACCES);
    arena_free(arena);
    return 0;
}
