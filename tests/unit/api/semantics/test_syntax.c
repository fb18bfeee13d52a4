/* The syntax of names, addresses and the like, by the messages of v1.32. */
#include "lib/api/syntax.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <string.h>

START_TEST(a_label_has_no_dots_and_a_subdomain_may)
{
    ck_assert_uint_eq(api_syntax_dns1123_label("a-1").count, 0);
    ck_assert_str_eq(api_syntax_dns1123_label("a.b").messages[0], "must not contain dots");
    ck_assert_uint_eq(api_syntax_dns1123_subdomain("a.b").count, 0);
    ck_assert_uint_eq(api_syntax_dns1123_subdomain("a..b").count, 1);
    ck_assert_uint_eq(api_syntax_dns1123_subdomain("").count, 1);
    ck_assert_uint_eq(api_syntax_dns1123_label("-a").count, 1);
}
END_TEST

START_TEST(a_service_name_starts_with_a_letter)
{
    ck_assert_uint_eq(api_syntax_dns1035_label("a1").count, 0);
    ck_assert_uint_eq(api_syntax_dns1035_label("1a").count, 1);
}
END_TEST

START_TEST(qualified_names_report_prefix_and_name_apart)
{
    ck_assert_uint_eq(api_syntax_qualified_name("example.com/My.Name").count, 0);
    ck_assert_str_eq(api_syntax_qualified_name("/x").messages[0], "prefix part must be non-empty");
    ck_assert_uint_eq(api_syntax_qualified_name("").count, 2);
    ck_assert_uint_eq(api_syntax_qualified_name("a/b/c").count, 1);
}
END_TEST

START_TEST(addresses_are_read_and_written_by_one_pair)
{
    struct in_addr address = {0};
    ck_assert(api_ipv4_parse("010.9.8.7", &address));
    ck_assert_mem_eq(&address, "\x0a\x09\x08\x07", 4);
    ck_assert(!api_ipv4_parse("2001:db8::1", &address));
    ck_assert(!api_ipv4_parse("", &address));
    static const char *const written[][2] = {{"010.9.08.7", "10.9.8.7"},
                                             {"::ffff:10.0.0.1", "10.0.0.1"},
                                             {"2001:DB8:0::0001", "2001:db8::1"}};
    for (size_t i = 0; i < ARRAY_LEN(written); i++) {
        uint8_t ip[16];
        bool is_v6 = false;
        char text[INET6_ADDRSTRLEN];
        ck_assert(api_ip_parse(written[i][0], ip, &is_v6));
        api_ip_print(ip, is_v6, text);
        ck_assert_str_eq(text, written[i][1]);
    }
}
END_TEST

START_TEST(addresses_have_one_spelling_of_each_byte)
{
    uint8_t ip[16];
    bool is_v6 = false;
    unsigned bits = 0;
    ck_assert(api_ip_parse("10.9.8.7", ip, &is_v6) && !is_v6);
    ck_assert_uint_eq(ip[15], 7);
    ck_assert(api_ip_parse("010.9.08.00007", ip, &is_v6) && !is_v6);
    ck_assert_mem_eq(ip + 12, "\x0a\x09\x08\x07", 4);
    ck_assert(!api_ip_parse_exact("010.9.8.7", ip, &is_v6));
    ck_assert(api_ip_parse("::ffff:01.2.3.004", ip, &is_v6) && !is_v6 && ip[15] == 4);
    ck_assert(!api_ip_parse("010", ip, &is_v6));
    ck_assert(!api_ip_parse("0300.1.1.1", ip, &is_v6));
    ck_assert(!api_ip_parse("0x1.1.1.1", ip, &is_v6));
    ck_assert(!api_ip_parse("01.1.1.1.", ip, &is_v6));
    ck_assert(!api_ip_parse("1.1.1..1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", ip, &is_v6));
    ck_assert(api_ip_parse("2001:db8::ffff", ip, &is_v6) && is_v6);
    ck_assert(api_cidr_parse("10.0.0.0/24", ip, &bits, &is_v6) && bits == 24);
    ck_assert(api_cidr_parse("010.0.0.0/24", ip, &bits, &is_v6) && ip[12] == 10);
    ck_assert(!api_cidr_parse_exact("010.0.0.0/24", ip, &bits, &is_v6));
    ck_assert(!api_cidr_parse("10.0.0.0/33", ip, &bits, &is_v6));
    ck_assert(!api_cidr_parse("10.0.0.0/", ip, &bits, &is_v6));
}
END_TEST

START_TEST(port_names_need_a_letter_and_single_hyphens)
{
    ck_assert_uint_eq(api_syntax_port_name("http-1").count, 0);
    ck_assert_str_eq(api_syntax_port_name("123").messages[0],
                     "must contain at least one letter (a-z)");
    ck_assert_uint_eq(api_syntax_port_name("a--b").count, 1);
    ck_assert_uint_eq(api_syntax_port_name("waytoolongportname").count, 1);
}
END_TEST

START_TEST(environment_names_are_relaxed_but_have_no_equals_sign)
{
    ck_assert_uint_eq(api_syntax_env_name("a b;c").count, 0);
    ck_assert_uint_eq(api_syntax_env_name("A=B").count, 1);
    ck_assert_uint_eq(api_syntax_env_name("").count, 1);
}
END_TEST

Suite *syntax_suite(void)
{
    Suite *suite = suite_create("syntax");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, a_label_has_no_dots_and_a_subdomain_may);
    tcase_add_test(rules, a_service_name_starts_with_a_letter);
    tcase_add_test(rules, qualified_names_report_prefix_and_name_apart);
    tcase_add_test(rules, addresses_are_read_and_written_by_one_pair);
    tcase_add_test(rules, addresses_have_one_spelling_of_each_byte);
    tcase_add_test(rules, port_names_need_a_letter_and_single_hyphens);
    tcase_add_test(rules, environment_names_are_relaxed_but_have_no_equals_sign);
    suite_add_tcase(suite, rules);
    return suite;
}
