/* Which files a volume made from objects holds, and how they get on the disk in one step. */
#include "agent/volumes.h"

#include "agent/limits.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 4 << 20 };

static bool path_is_contained(const char *path)
{
    if (path[0] == '/' || path[0] == '\0') {
        return false;
    }
    for (const char *at = path; *at != '\0';) {
        const char *end = strchrnul(at, '/');
        if (end - at == 2 && at[0] == '.' && at[1] == '.') {
            return false;
        }
        at = *end == '/' ? end + 1 : end;
    }
    return strncmp(path, "..", 2) != 0;
}

static void add_file(struct arena *arena, struct payload *payload, const char *path,
                     struct slice bytes, uint32_t mode)
{
    for (size_t i = 0; i < payload->count; i++) {
        if (strcmp(payload->items[i].path, path) == 0) {
            payload->items[i] = (struct payload_file){path, bytes, mode};
            return;
        }
    }
    if (payload->count == payload->capacity) {
        payload->capacity = payload->capacity == 0 ? 16 : 2 * payload->capacity;
        struct payload_file *grown = arena_array(arena, payload->capacity, sizeof(*grown));
        if (payload->count > 0) {
            memcpy(grown, payload->items, payload->count * sizeof(*grown));
        }
        payload->items = grown;
    }
    payload->items[payload->count++] = (struct payload_file){path, bytes, mode};
}

struct keys {
    Core__V1__KeyToPath *const *items;
    size_t count;
};

static int add_object(struct arena *arena, const struct pod_inputs *inputs, bool secret,
                      const char *name, struct keys keys, bool optional, uint32_t mode,
                      struct payload *payload, struct error *reterr)
{
    const char *kind = secret ? "secret" : "configmap";
    const void *object = inputs->find(inputs->find_data, secret ? "secrets" : "configmaps", name);
    if (object == NULL) {
        return optional ? 0 : error_set(reterr, -ENOENT, "%s \"%s\" not found", kind, name);
    }
    for (size_t i = 0; i < keys.count; i++) {
        struct slice value;
        const char *key = keys.items[i]->key;
        if (!(secret ? secret_value(object, key, &value) : config_map_value(object, key, &value))) {
            if (optional) {
                continue;
            }
            return error_set(reterr, -ENOENT, "references non-existent %s key: %s",
                             secret ? "secret" : "config", key);
        }
        add_file(arena, payload, keys.items[i]->path, value,
                 keys.items[i]->has_mode ? (uint32_t)keys.items[i]->mode : mode);
    }
    if (keys.count > 0) {
        return 0;
    }
    if (secret) {
        const Core__V1__Secret *all = object;
        for (size_t i = 0; i < all->n_data; i++) {
            add_file(arena, payload, all->data[i]->key,
                     slice_of(all->data[i]->value.data, all->data[i]->value.len), mode);
        }
        return 0;
    }
    const Core__V1__ConfigMap *all = object;
    for (size_t i = 0; i < all->n_data; i++) {
        add_file(arena, payload, all->data[i]->key, slice_text(all->data[i]->value), mode);
    }
    for (size_t i = 0; i < all->n_binary_data; i++) {
        add_file(arena, payload, all->binary_data[i]->key,
                 slice_of(all->binary_data[i]->value.data, all->binary_data[i]->value.len), mode);
    }
    return 0;
}

static int add_downward(struct arena *arena, const struct pod_inputs *inputs,
                        Core__V1__DownwardAPIVolumeFile *const *items, size_t count, uint32_t mode,
                        struct payload *payload, struct error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        int r = 0;
        if (items[i]->field_ref != NULL) {
            r = pod_field_value(arena, inputs, items[i]->field_ref->field_path, &text, reterr);
        } else if (items[i]->resource_field_ref != NULL) {
            r = pod_resource_value(arena, inputs, items[i]->resource_field_ref, NULL, &text,
                                   reterr);
        }
        if (r < 0) {
            return r;
        }
        add_file(arena, payload, items[i]->path, slice_text(text == NULL ? "" : text),
                 items[i]->has_mode ? (uint32_t)items[i]->mode : mode);
    }
    return 0;
}

static const char *local_name(const Core__V1__LocalObjectReference *reference)
{
    return reference == NULL || reference->name == NULL ? "" : reference->name;
}

