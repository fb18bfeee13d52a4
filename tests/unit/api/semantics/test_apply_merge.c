/* What an apply makes of objects: the order of lists, items that share a name, null and what is
 * empty, pieces that are replaced as a whole, and what goes with its last owner. */
#include "lib/api/apply.h"

#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
#include "lib/api/status.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <errno.h>

enum { NOW_S = 1767225600 };

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

/* Trees are written with single quotes. */
static struct json_value *tree_of(const char *text)
{
    struct json_value *tree = NULL;
    char *copy = arena_text(arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    ck_assert_msg(json_parse(arena, slice_text(copy), &tree, NULL) == 0, "%s", text);
    return tree;
}

/* And shown with them. */
static const char *single_quoted(const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '"' ? '\'' : *at;
    }
    return copy;
}

static const char *text_of(const struct json_value *tree)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 65536);
    json_print(tree, /* sorted= */ true, &out);
    return single_quoted(arena_text_n(arena, buffer_text(&out), out.len));
}

/* What was refused, or NULL. */
static const char *apply_as(const struct api_kind *kind, const char *manager, const char *spec,
                            struct json_value **object)
{
    const struct api_apply_request request = {
        .kind = kind, .manager = manager, .subresource = "", .now_s = NOW_S};
    const struct api_status *status = NULL;
    const struct json_value *applied =
        tree_of(arena_printf(arena, "{'apiVersion':'%s','kind':'%s','metadata':{'name':'o'},%s}",
                             kind->api_version, kind->kind, spec));
    return api_apply(arena, &request, *object, applied, object, &status) == 0 ? NULL
                                                                              : status->message;
}

static const char *fields_of(const struct json_value *object, const char *manager)
{
    const struct json_value *entries =
        json_get_text(json_get_text(object, "metadata"), "managedFields");
    for (size_t i = 0; entries != NULL && i < entries->count; i++) {
        if (slice_is(json_get_text(entries->items[i], "manager")->text, manager)) {
            return text_of(json_get_text(entries->items[i], "fieldsV1"));
        }
    }
    return "nothing";
}

/* --- Custom resources --------------------------------------------------------------------------
 */

static void release_nothing(void *owner)
{
    (void)owner;
}

/* A resource whose versions are v1, and v2 when its schema is not NULL. */
static struct custom_resource *resource_of(const char *v1, const char *v2)
{
    void *definition = NULL;
    const char *second =
        v2 == NULL ? ""
                   : arena_printf(arena,
                                  ",{'name':'v2','served':true,'schema':{'openAPIV3Schema':{"
                                  "'type':'object','properties':{%s}}}}",
                                  v2);
    const char *text = arena_printf(
        arena,
        "{'spec':{'group':'x.example.com','scope':'Namespaced','versions':[{'name':'v1',"
        "'served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object',"
        "'properties':{%s}}}}%s]},'status':{'acceptedNames':{'plural':'foos','singular':'foo',"
        "'kind':'Foo','listKind':'FooList'}}}",
        v1, second);
    const struct api_kind *kind =
        api_kind_find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    ck_assert_int_eq(
        api_message_from_json(arena, kind->message, tree_of(text), NULL, &definition, NULL), 0);
    const struct custom_options options = {.storage_hash = "", .release = release_nothing};
    return custom_resource_new(definition, &options);
}

#define STRING "{'type':'string'}"
#define KEYED                                                                                      \
    "{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['host','port']," \
    "'items':{'type':'object','required':['host'],'properties':{'host':" STRING                    \
    ",'port':{'type':'integer','default':80},'note':" STRING "}}}"
#define SCHEMA                                                                                     \
    "'spec':{'type':'object','properties':{'at':" KEYED ",'tags':{'type':'array',"                 \
    "'x-kubernetes-list-type':'set','items':" STRING "},'all':{'type':'array','items':" STRING     \
    "},'whole':{'type':'object','x-kubernetes-map-type':'atomic','properties':{'a':" STRING        \
    ",'b':" STRING "}},'part':{'type':'object','properties':{'a':" STRING ",'b':" STRING           \
    "}},'map':{'type':'object','additionalProperties':{'type':'object','properties':{'a':" STRING  \
    "}}},'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"                    \
    "'inner':{'type':'object','x-kubernetes-embedded-resource':true,"                              \
    "'x-kubernetes-preserve-unknown-fields':true}}}"

