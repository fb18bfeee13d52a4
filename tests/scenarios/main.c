/* Every scenario of every file beside this one is a test. */
#include "lib/base/file.h"
#include "tests/scenarios/driver.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 1024, FILES_MAX = 64, TEXT_MAX = 1 << 20 };

static struct run {
    const struct json_value *scenario;
    size_t crash;
} runs[RUNS_MAX];
static size_t run_count;
static struct arena *arena;

START_TEST(holds)
{
    scenario_run(runs[_i].scenario, runs[_i].crash);
}
END_TEST

static const struct json_value *load(const char *path)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer yaml;
    struct buffer *json = arena_alloc(arena, sizeof(*json));
    struct json_value *value = NULL;
    buffer_init(&yaml, TEXT_MAX);
    buffer_init(json, TEXT_MAX);
    if (file_read(path, &yaml, &error) != 0 ||
        api_yaml_to_json(arena, buffer_slice(&yaml), NULL, json, &error) != 0 ||
        json_parse(arena, buffer_slice(json), &value, &error) != 0 || value->type != JSON_ARRAY) {
        (void)fprintf(stderr, "%s: %s\n", path, error_message(&error));
        exit(1);
    }
    buffer_release(json);
    return value;
}

static void add_file(Suite *suite, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", SCENARIOS, name);
    const struct json_value *scenarios = load(path);
    size_t first = run_count;
    for (size_t i = 0; i < scenarios->count; i++) {
        for (size_t crash = 0; crash < scenario_runs(scenarios->items[i]); crash++) {
            if (run_count == RUNS_MAX) {
                (void)fprintf(stderr, "%s: more than %d runs\n", name, RUNS_MAX);
                exit(1);
            }
            runs[run_count++] = (struct run){scenarios->items[i], crash};
        }
    }
    TCase *tcase = tcase_create(arena_text(arena, name)); /* check keeps the pointer. */
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, holds, (int)first, (int)run_count);
    suite_add_tcase(suite, tcase);
}

static int is_scenario(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

int main(void)
{
    struct dirent **entries = NULL;
    Suite *suite = suite_create("scenarios");
    arena = arena_new(SIZE_MAX);
    int count = scandir(SCENARIOS, &entries, is_scenario, alphasort);
    for (int i = 0; i < count; i++) {
        add_file(suite, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (run_count == 0) {
        (void)fprintf(stderr, "no scenarios in %s\n", SCENARIOS);
        return 1;
    }
    int failed = unit_main(&suite, 1);
    arena_free(arena);
    return failed;
}
