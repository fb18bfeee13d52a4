#include "store/bolt_auth.h"

#include "lib/base/hash_map.h"
#include "store/bolt_export.h"
#include "store/pb_fields.h"
#include "store/status.h"
#include <errno.h>

enum { HASH_SEED = 0x61757468, REVISION_BYTES = 8 };

/* ---- out ---- */

/* Role: name 1, permissions 2. Permission: type 1, key 2, range end 3. */
static void export_role(struct bolt_export *bolt_export, const struct auth_role *role)
{
    CLEANUP(buffer_release) struct buffer value;
    CLEANUP(buffer_release) struct buffer inner;
    buffer_init(&value, SIZE_MAX);
    buffer_init(&inner, SIZE_MAX);
    pb_put_bytes(&value, 1, role->name);
    for (size_t i = 0; i < role->permission_count; i++) {
        const struct auth_permission *permission = &role->permissions[i];
        buffer_clear(&inner);
        pb_put_number(&inner, 1, (int64_t)permission->access);
        pb_put_bytes(&inner, 2, permission->key);
        pb_put_bytes(&inner, 3, permission->end);
        pb_put_element(&value, 2, buffer_slice(&inner));
    }
    bolt_export_add(bolt_export, "authRoles", role->name, buffer_slice(&value));
}

/* User: name 1, password 2, roles 3, options 4 (no password: 1). */
static void export_user(struct bolt_export *bolt_export, const struct auth_user *user)
{
    CLEANUP(buffer_release) struct buffer value;
    CLEANUP(buffer_release) struct buffer options;
    buffer_init(&value, SIZE_MAX);
    buffer_init(&options, SIZE_MAX);
    pb_put_number(&options, 1, user->no_password);
    pb_put_bytes(&value, 1, user->name);
    pb_put_bytes(&value, 2, user->hash);
    for (size_t i = 0; i < user->role_count; i++) {
        pb_put_element(&value, 3, user->roles[i]);
    }
    pb_put_element(&value, 4, buffer_slice(&options));
    bolt_export_add(bolt_export, "authUsers", user->name, buffer_slice(&value));
}

void bolt_export_auth(struct bolt_export *bolt_export, const struct auth *auth)
{
    uint8_t enabled = auth_is_enabled(auth);
    uint8_t revision[REVISION_BYTES];
    for (size_t i = 0; i < sizeof(revision); i++) {
        revision[i] = (uint8_t)(auth_revision(auth) >> (56 - 8 * i));
    }
    bolt_export_add(bolt_export, "auth", slice_text("authEnabled"), slice_of(&enabled, 1));
    bolt_export_add(bolt_export, "auth", slice_text("authRevision"),
                    slice_of(revision, sizeof(revision)));
    for (size_t i = 0; i < auth_role_count(auth); i++) {
        export_role(bolt_export, auth_role_at(auth, i));
    }
    for (size_t i = 0; i < auth_user_count(auth); i++) {
        export_user(bolt_export, auth_user_at(auth, i));
    }
}

/* ---- in ---- */

struct auth_import {
    struct auth *auth;
    struct auth_head head;
    struct error *reterr;
};

static int unreadable(const struct auth_import *import, const char *bucket)
{
    return error_set(import->reterr, -EBADMSG, "bucket %s: an entry cannot be read", bucket);
}

static int load(const struct auth_import *import, const struct auth_change *change,
                const char *bucket)
{
    int status = auth_load(import->auth, change, import->head.revision);
    return status == 0 ? 0 : unreadable(import, bucket);
}

static void note(struct auth_import *import, struct slice key, struct slice value)
{
    import->head.hash = hash_bytes(hash_bytes(import->head.hash, key), value);
}

static int on_setting(void *data, struct slice key, struct slice value)
{
    struct auth_import *import = data;
    if (slice_is(key, "authEnabled") && value.len == 1) {
        import->head.enabled = value.data[0] == 1;
    } else if (slice_is(key, "authRevision") && value.len == REVISION_BYTES) {
        import->head.revision = 0;
        for (size_t i = 0; i < REVISION_BYTES; i++) {
            import->head.revision = import->head.revision << 8 | value.data[i];
        }
        import->head.revision += import->head.revision == 0;
    }
    return 0;
}

