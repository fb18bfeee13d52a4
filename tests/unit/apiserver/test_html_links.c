/* Links of pages behind the proxy: those from the root get its prefix, everything else stays byte
 * for byte, however the page is cut into pieces. */
#include "apiserver/html_links.h"

#include "tests/unit/apiserver/registry_fixture.h"
#include <check.h>

static const struct link_base base = {.prefix = "/p", .server_host = "10.0.0.1:80"};
static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static const char *linked(const char *link)
{
    CLEANUP(buffer_release) struct buffer out;
    struct link_base both = base;
    both.client_host = slice_text("api:6443");
    buffer_init(&out, SIZE_MAX);
    link_rewrite(&both, slice_text(link), &out);
    return arena_text(arena, buffer_text(&out));
}

static const char *page_in_pieces(const char *page, size_t piece)
{
    CLEANUP(buffer_release) struct buffer out;
    struct html_links *links = html_links_new(arena, &base);
    size_t len = strlen(page);
    buffer_init(&out, SIZE_MAX);
    for (size_t at = 0; at < len; at += piece) {
        size_t some = len - at < piece ? len - at : piece;
        html_links_feed(links, slice_of((const uint8_t *)page + at, some), &out);
    }
    html_links_end(links, &out);
    return arena_text(arena, buffer_text(&out));
}

static void check_page(const char *page, const char *wanted)
{
    ck_assert_str_eq(page_in_pieces(page, SIZE_MAX / 2), wanted);
    ck_assert_str_eq(page_in_pieces(page, 1), wanted);
    ck_assert_str_eq(page_in_pieces(page, 3), wanted);
}

START_TEST(paths_from_the_root_get_the_prefix_once)
{
    ck_assert_str_eq(linked("/a?b#c"), "/p/a?b#c");
    ck_assert_str_eq(linked("/"), "/p/");
    ck_assert_str_eq(linked("/p/a"), "/p/a");
    ck_assert_str_eq(linked("a/b"), "a/b");
    ck_assert_str_eq(linked("../b"), "../b");
    ck_assert_str_eq(linked("?x"), "?x");
    ck_assert_str_eq(linked("#x"), "#x");
    ck_assert_str_eq(linked(""), "");
}
END_TEST

START_TEST(hosts_that_are_the_server_behind_or_ourselves_are_meant_too)
{
    ck_assert_str_eq(linked("http://10.0.0.1:80/a"), "/p/a");
    ck_assert_str_eq(linked("//10.0.0.1:80/a"), "/p/a");
    ck_assert_str_eq(linked("https://API:6443/a"), "https://API:6443/p/a");
    ck_assert_str_eq(linked("http://10.0.0.1:80"), "http://10.0.0.1:80");
    ck_assert_str_eq(linked("https://example.com/a"), "https://example.com/a");
    ck_assert_str_eq(linked("//example.com/a"), "//example.com/a");
    ck_assert_str_eq(linked("mailto:/a"), "mailto:/a");
    ck_assert_str_eq(linked("http:/a"), "http:/a");
}
END_TEST

START_TEST(links_of_elements_are_found_however_they_are_written)
{
    check_page("<a href=\"/x\">", "<a href=\"/p/x\">");
    check_page("<A  HREF = '/x' class=/y>", "<A  HREF = '/p/x' class=/y>");
    check_page("<img src=/i.png alt=/no>", "<img src=/p/i.png alt=/no>");
    check_page("<script src=/s></script><p>", "<script src=/p/s></script><p>");
    check_page("<form action='/f' method=post><input src=/g/>",
               "<form action='/p/f' method=post><input src=/p/g/>");
    check_page("<link disabled href=/c><video poster=/v src=/w></video>",
               "<link disabled href=/p/c><video poster=/p/v src=/p/w></video>");
}
END_TEST

START_TEST(what_only_looks_like_a_link_stays)
{
    check_page("<!-- <a href=/x> --><a href=/y>", "<!-- <a href=/x> --><a href=/p/y>");
    check_page("<!--><a href=/y>", "<!--><a href=/p/y>");
    check_page("<script>'<a href=/x>'</script><a href=/y>",
               "<script>'<a href=/x>'</script><a href=/p/y>");
    check_page("<p title=\"<a href=/x>\">1 < 2 <a href=/y>",
               "<p title=\"<a href=/x>\">1 < 2 <a href=/p/y>");
    check_page("<!DOCTYPE html><a data-href=/x name=href>/z</a href=/x>",
               "<!DOCTYPE html><a data-href=/x name=href>/z</a href=/x>");
    check_page("<aaaaaaaaaaaaaaaaaaaaaaaa href=/x>", "<aaaaaaaaaaaaaaaaaaaaaaaa href=/x>");
}
END_TEST

START_TEST(a_page_that_breaks_off_loses_nothing)
{
    check_page("<a href=\"/x", "<a href=\"/x");
    check_page("<a href=", "<a href=");
    check_page("<", "<");
    char *page = arena_alloc(arena, HTML_LINK_MAX * 2);
    memset(page, '/', HTML_LINK_MAX * 2);
    memcpy(page, "<a href=\"", 9);
    page[HTML_LINK_MAX * 2 - 1] = '\0';
    check_page(page, page);
}
END_TEST

Suite *html_links_suite(void);
Suite *html_links_suite(void)
{
    Suite *suite = suite_create("apiserver/html_links");
    TCase *tcase = tcase_create("links");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, paths_from_the_root_get_the_prefix_once);
    tcase_add_test(tcase, hosts_that_are_the_server_behind_or_ourselves_are_meant_too);
    tcase_add_test(tcase, links_of_elements_are_found_however_they_are_written);
    tcase_add_test(tcase, what_only_looks_like_a_link_stays);
    tcase_add_test(tcase, a_page_that_breaks_off_loses_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
