#include "store/remote/keys.h"

#include "lib/base/hash_map.h"
#include "store/remote/limits.h"
#include <errno.h>

#define OBJECTS "/registry"
#define OWN     "/coracle"

enum { LEASE_SEED = 0x6c656173 };

/* `rest` gets what follows; the text must end there or go on with a slash. */
static bool is_below(struct slice key, struct slice parent, struct slice *ret_rest)
{
    if (key.len <= parent.len || memcmp(key.data, parent.data, parent.len) != 0 ||
        (key.data[parent.len] != '/' && key.data[parent.len] != '/' + 1)) {
        return false;
    }
    *ret_rest = slice_of(key.data + parent.len, key.len - parent.len);
    return true;
}

int remote_keys_init(struct remote_keys *keys, const char *prefix)
{
    struct slice text = slice_text(prefix);
    if (text.len < 2 || text.len > REMOTE_PREFIX_MAX || text.data[0] != '/' ||
        text.data[text.len - 1] == '/') {
        return -EINVAL;
    }
    keys->prefix = text;
    keys->lease_salt = (int64_t)(hash_bytes(LEASE_SEED, text) >> 1);
    return 0;
}

int remote_key_there(const struct remote_keys *keys, struct slice here, struct buffer *out)
{
    struct slice rest;
    if (is_below(here, slice_text(OBJECTS), &rest)) {
        buffer_append_slice(out, keys->prefix);
        buffer_append_slice(out, rest);
        return 0;
    }
    if (is_below(here, slice_text(OWN), &rest)) {
        buffer_append_slice(out, keys->prefix);
        buffer_append_slice(out, here);
        return 0;
    }
    return -EINVAL;
}

int remote_key_here(const struct remote_keys *keys, struct slice there, struct buffer *out)
{
    struct slice rest;
    struct slice own_rest;
    if (!is_below(there, keys->prefix, &rest) || rest.data[0] != '/') {
        return -EINVAL;
    }
    if (!is_below(rest, slice_text(OWN), &own_rest)) {
        buffer_append_text(out, OBJECTS);
    }
    buffer_append_slice(out, rest);
    return 0;
}

void remote_keys_range(const struct remote_keys *keys, struct buffer *start, struct buffer *end)
{
    buffer_append_slice(start, keys->prefix);
    buffer_append_byte(start, '/');
    buffer_append_slice(end, keys->prefix);
    buffer_append_byte(end, '/' + 1);
}

int64_t remote_lease(const struct remote_keys *keys, int64_t id)
{
    return id == 0 ? 0 : id ^ keys->lease_salt;
}
