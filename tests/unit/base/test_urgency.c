#include "lib/base/urgency.h"

#include "tests/unit/unit.h"
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

static int niceness(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

/* On a thread of its own, as it is for good. */
static void *lower_and_look(void *data)
{
    int before = niceness();
    urgency_lower();
    int after = niceness();
    ck_assert_int_ge(after, before);
    ck_assert_int_ge(after, 10);
    urgency_lower();
    ck_assert_int_eq(niceness(), after);
    return data;
}

START_TEST(a_lowered_thread_gets_a_smaller_share_and_the_others_keep_theirs)
{
    int before = niceness();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, lower_and_look, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(niceness(), before);
}
END_TEST

Suite *urgency_suite(void);
Suite *urgency_suite(void)
{
    Suite *suite = suite_create("base/urgency");
    TCase *tcase = tcase_create("urgency");
    tcase_add_test(tcase, a_lowered_thread_gets_a_smaller_share_and_the_others_keep_theirs);
    suite_add_tcase(suite, tcase);
    return suite;
}
