/* What strict validation holds against the text of a patch, whatever it makes of the object. */
#include "lib/api/patch.h"

#include "lib/api/json_decode.h"
#include "lib/api/json_value.h"

/* As in Go, whose names of members are exact. */
static bool is_member_of_operation(struct slice name)
{
    return slice_is(name, "op") || slice_is(name, "path") || slice_is(name, "from") ||
           slice_is(name, "value");
}

static int check_operations(struct json_decode *decode)
{
    struct json_frame frame = {.kind = JSON_FRAME_INDEX};
    bool first = true;
    int r = json_scan_enter(&decode->scan);
    while (r == 0 && (r = json_scan_next_item(&decode->scan, &first)) > 0) {
        struct json_value *operation = NULL;
        r = json_decode_tree(decode, &frame, &operation);
        for (size_t i = 0; r == 0 && operation->type == JSON_OBJECT && i < operation->count; i++) {
            if (!is_member_of_operation(operation->members[i].name)) {
                json_decode_report(decode, "unknown field", &frame, operation->members[i].name);
            }
        }
        frame.index++;
    }
    return r;
}

void api_patch_problems(struct arena *arena, struct slice patch, bool operations,
                        struct api_problems *problems)
{
    struct json_decode decode = {.problems = problems};
    struct json_value *ignored = NULL;
    size_t before = problems->count;
    decode_memory_init(&decode.memory, arena);
    json_scan_init(&decode.scan, patch, NULL);
    if (patch.len > decode.memory.left / JSON_TREE_BYTES_PER_BYTE) {
        return;
    }
    int byte = json_scan_peek(&decode.scan);
    int r = !operations   ? json_decode_tree(&decode, NULL, &ignored)
            : byte == '[' ? check_operations(&decode)
                          : 0;
    (void)r; /* What cannot be read is refused where the patch is carried out. */
    for (size_t i = before; operations && i < problems->count; i++) {
        problems->texts[i] = arena_printf(arena, "json patch %s", problems->texts[i]);
    }
}