/* Applies of "m" and "n", and the spec that comes of them. */
static const struct {
    const char *first, *second, *third;
    const char *spec;
} merges[] = {
    /* Lists come in the order of who applies last; what only others have stays before it. */
    {"n{'tags':['a','b','c']}", "m{'tags':['c','a']}", NULL, "{'tags':['b','c','a']}"},
    {"n{'tags':['a','b','c']}", "m{'tags':['x','c','y']}", NULL, "{'tags':['a','b','x','c','y']}"},
    {"n{'at':[{'host':'a'},{'host':'b'}]}", "m{'at':[{'host':'b','note':'1'},{'host':'a'}]}", NULL,
     "{'at':[{'host':'b','note':'1'},{'host':'a'}]}"},
    /* A key that is left out has its default. */
    {"n{'at':[{'host':'a','port':80}]}", "m{'at':[{'host':'a','note':'1'}]}", NULL,
     "{'at':[{'host':'a','note':'1','port':80}]}"},
    {"n{'at':[{'host':'a','port':80}]}", "m{'at':[{'host':'a','port':81}]}", NULL,
     "{'at':[{'host':'a','port':80},{'host':'a','port':81}]}"},
    /* Null and what is empty take nothing away from what has something. */
    {"n{'part':{'a':'1'},'tags':['a']}", "m{'part':null,'tags':[]}", NULL,
     "{'part':{'a':'1'},'tags':['a']}"},
    {"n{'part':{'a':'1'},'tags':['a']}", "m{'part':{},'tags':null}", NULL,
     "{'part':{'a':'1'},'tags':['a']}"},
    {"n{'part':{}}", "m{'part':{'b':'1'}}", NULL, "{'part':{'b':'1'}}"},
    /* What was applied goes when it is not applied any more, unless somebody else owns it. */
    {"m{'part':{'a':'1','b':'2'}}", "m{'part':{'b':'2'}}", NULL, "{'part':{'b':'2'}}"},
    {"m{'part':{'a':'1','b':'2'}}", "n{'part':{'a':'1'}}", "m{'tags':['a']}",
     "{'part':{'a':'1'},'tags':['a']}"},
    {"m{'at':[{'host':'a','note':'1'},{'host':'b'}]}", "n{'at':[{'host':'a'}]}", "m{'tags':['a']}",
     "{'at':[{'host':'a'}],'tags':['a']}"},
    {"m{'tags':['a','b'],'map':{'x':{'a':'1'},'y':{}}}", "m{'tags':['b'],'map':{'y':{}}}", NULL,
     "{'map':{'y':{}},'tags':['b']}"},
    {"m{'all':['a'],'whole':{'a':'1'},'free':{'x':{'y':[1]}}}", "m{'tags':['t']}", NULL,
     "{'tags':['t']}"},
    {"m{'free':{'x':{'y':[1],'z':2}}}", "n{'free':{'x':{'w':3}}}", "m{'free':{'x':{'z':2}}}",
     "{'free':{'x':{'w':3,'z':2}}}"},
    /* One piece is replaced. */
    {"m{'whole':{'a':'1'},'all':['a']}", "m{'whole':{'b':'2'},'all':['b']}", NULL,
     "{'all':['b'],'whole':{'b':'2'}}"},
};

START_TEST(configurations_merge_as_the_schema_says)
{
    struct custom_resource *resource = resource_of(SCHEMA, NULL);
    const struct api_kind *kind = custom_resource_kind(resource, "v1");
    const char *const steps[] = {merges[_i].first, merges[_i].second, merges[_i].third};
    struct json_value *object = NULL;
    for (size_t i = 0; i < ARRAY_LEN(steps) && steps[i] != NULL; i++) {
        const char *manager = arena_text_n(arena, steps[i], 1);
        const char *refused =
            apply_as(kind, manager, arena_printf(arena, "'spec':%s", steps[i] + 1), &object);
        ck_assert_msg(refused == NULL, "%s: %s", steps[i], refused);
    }
    ck_assert_str_eq(text_of(json_get_text(object, "spec")), merges[_i].spec);
    custom_resource_unref(resource);
}
END_TEST

/* What "m" owns of spec after it has applied this. */
static const struct {
    const char *spec, *owned;
} sets[] = {
    {"{'part':{},'tags':[],'all':[]}", "{'f:all':{},'f:part':{}}"},
    {"{'part':null,'tags':null}", "{'f:part':{},'f:tags':{}}"},
    {"{'part':{'a':null}}", "{'f:part':{'f:a':{}}}"},
    {"{'whole':{'a':'1'},'all':['a']}", "{'f:all':{},'f:whole':{}}"},
    {"{'map':{'x':{'a':'1'},'y':{}}}", "{'f:map':{'f:x':{'.':{},'f:a':{}},'f:y':{}}}"},
    {"{'free':{'x':{'y':1}}}", "{'f:free':{'f:x':{'.':{},'f:y':{}}}}"},
    {"{'at':[{'host':'a'}]}",
     "{'f:at':{'k:{\\'host\\':\\'a\\',\\'port\\':80}':{'.':{},'f:host':{}}}}"},
    {"{'inner':{'kind':'K','metadata':{'ownerReferences':[{'uid':'u','name':'n'}]}}}",
     "{'f:inner':{'f:kind':{},'f:metadata':{'f:ownerReferences':{'k:{\\'uid\\':\\'u\\'}':{}}}}}"},
};

