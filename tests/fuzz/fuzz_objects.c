/* What clients of coracle.v1.Objects may send: the first byte is the method, the rest its message.
 * What is made of it must be a request that its own text would give again. */
#include "apiserver/objects_request.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *arena, enum objects_method method,
                  const struct objects_request *request)
{
    static const char *const verbs[OBJECTS_METHODS] = {"GET", "GET",   "GET",    "POST",
                                                       "PUT", "PATCH", "DELETE", "DELETE"};
    const char *question = strchr(request->uri, '?');
    size_t len = question == NULL ? strlen(request->uri) : (size_t)(question - request->uri);
    struct request_info again;
    int status = request_info_parse(arena, verbs[method], slice_of(request->uri, len),
                                    slice_text(question == NULL ? "" : question + 1), &again);
    assert(status == 0);
    (void)status;
    assert(again.is_resource && again.verb == request->info.verb);
    assert(strcmp(again.resource, request->info.resource) == 0);
    assert(strcmp(again.namespace, request->info.namespace) == 0);
    assert(strcmp(again.name, request->info.name) == 0);
    assert(strcmp(again.subresource, request->info.subresource) == 0);
    assert(again.query.count == request->info.query.count);
    bool named = method != OBJECTS_LIST && method != OBJECTS_WATCH && method != OBJECTS_CREATE &&
                 method != OBJECTS_DELETE_COLLECTION;
    assert(!named || again.name[0] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct arena *arena = arena_new(SIZE_MAX);
    struct objects_request request;
    const char *problem = NULL;
    enum objects_method method = (enum objects_method)(data[0] % OBJECTS_METHODS);
    if (objects_request_parse(arena, method, slice_of(data + 1, size - 1), &request, &problem) ==
        0) {
        check(arena, method, &request);
    } else {
        assert(problem != NULL);
    }
    arena_free(arena);
    return 0;
}
