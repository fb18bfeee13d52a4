/* The keys and certificates of a data directory: what is missing is made where that takes nothing
 * from anybody, and refused with the way out where it would. */
#include "apiserver/pki.h"

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *pki_suite(void);

static char dir[] = "/tmp/coracle-pki-XXXXXX";
static struct pki before, after;
static struct error error;

static int open_pki(struct pki *ret_pki)
{
    const char *const hosts[] = {"127.0.0.1"};
    const struct pki_config config = {
        .data_dir = dir, .member_name = "n1", .hosts = hosts, .host_count = 1};
    return pki_open(&config, ret_pki, &error);
}

static void setup(void)
{
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(open_pki(&before), 0);
}

static void teardown(void)
{
    char command[PATH_MAX];
    pki_release(&before);
    pki_release(&after);
    error_release(&error);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void take_away(const char *file)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/pki/%s", dir, file);
    ck_assert_int_eq(unlink(path), 0);
}

static void put(const char *file, const char *text)
{
    CLEANUP(alloc_freep) char *path = alloc_printf("%s/pki/%s", dir, file);
    ck_assert_int_eq(file_write(path, slice_text(text), 0600, NULL), 0);
}

static void is_refused(const char *why)
{
    error_release(&error);
    error = (struct error){0};
    ck_assert_int_eq(open_pki(&after), -EINVAL);
    ck_assert_msg(strstr(error_message(&error), why) != NULL, "%s", error_message(&error));
}

START_TEST(a_certificate_that_is_missing_is_made_anew)
{
    take_away("server.crt");
    ck_assert_int_eq(open_pki(&after), 0);
    ck_assert_str_ne(after.server_cert, before.server_cert);
    ck_assert_str_eq(after.ca_cert, before.ca_cert);
}
END_TEST

/* A first start that was cut off between the two files, or a slip of the hand: with another key
 * nobody would trust what was signed before. */
START_TEST(the_key_of_a_ca_without_its_certificate_is_kept)
{
    take_away("ca.crt");
    ck_assert_int_eq(open_pki(&after), 0);
    ck_assert_str_eq(after.ca_key, before.ca_key);
    ck_assert_str_ne(after.ca_cert, before.ca_cert);
    ck_assert_str_eq(after.server_cert, before.server_cert);
}
END_TEST

START_TEST(keys_that_cannot_be_made_again_are_asked_for)
{
    take_away("ca.key");
    is_refused("pki has ca.crt but no ca.key: copy it from another member");
    put("ca.key", before.ca_key);
    take_away("sa.key");
    is_refused("pki has sa.pub but no sa.key: copy it from another member");
    take_away("sa.pub"); /* Whoever does that means it. */
    ck_assert_int_eq(open_pki(&after), 0);
    ck_assert_str_ne(after.sa_key, before.sa_key);
}
END_TEST

START_TEST(a_file_that_is_none_or_of_somebody_else_is_named)
{
    put("ca.key", "nothing");
    is_refused("/pki/ca.crt and ca.key: private key: not a PEM of that kind");
    put("ca.key", before.server_key);
    is_refused("/pki/ca.crt and ca.key: ");
    put("ca.key", before.ca_key);
    put("sa.key", "nothing");
    is_refused("/pki/sa.key: private key");
    put("sa.key", before.sa_key);
    put("server.crt", "nothing");
    is_refused("/pki/server.crt and server.key: certificate: not a PEM of that kind");
    put("server.crt", before.server_cert);
    take_away("server.key");
    is_refused("server.crt but no server.key: `coracle certs rotate` makes both anew");
}
END_TEST

Suite *pki_suite(void)
{
    Suite *suite = suite_create("apiserver/pki");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_certificate_that_is_missing_is_made_anew);
    tcase_add_test(tcase, the_key_of_a_ca_without_its_certificate_is_kept);
    tcase_add_test(tcase, keys_that_cannot_be_made_again_are_asked_for);
    tcase_add_test(tcase, a_file_that_is_none_or_of_somebody_else_is_named);
    suite_add_tcase(suite, tcase);
    return suite;
}
