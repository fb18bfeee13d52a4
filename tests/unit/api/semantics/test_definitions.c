/* The schemas of definitions: what keeps them from being structural, which defaults they may have,
 * and what a definition that is replaced excuses. */
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/kinds.h"
#include "lib/api/rules/check_schema.h"
#include "lib/api/validate.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

/* Schemas are written with single quotes. */
static const char *quoted(const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    return copy;
}

static void *decoded(const struct api_message *table, const char *text)
{
    void *message = NULL;
    struct error error = {0};
    ck_assert_msg(api_decode_json(arena, table, slice_text(quoted(text)), NULL, &message, &error) ==
                      0,
                  "%s: %s", text, error_message(&error));
    return message;
}

static const char *causes_text(const struct api_causes *causes)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1 << 20);
    for (size_t i = 0; i < causes->count; i++) {
        buffer_printf(&out, "%s: %s\n", causes->items[i].field, causes->items[i].message);
    }
    return arena_text(arena, buffer_text(&out));
}

static const char *refused(const char *schema, const struct definition_past *past)
{
    struct api_causes causes;
    struct api_path at = api_path_field(NULL, "schema");
    const struct api_message *table = api_message_find(
        "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    api_causes_init(&causes, arena);
    rules_check_schema(&causes, &at, decoded(table, schema), past);
    return causes_text(&causes);
}

#define OBJECT(members) "{'type':'object','properties':{" members "}}"
#define A               "schema.properties[a]"

static const struct {
    const char *schema, *causes;
} schemas[] = {
    /* Defaults are held against their schema. */
    {OBJECT("'a':{'type':'integer','default':3}"), ""},
    {OBJECT("'a':{'type':'integer','default':'x'}"),
     A ".default: Invalid value: \"string\":  in body must be of type integer: \"string\"\n"},
    {OBJECT("'a':{'type':'integer','minimum':5,'default':3}"),
     A ".default: Invalid value: 3:  in body should be greater than or equal to 5\n"},
    {OBJECT("'a':{'type':'object','default':{'b':'x'},'properties':{'b':{'type':'integer'}}}"),
     A ".default.b: Invalid value: \"string\": b in body must be of type integer: \"string\"\n"},
    {OBJECT("'a':{'type':'object','default':{'c':1},'properties':{'b':{'type':'integer'}}}"),
     A ".default: Invalid value: map[string]interface {}{\"c\":1}: must not have unknown fields\n"},
    {OBJECT("'a':{'type':'array','items':{'type':'integer','default':'x'}}"),
     A ".items.default: Invalid value: \"string\":  in body must be of type integer: "
       "\"string\"\n"},
    {OBJECT("'a':{'type':'integer','default':3,'x-kubernetes-validations':[{'rule':'self > 5'}]}"),
     A ".default: Invalid value: \"integer\": failed rule: self > 5\n"},
    {OBJECT("'metadata':{'type':'object','default':{}}"),
     "schema.properties[metadata].default: Forbidden: must not be set in top-level metadata\n"},
    {OBJECT("'a':{'x-kubernetes-preserve-unknown-fields':true,'default':{'any':1}}"), ""},
    /* What alternatives speak of is described outside of them. */
    {"{'type':'object','allOf':[{'properties':{'a':{'minimum':1}}}]}",
     A ": Required value: because it is defined in schema.allOf[0].properties[a]\n"},
    {"{'type':'object','not':{'anyOf':[{'properties':{'a':{'items':{'minimum':1}}}}]},"
     "'properties':{'a':{'x-kubernetes-preserve-unknown-fields':true}}}",
     A ".items: Required value: because it is defined in "
       "schema.not.anyOf[0].properties[a].items\n"},
    {"{'type':'object','oneOf':[{'properties':{'a':{'minimum':1}}}],"
     "'properties':{'a':{'type':'integer'}}}",
     ""},
    /* Shape. */
    {OBJECT("'a':{'x-kubernetes-int-or-string':true,'allOf':[{'anyOf':[{'type':'integer'},"
            "{'type':'string'}]},{'pattern':'x'}]}"),
     ""},
    {OBJECT("'a':{'type':'array','items':{}}"),
     A ".items.type: Required value: must not be empty for specified array items\n"},
    {OBJECT("'a':{'type':'object','x-kubernetes-embedded-resource':true}"),
     A ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true "
       "without x-kubernetes-preserve-unknown-fields\n"},
    {OBJECT("'metadata':{'type':'object','properties':{'name':{'type':'string','maxLength':5}}}"),
     ""},
    {OBJECT("'metadata':{'type':'object','properties':{'labels':{'type':'object'}}}"),
     "schema.properties[metadata]: Forbidden: must not specify anything other than name and "
     "generateName, but metadata is implicitly specified\n"},
    {OBJECT("'kind':{'type':'integer'}"),
     "schema.properties[kind].type: Invalid value: \"integer\": must be string\n"},
    /* What no structural schema says; then the shape is not looked at. */
    {"{'type':'object','properties':{'a':{'$schema':'x'}}}",
     "schema: Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported\n"},
    {"{'type':'object','properties':{'a':{'$schema':'x','$ref':'','definitions':{'d':{'id':'i'}}}}"
     "}",
     A ".definitions: Forbidden: definitions is not supported\n" A
       ".$ref: Forbidden: $ref is not supported\n" A
       ".definitions[d].id: Forbidden: id is not supported\n"},
    /* The shape is told before words that are wrong, in the order of its lines. */
    {"{'type':'array','uniqueItems':true,'nullable':true,'pattern':'(','properties':{'a':{'type':"
     "'x'},'b':{'pattern':'('}}}",
     "schema.nullable: Forbidden: nullable cannot be true at the root\n"
     "schema.items: Required value: must be specified\n"
     "schema.pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error "
     "parsing regexp: missing closing ): `(`\n"
     "schema.properties[b].pattern: Invalid value: \"(\": must be a valid regular expression, but "
     "isn't: error parsing regexp: missing closing ): `(`\n"
     "schema.properties[b].type: Required value: must not be empty for specified object fields\n"
     "schema.type: Invalid value: \"array\": must be object at the root\n"
     "schema.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
     "complexity becomes quadratic\n" A
     ".type: Unsupported value: \"x\": supported values: \"array\", \"boolean\", \"integer\", "
     "\"number\", \"object\", \"string\"\n"},
    {"{'type':'object','properties':{'a':{'type':'object','allOf':[{'title':'t','not':{'title':"
     "'t'}}]}}}",
     A ".allOf[0].not.title: Forbidden: must be empty to be structural\n" A
       ".allOf[0].title: Forbidden: must be empty to be structural\n"},
    /* Lists. */
    {OBJECT("'a':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':"
            "['k','l','k'],'items':{'type':'object','nullable':true,'required':['k'],'properties':{"
            "'k':{'type':'object','nullable':true}}}}"),
     A ".items.properties[k].type: Invalid value: \"object\": must be a scalar type if parent "
       "array's x-kubernetes-list-type is map\n" A
       ".x-kubernetes-list-map-keys: Invalid value: []string{\"k\", \"l\", \"k\"}: entries must "
       "all be names of item properties\n" A
       ".items.properties[k].type: Invalid value: \"object\": must be a scalar type if parent "
       "array's x-kubernetes-list-type is map\n" A
       ".x-kubernetes-list-map-keys: Invalid value: []string{\"k\", \"l\", \"k\"}: must not "
       "contain duplicate entries\n" A
       ".items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map\n" A
       ".items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, "
       "so it cannot be nullable\n" A
       ".items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, "
       "so it cannot be nullable\n"},
    {OBJECT("'a':{'type':'string','x-kubernetes-list-type':'set','items':{'type':'object'}}"),
     A ".type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified\n"},
    {OBJECT("'a':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':"
            "['k'],'items':{'type':'object','properties':{'k':{'type':'string'}}}}"),
     A ".items.properties[k].default: Required value: this property is in "
       "x-kubernetes-list-map-keys, so it must have a default or be a required property\n"},
    {OBJECT("'a':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':"
            "['k'],'items':{'type':'object'}}"),
     A ".x-kubernetes-list-map-keys: Invalid value: []string{\"k\"}: entries must all be names of "
       "item properties\n"},
    {OBJECT("'a':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'array',"
            "'x-kubernetes-list-type':'set','items':{'type':'string'}}}"),
     A ".items.x-kubernetes-list-type: Invalid value: \"set\": must be atomic as item of a list "
       "with x-kubernetes-list-type=set\n"},
};

START_TEST(schemas_have_one_shape_and_defaults_that_fit_it)
{
    static const struct definition_past nothing = {.rules = NULL};
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        ck_assert_str_eq(refused(schemas[i].schema, &nothing), schemas[i].causes);
    }
}
END_TEST

