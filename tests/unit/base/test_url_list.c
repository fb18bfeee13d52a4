#include "lib/base/url_list.h"

#include <check.h>
#include <errno.h>

Suite *url_list_suite(void);

START_TEST(the_same_urls_make_the_same_text_in_any_order)
{
    char text[32];
    ck_assert_int_eq(url_list_join((const char *const[]){"b:2", "a:1", "b:2"}, 3, text, 8), 0);
    ck_assert_str_eq(text, "a:1,b:2");
    ck_assert_uint_eq(url_list_count(text), 2);
    ck_assert_int_eq(url_list_join((const char *const[]){"one"}, 1, text, 4), 0);
    ck_assert_str_eq(text, "one");
}
END_TEST

START_TEST(what_is_no_list_of_urls_is_refused)
{
    char text[8] = "before";
    const char *const many[URL_LIST_MAX + 1] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
    ck_assert_int_eq(url_list_join(many, 0, text, sizeof(text)), -EINVAL);
    ck_assert_int_eq(url_list_join(many, URL_LIST_MAX + 1, text, sizeof(text)), -EINVAL);
    ck_assert_int_eq(url_list_join((const char *const[]){""}, 1, text, sizeof(text)), -EINVAL);
    ck_assert_int_eq(url_list_join((const char *const[]){"a,b"}, 1, text, sizeof(text)), -EINVAL);
    ck_assert_int_eq(url_list_join((const char *const[]){"abcd", "efg"}, 2, text, 8),
                     -ENAMETOOLONG);
    ck_assert_str_eq(text, "before");
}
END_TEST

START_TEST(lists_are_compared_url_by_url)
{
    ck_assert(url_list_has("a:1,b:2", "b:2"));
    ck_assert(!url_list_has("a:1,b:2", "b"));
    ck_assert(!url_list_has("a:1,b:2", "a:1,b:2"));
    ck_assert(url_list_overlaps("a:1,b:2", "c:3,a:1"));
    ck_assert(!url_list_overlaps("a:1,b:2", "a:11"));
    ck_assert(!url_list_overlaps("", "a:1"));
    ck_assert_uint_eq(url_list_count(""), 0);
}
END_TEST

Suite *url_list_suite(void)
{
    Suite *suite = suite_create("base/url_list");
    TCase *tcase = tcase_create("lists");
    tcase_add_test(tcase, the_same_urls_make_the_same_text_in_any_order);
    tcase_add_test(tcase, what_is_no_list_of_urls_is_refused);
    tcase_add_test(tcase, lists_are_compared_url_by_url);
    suite_add_tcase(suite, tcase);
    return suite;
}
