/* Kubeconfigs of webhooks: what of them counts, and what is refused with the place. */
#include "apiserver/kubeconfig.h"
#include "apiserver/kubeconfig_text.h"
#include "lib/base/file.h"
#include "tests/unit/net/pki.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD    "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
#define CONTEXT "contexts: [{name: c, context: {cluster: k, user: u}}]\n"

Suite *kubeconfig_suite(void);

static struct arena *arena;
static char dir[32];

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    strcpy(dir, "/tmp/coracle-kubeconfig-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    static const char *const names[] = {"config", "ca.crt", "token"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)unlink(arena_printf(arena, "%s/%s", dir, names[i])); /* If the test made it. */
    }
    ck_assert_int_eq(rmdir(dir), 0);
    arena_free(arena);
}

static const char *write_file(const char *name, struct slice text)
{
    const char *path = arena_printf(arena, "%s/%s", dir, name);
    ck_assert_int_eq(file_write(path, text, 0600, NULL), 0);
    return path;
}

START_TEST(the_current_context_says_where_and_who)
{
    struct kubeconfig_text text;
    const char *file = HEAD
        "contexts: [{name: b, context: {cluster: other}}, {name: c, context: {cluster: k, user: u,"
        " namespace: n}}]\n"
        "clusters: [{name: other, cluster: {server: 'http://no'}},\n"
        "  {name: k, cluster: {server: 'https://h/p', tls-server-name: t}}]\n"
        "users: [{name: u, user: {username: me, password: secret}}]\npreferences: {}\n";
    ck_assert_int_eq(kubeconfig_parse(arena, slice_text(file), &text, NULL), 0);
    ck_assert_str_eq(text.server, "https://h/p");
    ck_assert_str_eq(text.tls_server_name, "t");
    ck_assert_str_eq(text.username, "me");
    ck_assert_str_eq(text.password, "secret");
    ck_assert(!text.insecure);
}
END_TEST

START_TEST(a_file_that_is_wrong_is_refused_with_the_place)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"apiVersion: v1\nkind: Pod\n", "must be of kind Config"},
        {"x: [", "yaml"},
        {HEAD, "current-context: there is no context \"c\""},
        {HEAD CONTEXT, "context.cluster: there is no cluster \"k\""},
        {HEAD CONTEXT "clusters: [{name: k, cluster: {server: h}}]\n",
         "cluster.server: must begin"},
        {HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h'}}]\n",
         "context.user: there is no user \"u\""},
        {HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h', proxy-url: p}}]\n",
         "cluster.proxy-url: unknown field"},
        {HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h', certificate-authority: "
                      "a, insecure-skip-tls-verify: true}}]\n",
         "not with a certificate-authority"},
        {HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h'}}]\n"
                      "users: [{name: u, user: {exec: {command: c}}}]\n",
         "user.exec: unknown field"},
        {HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h'}}]\n"
                      "users: [{name: u, user: {token: t, username: who}}]\n",
         "only one of them"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kubeconfig_text text;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(kubeconfig_parse(arena, slice_text(rows[i].text), &text, &error), -EINVAL);
        ck_assert_msg(strstr(error_message(&error), rows[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), rows[i].reason);
    }
}
END_TEST

START_TEST(files_are_found_beside_it)
{
    struct pki pki;
    struct kubeconfig config;
    pki_init(&pki);
    write_file("ca.crt", buffer_slice(&pki.ca_cert));
    write_file("token", slice_text("abc\n"));
    const char *path = write_file(
        "config", slice_text(HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h/p', "
                                          "certificate-authority: ca.crt}}]\n"
                                          "users: [{name: u, user: {tokenFile: token}}]\n"));
    ck_assert_int_eq(kubeconfig_load(arena, path, &config, NULL), 0);
    ck_assert_str_eq(config.url, "https://h/p");
    ck_assert_str_eq(config.authorization, "Bearer abc");
    ck_assert_ptr_nonnull(config.tls);
    ck_assert_ptr_null(config.server_name);
    kubeconfig_release(&config);
    pki_release(&pki);
}
END_TEST

START_TEST(a_name_and_password_are_basic_and_http_needs_no_tls)
{
    struct kubeconfig config;
    const char *path =
        write_file("config", slice_text(HEAD CONTEXT
                                        "clusters: [{name: k, cluster: {server: 'http://h'}}]\n"
                                        "users: [{name: u, user: {username: a, password: b}}]\n"));
    ck_assert_int_eq(kubeconfig_load(arena, path, &config, NULL), 0);
    ck_assert_str_eq(config.authorization, "Basic YTpi");
    ck_assert_ptr_null(config.tls);
    kubeconfig_release(&config);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    struct kubeconfig config;
    CLEANUP(error_release) struct error error = {0};
    ck_assert_int_eq(kubeconfig_load(arena, "/nonexistent/config", &config, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "/nonexistent/config"));
    const char *path = write_file(
        "config", slice_text(HEAD CONTEXT "clusters: [{name: k, cluster: {server: 'https://h', "
                                          "certificate-authority-data: '%%'}}]\n"
                                          "users: [{name: u, user: {}}]\n"));
    ck_assert_int_eq(kubeconfig_load(arena, path, &config, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "certificate-authority-data is no base64"));
}
END_TEST

Suite *kubeconfig_suite(void)
{
    Suite *suite = suite_create("apiserver/kubeconfig");
    TCase *tcase = tcase_create("webhooks");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_current_context_says_where_and_who);
    tcase_add_test(tcase, a_file_that_is_wrong_is_refused_with_the_place);
    tcase_add_test(tcase, files_are_found_beside_it);
    tcase_add_test(tcase, a_name_and_password_are_basic_and_http_needs_no_tls);
    tcase_add_test(tcase, what_cannot_be_read_is_named);
    suite_add_tcase(suite, tcase);
    return suite;
}
