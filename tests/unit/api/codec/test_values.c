#include "lib/api/intstr.h"
#include "lib/api/quantity.h"
#include "lib/api/time.h"
#include "tests/unit/api/codec/suites.h"
#include <errno.h>

static const char *canonical(struct arena *arena, const char *text)
{
    char shown[QUANTITY_TEXT_SIZE];
    struct quantity quantity;
    CLEANUP(error_release) struct error error = {0};
    if (quantity_parse(slice_text(text), &quantity, &error) < 0) {
        return arena_text(arena, error_message(&error));
    }
    quantity_format(quantity, shown);
    return arena_text(arena, shown);
}

START_TEST(quantities_are_written_in_canonical_form)
{
    static const char *const cases[][2] = {
        {"0", "0"},
        {"1000m", "1"},
        {"1.5", "1500m"},
        {"-0.5", "-500m"},
        {"1024Mi", "1Gi"},
        {"1536Mi", "1536Mi"},
        {"0.5Gi", "512Mi"},
        {"1.5Gi", "1536Mi"},
        {"1000", "1k"},
        {"1048576Ki", "1Gi"},
        {"1e3", "1e3"},
        {"3E3", "3E3"},
        {"12E", "12E"},
        {"100M", "100M"},
        {"0.0000000001", "1n"},
        {"0.5Ki", "512"},
        {"1023Ki", "1023Ki"},
        {"9223372036854775807", "9223372036854775807"},
        {"9E9", "9E9"},
        {"100E", "100E"},
        {"+5", "5"},
        {".5", "500m"},
        {"5.", "5"},
        {"010", "10"},
        {"1.0005Ki", "1024512m"},
        {"1e-3", "1e-3"},
        {"123456789.123456789", "123456789123456789n"},
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(canonical(arena, cases[i][0]), cases[i][1]);
    }
}
END_TEST

START_TEST(sums_of_the_largest_with_fractions_are_written_with_all_digits)
{
    struct quantity largest = quantity_of(INT64_MAX - 1, QUANTITY_DECIMAL_SI), nano;
    char text[QUANTITY_TEXT_SIZE];
    CLEANUP(error_release) struct error error = {0};
    ck_assert_int_eq(quantity_parse(slice_text("1n"), &nano, &error), 0);
    quantity_format(quantity_add(largest, nano), text);
    ck_assert_str_eq(text, "9223372036854775806000000001n");
    quantity_format(quantity_sub(quantity_of(0, QUANTITY_DECIMAL_SI), quantity_add(largest, nano)),
                    text);
    ck_assert_str_eq(text, "-9223372036854775806000000001n");
}
END_TEST

START_TEST(what_is_no_quantity_is_refused_in_the_words_of_kubernetes)
{
    static const char wrong[] = "quantities must match the regular expression "
                                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(canonical(arena, ""), wrong);
    ck_assert_str_eq(canonical(arena, "abc"), wrong);
    ck_assert_str_eq(canonical(arena, "1 Gi"), wrong);
    ck_assert_str_eq(canonical(arena, "1Gix"), wrong);
    ck_assert_str_eq(canonical(arena, "1KM"), "unable to parse quantity's suffix");
    ck_assert_str_eq(canonical(arena, "Mi"), "unable to parse numeric part of quantity");
}
END_TEST

static struct quantity parsed(const char *text)
{
    struct quantity quantity;
    ck_assert_int_eq(quantity_parse(slice_text(text), &quantity, NULL), 0);
    return quantity;
}

START_TEST(quantities_compare_and_add_exactly)
{
    ck_assert_int_eq(quantity_compare(parsed("1Gi"), parsed("1024Mi")), 0);
    ck_assert_int_lt(quantity_compare(parsed("999m"), parsed("1")), 0);
    ck_assert_int_eq(quantity_value(quantity_add(parsed("0.3"), parsed("0.7"))), 1);
    ck_assert_int_eq(quantity_value(parsed("1m")), 1); /* Rounded up. */
    ck_assert_int_eq(quantity_milli_value(parsed("1.0001")), 1001);
    ck_assert_int_eq(quantity_sign(quantity_sub(parsed("1"), parsed("2"))), -1);
    ck_assert_int_eq(quantity_value(quantity_add(parsed("9E"), parsed("9E"))), INT64_MAX);
    ck_assert_int_eq(quantity_value(quantity_of_milli(2500, QUANTITY_DECIMAL_SI)), 3);
}
END_TEST

