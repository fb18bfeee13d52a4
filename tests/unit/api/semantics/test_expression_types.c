/* What the type checker lets pass never fails for want of an overload, as long as values are what
 * the schema says. Expressions are made at random, of every type from parts of other types. */
#include "lib/api/cel_functions.h"
#include "lib/api/codec.h"
#include "lib/api/custom_types.h"
#include "lib/api/custom_values.h"
#include "lib/api/json_value.h"
#include "lib/cel/cel.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <stdlib.h>

enum { EXPRESSIONS = 4000, DEPTH = 5, COST_MAX = 100000 };

static const char SCHEMA[] =
    "{\"type\":\"object\",\"properties\":{\"i\":{\"type\":\"integer\"},\"f\":{\"type\":\"number\"},"
    "\"s\":{\"type\":\"string\"},\"b\":{\"type\":\"boolean\"},\"t\":{\"type\":\"string\","
    "\"format\":"
    "\"date-time\"},\"d\":{\"type\":\"string\",\"format\":\"duration\"},\"y\":{\"type\":\"string\","
    "\"format\":\"byte\"},\"l\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"w\":{"
    "\"type\":"
    "\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}},\"m\":{\"type\":"
    "\"object\",\"additionalProperties\":{\"type\":\"integer\"}},\"o\":{\"type\":\"object\","
    "\"properties\":{\"i\":{\"type\":\"integer\"},\"p\":{\"type\":\"string\"}}}}}";
static const char OBJECT[] =
    "{\"i\":3,\"f\":1.5,\"s\":\"10.0.0.1\",\"b\":true,\"t\":\"2024-02-29T01:02:03Z\",\"d\":\"1m\","
    "\"y\":"
    "\"aGk=\",\"l\":[3,1,2],\"w\":[\"a\",\"b\"],\"m\":{\"a\":1},\"o\":{\"i\":4,\"p\":\"x\"}}";

/* Forms of each type. A capital letter stands for an expression of that type: B bool, I int, F
 * double, S string, T timestamp, D duration, Y bytes, L list of int, W list of string, M map, O
 * object, P optional int, Q quantity, N address, R range of addresses, U URL, X format. The first
 * form has no parts. */
static const struct {
    char type;
    const char *forms[40];
} grammar[] = {
    {'B',
     {"self.b",
      "true",
      "!B",
      "(B && B)",
      "(B || B)",
      "(B ? B : B)",
      "(I == I)",
      "(I < I)",
      "(I >= F)",
      "(F != F)",
      "(S == S)",
      "(S <= S)",
      "(T < T)",
      "(D > D)",
      "(Y == Y)",
      "(L == L)",
      "(W == W)",
      "(M == M)",
      "(O == O)",
      "(I in L)",
      "(S in W)",
      "(S in M)",
      "L.all(x, x > I)",
      "W.exists(x, x == S)",
      "M.exists_one(k, M[k] == I)",
      "S.startsWith(S)",
      "S.matches('a+')",
      "has(self.o.p)",
      "P.hasValue()",
      "isQuantity(S)",
      "Q.isLessThan(Q)",
      "N.isLoopback()",
      "isCIDR(S)",
      "R.containsIP(N)",
      "isURL(S)",
      "sets.contains(L, L)",
      "W.isSorted()",
      "(N == N)",
      "X.validate(S).hasValue()"}},
    {'I',
     {"self.i",
      "1",
      "-I",
      "(I + I)",
      "(I - I)",
      "(I * I)",
      "(I / I)",
      "(I % I)",
      "size(S)",
      "size(L)",
      "size(M)",
      "size(Y)",
      "L[0]",
      "self.m['a']",
      "int(F)",
      "int(T)",
      "self.o.i",
      "(B ? I : I)",
      "S.indexOf(S)",
      "L.sum()",
      "L.max()",
      "W.indexOf(S)",
      "P.orValue(I)",
      "T.getHours()",
      "D.getSeconds()",
      "Q.compareTo(Q)",
      "sign(Q)",
      "N.family()",
      "R.prefixLength()",
      "self.?i.orValue(I)"}},
    {'F',
     {"self.f", "2.5", "-F", "(F + F)", "(F / F)", "double(I)", "Q.asApproximateFloat()",
      "(B ? F : F)"}},
    {'S',
     {"self.s",
      "'a,b'",
      "(S + S)",
      "string(I)",
      "string(F)",
      "string(B)",
      "string(T)",
      "string(D)",
      "string(Y)",
      "string(N)",
      "S.lowerAscii()",
      "S.replace(S, S)",
      "S.trim()",
      "S.substring(I)",
      "S.charAt(I)",
      "W.join(S)",
      "W.join()",
      "W[0]",
      "S.find('[0-9]+')",
      "(B ? S : S)",
      "self.o.p",
      "self.?o.?p.orValue(S)",
      "U.getHost()",
      "U.getScheme()",
      "'%s of %s'.format([S, S])"}},
    {'T', {"self.t", "timestamp('2020-01-01T00:00:00Z')", "(T + D)", "(T - D)", "timestamp(I)"}},
    {'D', {"self.d", "duration('90s')", "(D + D)", "(T - T)"}},
    {'Y', {"self.y", "b'x'", "(Y + Y)", "bytes(S)"}},
    {'L',
     {"self.l", "[1, 2]", "[I, I]", "(L + L)", "L.map(x, x + I)", "L.filter(x, x > I)",
      "W.map(x, size(x))", "(B ? L : L)", "[?P]"}},
    {'W',
     {"self.w", "['a']", "[S]", "(W + W)", "S.split(S)", "S.split(S, I)", "S.findAll('[a-z]')",
      "W.filter(x, x != S)", "L.map(x, string(x))", "M.map(k, k)"}},
    {'M', {"self.m", "{'a': 1}", "{S: I}", "(B ? M : M)"}},
    {'O', {"self.o", "oldSelf.o"}},
    {'P',
     {"optional.of(1)", "optional.none()", "optional.of(I)", "P.or(P)", "L[?I]", "M[?S]",
      "P.optMap(x, x + I)", "self.?i"}},
    {'Q', {"quantity('1Gi')", "quantity(S)", "Q.add(Q)", "Q.add(I)", "Q.sub(Q)"}},
    {'N', {"ip('10.0.0.1')", "ip(S)", "R.ip()"}},
    {'R', {"cidr('10.0.0.0/8')", "cidr(S)", "R.masked()"}},
    {'U', {"url('https://a.b/c')", "url(S)"}},
    {'X', {"format.uuid()", "format.dns1123Label()", "format.named('date').value()"}},
};

