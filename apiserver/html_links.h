/* Links of HTML pages that come through the proxy: a page knows its own server's paths only, so
 * those that begin at its root get a prefix, as v1.32's proxy does. Pure. */
#ifndef APISERVER_HTML_LINKS_H
#define APISERVER_HTML_LINKS_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

/* Where a page is, as its links may name it. All borrowed. */
struct link_base {
    const char *prefix;       /* "/api/v1/namespaces/a/services/b/proxy", escaped as in a URL. */
    const char *server_host;  /* Of the server that made the page: "10.0.0.1:80". */
    struct slice client_host; /* By which the client knows us; may be empty. */
};

/* Appends the link as the client should see it: with the prefix when it is a path from the root, or
 * one at one of these hosts; else as it is. */
void link_rewrite(const struct link_base *base, struct slice link, struct buffer *out);

/* A page on its way. What is no well-formed HTML passes as it is. It holds back at most one link of
 * HTML_LINK_MAX bytes. */
struct html_links;
enum { HTML_LINK_MAX = 8192 };

struct html_links *html_links_new(struct arena *arena, const struct link_base *base);
void html_links_feed(struct html_links *links, struct slice bytes, struct buffer *out);
void html_links_end(struct html_links *links, struct buffer *out); /* What was held back. */
#endif
