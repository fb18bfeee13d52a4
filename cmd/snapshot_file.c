#include "cmd/snapshot_file.h"

#include "lib/net/x509.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 }; /* The size of every database file is a multiple of it; the hash is extra. */

static int map(const char *path, struct slice *ret_bytes, struct error *reterr)
{
    struct stat facts;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &facts) < 0) {
        int code = -errno;
        if (file >= 0) {
            (void)close(file); /* Nothing was written. */
        }
        return error_set(reterr, code, "cannot read %s: %s", path, strerror(-code));
    }
    if (!S_ISREG(facts.st_mode) || facts.st_size == 0) {
        (void)close(file);
        return error_set(reterr, -EBADMSG, "%s is no snapshot: it is empty or no file", path);
    }
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    int code = -errno;
    (void)close(file); /* The mapping stays. */
    if (bytes == MAP_FAILED) {
        return error_set(reterr, code, "cannot map %s: %s", path, strerror(-code));
    }
    *ret_bytes = slice_of(bytes, (size_t)facts.st_size);
    return 0;
}

static int check_hash(const struct snapshot_file *file, bool skip_hash, const char *path,
                      struct error *reterr)
{
    uint8_t hash[X509_SHA256_SIZE];
    if (skip_hash) {
        return 0;
    }
    if (!file->has_hash) {
        return error_set(reterr, -EBADMSG,
                         "%s has no hash at its end. A database file that was copied from a data "
                         "directory has none: --skip-hash-check takes it as it is",
                         path);
    }
    x509_sha256(slice_of(file->mapped.data, file->mapped.len - sizeof(hash)), hash);
    if (memcmp(hash, file->hash, sizeof(hash)) != 0) {
        return error_set(reterr, -EBADMSG, "%s is damaged: its hash does not match", path);
    }
    return 0;
}

int snapshot_file_open(const char *path, bool skip_hash, struct snapshot_file *ret_file,
                       struct error *reterr)
{
    struct snapshot_file file = {.has_hash = false};
    int result = map(path, &file.mapped, reterr);
    if (result < 0) {
        return result;
    }
    file.has_hash = file.mapped.len % SECTOR == sizeof(file.hash);
    struct slice bytes = file.mapped;
    if (file.has_hash) {
        bytes.len -= sizeof(file.hash);
        memcpy(file.hash, bytes.data + bytes.len, sizeof(file.hash));
    }
    result = check_hash(&file, skip_hash, path, reterr);
    if (result == 0) {
        result = bolt_file_open(bytes, &file.bolt, reterr);
        if (result < 0) {
            (void)error_wrap(reterr, "%s", path);
        }
    }
    if (result < 0) {
        snapshot_file_close(&file);
        return result;
    }
    *ret_file = file;
    return 0;
}

void snapshot_file_close(struct snapshot_file *file)
{
    if (file->mapped.data != NULL) {
        (void)munmap((void *)(uintptr_t)file->mapped.data, file->mapped.len); /* Is mapped. */
        file->mapped = slice_of(NULL, 0);
    }
}