/* --- What is replaced --------------------------------------------------------------------------
 */

static void *definition_of(const char *schema)
{
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    return decoded(
        kind->message,
        arena_printf(arena,
                     "{'metadata':{'name':'as.x.example.com','resourceVersion':'1'},'spec':{'group'"
                     ":'x.example.com','scope':'Namespaced','names':{'plural':'as','singular':'a',"
                     "'kind':'A','listKind':'AList'},'conversion':{'strategy':'None'},"
                     "'versions':[{'name':'v1','served':true,'storage':true,"
                     "'schema':{'openAPIV3Schema':%s}}]},'status':{'storedVersions':['v1']}}",
                     schema));
}

static const char *replaced(const char *before, const char *after)
{
    struct api_causes causes;
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    api_causes_init(&causes, arena);
    api_validate_update(arena, kind, definition_of(before), definition_of(after), "", &causes);
    return causes_text(&causes);
}

#define RULE(text) "'x-kubernetes-validations':[{'rule':'" text "'}]"
#define NODE       "spec.validation.openAPIV3Schema.properties[a]"

START_TEST(a_version_that_stays_is_not_weighed_again)
{
    static const char expensive[] =
        OBJECT("'a':{'type':'array','maxItems':2000000,'items':{'type':'integer'}," RULE(
            "self.all(x, x >= 0)") "}");
    static const char more[] =
        OBJECT("'b':{'type':'integer'},'a':{'type':'array','maxItems':2000000,'items':"
               "{'type':'integer'}," RULE("self.all(x, x >= 0)") "}");
    ck_assert_str_eq(replaced(expensive, expensive), "");
    ck_assert_str_eq(replaced(expensive, more),
                     NODE ".x-kubernetes-validations[0].rule: Forbidden: estimated rule cost "
                          "exceeds budget by factor of 1.000000x (try simplifying the rule, or "
                          "adding maxItems, maxProperties, and maxLength where arrays, maps, and "
                          "strings are declared)\n");
}
END_TEST

