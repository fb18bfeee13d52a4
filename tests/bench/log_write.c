/* How a log segment is best written: one write and one flush for each batch, through the page cache
 * or past it (O_DIRECT), to blocks that are reserved (fallocate), zeroed or reused.
 *   log_write DIRECTORY [SECONDS]
 * Prints for each way and batch size: batches a second, p50 and p99 of write plus flush. */
#include "lib/base/alloc.h"
#include "lib/base/env.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SEGMENT = 64 * 1024 * 1024,
    BLOCK = 4096,
    CHUNK = 1024 * 1024,
    SAMPLES_MAX = 200000,
    SECONDS_DEFAULT = 2
};

enum allocation { RESERVED, ZEROED, REUSED };

struct way {
    const char *name;
    enum allocation allocation;
    int flags; /* Of open(2), beside O_RDWR. */
};

static const struct way ways[] = {
    {"buffered, reserved", RESERVED, 0},  {"buffered, zeroed", ZEROED, 0},
    {"buffered, reused", REUSED, 0},      {"direct, reserved", RESERVED, O_DIRECT},
    {"direct, zeroed", ZEROED, O_DIRECT}, {"direct+dsync, zeroed", ZEROED, O_DIRECT | O_DSYNC},
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static _Noreturn void stop(const char *what)
{
    (void)fprintf(stderr, "log_write: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void fill(int file, uint8_t value)
{
    uint8_t *chunk = alloc_bytes(CHUNK);
    memset(chunk, value, CHUNK);
    for (off_t at = 0; at < SEGMENT; at += CHUNK) {
        if (pwrite(file, chunk, CHUNK, at) != CHUNK) {
            stop("filling the segment");
        }
    }
    free(chunk);
}

static int prepare(const char *path, const struct way *way)
{
    (void)unlink(path);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || fallocate(file, 0, 0, SEGMENT) < 0) {
        stop(path);
    }
    if (way->allocation != RESERVED) {
        fill(file, way->allocation == REUSED ? 0x5a : 0);
    }
    if (fsync(file) < 0 || close(file) < 0) {
        stop(path);
    }
    file = open(path, O_RDWR | O_CLOEXEC | way->flags);
    if (file < 0) {
        stop(path);
    }
    return file;
}

static int order(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return *left < *right ? -1 : *left > *right;
}

static void measure(const char *path, const struct way *way, size_t batch, uint64_t duration_ns)
{
    static uint64_t took[SAMPLES_MAX];
    size_t count = 0;
    int file = prepare(path, way);
    void *memory = NULL;
    if (posix_memalign(&memory, BLOCK, batch + BLOCK) != 0) {
        stop("memory");
    }
    memset(memory, 0x33, batch + BLOCK);
    bool direct = (way->flags & O_DIRECT) != 0;
    size_t at = 0;
    uint64_t start = now_ns();
    for (uint64_t now = start; now < start + duration_ns && count < SAMPLES_MAX;) {
        /* Past the cache only whole blocks can be written: the last one is written again. */
        size_t from = direct ? at / BLOCK * BLOCK : at;
        size_t len = direct ? (at + batch - from + BLOCK - 1) / BLOCK * BLOCK : batch;
        if (from + len > SEGMENT) {
            at = 0;
            continue;
        }
        if (pwrite(file, memory, len, (off_t)from) != (ssize_t)len ||
            ((way->flags & O_DSYNC) == 0 && fdatasync(file) < 0)) {
            stop("writing");
        }
        uint64_t end = now_ns();
        took[count++] = end - now;
        now = end;
        at += batch;
    }
    uint64_t whole = now_ns() - start;
    qsort(took, count, sizeof(took[0]), order);
    (void)printf("| %s | %zu | %.0f | %.0f | %.0f |\n", way->name, batch,
                 (double)count * 1e9 / (double)whole, (double)took[count / 2] / 1000,
                 (double)took[count * 99 / 100] / 1000);
    (void)close(file); /* Only measured. */
    free(memory);
}

int main(int argc, char **argv)
{
    static const size_t batches[] = {512, 4096, 65536};
    if (argc < 2) {
        (void)fprintf(stderr, "usage: log_write DIRECTORY [SECONDS]\n");
        return 2;
    }
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : SECONDS_DEFAULT;
    char *path = alloc_printf("%s/log_write.data", argv[1]);
    (void)printf("| way | bytes a batch | batches/s | p50 us | p99 us |\n");
    (void)printf("| --- | --- | --- | --- | --- |\n");
    for (size_t b = 0; b < ARRAY_LEN(batches); b++) {
        for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
            measure(path, &ways[w], batches[b], seconds * NS_PER_S);
        }
    }
    (void)unlink(path);
    free(path);
    return 0;
}
