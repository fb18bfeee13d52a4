#include "lib/api/bootstrap_token.h"

#include "lib/api/limits.h"
#include "lib/api/time.h"
#include <errno.h>
#include <string.h>

enum { ID_LEN = 6, SECRET_LEN = 16, GROUP_REST_MAX = 256 };
static const char group_prefix[] = "system:bootstrappers:";

static bool is_small(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool bootstrap_token_split(struct slice token, struct slice *ret_id, struct slice *ret_secret)
{
    if (token.len != ID_LEN + 1 + SECRET_LEN || token.data[ID_LEN] != '.') {
        return false;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (i != ID_LEN && !is_small(token.data[i])) {
            return false;
        }
    }
    *ret_id = slice_of(token.data, ID_LEN);
    *ret_secret = slice_of(token.data + ID_LEN + 1, SECRET_LEN);
    return true;
}

struct slice secret_data_value(const Core__V1__Secret *secret, const char *key)
{
    for (size_t i = 0; i < secret->n_data; i++) {
        if (secret->data[i]->key != NULL && strcmp(secret->data[i]->key, key) == 0) {
            return slice_of(secret->data[i]->value.data, secret->data[i]->value.len);
        }
    }
    return (struct slice){0};
}

bool bootstrap_secret_is_for(const Core__V1__Secret *secret, struct slice id, const char *usage,
                             int64_t now_s)
{
    int64_t expires_s = 0;
    int32_t nanos = 0;
    if (secret->type == NULL || strcmp(secret->type, "bootstrap.kubernetes.io/token") != 0 ||
        !api_time_is_zero(secret->metadata->deletion_timestamp) ||
        !slice_equal(secret_data_value(secret, "token-id"), id) ||
        !slice_is(secret_data_value(secret, usage), "true")) {
        return false;
    }
    struct slice expiration = secret_data_value(secret, "expiration");
    return expiration.len == 0 ||
           (api_time_parse(expiration, &expires_s, &nanos) == 0 && expires_s > now_s);
}

/* system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9] */
static bool is_group(struct slice text)
{
    size_t prefix = sizeof(group_prefix) - 1;
    if (text.len <= prefix || text.len > prefix + GROUP_REST_MAX ||
        memcmp(text.data, group_prefix, prefix) != 0 || !is_small(text.data[text.len - 1])) {
        return false;
    }
    for (size_t i = prefix; i < text.len; i++) {
        if (!is_small(text.data[i]) && text.data[i] != ':' && text.data[i] != '-') {
            return false;
        }
    }
    return true;
}

int bootstrap_secret_groups(struct arena *arena, const Core__V1__Secret *secret,
                            const char ***ret_groups, size_t *ret_count)
{
    const char **groups = arena_array(arena, BOOTSTRAP_GROUPS_MAX + 1, sizeof(char *));
    struct slice rest = secret_data_value(secret, "auth-extra-groups");
    size_t count = 0;
    groups[count++] = "system:bootstrappers";
    while (rest.len > 0) {
        const uint8_t *comma = memchr(rest.data, ',', rest.len);
        size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.data);
        if (!is_group(slice_of(rest.data, len)) || count > BOOTSTRAP_GROUPS_MAX) {
            return -EINVAL;
        }
        groups[count++] = arena_text_n(arena, (const char *)rest.data, len);
        size_t taken = comma == NULL ? len : len + 1;
        rest = slice_of(rest.data + taken, rest.len - taken);
    }
    *ret_groups = groups;
    *ret_count = count;
    return 0;
}
