/* Values at rest: what the configuration says, what is sealed can be opened under its own key and
 * place only, and a key that is missing is named. */
#include "apiserver/cached_object.h"
#include "apiserver/encryption.h"
#include "lib/api/kinds.h"
#include "lib/base/arena.h"
#include "lib/net/cipher.h"
#include "lib/net/secretbox.h"
#include "store/kv.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#define HEAD   "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
#define KEY_A  "{name: a, secret: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}"
#define KEY_B  "{name: b, secret: AQEBAQEBAQEBAQEBAQEBAQ==}"
#define SECRET "/registry/secrets/default/s"
enum { TEXT_MAX = 1 << 16 };

static const struct api_kind *secrets;

static void setup(void)
{
    secrets = api_kind_find("", "v1", "secrets");
}

static struct encryption *parse(const char *text)
{
    struct encryption *encryption = NULL;
    CLEANUP(error_release) struct error error = {0};
    int status = encryption_new(NULL, slice_text(text), &encryption, &error);
    ck_assert_msg(status == 0, "%s", error_message(&error));
    return encryption;
}

static int open_text(struct encryption *encryption, const char *key, struct slice stored,
                     const char *expected)
{
    CLEANUP(buffer_release) struct buffer plain;
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&plain, TEXT_MAX);
    int status = encryption_open(encryption, secrets, key, stored, &plain, &error);
    if (status == 0) {
        ck_assert_str_eq(buffer_text(&plain), expected);
    } else {
        ck_assert_ptr_nonnull(strstr(error_message(&error), key));
        ck_assert_int_eq((int)plain.len, 0);
    }
    return status;
}

static void seal(struct encryption *encryption, const struct api_kind *kind, struct buffer *stored)
{
    buffer_init(stored, TEXT_MAX);
    ck_assert_int_eq(encryption_seal(encryption, kind, SECRET, slice_text("hunter2"), stored, NULL),
                     0);
    ck_assert_int_eq(buffer_error(stored), 0);
}

static bool holds(const struct buffer *stored, const char *text)
{
    return memmem(stored->data, stored->len, text, strlen(text)) != NULL;
}

START_TEST(a_sealed_value_opens_in_its_place_only)
{
    static const char *const providers[] = {"aesgcm", "aescbc"};
    for (size_t i = 0; i < 2; i++) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       HEAD "- {resources: [secrets], providers: [{%s: {keys: [" KEY_A "]}}]}",
                       providers[i]);
        struct encryption *encryption = parse(text);
        CLEANUP(buffer_release) struct buffer stored;
        seal(encryption, secrets, &stored);
        (void)snprintf(text, sizeof(text), "k8s:enc:%s:v1:a:", providers[i]);
        ck_assert(slice_starts_with(buffer_slice(&stored), slice_text(text)));
        ck_assert(!holds(&stored, "hunter2"));
        ck_assert_int_eq(open_text(encryption, SECRET, buffer_slice(&stored), "hunter2"), 0);
        bool authenticated = i == 0;
        if (authenticated) {
            ck_assert_int_eq(open_text(encryption, SECRET "2", buffer_slice(&stored), ""),
                             -EBADMSG);
            stored.data[stored.len - 1] ^= 1;
            ck_assert_int_eq(open_text(encryption, SECRET, buffer_slice(&stored), ""), -EBADMSG);
        }
        for (size_t len = strlen(text); len < stored.len - 1; len += 16) { /* Cut short. */
            int status = open_text(encryption, SECRET, slice_of(stored.data, len), "");
            ck_assert(status == -EBADMSG || !authenticated);
        }
        encryption_free(encryption);
    }
}
END_TEST

START_TEST(the_first_key_writes_and_all_read)
{
    struct encryption *old =
        parse(HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_A "]}}]}");
    struct encryption *new =
        parse(HEAD "- resources: [secrets]\n  providers:\n  - aesgcm: {keys: [" KEY_B "," KEY_A
                   "]}\n  - identity: {}");
    CLEANUP(buffer_release) struct buffer before;
    CLEANUP(buffer_release) struct buffer after;
    seal(old, secrets, &before);
    seal(new, secrets, &after);
    ck_assert_int_eq(open_text(new, SECRET, buffer_slice(&before), "hunter2"), 0);
    ck_assert(!encryption_is_current(new, secrets, buffer_slice(&before)));
    ck_assert(encryption_is_current(new, secrets, buffer_slice(&after)));
    ck_assert_int_eq(open_text(new, SECRET, slice_text("plain"), "plain"), 0);
    ck_assert(!encryption_is_current(new, secrets, slice_text("plain")));
    ck_assert_int_eq(open_text(old, SECRET, buffer_slice(&after), ""), -ENOKEY);
    ck_assert_int_eq(open_text(old, SECRET, slice_text("plain"), ""), -ENOKEY);
    ck_assert_int_eq(open_text(NULL, SECRET, buffer_slice(&after), ""), -ENOKEY);
    ck_assert_int_eq(open_text(NULL, SECRET, slice_text("plain"), "plain"), 0);
    encryption_free(old);
    encryption_free(new);
}
END_TEST