START_TEST(rules_that_were_there_may_use_what_new_ones_may_not)
{
    static const char two[] =
        OBJECT("'a':{'type':'array','maxItems':9,'items':{'type':'integer'}," RULE(
            "self.all(i, x, x >= i)") "}");
    static const char both[] =
        OBJECT("'b':{'type':'integer'},'a':{'type':'array','maxItems':9,'items':"
               "{'type':'integer'}," RULE("self.all(i, x, x >= i)") "}");
    static const char none[] =
        OBJECT("'a':{'type':'array','maxItems':9,'items':{'type':'integer'}}");
    ck_assert_str_eq(replaced(two, both), "");
    ck_assert_ptr_nonnull(strstr(replaced(none, two), "undeclared reference to 'all'"));
}
END_TEST

START_TEST(fields_that_defaults_had_may_stay)
{
    static const char unknown[] =
        OBJECT("'a':{'type':'object','default':{'c':1},'properties':{'b':{'type':'integer'}}}");
    static const char known[] =
        OBJECT("'a':{'type':'object','default':{'b':1},'properties':{'b':{'type':'integer'}}}");
    ck_assert_str_eq(replaced(unknown, unknown), "");
    ck_assert_str_eq(replaced(known, unknown), NODE ".default: Invalid value: map[string]interface "
                                                    "{}{\"c\":1}: must not have unknown fields\n");
}
END_TEST

/* --- Versions, groups and names ----------------------------------------------------------------
 */

/* What is wrong with a new definition of `group`, with these annotations and versions. */
static const char *refused_new(const char *group, const char *annotations, const char *versions)
{
    struct api_causes causes;
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    const char *text = arena_printf(
        arena,
        "{'metadata':{'name':'as.%s','annotations':{%s}},'spec':{'group':'%s','scope':'Namespaced',"
        "'names':{'plural':'as','singular':'a','kind':'A','listKind':'AList'},'conversion':"
        "{'strategy':'None'},'versions':[%s]},'status':{'storedVersions':['v1']}}",
        group, annotations, group, versions);
    api_causes_init(&causes, arena);
    api_validate_create(arena, kind, decoded(kind->message, text), &causes);
    return causes_text(&causes);
}

#define VERSION(name, stored, rest)                                                                \
    "{'name':'" name "','served':true,'storage':" stored ",'schema':{'openAPIV3Schema':"           \
    "{'type':'object','properties':{'spec':{'type':'object','properties':{'s':{'type':'string'},"  \
    "'n':{'type':'number'}}}}}}" rest "}"
#define GROUP "x.example.com"