START_TEST(times_are_read_with_offsets_and_written_in_utc)
{
    char text[API_TIME_TEXT_SIZE];
    int64_t seconds;
    int32_t nanos;

    ck_assert_int_eq(
        api_time_parse(slice_text("2024-02-29T12:30:45.123456789+02:00"), &seconds, &nanos), 0);
    ck_assert_int_eq(seconds, 1709202645);
    ck_assert_int_eq(nanos, 123456789);
    api_time_format(seconds, text);
    ck_assert_str_eq(text, "2024-02-29T10:30:45Z");
    api_micro_time_format(seconds, nanos, text);
    ck_assert_str_eq(text, "2024-02-29T10:30:45.123456Z");
    api_time_format(-1, text);
    ck_assert_str_eq(text, "1969-12-31T23:59:59Z");
    api_time_format(-62167219200, text);
    ck_assert_str_eq(text, "0000-01-01T00:00:00Z");
    api_time_format(253402300799, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
    api_time_format(253402300800, text); /* As Go shows what is no RFC 3339. */
    ck_assert_str_eq(text, "10000-01-01T00:00:00Z");
}
END_TEST

START_TEST(dates_that_do_not_exist_are_refused)
{
    static const char *const wrong[] = {"",
                                        "2023-02-29T00:00:00Z",
                                        "2024-13-01T00:00:00Z",
                                        "2024-01-01T24:00:00Z",
                                        "2024-01-01T00:00:00",
                                        "2024-01-01 00:00:00Z",
                                        "2024-01-01T00:00:00Zx",
                                        "2024-01-01T00:00:00.Z",
                                        "24-01-01T00:00:00Z"};
    int64_t seconds = 7;
    int32_t nanos;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_int_eq(api_time_parse(slice_text(wrong[i]), &seconds, &nanos), -EINVAL);
    }
    ck_assert_int_eq(seconds, 7);
}
END_TEST

START_TEST(durations_keep_the_text_of_go)
{
    static const char *const same[] = {"0s",     "1h2m3s", "1.5s", "300ms",
                                       "1h0m0s", "2m0.5s", "1ns",  "-1m0s"};
    char text[API_TIME_TEXT_SIZE];
    int64_t nanos;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        ck_assert_int_eq(api_duration_parse(slice_text(same[i]), &nanos), 0);
        api_duration_format(nanos, text);
        ck_assert_str_eq(text, same[i]);
    }
    ck_assert_int_eq(api_duration_parse(slice_text("5"), &nanos), -EINVAL);
    ck_assert_int_eq(api_duration_parse(slice_text("1x"), &nanos), -EINVAL);
}
END_TEST

START_TEST(percentages_scale_and_round_as_asked)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    int32_t value = -1;
    ck_assert_int_eq(intstr_scaled(intstr_new_text(arena, "25%"), 10, true, &value), 0);
    ck_assert_int_eq(value, 3);
    ck_assert_int_eq(intstr_scaled(intstr_new_text(arena, "25%"), 10, false, &value), 0);
    ck_assert_int_eq(value, 2);
    ck_assert_int_eq(intstr_scaled(intstr_new_int(arena, 4), 10, true, &value), 0);
    ck_assert_int_eq(value, 4);
    ck_assert_int_eq(intstr_scaled(intstr_new_text(arena, "http"), 10, true, &value), -EINVAL);
    ck_assert_int_eq(value, 4);
}
END_TEST

Suite *values_suite(void)
{
    Suite *suite = suite_create("api/values");
    TCase *tcase = tcase_create("values");
    tcase_add_test(tcase, quantities_are_written_in_canonical_form);
    tcase_add_test(tcase, sums_of_the_largest_with_fractions_are_written_with_all_digits);
    tcase_add_test(tcase, what_is_no_quantity_is_refused_in_the_words_of_kubernetes);
    tcase_add_test(tcase, quantities_compare_and_add_exactly);
    tcase_add_test(tcase, times_are_read_with_offsets_and_written_in_utc);
    tcase_add_test(tcase, dates_that_do_not_exist_are_refused);
    tcase_add_test(tcase, durations_keep_the_text_of_go);
    tcase_add_test(tcase, percentages_scale_and_round_as_asked);
    suite_add_tcase(suite, tcase);
    return suite;
}
