/* Values whose key a KMS plugin has sealed: the bytes, what a plugin is asked and when, what
 * happens while it is not well, and that keys of others are opened before anybody looks. */
#include "apiserver/encryption.h"
#include "apiserver/kms_envelope.h"
#include "apiserver/kms_plugin.h"
#include "lib/api/kinds.h"
#include "lib/base/metrics.h"
#include "tests/unit/apiserver/kms_double.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *kms_suite(void);

#define KEY "/registry/secrets/default/s"

static struct loop *loop;
static struct arena *arena;
static struct metrics *metrics;
static struct kms_double kms;
static struct kms_plugin *plugin;
static char dir[] = "/tmp/coracle-kms-XXXXXX", path[64];
static size_t settled;

static void on_settled(void *data)
{
    (void)data;
    settled++;
}

static struct kms_plugin *open_plugin(void)
{
    struct kms_plugin_options options = {.loop = loop,
                                         .metrics = metrics,
                                         .name = "safe",
                                         .timeout_ms = 2000,
                                         .settled = on_settled};
    (void)snprintf(options.address.host, sizeof(options.address.host), "%s", path);
    return kms_plugin_new(&options);
}

static void setup(void)
{
    settled = 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/coracle-kms-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/s", dir);
    ck_assert_int_eq(loop_new("test", &loop), 0);
    arena = arena_new(SIZE_MAX);
    metrics = metrics_new();
    kms = (struct kms_double){.key_id = "k1", .healthz = "ok"};
    ck_assert_int_eq(kms_double_start(&kms, loop, path), 0);
    plugin = open_plugin();
}