static int add_source(struct arena *arena, const struct pod_inputs *inputs,
                      const Core__V1__Volume *volume, size_t index, uint32_t mode,
                      const struct volume_tokens *tokens, struct payload *payload,
                      struct error *reterr)
{
    const Core__V1__VolumeProjection *source = volume->volume_source->projected->sources[index];
    if (source->config_map != NULL) {
        struct keys keys = {source->config_map->items, source->config_map->n_items};
        return add_object(arena, inputs, /* secret= */ false,
                          local_name(source->config_map->local_object_reference), keys,
                          source->config_map->optional, mode, payload, reterr);
    }
    if (source->secret != NULL) {
        struct keys keys = {source->secret->items, source->secret->n_items};
        return add_object(arena, inputs, /* secret= */ true,
                          local_name(source->secret->local_object_reference), keys,
                          source->secret->optional, mode, payload, reterr);
    }
    if (source->downward_api != NULL) {
        return add_downward(arena, inputs, source->downward_api->items,
                            source->downward_api->n_items, mode, payload, reterr);
    }
    if (source->service_account_token != NULL) {
        const char *token = tokens->find(tokens->data, volume->name, index);
        if (token == NULL) {
            return error_set(reterr, -ENOENT, "failed to fetch token of service account \"%s\"",
                             inputs->pod->spec->service_account_name == NULL
                                 ? ""
                                 : inputs->pod->spec->service_account_name);
        }
        add_file(arena, payload, source->service_account_token->path, slice_text(token), mode);
    }
    return 0;
}

int volume_payload(struct arena *arena, const struct pod_inputs *inputs,
                   const Core__V1__Volume *volume, const struct volume_tokens *tokens,
                   bool *ret_is_payload, struct payload *ret_payload, struct error *reterr)
{
    const Core__V1__VolumeSource *source = volume->volume_source;
    struct payload payload = {.count = 0};
    bool is_payload = true;
    int r = 0;
    if (source != NULL && source->config_map != NULL) {
        struct keys keys = {source->config_map->items, source->config_map->n_items};
        uint32_t mode = source->config_map->has_default_mode
                            ? (uint32_t)source->config_map->default_mode
                            : 0644;
        r = add_object(arena, inputs, /* secret= */ false,
                       local_name(source->config_map->local_object_reference), keys,
                       source->config_map->optional, mode, &payload, reterr);
    } else if (source != NULL && source->secret != NULL) {
        struct keys keys = {source->secret->items, source->secret->n_items};
        uint32_t mode =
            source->secret->has_default_mode ? (uint32_t)source->secret->default_mode : 0644;
        r = add_object(arena, inputs, /* secret= */ true,
                       source->secret->secret_name == NULL ? "" : source->secret->secret_name, keys,
                       source->secret->optional, mode, &payload, reterr);
    } else if (source != NULL && source->downward_api != NULL) {
        uint32_t mode = source->downward_api->has_default_mode
                            ? (uint32_t)source->downward_api->default_mode
                            : 0644;
        r = add_downward(arena, inputs, source->downward_api->items, source->downward_api->n_items,
                         mode, &payload, reterr);
    } else if (source != NULL && source->projected != NULL) {
        uint32_t mode =
            source->projected->has_default_mode ? (uint32_t)source->projected->default_mode : 0644;
        for (size_t i = 0; i < source->projected->n_sources && r == 0; i++) {
            r = add_source(arena, inputs, volume, i, mode, tokens, &payload, reterr);
        }
    } else {
        is_payload = false;
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < payload.count; i++) {
        if (!path_is_contained(payload.items[i].path)) {
            return error_set(reterr, -EINVAL, "invalid path \"%s\"", payload.items[i].path);
        }
    }
    *ret_is_payload = is_payload;
    *ret_payload = payload;
    return 0;
}

/* ---- On the disk ---- */

static bool file_holds(const char *path, struct slice bytes)
{
    struct stat stat_of;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        return false;
    }
    bool same = fstat(file, &stat_of) == 0 && (size_t)stat_of.st_size == bytes.len;
    uint8_t block[4096];
    for (size_t at = 0; same && at < bytes.len;) {
        ssize_t n = read(file, block, sizeof(block));
        same =
            n > 0 && (size_t)n <= bytes.len - at && memcmp(block, bytes.data + at, (size_t)n) == 0;
        at += same ? (size_t)n : 0;
    }
    (void)close(file); /* Read only: nothing can be lost. */
    return same;
}

static size_t count_files(const char *dir)
{
    size_t count = 0;
    DIR *handle = opendir(dir);
    for (struct dirent *entry; handle != NULL && (entry = readdir(handle)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        char path[AGENT_PATH_BYTES_MAX];
        int n = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            continue;
        }
        count += entry->d_type == DT_DIR ? count_files(path) : 1;
    }
    if (handle != NULL) {
        (void)closedir(handle);
    }
    return count;
}

static bool is_unchanged(const char *dir, const struct payload *payload)
{
    char path[AGENT_PATH_BYTES_MAX];
    char target[NAME_MAX + 1];
    (void)snprintf(path, sizeof(path), "%s/..data", dir);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0) {
        return false;
    }
    target[n] = '\0';
    char data_dir[AGENT_PATH_BYTES_MAX];
    (void)snprintf(data_dir, sizeof(data_dir), "%s/%s", dir, target);
    for (size_t i = 0; i < payload->count; i++) {
        int len = snprintf(path, sizeof(path), "%s/%s", data_dir, payload->items[i].path);
        if (len < 0 || (size_t)len >= sizeof(path) || !file_holds(path, payload->items[i].bytes)) {
            return false;
        }
    }
    return count_files(data_dir) == payload->count;
}

