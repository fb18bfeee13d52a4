/* Files of volumes, on a directory of the test's own. */
#include "agent/volumes.h"
#include "lib/api/codec.h"
#include "lib/base/file.h"
#include "tests/unit/agent/suites.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void setup(void)
{
    strcpy(dir, "/tmp/coracle-volumes-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    ck_assert_int_eq(volumes_remove_tree(dir, NULL), 0);
    ck_assert_int_ne(access(dir, F_OK), 0);
}

static const char *read_file(const char *name)
{
    static char text[256];
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return "(none)";
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_payload(struct payload_file *files, size_t count)
{
    struct payload payload = {.items = files, .count = count};
    struct error error = {0};
    ck_assert_msg(payload_write(dir, &payload, -1, &error) == 0, "%s", error_message(&error));
}

static ino_t data_link(void)
{
    char path[256];
    struct stat stat_of;
    snprintf(path, sizeof(path), "%s/..data", dir);
    ck_assert_int_eq(lstat(path, &stat_of), 0);
    return stat_of.st_ino;
}

START_TEST(files_change_in_one_step_and_stale_ones_go)
{
    struct payload_file first[] = {{"a", slice_text("1"), 0644}, {"sub/b", slice_text("2"), 0400}};
    struct payload_file second[] = {{"a", slice_text("one"), 0644}};
    write_payload(first, 2);
    ck_assert_str_eq(read_file("a"), "1");
    ck_assert_str_eq(read_file("sub/b"), "2");
    write_payload(second, 1);
    ck_assert_str_eq(read_file("a"), "one");
    ck_assert_str_eq(read_file("sub/b"), "(none)");
}
END_TEST

START_TEST(unchanged_files_are_not_written)
{
    struct payload_file files[] = {{"a", slice_text("1"), 0644}};
    write_payload(files, 1);
    ino_t before = data_link();
    write_payload(files, 1);
    ck_assert_uint_eq(data_link(), before);
}
END_TEST

START_TEST(an_empty_volume_holds_nothing)
{
    write_payload(NULL, 0);
    ck_assert_str_eq(read_file("a"), "(none)");
}
END_TEST

/* ---- subPath ---- */

/* A pod with the empty directory `v` below `dir`, and a container that mounts `subpath` of it. */
static int bind_subpath(const char *subpath, struct error *error)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    void *pod;
    const char *json =
        arena_printf(arena,
                     "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":"
                     "\"u\"},\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
                     "\"containers\":[{\"name\":\"c\",\"volumeMounts\":[{\"name\":"
                     "\"v\",\"mountPath\":\"/m\",\"subPath\":\"%s\"}]}]}}",
                     subpath);
    ck_assert_int_eq(api_decode_json(arena, api_message_find("k8s.io.api.core.v1.Pod"),
                                     slice_text(json), NULL, &pod, NULL),
                     0);
    struct pod_inputs inputs = {.pod = pod, .pods_dir = dir};
    return volumes_bind_subpaths(&inputs, inputs.pod->spec->containers[0], error);
}

/* CVE-2017-1002101, CVE-2021-25741: a container makes links in its volume, and mounts what is
 * behind them: the node's files. */
START_TEST(a_subpath_does_not_lead_out_of_its_volume)
{
    static const struct {
        const char *name, *to;
    } links[] = {{"root", "/"},
                 {"up", ".."},
                 {"climbs", "in/../../../../../../.."},
                 {"self", "/proc/self/root"},
                 {"magic", "/proc/self/cwd"},
                 {"nowhere", "/tmp/coracle-made-by-subpath"}};
    static const char *const escapes[] = {"root",    "root/etc",  "up",        "up/x",
                                          "climbs",  "self/etc",  "magic",     "in/../../..",
                                          "nowhere", "nowhere/x", "up/../new", "../v"};
    char volume[128], path[256];
    snprintf(volume, sizeof(volume), "%s/u/volumes/kubernetes.io~empty-dir/v", dir);
    snprintf(path, sizeof(path), "%s/in", volume);
    ck_assert_int_eq(directory_make(path, 0700, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        snprintf(path, sizeof(path), "%s/%s", volume, links[i].name);
        ck_assert_int_eq(symlink(links[i].to, path), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        struct error error = {0};
        ck_assert_msg(bind_subpath(escapes[i], &error) < 0, "%s", escapes[i]);
        ck_assert_ptr_nonnull(strstr(error_message(&error), "cannot use subPath"));
        error_release(&error);
    }
    ck_assert_int_ne(access("/tmp/coracle-made-by-subpath", F_OK), 0);
    snprintf(path, sizeof(path), "%s/u/volume-subpaths", dir);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

struct swapper {
    char one[128], other[128];
    atomic_bool over;
};

/* As a container may: one moment it is a directory, the next a link out of the volume. */
static void *swap(void *data)
{
    struct swapper *swapper = data;
    while (!atomic_load(&swapper->over)) {
        (void)renameat2(AT_FDCWD, swapper->one, AT_FDCWD, swapper->other, RENAME_EXCHANGE);
    }
    return NULL;
}

/* CVE-2021-25741: what was looked at is no longer there when it is used. */
START_TEST(a_link_that_comes_while_a_subpath_is_made_leads_nowhere)
{
    struct swapper swapper = {.over = false};
    char volume[100], outside[100], path[160];
    pthread_t thread;
    snprintf(volume, sizeof(volume), "%s/u/volumes/kubernetes.io~empty-dir/v", dir);
    snprintf(outside, sizeof(outside), "%s/outside", dir);
    snprintf(swapper.one, sizeof(swapper.one), "%s/a", volume);
    snprintf(swapper.other, sizeof(swapper.other), "%s/b", volume);
    ck_assert_int_eq(directory_make(swapper.one, 0700, NULL), 0);
    ck_assert_int_eq(directory_make(outside, 0700, NULL), 0);
    ck_assert_int_eq(symlink(outside, swapper.other), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, swap, &swapper), 0);
    for (int i = 0; i < 3000; i++) {
        struct error error = {0};
        char subpath[64];
        snprintf(subpath, sizeof(subpath), "a/n%d/../../..", i); /* Its end is refused always. */
        ck_assert_int_lt(bind_subpath(subpath, &error), 0);
        error_release(&error);
        snprintf(path, sizeof(path), "%s/n%d", outside, i);
        ck_assert_msg(access(path, F_OK) != 0, "made outside of the volume after %d", i);
    }
    atomic_store(&swapper.over, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* CVE-2024-10220: a repository's hooks ran as root on the node. */
START_TEST(a_volume_of_a_git_repository_is_not_made)
{
    static const char json[] = "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},"
                               "\"spec\":{\"volumes\":[{\"name\":\"v\",\"gitRepo\":{\"repository\":"
                               "\"https://127.0.0.1:1/r\",\"directory\":\"../x/.git\"}}]}}";
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    void *pod;
    struct error error = {0};
    ck_assert_int_eq(api_decode_json(arena, api_message_find("k8s.io.api.core.v1.Pod"),
                                     slice_text(json), NULL, &pod, NULL),
                     0);
    struct pod_inputs inputs = {.pod = pod, .pods_dir = dir};
    ck_assert_int_eq(volumes_prepare(&inputs, NULL, &error), -ENOTSUP);
    error_release(&error);
}
END_TEST

Suite *volumes_suite(void)
{
    Suite *suite = suite_create("agent/volumes");
    TCase *tcase = tcase_create("payload");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, files_change_in_one_step_and_stale_ones_go);
    tcase_add_test(tcase, unchanged_files_are_not_written);
    tcase_add_test(tcase, an_empty_volume_holds_nothing);
    tcase_add_test(tcase, a_subpath_does_not_lead_out_of_its_volume);
    tcase_add_test(tcase, a_link_that_comes_while_a_subpath_is_made_leads_nowhere);
    tcase_add_test(tcase, a_volume_of_a_git_repository_is_not_made);
    suite_add_tcase(suite, tcase);
    return suite;
}
