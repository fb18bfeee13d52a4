/* What gRPC's own libraries say of calls that cannot begin. */
#include "lib/net/grpc_private.h"

#include "lib/base/arena.h"

enum { SHOWN_MAX = 200 }; /* Bytes of what the client sent. */

static int shown(struct slice text)
{
    return (int)(text.len > SHOWN_MAX ? SHOWN_MAX : text.len);
}

static bool has_service(const struct grpc_server *server, struct slice service)
{
    for (size_t i = 0; i < server->owned_count; i++) {
        struct slice path = slice_text(server->owned[i]->method.path + 1);
        if (path.len > service.len && slice_starts_with(path, service) &&
            path.data[service.len] == '/') {
            return true;
        }
    }
    return false;
}

const char *grpc_no_method_text(const struct grpc_server *server, struct slice path,
                                struct arena *arena)
{
    struct slice name =
        path.len > 0 && path.data[0] == '/' ? slice_of(path.data + 1, path.len - 1) : path;
    size_t end = name.len; /* Of the service, at the last slash. */
    while (end > 0 && name.data[end - 1] != '/') {
        end--;
    }
    if (end == 0) {
        return arena_printf(arena, "malformed method name: \"%.*s\"", shown(path),
                            (const char *)path.data);
    }
    struct slice service = slice_of(name.data, end - 1);
    struct slice method = slice_of(name.data + end, name.len - end);
    if (!has_service(server, service)) {
        return arena_printf(arena, "unknown service %.*s", shown(service),
                            (const char *)service.data);
    }
    return arena_printf(arena, "unknown method %.*s for service %.*s", shown(method),
                        (const char *)method.data, shown(service), (const char *)service.data);
}

const char *grpc_no_decompressor_text(struct slice encoding, struct arena *arena)
{
    return arena_printf(arena, "grpc: Decompressor is not installed for grpc-encoding \"%.*s\"",
                        shown(encoding), (const char *)encoding.data);
}