START_TEST(resources_are_chosen_by_name_group_and_star)
{
    static const struct {
        const char *resources;
        bool secrets, deployments;
    } cases[] = {{"secrets", true, false},
                 {"secrets.apps", false, false},
                 {"deployments.apps", false, true},
                 {"deployments", false, false},
                 {"'*.'", true, false},
                 {"'*.apps'", false, true},
                 {"'*.*'", true, true},
                 {"pods, secrets", true, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       HEAD "- {resources: [%s], providers: [{aesgcm: {keys: [" KEY_A "]}}]}",
                       cases[i].resources);
        struct encryption *encryption = parse(text);
        CLEANUP(buffer_release) struct buffer secret;
        CLEANUP(buffer_release) struct buffer deployment;
        seal(encryption, secrets, &secret);
        seal(encryption, api_kind_find("apps", "v1", "deployments"), &deployment);
        ck_assert_int_eq(!holds(&secret, "hunter2"), cases[i].secrets);
        ck_assert_int_eq(!holds(&deployment, "hunter2"), cases[i].deployments);
        encryption_free(encryption);
    }
}
END_TEST

START_TEST(a_configuration_that_is_not_understood_is_refused)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "must be an EncryptionConfiguration"},
        {"kind: EncryptionConfiguration\napiVersion: v1\nresources: []", "apiserver.config"},
        {HEAD, "resources are missing"},
        {HEAD "- {resources: [secrets]}", "needs resources and providers"},
        {HEAD "- {resources: ['*'], providers: [{identity: {}}]}", "use *."},
        {HEAD "- {resources: [secrets], providers: [{kms: {name: a}}]}",
         "kms: apiVersion must be v2"},
        {HEAD "- {resources: [secrets], providers: [{secretbox: {keys: [" KEY_B "]}}]}",
         "key b: secret must be the base64 of 32 bytes"},
        {HEAD "- {resources: [secrets], providers: [{kms: {name: k}}]}",
         "kms: apiVersion must be v2"},
        {HEAD "- {resources: [secrets], providers: [{aesgcm: {}}]}", "keys are missing"},
        {HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_A "]}, identity: {}}]}",
         "must be one of"},
        {HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_A "," KEY_A "]}}]}",
         "two keys of one name"},
        {HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [{name: a, secret: AAAA}]}}]}",
         "16, 24 or 32"},
        {HEAD "- {resources: [secrets], providers: [{aescbc: {keys: [{name: 'a:b', secret: "
              "AQEBAQEBAQEBAQEBAQEBAQ==}]}}]}",
         "without colon"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct encryption *encryption = NULL;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(encryption_new(NULL, slice_text(cases[i].text), &encryption, &error),
                         -EINVAL);
        ck_assert_msg(strstr(error_message(&error), cases[i].why) != NULL, "%s: %s", cases[i].why,
                      error_message(&error));
        ck_assert_ptr_null(encryption);
    }
}
END_TEST

/* The nonce, the ciphertext and the tag of the specification of GCM, test case 14. */
START_TEST(gcm_is_that_of_the_specification)
{
    static const uint8_t key[32] = {0};
    static const uint8_t sealed[12 + 16 + 16] = {
        0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0xce, 0xa7, 0x40,
        0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1,
        0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    CLEANUP(buffer_release) struct buffer plain;
    buffer_init(&plain, TEXT_MAX);
    ck_assert_int_eq(cipher_gcm_open(slice_of(key, sizeof(key)), slice_text(""),
                                     slice_of(sealed, sizeof(sealed)), &plain),
                     0);
    ck_assert_uint_eq(plain.len, 16);
    for (size_t i = 0; i < plain.len; i++) {
        ck_assert_uint_eq(plain.data[i], 0);
    }
}
END_TEST

static size_t from_hex(const char *hex, uint8_t *ret_bytes)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte = 0;
        ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        ret_bytes[i] = (uint8_t)byte;
    }
    return len;
}