START_TEST(who_applies_owns_what_the_configuration_has)
{
    struct custom_resource *resource = resource_of(SCHEMA, NULL);
    const struct api_kind *kind = custom_resource_kind(resource, "v1");
    struct json_value *object = NULL;
    const char *refused =
        apply_as(kind, "m", arena_printf(arena, "'spec':%s", sets[_i].spec), &object);
    ck_assert_msg(refused == NULL, "%s: %s", sets[_i].spec, refused);
    ck_assert_str_eq(fields_of(object, "m"), arena_printf(arena, "{'f:spec':%s}", sets[_i].owned));
    custom_resource_unref(resource);
}
END_TEST

static const struct {
    const char *spec, *wrong;
} untyped[] = {
    {"{'bogus':1}", ".spec.bogus: field not declared in schema"},
    {"{'at':[{'port':1}]}",
     ".spec.at: element 0: associative list with keys has an element that omits key field 'host' "
     "(and doesn't have default value)"},
    {"{'at':[{'host':'a','port':80},{'host':'a'}]}",
     ".spec.at: duplicate entries for key [host='a',port=80]"},
    {"{'at':[null]}",
     ".spec.at: element 0: associative list with keys may not have a null element"},
    {"{'tags':['a','a']}", ".spec.tags: duplicate entries for key [='a']"},
    {"{'tags':[{}]}",
     ".spec.tags: element 0: associative list without keys has an element that's a map type"},
    {"{'tags':{'a':[1,'b']}}", ".spec.tags: expected list, got &{map[a:[1 b]]}"},
    {"{'part':['x']}", ".spec.part: expected map, got &{[x]}"},
    {"{'all':[1]}", ".spec.all[0]: expected string, got &value.valueUnstructured{Value:1}"},
    {"{'map':{'x':{'b':'1'}}}", ".spec.map.x.b: field not declared in schema"},
    {"{'inner':{'metadata':{'bogus':'1'}}}",
     ".spec.inner.metadata.bogus: field not declared in schema"},
};

START_TEST(a_configuration_that_the_schema_does_not_declare_is_refused)
{
    struct custom_resource *resource = resource_of(SCHEMA, NULL);
    struct json_value *object = NULL;
    const char *refused = apply_as(custom_resource_kind(resource, "v1"), "m",
                                   arena_printf(arena, "'spec':%s", untyped[_i].spec), &object);
    ck_assert_ptr_nonnull(refused);
    ck_assert_str_eq(single_quoted(refused),
                     arena_printf(arena,
                                  "failed to create typed patch object (/o; x.example.com/v1, "
                                  "Kind=Foo): %s",
                                  untyped[_i].wrong));
    custom_resource_unref(resource);
}
END_TEST

START_TEST(a_piece_that_became_one_is_owned_as_one)
{
    struct custom_resource *past =
        resource_of("'spec':{'type':'object','properties':{'a':" STRING ",'b':" STRING "}}", NULL);
    struct custom_resource *resource = resource_of(
        "'spec':{'type':'object','x-kubernetes-map-type':'atomic','properties':{'a':" STRING
        ",'b':" STRING "}}",
        NULL);
    struct json_value *object = NULL;
    ck_assert_ptr_null(
        apply_as(custom_resource_kind(past, "v1"), "n", "'spec':{'a':'1'}", &object));
    ck_assert_str_eq(single_quoted(apply_as(custom_resource_kind(resource, "v1"), "m",
                                            "'spec':{'b':'1'}", &object)),
                     "Apply failed with 1 conflict: conflict with 'n': .spec");
    custom_resource_unref(past);
    custom_resource_unref(resource);
}
END_TEST