static int grant(const struct auth_import *import, struct slice role, struct slice bytes)
{
    struct auth_change change = {.kind = AUTH_ROLE_GRANT, .name = role};
    while (bytes.len > 0) {
        struct pb_field field;
        if (pb_get_field(&bytes, &field) < 0 || (field.number == 1 && field.value > 2)) {
            return unreadable(import, "authRoles");
        }
        if (field.number == 1 && field.type == PB_VARINT) {
            change.permission.access = (enum auth_access)field.value;
        } else if (field.number == 2 && field.type == PB_BYTES) {
            change.permission.key = field.bytes;
        } else if (field.number == 3 && field.type == PB_BYTES) {
            change.permission.end = field.bytes;
        }
    }
    return load(import, &change, "authRoles");
}

static int on_role(void *data, struct slice key, struct slice value)
{
    struct auth_import *import = data;
    const struct auth_change add = {.kind = AUTH_ROLE_ADD, .name = key};
    note(import, key, value);
    int result = load(import, &add, "authRoles");
    while (value.len > 0 && result == 0) {
        struct pb_field field;
        if (pb_get_field(&value, &field) < 0) {
            result = unreadable(import, "authRoles");
        } else if (field.number == 2 && field.type == PB_BYTES) {
            result = grant(import, key, field.bytes);
        }
    }
    return result;
}

static int read_options(struct slice bytes, bool *ret_no_password)
{
    while (bytes.len > 0) {
        struct pb_field field;
        if (pb_get_field(&bytes, &field) < 0) {
            return -EBADMSG;
        }
        *ret_no_password = *ret_no_password || (field.number == 1 && field.value == 1);
    }
    return 0;
}

static int grant_roles(const struct auth_import *import, struct slice user, struct slice value)
{
    int result = 0;
    while (value.len > 0 && result == 0) {
        struct pb_field field;
        if (pb_get_field(&value, &field) < 0) {
            return unreadable(import, "authUsers");
        }
        if (field.number == 3 && field.type == PB_BYTES) {
            const struct auth_change change = {
                .kind = AUTH_USER_GRANT_ROLE, .name = user, .value = field.bytes};
            result = load(import, &change, "authUsers");
        }
    }
    return result;
}

static int on_user(void *data, struct slice key, struct slice value)
{
    struct auth_import *import = data;
    struct auth_change add = {.kind = AUTH_USER_ADD, .name = key};
    note(import, key, value);
    for (struct slice left = value; left.len > 0;) {
        struct pb_field field;
        if (pb_get_field(&left, &field) < 0) {
            return unreadable(import, "authUsers");
        }
        if (field.number == 2 && field.type == PB_BYTES) {
            add.value = field.bytes;
        } else if (field.number == 4 && field.type == PB_BYTES &&
                   read_options(field.bytes, &add.no_password) < 0) {
            return unreadable(import, "authUsers");
        }
    }
    int result = load(import, &add, "authUsers");
    return result < 0 ? result : grant_roles(import, key, value);
}

static int read_bucket(struct auth_import *import, const struct bolt_file *file, const char *name,
                       int (*each)(void *data, struct slice key, struct slice value))
{
    struct bolt_bucket bucket;
    int result = bolt_file_bucket(file, name, &bucket, import->reterr);
    if (result == -ENOENT) {
        error_release(import->reterr);
        return 0;
    }
    return result < 0 ? result : bolt_bucket_each(file, &bucket, each, import, import->reterr);
}

int bolt_import_auth(const struct bolt_file *file, struct auth *auth, struct error *reterr)
{
    struct auth_import import = {
        .auth = auth, .head = {.revision = 1, .hash = HASH_SEED}, .reterr = reterr};
    int result = read_bucket(&import, file, "auth", on_setting);
    if (result == 0) {
        result = read_bucket(&import, file, "authRoles", on_role);
    }
    if (result == 0) {
        result = read_bucket(&import, file, "authUsers", on_user);
    }
    if (result == 0 && auth_load_end(auth, &import.head) != 0) {
        result = error_set(reterr, -EBADMSG,
                           "authentication is on, but the user root has not the role root");
    }
    return result;
}