/* The example that comes with NaCl. */
START_TEST(secretbox_is_that_of_nacl)
{
    static const char key_hex[] =
        "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
    static const char sealed_hex[] =
        "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37f3ffc7703f9400e52a7dfb4b3d33"
        "05d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c"
        "98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932"
        "164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3"
        "7973f622a43d14a6599b1f654cb45a74e355a5";
    static const char plain_hex[] =
        "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd"
        "751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7f"
        "a1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a0"
        "89bc76897040e082f937763848645e0705";
    uint8_t key[32] = {0}, sealed[256] = {0}, expected[256] = {0};
    ck_assert_uint_eq(from_hex(key_hex, key), sizeof(key));
    size_t sealed_len = from_hex(sealed_hex, sealed);
    size_t plain_len = from_hex(plain_hex, expected);
    CLEANUP(buffer_release) struct buffer plain;
    CLEANUP(buffer_release) struct buffer again;
    buffer_init(&plain, TEXT_MAX);
    buffer_init(&again, TEXT_MAX);
    struct slice secret = slice_of(key, sizeof(key));
    ck_assert_int_eq(secretbox_open(secret, slice_of(sealed, sealed_len), &plain), 0);
    ck_assert_uint_eq(plain.len, plain_len);
    ck_assert_int_eq(memcmp(plain.data, expected, plain_len), 0);
    secretbox_seal(secret, buffer_slice(&plain), &again);
    ck_assert_uint_eq(again.len, sealed_len);
    buffer_clear(&plain);
    ck_assert_int_eq(secretbox_open(secret, buffer_slice(&again), &plain), 0);
    ck_assert_int_eq(memcmp(plain.data, expected, plain_len), 0);
    for (size_t i = 0; i < again.len; i += 13) {
        again.data[i] ^= 1;
        ck_assert_int_eq(secretbox_open(secret, buffer_slice(&again), &plain), -EBADMSG);
        again.data[i] ^= 1;
    }
    ck_assert_int_eq(secretbox_open(secret, slice_of(again.data, 39), &plain), -EBADMSG);
}
END_TEST

START_TEST(a_value_in_a_secretbox_is_stored_as_kubernetes_does_it)
{
    struct encryption *encryption =
        parse(HEAD "- {resources: [secrets], providers: [{secretbox: {keys: [" KEY_A "]}}]}");
    CLEANUP(buffer_release) struct buffer stored;
    seal(encryption, secrets, &stored);
    static const char prefix[] = "k8s:enc:secretbox:v1:a:";
    ck_assert_uint_eq(stored.len, sizeof(prefix) - 1 + 24 + 16 + sizeof("hunter2") - 1);
    ck_assert(slice_starts_with(buffer_slice(&stored), slice_text(prefix)));
    ck_assert(!holds(&stored, "hunter2"));
    ck_assert(encryption_is_current(encryption, secrets, buffer_slice(&stored)));
    ck_assert_int_eq(open_text(encryption, SECRET, buffer_slice(&stored), "hunter2"), 0);
    stored.data[stored.len - 1] ^= 1;
    ck_assert_int_eq(open_text(encryption, SECRET, buffer_slice(&stored), ""), -EBADMSG);
    encryption_free(encryption);
}
END_TEST

static int reload(struct encryption *encryption, const char *text)
{
    CLEANUP(error_release) struct error error = {0};
    return encryption_reload(encryption, slice_text(text), &error);
}

START_TEST(another_configuration_counts_at_once_and_a_bad_one_never)
{
    struct encryption *encryption =
        parse(HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_A "]}}]}");
    CLEANUP(buffer_release) struct buffer before;
    CLEANUP(buffer_release) struct buffer after;
    seal(encryption, secrets, &before);
    ck_assert_uint_eq(encryption_generation(encryption), 0);
    ck_assert_int_eq(reload(encryption, HEAD "- {resources: [secrets], providers: [{rot13: {}}]}"),
                     -EINVAL);
    ck_assert_uint_eq(encryption_generation(encryption), 0);
    ck_assert(encryption_is_current(encryption, secrets, buffer_slice(&before)));
    ck_assert_int_eq(reload(encryption, HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: "
                                             "[" KEY_B "," KEY_A "]}}]}"),
                     0);
    ck_assert_uint_eq(encryption_generation(encryption), 1);
    ck_assert(!encryption_is_current(encryption, secrets, buffer_slice(&before)));
    ck_assert_int_eq(open_text(encryption, SECRET, buffer_slice(&before), "hunter2"), 0);
    seal(encryption, secrets, &after);
    ck_assert(slice_starts_with(buffer_slice(&after), slice_text("k8s:enc:aesgcm:v1:b:")));
    encryption_free(encryption);
}
END_TEST

