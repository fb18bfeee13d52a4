/* Reads a history from standard input and says whether it is linearizable. One operation a line:
 *   KEY CALL END KIND VALUE [EXPECTED]
 * KEY, VALUE and EXPECTED are numbers (0: no such key), times are integers of one clock, END is "-"
 * when the outcome is not known, KIND is read, write, swap or keep (tests/sim/linear.h).
 * Exit status: 0 linearizable, 1 not, 2 bad input, 3 undecided. */
#include "lib/base/alloc.h"
#include "tests/sim/linear.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 50 * 1000 * 1000 };

static bool parse_kind(const char *text, enum linear_kind *ret_kind)
{
    static const char *const names[] = {"read", "write", "swap", "keep"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_kind = (enum linear_kind)i;
            return true;
        }
    }
    return false;
}

int main(void)
{
    static const char *const verdicts[] = {"linearizable", "NOT linearizable", "undecided"};
    static const int statuses[] = {0, 1, 3};
    CLEANUP(alloc_freep) struct linear_op *ops = NULL;
    size_t count = 0;
    size_t capacity = 0;
    char line[256];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char end[32];
        char kind[16];
        struct linear_op op = {0};
        int fields = sscanf(line, "%" SCNu64 " %" SCNu64 " %31s %15s %" SCNu64 " %" SCNu64, &op.key,
                            &op.call, end, kind, &op.value, &op.expected);
        if (fields < 5 || !parse_kind(kind, &op.kind)) {
            (void)fprintf(stderr, "not an operation: %s", line);
            return 2;
        }
        op.end = strcmp(end, "-") == 0 ? LINEAR_PENDING : strtoull(end, NULL, 10);
        if (op.end < op.call) {
            (void)fprintf(stderr, "ends before it begins: %s", line);
            return 2;
        }
        if (count == capacity) {
            capacity = capacity * 2 + 1024;
            ops = alloc_resize(ops, capacity, sizeof(*ops));
        }
        ops[count++] = op;
    }
    struct linear_report report;
    enum linear_verdict verdict = linear_check(ops, count, STEPS_MAX, &report);
    (void)printf("%zu operations, %" PRIu64 " steps: %s", count, report.steps, verdicts[verdict]);
    if (verdict == LINEAR_VIOLATION) {
        (void)printf(" (key %" PRIu64 ", near the operation called at %" PRIu64 ")", report.key,
                     report.call);
    }
    (void)printf("\n");
    return statuses[verdict];
}
