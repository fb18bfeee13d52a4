#include "store/bolt_import.h"

#include "lib/base/crc32c.h"
#include "lib/base/digest.h"
#include "store/bolt_auth.h"
#include "store/status.h"
#include <errno.h>
#include <inttypes.h>

enum { RECORD_SLACK = 1024, HASH_SEED = 0x626f6c74 };

struct import {
    const struct bolt_file *file;
    struct store_state state;
    int64_t revision, compact_revision;
    int64_t next_sub; /* The least that another change of `revision` may have. */
    uint64_t hash;
    struct error *reterr;
};

/* --- Keys, in order of revision: each key's oldest version first. */

static int check_version(const struct import *import, const struct bolt_revision *revision,
                         const struct bolt_key_value *kv)
{
    bool sound = kv->key.len > 0 && revision->main > 0 &&
                 (revision->main > import->revision || revision->sub >= import->next_sub);
    if (!revision->tombstone) {
        sound = sound && kv->mod_revision == revision->main && kv->version > 0 &&
                kv->create_revision > 0 && kv->create_revision <= kv->mod_revision;
    }
    if (!sound) {
        return error_set(import->reterr, -EBADMSG,
                         "the version at revision %" PRId64 " contradicts itself", revision->main);
    }
    if (kv->key.len + kv->value.len > STORE_SNAPSHOT_RECORD_MAX - RECORD_SLACK) {
        return error_set(import->reterr, -EMSGSIZE,
                         "the value written at revision %" PRId64 " has %zu bytes; at most %d can "
                         "be taken over",
                         revision->main, kv->value.len, STORE_SNAPSHOT_RECORD_MAX - RECORD_SLACK);
    }
    return 0;
}

static int on_version(void *data, struct slice key, struct slice value)
{
    struct import *import = data;
    struct bolt_revision revision;
    struct bolt_key_value kv;
    if (bolt_get_revision(key, &revision) < 0 || bolt_get_key_value(value, &kv) < 0) {
        return error_set(import->reterr, -EBADMSG, "bucket key: an entry cannot be read");
    }
    int result = check_version(import, &revision, &kv);
    if (result < 0) {
        return result;
    }
    struct store_kv *loaded =
        mvcc_kv_new(kv.key, revision.tombstone ? slice_of(NULL, 0) : kv.value);
    loaded->mod_revision = revision.main;
    if (!revision.tombstone) {
        loaded->create_revision = kv.create_revision;
        loaded->version = kv.version;
        loaded->lease = kv.lease;
    }
    import->revision = revision.main;
    import->next_sub = (int64_t)revision.sub + 1;
    import->hash = digest64(digest64(import->hash, key), value);
    if (mvcc_load(import->state.mvcc, loaded, revision.sub) != 0) {
        return error_set(import->reterr, -EBADMSG,
                         "bucket key: two versions of one key at revision %" PRId64, revision.main);
    }
    return 0;
}

/* --- Leases. */

static int on_lease(void *data, struct slice key, struct slice value)
{
    struct import *import = data;
    int64_t id;
    int64_t ttl_s;
    (void)key;
    if (bolt_get_lease(value, &id, &ttl_s) < 0 || id == 0) {
        return error_set(import->reterr, -EBADMSG, "bucket lease: an entry cannot be read");
    }
    ttl_s = ttl_s < 1 ? 1 : ttl_s > STORE_LEASE_TTL_MAX_S ? STORE_LEASE_TTL_MAX_S : ttl_s;
    int status = lease_table_grant(import->state.leases, id, ttl_s);
    if (status != 0) {
        return error_set(import->reterr, -EBADMSG, "bucket lease: %s", store_status_text(status));
    }
    const int64_t grant[] = {id, ttl_s};
    import->state.lease_hash = digest64(import->state.lease_hash, slice_of(grant, sizeof(grant)));
    return 0;
}

static bool attach(void *data, const struct store_kv *kv)
{
    struct import *import = data;
    lease_table_attach(import->state.leases, kv->lease, kv->key);
    return true;
}

/* --- Compaction: begun counts like finished, it only has to be done again. */