START_TEST(a_key_that_was_taken_away_opens_only_what_was_open_before)
{
    struct encryption *encryption =
        parse(HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_A "]}}]}");
    CLEANUP(buffer_release) struct buffer stored;
    CLEANUP(buffer_release) struct buffer plain;
    buffer_init(&plain, TEXT_MAX);
    seal(encryption, secrets, &stored);
    struct slice bytes = buffer_slice(&stored);
    ck_assert_int_eq(encryption_check(encryption, secrets, SECRET, bytes, NULL), 0);
    ck_assert_int_eq(reload(encryption, HEAD
                            "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_B "]}}]}"),
                     0);
    ck_assert_int_eq(encryption_check(encryption, secrets, SECRET, bytes, NULL), -ENOKEY);
    ck_assert_int_eq(encryption_check(encryption, secrets, SECRET, slice_text("x"), NULL), -ENOKEY);
    ck_assert_int_eq(open_text(encryption, SECRET, bytes, ""), -ENOKEY);
    ck_assert_int_eq(encryption_reopen(encryption, secrets, SECRET, bytes, &plain, NULL), 0);
    ck_assert_str_eq(buffer_text(&plain), "hunter2");
    encryption_free(encryption);
}
END_TEST

static bool is_problem(const struct cached_object *object, struct arena *arena)
{
    const char *problem = cached_object_problem(object, arena);
    return problem != NULL && strstr(problem, "k8s:enc:aesgcm:v1:a:") != NULL;
}

/* Requests under way, and controllers that know the object, go on to see it. */
START_TEST(an_object_that_was_read_outlives_its_key_and_one_that_was_not_does_not)
{
    static const char json[] =
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"s\"}}";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer stored;
    struct encryption *encryption =
        parse(HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_A "]}}]}");
    buffer_init(&stored, TEXT_MAX);
    ck_assert_int_eq(encryption_seal(encryption, secrets, SECRET, slice_text(json), &stored, NULL),
                     0);
    struct store_kv *kv = store_kv_new(slice_text(SECRET), buffer_slice(&stored));
    struct cached_object *known = cached_object_new(secrets, kv, 7, encryption, NULL);
    struct cached_object *unknown = cached_object_new(secrets, kv, 7, encryption, NULL);
    ck_assert_ptr_null(cached_object_problem(known, arena));
    ck_assert_int_eq(reload(encryption, HEAD
                            "- {resources: [secrets], providers: [{aesgcm: {keys: [" KEY_B "]}}]}"),
                     0);
    struct cached_object *deleted = cached_object_at(known, 8);
    ck_assert(is_problem(known, arena));
    ck_assert(is_problem(deleted, arena));
    ck_assert(is_problem(unknown, arena));
    ck_assert_ptr_nonnull(cached_object_message(known));
    struct chunk *shown = cached_object_json(deleted);
    ck_assert_ptr_nonnull(shown);
    chunk_unref(shown);
    ck_assert_ptr_null(cached_object_message(unknown));
    ck_assert_int_eq(reload(encryption, HEAD "- {resources: [secrets], providers: [{aesgcm: {keys: "
                                             "[" KEY_B "," KEY_A "]}}]}"),
                     0);
    ck_assert_ptr_null(cached_object_problem(unknown, arena));
    ck_assert_ptr_nonnull(cached_object_message(unknown));
    cached_object_unref(known);
    cached_object_unref(unknown);
    cached_object_unref(deleted);
    store_kv_unref(kv);
    encryption_free(encryption);
}
END_TEST

Suite *encryption_suite(void);

Suite *encryption_suite(void)
{
    Suite *suite = suite_create("apiserver/encryption");
    TCase *tcase = tcase_create("values");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_sealed_value_opens_in_its_place_only);
    tcase_add_test(tcase, the_first_key_writes_and_all_read);
    tcase_add_test(tcase, resources_are_chosen_by_name_group_and_star);
    tcase_add_test(tcase, a_configuration_that_is_not_understood_is_refused);
    tcase_add_test(tcase, gcm_is_that_of_the_specification);
    tcase_add_test(tcase, secretbox_is_that_of_nacl);
    tcase_add_test(tcase, a_value_in_a_secretbox_is_stored_as_kubernetes_does_it);
    tcase_add_test(tcase, another_configuration_counts_at_once_and_a_bad_one_never);
    tcase_add_test(tcase, a_key_that_was_taken_away_opens_only_what_was_open_before);
    tcase_add_test(tcase, an_object_that_was_read_outlives_its_key_and_one_that_was_not_does_not);
    suite_add_tcase(suite, tcase);
    return suite;
}
