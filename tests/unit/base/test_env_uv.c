/* The real env on a real loop and a real file. */
#include "lib/base/alloc.h"
#include "lib/base/env_uv.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

Suite *env_uv_suite(void);

struct scene {
    uv_loop_t loop;
    struct env_uv *env;
    struct env_timer timers[3];
    int fired[3];
    int fired_count;
    struct env_io io;
    int file;
    int step;
    char *path;
    uint8_t bytes[16];
};

static void scene_close(struct scene *scene)
{
    env_uv_close(scene->env, NULL, NULL);
}

static void on_fire(struct scene *scene, int which)
{
    scene->fired[scene->fired_count++] = which;
    if (scene->fired_count == 2) {
        scene_close(scene);
    }
}

static void fire_0(void *data)
{
    on_fire(data, 0);
}

static void fire_1(void *data)
{
    on_fire(data, 1);
}

static void fire_2(void *data)
{
    on_fire(data, 2);
}

START_TEST(timers_fire_in_order_and_a_stopped_one_does_not)
{
    struct scene scene = {.fired_count = 0};
    ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
    ck_assert_int_eq(env_uv_new(&scene.loop, &scene.env), 0);
    struct env *env = env_uv_env(scene.env);
    void (*fires[])(void *) = {fire_0, fire_1, fire_2};
    for (int i = 0; i < 3; i++) {
        scene.timers[i] = (struct env_timer){.fire = fires[i], .data = &scene};
    }
    env_timer_start(env, &scene.timers[0], 20 * NS_PER_MS);
    env_timer_start(env, &scene.timers[1], 1 * NS_PER_MS);
    env_timer_start(env, &scene.timers[2], 5 * NS_PER_MS);
    env_timer_stop(env, &scene.timers[2]);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(scene.fired[0], 1);
    ck_assert_int_eq(scene.fired[1], 0);
    ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
}
END_TEST