static int write_file(const char *path, const struct payload_file *item, int64_t group,
                      struct error *reterr)
{
    uint32_t mode = item->mode | (group >= 0 ? 0440U : 0U);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return error_set(reterr, -errno, "cannot create %s: %s", path, strerror(errno));
    }
    int r = 0;
    for (size_t at = 0; at < item->bytes.len && r == 0;) {
        ssize_t n = write(file, item->bytes.data + at, item->bytes.len - at);
        if (n < 0) {
            r = -errno;
        } else {
            at += (size_t)n;
        }
    }
    if (r == 0 && group >= 0 && fchown(file, (uid_t)-1, (gid_t)group) < 0) {
        r = -errno;
    }
    if (r == 0 && fchmod(file, mode & 07777) < 0) {
        r = -errno;
    }
    if (close(file) < 0 && r == 0) {
        r = -errno;
    }
    return r < 0 ? error_set(reterr, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static int write_files(const char *data_dir, const struct payload *payload, int64_t group,
                       struct error *reterr)
{
    for (size_t i = 0; i < payload->count; i++) {
        char path[AGENT_PATH_BYTES_MAX];
        int n = snprintf(path, sizeof(path), "%s/%s", data_dir, payload->items[i].path);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            return error_set(reterr, -ENAMETOOLONG, "path too long in volume");
        }
        char *slash = strrchr(path, '/');
        *slash = '\0';
        int r = directory_make(path, 0755, reterr);
        if (r < 0) {
            return r;
        }
        *slash = '/';
        r = write_file(path, &payload->items[i], group, reterr);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* The first component of each file is a link through ..data in the volume itself. */
static int link_names(const char *dir, const struct payload *payload, struct error *reterr)
{
    for (size_t i = 0; i < payload->count; i++) {
        char name[NAME_MAX + 1];
        const char *file = payload->items[i].path;
        size_t len = (size_t)(strchrnul(file, '/') - file);
        char link[AGENT_PATH_BYTES_MAX], target[NAME_MAX + 16];
        if (len > NAME_MAX) {
            return error_set(reterr, -ENAMETOOLONG, "name too long in volume: %s", file);
        }
        memcpy(name, file, len);
        name[len] = '\0';
        (void)snprintf(link, sizeof(link), "%s/%s", dir, name);
        (void)snprintf(target, sizeof(target), "..data/%s", name);
        if (symlink(target, link) < 0 && errno != EEXIST) {
            return error_set(reterr, -errno, "cannot make %s: %s", link, strerror(errno));
        }
    }
    return 0;
}

/* Links of files that are gone, and data directories that ..data no longer names. */
static void remove_stale(const char *dir, const struct payload *payload, const char *current)
{
    DIR *handle = opendir(dir);
    for (struct dirent *entry; handle != NULL && (entry = readdir(handle)) != NULL;) {
        const char *name = entry->d_name;
        char path[AGENT_PATH_BYTES_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "..data") == 0 ||
            strcmp(name, current) == 0) {
            continue;
        }
        if (strncmp(name, "..", 2) == 0) {
            struct error error = {0};
            if (volumes_remove_tree(path, &error) < 0) { /* Tried again at the next change. */
                LOG_WARN("volumes", "old files stay", KV_TEXT("error", error_message(&error)));
            }
            error_release(&error);
            continue;
        }
        bool wanted = false;
        size_t len = strlen(name);
        for (size_t i = 0; i < payload->count; i++) {
            const char *file = payload->items[i].path;
            wanted |= strncmp(file, name, len) == 0 && (file[len] == '\0' || file[len] == '/');
        }
        if (!wanted) {
            (void)unlink(path);
        }
    }
    if (handle != NULL) {
        (void)closedir(handle);
    }
}

int payload_write(const char *dir, const struct payload *payload, int64_t group,
                  struct error *reterr)
{
    if (is_unchanged(dir, payload)) {
        return 0;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    char name[64], path[AGENT_PATH_BYTES_MAX], link_new[AGENT_PATH_BYTES_MAX];
    (void)snprintf(name, sizeof(name), "..%lld_%09ld", (long long)now.tv_sec, now.tv_nsec);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)snprintf(link_new, sizeof(link_new), "%s/..data_tmp", dir);
    int r = directory_make(path, 0755, reterr);
    if (r == 0) {
        r = write_files(path, payload, group, reterr);
    }
    if (r < 0) {
        return r;
    }
    (void)unlink(link_new); /* Left over from a crash. */
    if (symlink(name, link_new) < 0) {
        return error_set(reterr, -errno, "cannot make %s: %s", link_new, strerror(errno));
    }
    (void)snprintf(path, sizeof(path), "%s/..data", dir);
    if (rename(link_new, path) < 0) {
        return error_set(reterr, -errno, "cannot switch %s: %s", path, strerror(errno));
    }
    r = link_names(dir, payload, reterr);
    if (r < 0) {
        return r;
    }
    remove_stale(dir, payload, name);
    return 0;
}
