#include "tests/sim/seeds.h"

#include "lib/base/log.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RUN_TWICE_EVERY = 100 };

#ifdef CORACLE_PLANTS
extern int coracle_plant;
int coracle_plant;
#endif

struct seeds_arguments {
    uint64_t first, count;
    uint64_t trace, shrink, keep_going, world;
    uint64_t plant; /* Of raft/plant.h or store/plant.h, when built with CORACLE_PLANTS. */
};

static char running[64]; /* For the signal handler. */

/* An assertion of the code under test: says which seed it was. */
static void on_abort(int number)
{
    ssize_t written = write(STDOUT_FILENO, running, strlen(running));
    (void)written;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static volatile sig_atomic_t stopping; /* Asked to end: what was done so far is reported. */

static void on_stop(int number)
{
    (void)number;
    stopping = 1;
}

/* Of this process's computing: other programs on the machine do not matter. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool parse(int argc, char **argv, struct seeds_arguments *ret_arguments)
{
    struct seeds_arguments arguments = {.first = 1, .count = 100, .world = SIM_WORLD};
    struct {
        const char *name;
        uint64_t *value;
    } options[] = {{"--seeds", &arguments.count},
                   {"--seed", &arguments.first},
                   {"--trace", &arguments.trace},
                   {"--shrink", &arguments.shrink},
                   {"--keep-going", &arguments.keep_going},
                   {"--plant", &arguments.plant},
                   {"--world", &arguments.world}};
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t *value = NULL;
        for (size_t o = 0; o < ARRAY_LEN(options); o++) {
            value = strcmp(argv[i], options[o].name) == 0 ? options[o].value : value;
        }
        if (value == NULL) {
            return false;
        }
        *value = strtoull(argv[i + 1], NULL, 0);
    }
    if (arguments.trace != 0 || arguments.shrink != 0) {
        arguments.count = 1;
    }
    *ret_arguments = arguments;
    return argc % 2 == 1;
}

/* Leaves out halves, quarters ... of the faults for as long as the seed fails without them (Zeller
 * and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002). */
static void shrink(const struct sim_program *program, uint64_t seed, unsigned world,
                   const struct sim_outcome *failed)
{
    static struct sim_options options;
    options = (struct sim_options){.world = world};
    uint64_t total = failed->faults < SIM_FAULTS_MAX ? failed->faults : SIM_FAULTS_MAX;
    uint64_t left = total;
    for (uint64_t part = (total + 1) / 2; part > 0; part /= 2) {
        for (uint64_t from = 0; from < total; from += part) {
            struct sim_options fewer = options;
            struct sim_outcome outcome;
            uint64_t dropped = 0;
            for (uint64_t i = from; i < from + part && i < total; i++) {
                dropped += fewer.skip[i] ? 0 : 1;
                fewer.skip[i] = true;
            }
            if (dropped == 0) {
                continue;
            }
            program->run(seed, &fewer, &outcome);
            if (outcome.failure[0] != '\0') {
                options = fewer;
                left -= dropped;
            }
        }
    }
    struct sim_outcome outcome;
    options.verbose = 1;
    program->run(seed, &options, &outcome);
    (void)printf("%" PRIu64 " of %" PRIu64 " faults are needed: %s\n", left, total,
                 outcome.failure);
}

static void run_seed(const struct sim_program *program, uint64_t seed,
                     const struct seeds_arguments *arguments, struct sim_outcome *ret_outcome)
{
    static struct sim_options options;
    options.verbose = (unsigned)arguments->trace;
    options.world = (unsigned)arguments->world;
    program->run(seed, &options, ret_outcome);
    if (ret_outcome->failure[0] == '\0' && seed % RUN_TWICE_EVERY == 0) {
        struct sim_outcome again;
        program->run(seed, &options, &again);
        if (again.trace != ret_outcome->trace) {
            (void)snprintf(ret_outcome->failure, sizeof(ret_outcome->failure),
                           "the same seed ran in two ways");
        }
    }
}

struct seeds_total {
    uint64_t seeds, failures, events, busiest, busiest_seed;
    uint64_t trace; /* Of all seeds, in order: equal for two runs of the same program. */
    uint64_t counts[SIM_COUNTS_MAX];
};

static void total_add(struct seeds_total *total, uint64_t seed, const struct sim_outcome *outcome)
{
    if (outcome->events > total->busiest) {
        total->busiest = outcome->events;
        total->busiest_seed = seed;
    }
    total->events += outcome->events;
    total->trace = (total->trace ^ outcome->trace) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < SIM_COUNTS_MAX; i++) {
        total->counts[i] += outcome->counts[i];
    }
}

