#include "lib/net/http1_request.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <string.h>

struct url {
    bool is_https;
    struct slice host_port;
    struct slice target;
};

/* Control characters and spaces in it would end its line. */
static bool is_one_line(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static int parse_url(const char *text, struct url *ret_url)
{
    struct slice rest = slice_text(text);
    struct slice http = slice_text("http://");
    struct slice https = slice_text("https://");
    ret_url->is_https = slice_starts_with(rest, https);
    if (!ret_url->is_https && !slice_starts_with(rest, http)) {
        return -EINVAL;
    }
    size_t skip = ret_url->is_https ? https.len : http.len;
    rest = slice_of(rest.data + skip, rest.len - skip);
    size_t len = 0;
    while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?') {
        len++;
    }
    ret_url->host_port = slice_of(rest.data, len);
    ret_url->target = slice_of(rest.data + len, rest.len - len);
    return len > 0 && is_one_line(rest) ? 0 : -EINVAL;
}

static int parse_host(const struct url *url, struct net_address *ret_address)
{
    CLEANUP(alloc_freep)
    char *text = alloc_text_n((const char *)url->host_port.data, url->host_port.len);
    if (net_address_parse(text, ret_address) == 0) {
        return 0;
    }
    CLEANUP(alloc_freep) char *with_port = alloc_printf("%s:%d", text, url->is_https ? 443 : 80);
    return net_address_parse(with_port, ret_address) == 0 ? 0 : -EINVAL;
}

static void write_line(const struct url *url, const char *method, struct buffer *out)
{
    bool has_slash = url->target.len > 0 && url->target.data[0] == '/';
    buffer_printf(out, "%s %s", method, has_slash ? "" : "/");
    buffer_append_slice(out, url->target);
    buffer_append_text(out, " HTTP/1.1\r\nhost: ");
    buffer_append_slice(out, url->host_port);
    buffer_append_text(out, "\r\n");
}

static int write_header(const struct http_header *header, struct buffer *out)
{
    struct slice value = header->value;
    if (value.len > 0 && (memchr(value.data, '\r', value.len) != NULL ||
                          memchr(value.data, '\n', value.len) != NULL)) {
        return -EINVAL;
    }
    buffer_append_slice(out, header->name);
    buffer_append_text(out, ": ");
    buffer_append_slice(out, value);
    buffer_append_text(out, "\r\n");
    return 0;
}

static void write_body(const struct http_call_options *options, struct buffer *out)
{
    if (options->upgrade != NULL) {
        buffer_printf(out, "connection: Upgrade\r\nupgrade: %s\r\n", options->upgrade);
    } else if (options->no_keep_alive) {
        buffer_append_text(out, "connection: close\r\n");
    }
    if (options->body.len > 0 || strcmp(options->method, "POST") == 0 ||
        strcmp(options->method, "PUT") == 0 || strcmp(options->method, "PATCH") == 0) {
        buffer_printf(out, "content-length: %zu\r\n", options->body.len);
    }
    buffer_append_text(out, "\r\n");
    buffer_append_slice(out, options->body);
}

int http1_request_write(const struct http_call_options *options, struct net_address *ret_address,
                        struct buffer *out)
{
    struct url url = {.is_https = false};
    struct net_address address = {.port = 0};
    int status = parse_url(options->url, &url);
    status = status != 0 ? status : parse_host(&url, &address);
    *ret_address = status == 0 ? address : (struct net_address){.port = 0};
    if (status != 0 || (url.is_https && options->tls == NULL)) {
        return -EINVAL;
    }
    write_line(&url, options->method, out);
    for (size_t i = 0; i < options->header_count; i++) {
        if (write_header(&options->headers[i], out) != 0) {
            return -EINVAL;
        }
    }
    write_body(options, out);
    return buffer_error(out) != 0 ? -E2BIG : 0;
}