START_TEST(who_applies_through_another_version_lets_go_of_what_that_does_not_have)
{
    struct custom_resource *resource =
        resource_of("'a':" STRING ",'b':" STRING ",'c':" STRING, "'a':" STRING ",'b':" STRING);
    struct json_value *object = NULL;
    ck_assert_ptr_null(
        apply_as(custom_resource_kind(resource, "v1"), "m", "'a':'1','b':'1'", &object));
    ck_assert_ptr_null(apply_as(custom_resource_kind(resource, "v2"), "m", "'a':'1'", &object));
    ck_assert_ptr_null(json_get_text(object, "b"));
    ck_assert_str_eq(fields_of(object, "m"), "{'f:a':{}}");
    custom_resource_unref(resource);
}
END_TEST

/* --- Built-in kinds ----------------------------------------------------------------------------
 */

/* A pod's list of variables may name one twice: an update made it so. */
#define CONTAINERS(env) "'containers':[{'env':[" env "],'image':'i','name':'c'}]"
#define TWICE           "{'name':'A','value':'1'},{'name':'B','value':'2'},{'name':'A','value':'3'}"

static struct json_value *pod_with_one_name_twice(const struct api_kind *kind)
{
    const struct api_apply_request request = {
        .kind = kind, .manager = "u", .subresource = "", .now_s = NOW_S};
    void *pod = NULL;
    struct json_value *tree = tree_of("{'metadata':{'name':'o'},'spec':{" CONTAINERS(TWICE) "}}");
    ck_assert_int_eq(api_message_from_json(arena, kind->message, tree, NULL, &pod, NULL), 0);
    api_managed_fields_track(arena, &request, NULL, pod);
    return api_message_to_json(arena, kind->message, pod, NULL);
}

static const char *env_of(const struct json_value *pod)
{
    const struct json_value *containers = json_get_text(json_get_text(pod, "spec"), "containers");
    return text_of(json_get_text(containers->items[0], "env"));
}

START_TEST(items_that_share_a_name_are_one_piece)
{
    const struct api_kind *kind = api_kind_find("", "v1", "pods");
    struct json_value *pod = pod_with_one_name_twice(kind);
    ck_assert_str_eq(fields_of(pod, "u"),
                     "{'f:spec':{'f:containers':{'k:{\\'name\\':\\'c\\'}':{'.':{},'f:env':{'.':{},"
                     "'k:{\\'name\\':\\'A\\'}':{},'k:{\\'name\\':\\'B\\'}':{'.':{},'f:name':{},"
                     "'f:value':{}}},'f:image':{},'f:name':{},'f:resources':{}}}}}");
    ck_assert_ptr_null(
        apply_as(kind, "m", "'spec':{'containers':[{'name':'c','env':[{'name':'C'}]}]}", &pod));
    ck_assert_str_eq(env_of(pod), "[" TWICE ",{'name':'C'}]");
    ck_assert_str_eq(
        single_quoted(apply_as(
            kind, "m", "'spec':{'containers':[{'name':'c','env':[{'name':'A','value':'4'}]}]}",
            &pod)),
        "Apply failed with 1 conflict: conflict with 'u' using v1: "
        ".spec.containers[name='c'].env[name='A']");
}
END_TEST

START_TEST(who_applies_all_items_of_a_name_makes_them_one)
{
    const struct api_kind *kind = api_kind_find("", "v1", "pods");
    const struct api_apply_request request = {
        .kind = kind, .manager = "m", .subresource = "", .now_s = NOW_S, .force = true};
    struct json_value *pod = pod_with_one_name_twice(kind);
    const struct json_value *applied =
        tree_of("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'o'},'spec':{"
                "'containers':[{'name':'c','env':[{'name':'A','value':'4'}]}]}}");
    ck_assert_int_eq(api_apply(arena, &request, pod, applied, &pod, NULL), 0);
    ck_assert_str_eq(env_of(pod), "[{'name':'A','value':'4'},{'name':'B','value':'2'}]");
}
END_TEST

Suite *apply_merge_suite(void)
{
    Suite *suite = suite_create("apply_merge");
    TCase *cases = tcase_create("apply_merge");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, configurations_merge_as_the_schema_says, 0, ARRAY_LEN(merges));
    tcase_add_loop_test(cases, who_applies_owns_what_the_configuration_has, 0, ARRAY_LEN(sets));
    tcase_add_loop_test(cases, a_configuration_that_the_schema_does_not_declare_is_refused, 0,
                        ARRAY_LEN(untyped));
    tcase_add_test(cases, a_piece_that_became_one_is_owned_as_one);
    tcase_add_test(cases, who_applies_through_another_version_lets_go_of_what_that_does_not_have);
    tcase_add_test(cases, items_that_share_a_name_are_one_piece);
    tcase_add_test(cases, who_applies_all_items_of_a_name_makes_them_one);
    suite_add_tcase(suite, cases);
    return suite;
}
