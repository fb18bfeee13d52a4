/* Each line of cases/ *.txt is an expression and what becomes of it:
 *   expression => value          as cel_value_print() shows it
 *   expression !! error          a part of the evaluation's error
 *   expression ?? problem        a part of the compiler's message
 *   expression $$ cost           what the evaluation costs
 * Every expression that compiles is printed, compiled again, and must print and give the same. */
#include "tests/unit/cel/cel_world.h"
#include "tests/unit/cel/suites.h"
#include <stdio.h>
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

static const char *shown(const struct cel_value *value)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    cel_value_print(world.arena, value, &text);
    const char *copy = arena_text(world.arena, buffer_text(&text));
    buffer_release(&text);
    return copy;
}

static const char *printed(const struct cel_program *program)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    cel_program_print(program, &text);
    const char *copy = arena_text(world.arena, buffer_text(&text));
    buffer_release(&text);
    return copy;
}

/* Printing is a fixed point and keeps the meaning. */
static void check_printing(const char *expression, const struct cel_program *program,
                           const struct cel_value *value)
{
    const struct cel_program *again;
    const char *text = printed(program);
    struct error error = {0};
    ck_assert_msg(cel_compile(world.arena, &world.env, slice_text(text), &again, &error) == 0,
                  "%s printed as %s: %s", expression, text, error_message(&error));
    ck_assert_str_eq(printed(again), text);
    struct cel_result result = cel_evaluate(again, world.arena, world.values, UINT64_MAX);
    ck_assert_msg(strcmp(shown(&result.value), shown(value)) == 0, "%s printed as %s", expression,
                  text);
}

static bool check_case(const char *expression, const char *operator_, const char *wanted)
{
    const struct cel_program *program;
    struct error error = {0};
    int code = cel_compile(world.arena, &world.env, slice_text(expression), &program, &error);
    if (code < 0 || operator_[0] == '?') {
        bool ok = code < 0 && operator_[0] == '?' && strstr(error_message(&error), wanted) != NULL;
        if (!ok) {
            fprintf(stderr, "%s: %s\n", expression, code < 0 ? error_message(&error) : "compiles");
        }
        error_release(&error);
        return ok;
    }
    struct cel_result result = cel_evaluate(program, world.arena, world.values, UINT64_MAX);
    check_printing(expression, program, &result.value);
    bool ok = operator_[0] == '!'
                  ? cel_is_error(&result.value) && strstr(result.value.error, wanted) != NULL
              : operator_[0] == '$' ? result.cost == strtoull(wanted, NULL, 10)
                                    : strcmp(shown(&result.value), wanted) == 0;
    if (!ok) {
        fprintf(stderr, "%s: wanted %s, found %s (cost %llu)\n", expression, wanted,
                shown(&result.value), (unsigned long long)result.cost);
    }
    /* What ran cost no more than was foretold; fields of a dyn are not foretold (nor in cel-go). */
    struct cel_range range = cel_program_cost(program);
    ck_assert_msg(result.cost <= range.max || cel_program_uses(program, "any") ||
                      strstr(expression, "dyn(") != NULL,
                  "%s: cost %llu above %llu", expression, (unsigned long long)result.cost,
                  (unsigned long long)range.max);
    return ok;
}

/* Splits at the operator that stands last in the line. */
static char *split(char *line, const char **ret_operator)
{
    static const char *const operators[] = {" => ", " !! ", " ?? ", " $$ "};
    char *best = NULL;
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        for (char *at = strstr(line, operators[i]); at != NULL; at = strstr(at + 1, operators[i])) {
            if (best == NULL || at > best) {
                best = at;
                *ret_operator = operators[i] + 1;
            }
        }
    }
    return best;
}

static void run_file(const char *name)
{
    char path[512], line[4096];
    size_t number = 0, failed = 0, count = 0;
    (void)snprintf(path, sizeof(path), "%s/%s.txt", CEL_CASES, name);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *operator_ = NULL;
        line[strcspn(line, "\n")] = '\0';
        number++;
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        char *at = split(line, &operator_);
        ck_assert_msg(at != NULL, "%s:%zu has no result", path, number);
        *at = '\0';
        count++;
        failed += check_case(line, operator_, at + 4) ? 0 : 1;
    }
    (void)fclose(file);
    ck_assert_uint_gt(count, 0);
    ck_assert_msg(failed == 0, "%s: %zu of %zu cases differ", path, failed, count);
}

#define CASES(name)                                                                                \
    START_TEST(name##_give_what_the_language_says)                                                 \
    {                                                                                              \
        run_file(#name);                                                                           \
    }                                                                                              \
    END_TEST
CASES(literals)
CASES(operators)
CASES(macros)
CASES(conversions)
CASES(times)
CASES(problems)
CASES(regexes)
CASES(costs)
CASES(strings)
CASES(kubernetes)
#undef CASES

Suite *cases_suite(void)
{
    Suite *suite = suite_create("cel/cases");
    TCase *tcase = tcase_create("cases");
    tcase_add_checked_fixture(tcase, open_world, close_world);
    tcase_add_test(tcase, literals_give_what_the_language_says);
    tcase_add_test(tcase, operators_give_what_the_language_says);
    tcase_add_test(tcase, macros_give_what_the_language_says);
    tcase_add_test(tcase, conversions_give_what_the_language_says);
    tcase_add_test(tcase, times_give_what_the_language_says);
    tcase_add_test(tcase, problems_give_what_the_language_says);
    tcase_add_test(tcase, regexes_give_what_the_language_says);
    tcase_add_test(tcase, costs_give_what_the_language_says);
    tcase_add_test(tcase, strings_give_what_the_language_says);
    tcase_add_test(tcase, kubernetes_give_what_the_language_says);
    suite_add_tcase(suite, tcase);
    return suite;
}