static void teardown(void)
{
    kms_plugin_free(plugin);
    kms_double_stop(&kms);
    loop_free(loop);
    metrics_free(metrics);
    arena_free(arena);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void until_well(struct kms_plugin *which)
{
    while (kms_plugin_problem(which, arena) != NULL) {
        loop_turn(loop, true);
    }
}

static void seal(struct kms_plugin *which, struct buffer *sealed)
{
    buffer_init(sealed, 4096);
    ck_assert_int_eq(kms_plugin_seal(which, KEY, slice_text("hunter2"), sealed, NULL), 0);
}

START_TEST(one_seed_seals_all_values_and_no_two_look_alike)
{
    CLEANUP(buffer_release) struct buffer first, second, plain;
    until_well(plugin);
    seal(plugin, &first);
    seal(plugin, &second);
    ck_assert_uint_eq(kms.encrypts, 1);
    ck_assert(!slice_equal(buffer_slice(&first), buffer_slice(&second)));
    ck_assert_ptr_null(memmem(first.data, first.len, "hunter2", 7));
    buffer_init(&plain, 4096);
    ck_assert_int_eq(kms_plugin_open(plugin, KEY, buffer_slice(&first), &plain, NULL), 0);
    ck_assert_str_eq(buffer_text(&plain), "hunter2");
    ck_assert_uint_eq(kms.decrypts, 0);
    ck_assert(kms_plugin_is_current(plugin, buffer_slice(&first)));
}
END_TEST

START_TEST(a_value_opens_under_its_own_key_of_the_store_only)
{
    CLEANUP(buffer_release) struct buffer sealed, plain;
    until_well(plugin);
    seal(plugin, &sealed);
    buffer_init(&plain, 4096);
    ck_assert_int_eq(kms_plugin_open(plugin, KEY "2", buffer_slice(&sealed), &plain, NULL),
                     -EBADMSG);
    ck_assert_int_eq(kms_plugin_open(plugin, KEY, slice_text("what is it?"), &plain, NULL),
                     -EBADMSG);
    ck_assert_uint_eq(plain.len, 0);
}
END_TEST

START_TEST(the_envelope_has_what_kubernetes_expects)
{
    CLEANUP(buffer_release) struct buffer sealed;
    CLEANUP(kms_envelope_freep) Kms__V2__EncryptedObject *envelope = NULL;
    until_well(plugin);
    seal(plugin, &sealed);
    ck_assert_int_eq(kms_envelope_read(buffer_slice(&sealed), &envelope, NULL), 0);
    ck_assert_str_eq(envelope->key_id, "k1");
    ck_assert_uint_eq(envelope->n_annotations, 1);
    ck_assert_int_eq(envelope->encrypted_dek_source_type,
                     KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__HKDF_SHA256_XNONCE_AES_GCM_SEED);
    /* 32 bytes that the key is derived with, nonce, value, tag. */
    ck_assert_uint_eq(envelope->encrypted_data.len, 32 + 12 + strlen("hunter2") + 16);
    ck_assert_uint_eq(envelope->encrypted_dek_source.len, strlen("k1:") + KMS_SEED_SIZE);
}
END_TEST

START_TEST(keys_of_others_are_asked_for_once)
{
    CLEANUP(buffer_release) struct buffer first, second, plain;
    struct kms_plugin *other = open_plugin();
    until_well(plugin);
    until_well(other);
    seal(other, &first);
    seal(other, &second);
    buffer_init(&plain, 4096);
    ck_assert(!kms_plugin_prepare(plugin, buffer_slice(&first)));
    ck_assert(!kms_plugin_prepare(plugin, buffer_slice(&second)));
    ck_assert_int_eq(kms_plugin_open(plugin, KEY, buffer_slice(&first), &plain, NULL), -EAGAIN);
    while (settled == 0) {
        loop_turn(loop, true);
    }
    ck_assert_uint_eq(kms.decrypts, 1);
    ck_assert(kms_plugin_prepare(plugin, buffer_slice(&second)));
    ck_assert_int_eq(kms_plugin_open(plugin, KEY, buffer_slice(&second), &plain, NULL), 0);
    ck_assert_str_eq(buffer_text(&plain), "hunter2");
    kms_plugin_free(other);
}
END_TEST

START_TEST(a_key_that_cannot_be_opened_is_an_error_that_says_so)
{
    CLEANUP(buffer_release) struct buffer sealed, plain;
    CLEANUP(error_release) struct error error = {0};
    struct kms_plugin *other = open_plugin();
    until_well(plugin);
    until_well(other);
    seal(other, &sealed);
    kms.refuses = true;
    buffer_init(&plain, 4096);
    ck_assert_int_eq(kms_plugin_open(plugin, KEY, buffer_slice(&sealed), &plain, NULL), -EAGAIN);
    while (settled == 0) {
        loop_turn(loop, true);
    }
    ck_assert(kms_plugin_prepare(plugin, buffer_slice(&sealed))); /* Not to be waited for. */
    ck_assert_int_eq(kms_plugin_open(plugin, KEY, buffer_slice(&sealed), &plain, &error), -EAGAIN);
    ck_assert_str_eq(error_message(&error), "the KMS plugin safe failed to decrypt its DEK");
    kms_plugin_free(other);
}
END_TEST

static void until_asked(size_t statuses)
{
    while (kms.statuses < statuses ||
           strstr(kms_plugin_problem(plugin, arena), "not answered") != NULL) {
        loop_turn(loop, true);
    }
}

START_TEST(nothing_is_sealed_before_the_plugin_is_well)
{
    CLEANUP(buffer_release) struct buffer sealed;
    CLEANUP(error_release) struct error error = {0};
    (void)snprintf(kms.healthz, sizeof(kms.healthz), "%s", "out of order");
    until_asked(1);
    buffer_init(&sealed, 4096);
    ck_assert_int_eq(kms_plugin_seal(plugin, KEY, slice_text("x"), &sealed, &error), -EAGAIN);
    ck_assert_str_eq(error_message(&error), "the KMS plugin safe cannot be used: got unexpected "
                                            "healthz status: out of order");
    ck_assert_uint_eq(kms.encrypts, 0);
}
END_TEST

/* --- What may be in an envelope --- */

START_TEST(what_is_too_large_or_missing_is_refused)
{
    static char long_id[KMS_KEY_ID_MAX + 2];
    Kms__V2__EncryptedObject envelope = KMS__V2__ENCRYPTED_OBJECT__INIT;
    Kms__V2__Annotation annotation = KMS__V2__ANNOTATION__INIT, *annotations[] = {&annotation};
    uint8_t source[KMS_SOURCE_MAX + 1] = {1};
    envelope.key_id = "k";
    envelope.encrypted_dek_source = (ProtobufCBinaryData){.len = 1, .data = source};
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), 0);
    envelope.encrypted_dek_source.len = sizeof(source);
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), -EINVAL);
    envelope.encrypted_dek_source.len = 0;
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), -EINVAL);
    envelope.encrypted_dek_source.len = 1;
    memset(long_id, 'k', sizeof(long_id) - 1);
    envelope.key_id = long_id;
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), -EINVAL);
    envelope.key_id = "k";
    annotation.key = "nodots";
    envelope.annotations = annotations;
    envelope.n_annotations = 1;
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), -EINVAL);
    annotation.key = "a.test";
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), 0);
    envelope.encrypted_dek_source_type = (Kms__V2__EncryptedDEKSourceType)2;
    ck_assert_int_eq(kms_envelope_check(&envelope, NULL), -EINVAL);
}
END_TEST

/* --- The configuration --- */

