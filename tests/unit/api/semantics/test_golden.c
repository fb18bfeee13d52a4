/* Replays the recorded API vectors for the kinds of this library, without a server: body -> decode
 * -> default -> prepare -> validate (-> patch), then compares causes or the object. What admission
 * and allocation add on a server is taken out of the expectation first. Needs the vectors
 * (CORACLE_SHARED, else ../shared); says so and passes when they are not there. */
#include "tests/unit/api/semantics/golden.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* Cases that need what only a running cluster has: allocation, admission, other objects, options in
 * the URL. The last one was recorded with a placeholder inside a key. */
static const char *const NEEDS_A_SERVER[] = {
    "invalid-service-clusterip-out-of-range",
    "invalid-service-dualstack-required",
    "invalid-service-ipfamily-unavailable",
    "invalid-pod-sa-missing",
    "invalid-pod-priority-direct",
    "invalid-pod-priorityclass-missing",
    "apply-uid-on-create",
    "apply-force-on-other-patch",
    "managed-fields-default-manager",
    "default-pod-automount-off",
    "default-event-core-read-as-v1",
    "default-event-v1-read-as-core",
    "managed-fields-finalizers-owners",
    NULL,
};

static bool is_excluded(const char *name)
{
    for (const char *const *at = NEEDS_A_SERVER; *at != NULL; at++) {
        if (strcmp(*at, name) == 0) {
            return true;
        }
    }
    return false;
}

static const char *shared_folder(void)
{
    const char *folder = getenv("CORACLE_SHARED");
    return folder == NULL ? "../shared" : folder;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void replay_area(const char *area)
{
    char folder[512];
    struct dirent **entries = NULL;
    struct golden_counts counts = {0};
    (void)snprintf(folder, sizeof(folder), "%s/golden/%s", shared_folder(), area);
    int count = scandir(folder, &entries, NULL, by_name);
    if (count < 0) {
        printf("golden %s: skipped, no vectors in %s\n", area, folder);
        return;
    }
    for (int i = 0; i < count; i++) {
        char path[1024], name[256];
        size_t len = strlen(entries[i]->d_name);
        if (len > 5 && strcmp(entries[i]->d_name + len - 5, ".json") == 0) {
            (void)snprintf(name, sizeof(name), "%.*s", (int)(len - 5), entries[i]->d_name);
            (void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
            enum golden_result result =
                is_excluded(name) ? GOLDEN_OTHER : golden_replay(name, path);
            counts.passed += result == GOLDEN_PASSED;
            counts.failed += result == GOLDEN_FAILED;
            counts.other += result == GOLDEN_OTHER;
        }
        free(entries[i]);
    }
    free(entries);
    printf("golden %s: %d passed, %d failed, %d need other kinds or a server\n", area,
           counts.passed, counts.failed, counts.other);
    (void)fflush(stdout); /* check kills the child on a failed assertion. */
    ck_assert_int_eq(counts.failed, 0);
}

START_TEST(invalid_objects_are_refused_for_the_recorded_causes)
{
    replay_area("validation");
}
END_TEST

START_TEST(defaults_are_the_recorded_ones)
{
    replay_area("defaulting");
}
END_TEST

START_TEST(changes_are_allowed_or_refused_as_recorded)
{
    replay_area("update");
}
END_TEST

START_TEST(patches_give_the_recorded_objects)
{
    replay_area("patch");
}
END_TEST

START_TEST(applies_give_the_recorded_objects)
{
    replay_area("apply");
}
END_TEST

START_TEST(tables_have_the_recorded_cells)
{
    replay_area("table");
}
END_TEST

Suite *golden_suite(void)
{
    Suite *suite = suite_create("golden");
    TCase *replay = tcase_create("replay");
    tcase_set_timeout(replay, 120);
    tcase_add_test(replay, invalid_objects_are_refused_for_the_recorded_causes);
    tcase_add_test(replay, defaults_are_the_recorded_ones);
    tcase_add_test(replay, changes_are_allowed_or_refused_as_recorded);
    tcase_add_test(replay, patches_give_the_recorded_objects);
    tcase_add_test(replay, applies_give_the_recorded_objects);
    tcase_add_test(replay, tables_have_the_recorded_cells);
    suite_add_tcase(suite, replay);
    return suite;
}
