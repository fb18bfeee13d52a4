/* etcd database files from any bytes. The input is the pages after the two meta pages, which are
 * made here, because no mutation would keep their checksums right; pages are 512 bytes. What is
 * accepted is written again and must be accepted as the same. */
#include "store/bolt_export.h"
#include "store/bolt_import.h"

#include <assert.h>
#include <stdlib.h>

enum { SMALL_PAGE = 512 };

static struct buffer whole_file(const uint8_t *data, size_t size)
{
    struct buffer out;
    size_t pages = 2 + (size + SMALL_PAGE - 1) / SMALL_PAGE;
    buffer_init(&out, SIZE_MAX);
    uint8_t *at = buffer_reserve(&out, (pages < 4 ? 4 : pages) * SMALL_PAGE);
    assert(at != NULL);
    memset(at, 0, (pages < 4 ? 4 : pages) * SMALL_PAGE);
    for (size_t i = 0; i < 2; i++) {
        const struct bolt_meta meta = {.page_size = SMALL_PAGE,
                                       .root = 3,
                                       .freelist = 2,
                                       .pages = pages < 4 ? 4 : pages,
                                       .transaction = i};
        bolt_put_meta(at + i * SMALL_PAGE + BOLT_PAGE_HEAD, &meta);
    }
    if (size > 0) {
        memcpy(at + 2 * SMALL_PAGE, data, size);
    }
    buffer_commit(&out, (pages < 4 ? 4 : pages) * SMALL_PAGE);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bolt_file file;
    struct bolt_figures figures;
    struct store_state state;
    struct store_state again;
    struct buffer bytes = whole_file(data, size);
    int status = bolt_file_open(buffer_slice(&bytes), &file, NULL);
    assert(status == 0);
    (void)!bolt_read_figures(&file, &figures, NULL);
    if (bolt_import(&file, &state, NULL) == 0) {
        static uint8_t chunk[8192];
        struct bolt_export *bolt_export = bolt_export_new(&state);
        struct bolt_writer *writer = bolt_export_writer(bolt_export);
        buffer_clear(&bytes);
        for (size_t len; (len = bolt_writer_read(writer, chunk, sizeof(chunk))) > 0;) {
            buffer_append(&bytes, chunk, len);
        }
        bolt_export_free(bolt_export);
        status = bolt_file_open(buffer_slice(&bytes), &file, NULL);
        assert(status == 0);
        status = bolt_import(&file, &again, NULL);
        assert(status == 0);
        assert(mvcc_revision(again.mvcc) == mvcc_revision(state.mvcc));
        assert(mvcc_version_count(again.mvcc) == mvcc_version_count(state.mvcc));
        store_state_release(&again);
        store_state_release(&state);
    }
    buffer_release(&bytes);
    return 0;
}
