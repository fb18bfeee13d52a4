/* A page in two pieces, cut anywhere, comes out as when it is whole; and without links to rewrite
 * as it went in. */
#include "apiserver/html_links.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const struct link_base *base, struct slice page, size_t cut, struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct html_links *links = html_links_new(arena, base);
    buffer_init(out, SIZE_MAX);
    html_links_feed(links, slice_of(page.data, cut), out);
    html_links_feed(links, slice_of(page.data + cut, page.len - cut), out);
    html_links_end(links, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    CLEANUP(buffer_release) struct buffer whole, cut, same;
    const struct link_base base = {.prefix = "/p", .server_host = "s"};
    const struct link_base none = {.prefix = "", .server_host = ""};
    struct slice page = slice_of(data + 1, size - 1);
    rewrite(&base, page, page.len, &whole);
    rewrite(&base, page, page.len == 0 ? 0 : data[0] % page.len, &cut);
    rewrite(&none, page, page.len, &same);
    assert(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
    assert(slice_equal(buffer_slice(&same), page));
    return 0;
}