/* libuv's clock has milliseconds: an overdue timer may not have fired yet. */
START_TEST(a_timer_due_at_once_does_not_wait_for_an_overdue_one)
{
    struct scene scene = {.step = 0};
    ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
    ck_assert_int_eq(env_uv_new(&scene.loop, &scene.env), 0);
    struct env *env = env_uv_env(scene.env);
    scene.timers[0] = (struct env_timer){.fire = fire_1, .data = &scene};
    scene.timers[1] = (struct env_timer){.fire = fire_2, .data = &scene};
    env_timer_start(env, &scene.timers[0], 1000);
    uint64_t overdue = env_now_ns(env) + 2000;
    while (env_now_ns(env) < overdue) {
    }
    env_timer_start(env, &scene.timers[1], 0);
    uv_run(&scene.loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(scene.fired_count, 2);
    ck_assert_int_eq(scene.fired[0], 1);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
}
END_TEST

static void on_io(struct env_io *io)
{
    struct scene *scene = io->data;
    struct env *env = env_uv_env(scene->env);
    switch (scene->step++) {
    case 0:
        ck_assert_int_eq(io->result, 0);
        *io = (struct env_io){.kind = ENV_IO_WRITE,
                              .file = io->file,
                              .offset = 2,
                              .buffer = (uint8_t *)"hello",
                              .len = 5,
                              .done = on_io,
                              .data = scene};
        break;
    case 1:
        ck_assert_int_eq(io->result, 5);
        io->kind = ENV_IO_SYNC;
        break;
    case 2:
        ck_assert_int_eq(io->result, 0);
        io->kind = ENV_IO_READ;
        io->offset = 0;
        io->buffer = scene->bytes;
        io->len = sizeof(scene->bytes);
        break;
    case 3:
        ck_assert_int_eq(io->result, 7);
        ck_assert_int_eq(memcmp(scene->bytes, "\0\0hello", 7), 0);
        io->kind = ENV_IO_CLOSE;
        break;
    case 4:
        ck_assert_int_eq(io->result, 0);
        *io = (struct env_io){
            .kind = ENV_IO_OPEN, .path = "/nonexistent/x", .done = on_io, .data = scene};
        break;
    default:
        ck_assert_int_eq(io->result, -ENOENT);
        scene_close(scene);
        return;
    }
    env_io_submit(env, io);
}

START_TEST(file_operations_complete_in_order_with_their_errors)
{
    struct scene scene = {.step = 0};
    char path[] = "/tmp/coracle_env_XXXXXX";
    int made = mkstemp(path);
    ck_assert_int_ge(made, 0);
    close(made);
    ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
    ck_assert_int_eq(env_uv_new(&scene.loop, &scene.env), 0);
    scene.io = (struct env_io){
        .kind = ENV_IO_OPEN, .path = path, .flags = ENV_OPEN_WRITE, .done = on_io, .data = &scene};
    env_io_submit(env_uv_env(scene.env), &scene.io);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(scene.step, 6);
    ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
    unlink(path);
}
END_TEST

static void on_direct_io(struct env_io *io)
{
    struct scene *scene = io->data;
    enum { OPENED, WRITTEN, READ, CLOSED };
    ck_assert_int_ge(io->result, 0);
    switch (scene->step++) {
    case OPENED:
        io->kind = ENV_IO_WRITE;
        io->offset = ENV_DIRECT_UNIT;
        io->buffer = alloc_aligned(ENV_DIRECT_UNIT, ENV_DIRECT_UNIT);
        io->len = ENV_DIRECT_UNIT;
        memset(io->buffer, 'x', io->len);
        break;
    case WRITTEN:
        ck_assert_int_eq(io->result, ENV_DIRECT_UNIT);
        memset(io->buffer, 0, io->len);
        io->kind = ENV_IO_READ;
        break;
    case READ:
        ck_assert_int_eq(io->result, ENV_DIRECT_UNIT);
        ck_assert(io->buffer[0] == 'x' && io->buffer[ENV_DIRECT_UNIT - 1] == 'x');
        free(io->buffer);
        io->kind = ENV_IO_CLOSE;
        break;
    default:
        scene_close(scene);
        return;
    }
    env_io_submit(env_uv_env(scene->env), io);
}

/* In directories of a file system that can and, mostly, of one that cannot. */
START_TEST(what_is_written_past_the_page_cache_is_read_back)
{
    const char *const directories[] = {"/var/tmp", "/dev/shm"};
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        struct scene scene = {.step = 0};
        char path[64];
        (void)snprintf(path, sizeof(path), "%s/coracle_env_XXXXXX", directories[i]);
        int made = mkstemp(path);
        if (made < 0) {
            continue; /* Not on this machine. */
        }
        close(made);
        ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
        ck_assert_int_eq(env_uv_new(&scene.loop, &scene.env), 0);
        scene.io = (struct env_io){.kind = ENV_IO_OPEN,
                                   .path = path,
                                   .flags = ENV_OPEN_WRITE | ENV_OPEN_DIRECT,
                                   .done = on_direct_io,
                                   .data = &scene};
        env_io_submit(env_uv_env(scene.env), &scene.io);
        uv_run(&scene.loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(scene.step, 4);
        ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
        unlink(path);
    }
}
END_TEST

/* Work in slices re-arms its timer with no delay until it is done; here until a file operation has
 * come through the loop. */
static void fire_again(void *data)
{
    struct scene *scene = data;
    if (scene->step == 0) {
        env_timer_start(env_uv_env(scene->env), &scene->timers[0], 0);
    } else {
        scene_close(scene);
    }
}

static void on_opened(struct env_io *io)
{
    ((struct scene *)io->data)->step++;
}

START_TEST(a_timer_that_is_always_due_does_not_keep_others_out)
{
    struct scene scene = {.step = 0};
    ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
    ck_assert_int_eq(env_uv_new(&scene.loop, &scene.env), 0);
    scene.timers[0] = (struct env_timer){.fire = fire_again, .data = &scene};
    scene.io =
        (struct env_io){.kind = ENV_IO_MAKE_DIR, .path = "/", .done = on_opened, .data = &scene};
    env_io_submit(env_uv_env(scene.env), &scene.io);
    env_timer_start(env_uv_env(scene.env), &scene.timers[0], 0);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(scene.step, 1);
    ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
}
END_TEST

Suite *env_uv_suite(void)
{
    Suite *suite = suite_create("base/env_uv");
    TCase *tcase = tcase_create("env_uv");
    tcase_add_test(tcase, timers_fire_in_order_and_a_stopped_one_does_not);
    tcase_add_test(tcase, a_timer_due_at_once_does_not_wait_for_an_overdue_one);
    tcase_add_test(tcase, file_operations_complete_in_order_with_their_errors);
    tcase_add_test(tcase, what_is_written_past_the_page_cache_is_read_back);
    tcase_add_test(tcase, a_timer_that_is_always_due_does_not_keep_others_out);
    suite_add_tcase(suite, tcase);
    return suite;
}