/* One line for people, and one for programs: NAME=VALUE, counts with `_` for spaces. */
static void report(const struct sim_program *program, const struct seeds_arguments *arguments,
                   const struct seeds_total *total, double took)
{
    (void)printf("%s: %" PRIu64 " seeds, %" PRIu64 " events (%.0f events/s, %.1f CPU s)",
                 program->name, total->seeds, total->events, (double)total->events / took, took);
    for (size_t i = 0; i < SIM_COUNTS_MAX && program->counts[i] != NULL; i++) {
        (void)printf(", %" PRIu64 " %s", total->counts[i], program->counts[i]);
    }
    (void)printf(", at most %" PRIu64 " events (seed %" PRIu64 ")", total->busiest,
                 total->busiest_seed);
    (void)printf(": %" PRIu64 " violation%s\n", total->failures, total->failures == 1 ? "" : "s");
    (void)printf("SUMMARY program=%s first=%" PRIu64 " seeds=%" PRIu64 " events=%" PRIu64
                 " cpu_seconds=%.2f violations=%" PRIu64 " trace=%016" PRIx64,
                 program->name, arguments->first, total->seeds, total->events, took,
                 total->failures, total->trace);
    for (size_t i = 0; i < SIM_COUNTS_MAX && program->counts[i] != NULL; i++) {
        (void)printf(" ");
        for (const char *at = program->counts[i]; *at != '\0'; at++) {
            (void)putchar(*at == ' ' || *at == '-' ? '_' : *at);
        }
        (void)printf("=%" PRIu64, total->counts[i]);
    }
    (void)printf("\n");
}

int sim_seeds_main(const struct sim_program *program, int argc, char **argv)
{
    struct seeds_arguments arguments;
    struct seeds_total total = {0};
    if (!parse(argc, argv, &arguments)) {
        (void)fprintf(stderr,
                      "usage: %s [--seeds N] [--seed FIRST] [--trace 1|2] [--shrink 1] "
                      "[--keep-going 1] [--world 1]\n",
                      program->name);
        return 2;
    }
    log_set_level(arguments.trace != 0 ? LOG_LEVEL_INFO
                                       : LOG_LEVEL_ERROR); /* They warn of faults. */
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* An assertion must not swallow what was said. */
#ifdef CORACLE_PLANTS
    coracle_plant = (int)arguments.plant;
#endif
    (void)signal(SIGABRT, on_abort);
    (void)signal(SIGTERM, on_stop);
    (void)signal(SIGINT, on_stop);
    double start = cpu_seconds();
    for (; total.seeds < arguments.count && stopping == 0; total.seeds++) {
        uint64_t seed = arguments.first + total.seeds;
        struct sim_outcome outcome;
        (void)snprintf(running, sizeof(running), "FAILED seed %" PRIu64 ": an assertion\n", seed);
        run_seed(program, seed, &arguments, &outcome);
        if (outcome.failure[0] != '\0') {
            (void)printf("FAILED seed %" PRIu64 ": %s\n  again: %s --seed %" PRIu64
                         " --world %" PRIu64 " --trace 1\n",
                         seed, outcome.failure, program->name, seed, arguments.world);
            total.failures++;
            if (arguments.shrink != 0) {
                shrink(program, seed, (unsigned)arguments.world, &outcome);
            }
            if (arguments.keep_going == 0) {
                return 1;
            }
        }
        total_add(&total, seed, &outcome);
    }
    report(program, &arguments, &total, cpu_seconds() - start);
    return total.failures == 0 ? 0 : 1;
}