START_TEST(groups_of_the_community_need_an_approval)
{
    static const char version[] = VERSION("v1", "true", "");
    ck_assert_str_eq(refused_new("x.example.com", "", version), "");
    ck_assert_str_eq(refused_new("x.k8s.io", "", version),
                     "metadata.annotations[api-approved.kubernetes.io]: Required value: protected "
                     "groups must have approval annotation \"api-approved.kubernetes.io\", see "
                     "https://github.com/kubernetes/enhancements/pull/1111\n");
    ck_assert_ptr_nonnull(
        strstr(refused_new("x.k8s.io", "'api-approved.kubernetes.io':'yes'", version),
               "Invalid value: \"yes\": protected groups must have approval annotation "
               "\"api-approved.kubernetes.io\" with either a URL or a reason starting with"));
    ck_assert_str_eq(refused_new("x.k8s.io", "'api-approved.kubernetes.io':'https://a/b'", version),
                     "");
    ck_assert_str_eq(
        refused_new("x.k8s.io", "'api-approved.kubernetes.io':'unapproved, a test'", version), "");
}
END_TEST

START_TEST(versions_have_names_of_their_own_and_those_in_store_are_among_them)
{
    static const struct {
        const char *versions, *causes;
    } cases[] = {
        {VERSION("v1", "true", "") "," VERSION("v2", "false", ""), ""},
        {VERSION("v1", "true", "") "," VERSION("v2", "false", "") "," VERSION("v2", "false", ""),
         "spec.versions: Invalid value: []: must contain unique version names\n"},
        {VERSION("v1", "false", "") "," VERSION("v2", "true", ""),
         "status.storedVersions: Invalid value: []string{\"v1\"}: must have the storage version "
         "v2\n"},
        {VERSION("v2", "true", "") "," VERSION("v3", "false", ""),
         "status.storedVersions: Invalid value: []string{\"v1\"}: must have the storage version "
         "v2\n"
         "status.storedVersions[0]: Invalid value: \"v1\": must appear in spec.versions\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(refused_new(GROUP, "", cases[i].versions), cases[i].causes);
    }
}
END_TEST

START_TEST(selecting_fields_are_scalars_that_the_schema_has)
{
    static const struct {
        const char *paths, *causes;
    } cases[] = {
        {"{'jsonPath':'.spec.s'}", ""},
        {"{'jsonPath':'.spec.s'},{'jsonPath':'.spec.s'}",
         "spec.selectableFields[1].jsonPath: Duplicate value: \".spec.s\"\n"},
        {"{'jsonPath':'.spec.n'}",
         "spec.selectableFields[0].jsonPath: Invalid value: \".spec.n\": must point to a field of "
         "type string, boolean or integer. Enum string fields and strings with formats are "
         "allowed.\n"},
        {"{'jsonPath':'.spec.q'}", "spec.selectableFields[0].jsonPath: Invalid value: \".spec.q\": "
                                   "is an invalid path: does not refer to a valid field\n"},
        {"{'jsonPath':'spec.s'}",
         "spec.selectableFields[0].jsonPath: Invalid value: \"spec.s\": is "
         "an invalid path: expected [ or . but got: spec\n"},
        {"{'jsonPath':'.spec[0]'}", "spec.selectableFields[0].jsonPath: Invalid value: "
                                    "\".spec[0]\": is an invalid path: array notation is not "
                                    "allowed\n"},
        {"{'jsonPath':''}", "spec.selectableFields[0].jsonPath: Required value\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *version =
            arena_printf(arena, VERSION("v1", "true", ",'selectableFields':[%s]"), cases[i].paths);
        ck_assert_str_eq(refused_new(GROUP, "", version), cases[i].causes);
    }
}
END_TEST

START_TEST(what_versions_say_alike_is_blamed_beside_them)
{
    static const char column[] = ",'additionalPrinterColumns':[{'name':'a','type':'string',"
                                 "'format':'x','jsonPath':'.a'}]";
    static const char why[] =
        "Invalid value: \"x\": must be one of byte,date,date-time,double,float,"
        "int32,int64,password\n";
    const char *alike = arena_printf(
        arena, VERSION("v1", "true", "%s") "," VERSION("v2", "false", "%s"), column, column);
    const char *one =
        arena_printf(arena, VERSION("v1", "true", "") "," VERSION("v2", "false", "%s"), column);
    ck_assert_str_eq(refused_new(GROUP, "", alike),
                     arena_printf(arena, "spec.additionalPrinterColumns[0].format: %s", why));
    ck_assert_str_eq(
        refused_new(GROUP, "", one),
        arena_printf(arena, "spec.versions[1].additionalPrinterColumns[0].format: %s", why));
}
END_TEST

START_TEST(a_warning_is_printable_and_of_a_deprecated_version)
{
    static const struct {
        const char *rest, *why;
    } cases[] = {
        {",'deprecated':true,'deprecationWarning':'go to v2 \xc3\xa9'", ""},
        {",'deprecationWarning':'x'", "\"x\": can only be set for deprecated versions\n"},
        {",'deprecated':true,'deprecationWarning':''", "\"\": must not be an empty string\n"},
        {",'deprecated':true,'deprecationWarning':'a\\tb'",
         "\"a\\tb\": must only contain printable UTF-8 characters; non-printable character found "
         "at index 1\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *version = arena_printf(arena, VERSION("v1", "true", "%s"), cases[i].rest);
        const char *at = "spec.versions[0].deprecationWarning: Invalid value: ";
        ck_assert_str_eq(refused_new(GROUP, "", version),
                         *cases[i].why == '\0' ? ""
                                               : arena_printf(arena, "%s%s", at, cases[i].why));
    }
}
END_TEST

static void release_nothing(void *owner)
{
    (void)owner;
}

START_TEST(who_asks_for_a_deprecated_version_is_told_of_a_newer_one)
{
    static const struct {
        const char *version, *told; /* NULL: nothing. */
    } cases[] = {{"v1", "x.io/v1 Foo is deprecated; use x.io/v2 Foo"},
                 {"v2", NULL},
                 {"v2beta1", "ask for v2"},
                 {"v3alpha1", "x.io/v3alpha1 Foo is deprecated; use x.io/v2 Foo"}};
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    const Apiextensions__V1__CustomResourceDefinition *definition = decoded(
        kind->message,
        "{'spec':{'group':'x.io','scope':'Namespaced','versions':["
        "{'name':'v3alpha1','served':true,'deprecated':true},"
        "{'name':'v3','deprecated':false},{'name':'v1','served':true,'deprecated':true},"
        "{'name':'v2beta1','served':true,'deprecated':true,'deprecationWarning':'ask for v2'},"
        "{'name':'v2','served':true,'storage':true}]},'status':{'acceptedNames':{"
        "'plural':'foos','singular':'foo','kind':'Foo','listKind':'FooList'}}}");
    const struct custom_options options = {.storage_hash = "", .release = release_nothing};
    struct custom_resource *resource = custom_resource_new(definition, &options);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct api_kind *version = custom_resource_kind(resource, cases[i].version);
        const char *told = custom_deprecation(arena, custom_of(version));
        ck_assert_pstr_eq(told, cases[i].told);
    }
    custom_resource_unref(resource);
}
END_TEST

START_TEST(a_root_beside_a_status_says_nothing_of_both)
{
    static const char version[] =
        "{'name':'v1','served':true,'storage':true,'subresources':{'status':{}},'schema':"
        "{'openAPIV3Schema':{'type':'object','maxProperties':9}}}";
    ck_assert_ptr_nonnull(strstr(refused_new(GROUP, "", version),
                                 "XPreserveUnknownFields XValidations] fields are allowed at the "
                                 "root of the schema if the status subresource is enabled\n"));
}
END_TEST

START_TEST(unknown_fields_are_kept_or_not_spoken_of)
{
    static const struct definition_past nothing = {.rules = NULL};
    ck_assert_str_eq(
        refused("{'type':'object','x-kubernetes-preserve-unknown-fields':false}", &nothing),
        "schema.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be "
        "true or undefined\n");
}
END_TEST

Suite *definitions_suite(void)
{
    Suite *suite = suite_create("api/definitions");
    TCase *group = tcase_create("definitions");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, schemas_have_one_shape_and_defaults_that_fit_it);
    tcase_add_test(group, a_version_that_stays_is_not_weighed_again);
    tcase_add_test(group, rules_that_were_there_may_use_what_new_ones_may_not);
    tcase_add_test(group, fields_that_defaults_had_may_stay);
    tcase_add_test(group, groups_of_the_community_need_an_approval);
    tcase_add_test(group, versions_have_names_of_their_own_and_those_in_store_are_among_them);
    tcase_add_test(group, selecting_fields_are_scalars_that_the_schema_has);
    tcase_add_test(group, what_versions_say_alike_is_blamed_beside_them);
    tcase_add_test(group, a_warning_is_printable_and_of_a_deprecated_version);
    tcase_add_test(group, who_asks_for_a_deprecated_version_is_told_of_a_newer_one);
    tcase_add_test(group, a_root_beside_a_status_says_nothing_of_both);
    tcase_add_test(group, unknown_fields_are_kept_or_not_spoken_of);
    suite_add_tcase(suite, group);
    return suite;
}
