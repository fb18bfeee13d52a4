/* What a hostile expression cannot do. */
#include "lib/base/alloc.h"
#include "tests/unit/cel/cel_world.h"
#include "tests/unit/cel/suites.h"
#include <errno.h>
#include <stdlib.h>

static struct cel_world world;

static void open_world(void)
{
    cel_world_init(&world);
}

static void close_world(void)
{
    cel_world_release(&world);
}

/* `count` times `text`, between two others. */
static struct slice repeated(const char *before, const char *text, size_t count, const char *after)
{
    struct buffer out;
    buffer_init(&out, 1 << 24);
    buffer_append_text(&out, before);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&out, text);
    }
    buffer_append_text(&out, after);
    struct slice copy = arena_slice(world.arena, buffer_slice(&out));
    buffer_release(&out);
    return copy;
}

static int compiled(struct slice text, const char *message)
{
    const struct cel_program *program;
    struct error error = {0};
    int code = cel_compile(world.arena, &world.env, text, &program, &error);
    if (message != NULL) {
        ck_assert_msg(strstr(error_message(&error), message) != NULL, "%s", error_message(&error));
    }
    error_release(&error);
    return code;
}

static struct cel_result evaluated(const char *text, uint64_t limit)
{
    const struct cel_program *program;
    struct error error = {0};
    ck_assert_msg(cel_compile(world.arena, &world.env, slice_text(text), &program, &error) == 0,
                  "%s", error_message(&error));
    return cel_evaluate(program, world.arena, world.values, limit);
}

START_TEST(text_over_the_limit_is_refused)
{
    ck_assert_int_eq(compiled(repeated("1", " ", CEL_TEXT_MAX, ""), "size exceeds limit"), -E2BIG);
}
END_TEST

START_TEST(nesting_over_the_limit_is_refused)
{
    ck_assert_int_eq(compiled(repeated("", "(", 300, "1"), "recursion limit exceeded: 250"),
                     -EINVAL);
    ck_assert_int_eq(compiled(repeated("1", "+1", 20000, ""), "recursion limit exceeded"), -EINVAL);
    ck_assert_int_eq(compiled(repeated("i", ".a", 20000, ""), "recursion limit exceeded"), -EINVAL);
}
END_TEST

START_TEST(long_chains_of_logic_stay_shallow)
{
    ck_assert_int_eq(compiled(repeated("true", " && yes", 10000, ""), NULL), 0);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
    ck_assert_int_eq(compiled(slice_of("'\xff'", 3), "not valid UTF-8"), -EINVAL);
    ck_assert_int_eq(compiled(slice_of("1\0", 2), "not valid UTF-8"), -EINVAL);
}
END_TEST

START_TEST(evaluation_ends_at_its_cost_limit)
{
    struct cel_result result =
        evaluated("list_.all(x, list_.all(y, list_.all(z, x + y + z > 0)))", 50);
    ck_assert(result.over_limit);
    ck_assert_str_eq(result.value.error, "operation cancelled: actual cost limit exceeded");
    ck_assert_uint_le(result.cost, 52);
    /* Not even || can hide it. */
    result = evaluated("list_.map(x, x + 1).size() > 100 || true", 10);
    ck_assert(result.over_limit);
}
END_TEST

START_TEST(evaluation_ends_at_its_memory_limit)
{
    /* Ten times as long, and again: 80 MB. */
    const char *text =
        "['xxxxxxxxxxxxxxxx'].map(a, [a+a+a+a+a+a+a+a+a+a].map(b, [b+b+b+b+b+b+b+b+b+b].map(c, "
        "[c+c+c+c+c+c+c+c+c+c].map(d, [d+d+d+d+d+d+d+d+d+d].map(e, [e+e+e+e+e+e+e+e+e+e].map(f1, "
        "[f1+f1+f1+f1+f1+f1+f1+f1+f1+f1].map(g, g+g+g+g+g))))))).size() == 1";
    struct cel_result result = evaluated(text, UINT64_MAX);
    ck_assert(cel_is_error(&result.value));
    ck_assert_str_eq(result.value.error, "evaluation needs too much memory");
}
END_TEST

START_TEST(patterns_take_linear_time)
{
    struct cel_result result =
        evaluated("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^(a+)+$')", 10000);
    ck_assert(result.value.kind == CEL_BOOL);
    ck_assert(!result.value.boolean);
}
END_TEST

START_TEST(many_problems_are_cut)
{
    ck_assert_int_eq(compiled(repeated("[nope", ", nope", 500, "]"), "undeclared reference"),
                     -EINVAL);
}
END_TEST

Suite *limits_suite(void)
{
    Suite *suite = suite_create("cel/limits");
    TCase *tcase = tcase_create("limits");
    tcase_add_checked_fixture(tcase, open_world, close_world);
    tcase_add_test(tcase, text_over_the_limit_is_refused);
    tcase_add_test(tcase, nesting_over_the_limit_is_refused);
    tcase_add_test(tcase, long_chains_of_logic_stay_shallow);
    tcase_add_test(tcase, text_that_is_not_utf8_is_refused);
    tcase_add_test(tcase, evaluation_ends_at_its_cost_limit);
    tcase_add_test(tcase, evaluation_ends_at_its_memory_limit);
    tcase_add_test(tcase, patterns_take_linear_time);
    tcase_add_test(tcase, many_problems_are_cut);
    suite_add_tcase(suite, tcase);
    return suite;
}