static int on_meta(void *data, struct slice key, struct slice value)
{
    struct import *import = data;
    struct bolt_revision revision;
    if (!slice_is(key, "finishedCompactRev") && !slice_is(key, "scheduledCompactRev")) {
        return 0;
    }
    if (bolt_get_revision(value, &revision) < 0) {
        return error_set(import->reterr, -EBADMSG, "bucket meta: a revision cannot be read");
    }
    if (revision.main > import->compact_revision) {
        import->compact_revision = revision.main;
    }
    return 0;
}

static int read_bucket(struct import *import, const char *name, bool required,
                       int (*each)(void *data, struct slice key, struct slice value))
{
    struct bolt_bucket bucket;
    int result = bolt_file_bucket(import->file, name, &bucket, import->reterr);
    if (result == -ENOENT && !required) {
        error_release(import->reterr);
        return 0;
    }
    if (result == 0) {
        result = bolt_bucket_each(import->file, &bucket, each, import, import->reterr);
    }
    return result == -ENOENT ? error_set(import->reterr, -EBADMSG, "there is no bucket %s", name)
                             : result;
}

static int finish(struct import *import)
{
    static const uint8_t zero = 0;
    enum { TRIM_ALL = 1 << 20 };
    struct mvcc *mvcc = import->state.mvcc;
    int64_t revision = import->revision;
    revision = revision < import->compact_revision ? import->compact_revision : revision;
    int status =
        mvcc_load_end(mvcc, revision < 1 ? 1 : revision, /* compact_revision= */ 0, import->hash);
    if (status == 0 && import->compact_revision > 0) {
        status = mvcc_compact(mvcc, import->compact_revision);
    }
    if (status != 0) {
        return error_set(import->reterr, -EBADMSG, "revisions contradict each other");
    }
    while (mvcc_trim(mvcc, TRIM_ALL)) {
    }
    mvcc_each(mvcc, slice_of(NULL, 0), slice_of(&zero, 1), attach, import);
    return 0;
}

int bolt_import(const struct bolt_file *file, struct store_state *ret_state, struct error *reterr)
{
    struct import import = {.file = file, .hash = HASH_SEED, .reterr = reterr};
    store_state_init(&import.state);
    int result = read_bucket(&import, "key", /* required= */ true, on_version);
    if (result == 0) {
        result = read_bucket(&import, "lease", /* required= */ false, on_lease);
    }
    if (result == 0) {
        result = read_bucket(&import, "meta", /* required= */ true, on_meta);
    }
    if (result == 0) {
        result = bolt_import_auth(file, import.state.auth, reterr);
    }
    if (result == 0) {
        result = finish(&import);
    }
    if (result < 0) {
        store_state_release(&import.state);
        return result;
    }
    *ret_state = import.state;
    return 0;
}

/* --- Figures. */

struct figures_walk {
    const struct bolt_file *file;
    struct bolt_figures figures;
    bool in_keys;
    struct error *reterr;
};

static int count_entry(void *data, struct slice key, struct slice value)
{
    struct figures_walk *walk = data;
    struct bolt_revision revision;
    walk->figures.hash = crc32c(crc32c(walk->figures.hash, key), value);
    walk->figures.keys++;
    if (walk->in_keys && bolt_get_revision(key, &revision) == 0) {
        walk->figures.revision = revision.main;
    }
    return 0;
}

static int count_bucket(void *data, struct slice name, const struct bolt_bucket *bucket)
{
    struct figures_walk *walk = data;
    walk->in_keys = slice_is(name, "key");
    walk->figures.hash = crc32c(walk->figures.hash, name);
    return bolt_bucket_each(walk->file, bucket, count_entry, walk, walk->reterr);
}

int bolt_read_figures(const struct bolt_file *file, struct bolt_figures *ret_figures,
                      struct error *reterr)
{
    struct figures_walk walk = {
        .file = file, .figures = {.bytes = file->pages * file->page_size}, .reterr = reterr};
    int result = bolt_file_each_bucket(file, count_bucket, &walk, reterr);
    if (result == 0) {
        *ret_figures = walk.figures;
    }
    return result;
}