static struct arena *arena;
static struct cel_functions *functions;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    functions = api_cel_functions_new();
}

static void teardown(void)
{
    cel_functions_unref(functions);
    arena_free(arena);
}

/* A number below `count`, by the state's next step (splitmix64). */
static size_t below(uint64_t *state, size_t count)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((mixed ^ (mixed >> 31)) % count);
}

static const char *const *forms_of(char type)
{
    for (size_t i = 0; i < ARRAY_LEN(grammar); i++) {
        if (grammar[i].type == type) {
            return grammar[i].forms;
        }
    }
    return NULL;
}

/* Appends an expression of the type. */
static void make(uint64_t *random, char type, size_t depth, struct buffer *out)
{
    const char *const *forms = forms_of(type);
    size_t count = 0;
    while (forms[count] != NULL) {
        count++;
    }
    const char *form = forms[depth == 0 ? 0 : below(random, count)];
    char before = ' ';
    bool quoted = false;
    for (const char *at = form; *at != '\0'; at++) {
        bool alone = !((before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z')) &&
                     !((at[1] >= 'a' && at[1] <= 'z') || (at[1] >= 'A' && at[1] <= 'Z'));
        quoted = quoted != (*at == '\'');
        if (!quoted && alone && forms_of(*at) != NULL) {
            make(random, *at, depth - 1, out);
        } else {
            buffer_append_byte(out, (uint8_t)*at);
        }
        before = *at;
    }
}

START_TEST(what_the_checker_lets_pass_finds_its_overloads)
{
    void *source = NULL;
    struct json_value *tree = NULL;
    const struct api_message *table = api_message_find(
        "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    ck_assert_int_eq(api_decode_json(arena, table, slice_text(SCHEMA), NULL, &source, NULL), 0);
    ck_assert_int_eq(json_parse(arena, slice_text(OBJECT), &tree, NULL), 0);
    const struct structural *schema = structural_parse(arena, source);
    const struct cel_type *type = custom_type(arena, schema, /* is_resource= */ false, "selfType");
    const struct cel_variable variables[] = {{"self", type}, {"oldSelf", type}};
    const struct cel_env env = {functions, variables, ARRAY_LEN(variables), false};
    size_t values = 0;
    for (uint64_t seed = 1; seed <= EXPRESSIONS; seed++) {
        CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
        CLEANUP(buffer_release) struct buffer text;
        CLEANUP(error_release) struct error error = {0};
        uint64_t random = seed;
        const struct cel_program *program = NULL;
        buffer_init(&text, 1 << 20);
        make(&random, grammar[seed % ARRAY_LEN(grammar)].type, DEPTH, &text);
        ck_assert_msg(
            cel_compile(scratch, &env, slice_text(buffer_text(&text)), &program, &error) == 0,
            "seed %llu: %s", (unsigned long long)seed, error_message(&error));
        struct cel_value self = custom_value_of(scratch, schema, tree);
        const struct cel_value given[] = {self, self};
        struct cel_result result = cel_evaluate(program, scratch, given, COST_MAX);
        ck_assert_msg(!cel_is_error(&result.value) ||
                          strstr(result.value.error, "no such overload") == NULL,
                      "seed %llu: %s", (unsigned long long)seed, buffer_text(&text));
        values += !cel_is_error(&result.value);
    }
    ck_assert_uint_gt(values, EXPRESSIONS / 4); /* The rest divides by zero, and the like. */
}
END_TEST

Suite *expression_types_suite(void)
{
    Suite *suite = suite_create("api/expression_types");
    TCase *tcase = tcase_create("random");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_the_checker_lets_pass_finds_its_overloads);
    suite_add_tcase(suite, tcase);
    return suite;
}
