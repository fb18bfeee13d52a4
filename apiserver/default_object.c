#include "apiserver/default_object.h"

#include <string.h>

size_t default_text_list(struct arena *arena, struct slice text, char ***ret_list)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == ',';
    }
    char **list = arena_array(arena, count, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const uint8_t *comma = memchr(text.data, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.data);
        list[i] = arena_text_n(arena, (const char *)text.data, len);
        list[i] = strcmp(list[i], "core") == 0 ? arena_text(arena, "") : list[i];
        size_t taken = comma == NULL ? len : len + 1;
        text = slice_of(text.data + taken, text.len - taken);
    }
    *ret_list = list;
    return count;
}