#define HEAD                                                                                       \
    "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"          \
    "- resources: [secrets]\n  providers:\n  - kms: "

static const char *problem_of(const char *text)
{
    const struct encryption_plugins plugins = {.loop = loop, .metrics = metrics};
    struct encryption *encryption = NULL;
    CLEANUP(error_release) struct error error = {0};
    if (encryption_new(&plugins, slice_text(text), &encryption, &error) == 0) {
        encryption_free(encryption);
        return "";
    }
    return arena_text(arena, error_message(&error));
}

START_TEST(a_configuration_names_plugins_of_version_2)
{
    ck_assert_str_eq(problem_of(HEAD "{apiVersion: v2, name: a, endpoint: \"unix:///run/a\"}\n"),
                     "");
    ck_assert_ptr_nonnull(
        strstr(problem_of(HEAD "{name: a, endpoint: \"unix:///run/a\"}\n"), "must be v2"));
    ck_assert_ptr_nonnull(strstr(
        problem_of(HEAD "{apiVersion: v2, name: \"a:b\", endpoint: \"unix:///a\"}\n"), "colon"));
    ck_assert_ptr_nonnull(
        strstr(problem_of(HEAD "{apiVersion: v2, name: a, endpoint: \"tcp://a:1\"}\n"), "unix://"));
    ck_assert_ptr_nonnull(
        strstr(problem_of(HEAD "{apiVersion: v2, name: a, endpoint: \"unix:///a\", timeout: 0s}\n"),
               "positive"));
    ck_assert_ptr_nonnull(strstr(
        problem_of(HEAD "{apiVersion: v2, name: a, endpoint: \"unix:///a\", cachesize: 1}\n"),
        "cachesize is not supported in v2"));
}
END_TEST

START_TEST(values_name_the_plugin_and_are_stale_with_another_key)
{
    const struct encryption_plugins plugins = {.loop = loop, .metrics = metrics};
    const struct api_kind *secrets = api_kind_find("", "v1", "secrets");
    struct encryption *encryption = NULL;
    CLEANUP(buffer_release) struct buffer stored, plain;
    const char *text =
        arena_printf(arena, HEAD "{apiVersion: v2, name: safe, endpoint: \"unix://%s\"}\n", path);
    ck_assert_int_eq(encryption_new(&plugins, slice_text(text), &encryption, NULL), 0);
    ck_assert(encryption_has_plugins(encryption));
    while (encryption_problem(encryption, arena) != NULL) {
        loop_turn(loop, true);
    }
    buffer_init(&stored, 4096);
    buffer_init(&plain, 4096);
    ck_assert_int_eq(
        encryption_seal(encryption, secrets, KEY, slice_text("hunter2"), &stored, NULL), 0);
    ck_assert(slice_starts_with(buffer_slice(&stored), slice_text("k8s:enc:kms:v2:safe:")));
    ck_assert(encryption_is_current(encryption, secrets, buffer_slice(&stored)));
    ck_assert(encryption_prepare(encryption, buffer_slice(&stored)));
    ck_assert_int_eq(encryption_open(encryption, secrets, KEY, buffer_slice(&stored), &plain, NULL),
                     0);
    ck_assert_str_eq(buffer_text(&plain), "hunter2");
    /* The same plugin by another configuration, still with its seed. */
    size_t encrypts = kms.encrypts;
    const char *again = arena_printf(arena, "%s  - identity: {}\n", text);
    ck_assert_int_eq(encryption_reload(encryption, slice_text(again), NULL), 0);
    ck_assert(encryption_is_current(encryption, secrets, buffer_slice(&stored)));
    ck_assert_uint_eq(kms.encrypts, encrypts);
    encryption_free(encryption);
}
END_TEST

Suite *kms_suite(void)
{
    Suite *suite = suite_create("apiserver/kms");
    TCase *tcase = tcase_create("plugins");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, one_seed_seals_all_values_and_no_two_look_alike);
    tcase_add_test(tcase, a_value_opens_under_its_own_key_of_the_store_only);
    tcase_add_test(tcase, the_envelope_has_what_kubernetes_expects);
    tcase_add_test(tcase, keys_of_others_are_asked_for_once);
    tcase_add_test(tcase, a_key_that_cannot_be_opened_is_an_error_that_says_so);
    tcase_add_test(tcase, nothing_is_sealed_before_the_plugin_is_well);
    tcase_add_test(tcase, what_is_too_large_or_missing_is_refused);
    tcase_add_test(tcase, a_configuration_names_plugins_of_version_2);
    tcase_add_test(tcase, values_name_the_plugin_and_are_stale_with_another_key);
    suite_add_tcase(suite, tcase);
    return suite;
}
