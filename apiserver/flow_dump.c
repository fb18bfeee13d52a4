/* Priority and fairness as text: a row for each level, queue or request, as v1.32 has it. */
#include "apiserver/flow_control_private.h"

#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { COLUMNS_MAX = 18, COLUMN_WIDTH_MIN = 8, DUMP_BYTES_MAX = 16 << 20 };

/* --- Columns --- */

/* Each but the last is as wide as its widest cell and a space. Cells end with a tab, rows with a
 * newline. */
static void align(struct slice text, struct buffer *out)
{
    size_t widths[COLUMNS_MAX] = {0};
    size_t column = 0, width = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\t' && column < COLUMNS_MAX) {
            widths[column] = width + 1 > widths[column] ? width + 1 : widths[column];
            column++;
            width = 0;
        } else if (text.data[i] == '\n') {
            column = width = 0;
        } else {
            width += (text.data[i] & 0xc0) != 0x80; /* Of UTF-8, characters. */
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\t' && column < COLUMNS_MAX) {
            size_t wanted =
                widths[column] > COLUMN_WIDTH_MIN ? widths[column] : (size_t)COLUMN_WIDTH_MIN;
            buffer_printf(out, "%*s", (int)(wanted - width), "");
            column++;
            width = 0;
            continue;
        }
        width += (text.data[i] & 0xc0) != 0x80;
        buffer_append_byte(out, text.data[i]);
        if (text.data[i] == '\n') {
            column = width = 0;
        }
    }
}

/* --- Levels and queues --- */

static int by_name(const void *first, const void *second)
{
    const struct flow_pool *const *a = first, *const *b = second;
    return strcmp((*a)->name, (*b)->name);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void print_level(struct flow_pool *pool, struct buffer *out)
{
    const struct flow_level_facts facts = flow_level_facts(pool->level);
    buffer_printf(out,
                  "%s,\t%" PRIu32 ",\t%s,\tfalse,\t%" PRIu32 ",\t%" PRIu32 ",\t%" PRIu64
                  ",\t%" PRIu64 ",\t%" PRIu64 ",\t%" PRIu64 "\n",
                  pool->name, facts.active_queues, truth(facts.waiting + facts.executing == 0),
                  facts.waiting, facts.executing, facts.dispatched, facts.rejected, pool->timed_out,
                  pool->cancelled);
}

static void print_queues(struct flow_pool *pool, struct buffer *out)
{
    uint32_t count = flow_level_facts(pool->level).queues;
    for (uint32_t i = 0; i < count; i++) {
        const struct flow_queue_facts facts = flow_level_queue_facts(pool->level, i);
        buffer_printf(out,
                      "%s,\t%" PRIu32 ",\t%" PRIu32 ",\t%" PRIu32 ",\t%" PRIu32
                      ",\t%.8fss,\t%" PRIu32 ",\t%" PRIu32 ",\t%.8fss\n",
                      pool->name, i, facts.waiting, facts.executing, facts.seats_in_use,
                      facts.next_start, facts.waiting_seats, facts.waiting_seats,
                      facts.waiting_work);
    }
}

/* --- Requests --- */

struct request_print {
    const struct flow_pool *pool;
    struct buffer *out;
    uint64_t now_ns;
    struct timespec wall;
    bool details;
};

/* A moment of the levels' clock, as RFC 3339 has it. */
static void print_moment(const struct request_print *print, uint64_t moment_ns)
{
    int64_t ago_ns = (int64_t)(print->now_ns - moment_ns);
    int64_t wall_ns =
        (int64_t)print->wall.tv_sec * (int64_t)NS_PER_S + print->wall.tv_nsec - ago_ns;
    time_t seconds = (time_t)(wall_ns / (int64_t)NS_PER_S);
    struct tm parts;
    char text[40] = "";
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_printf(print->out, "%s.%09" PRId64 "Z", text, wall_ns % (int64_t)NS_PER_S);
}

static void print_details(const struct request_print *print, const struct flow_request *request)
{
    const struct access *access = &request->access;
    const char *version = access->is_resource ? text_or_empty(request->version) : "";
    bool both = access->group[0] != 0 && version[0] != 0;
    buffer_printf(print->out, ",\t%s,\t%s,\t%s,\t%s,\t%s,\t%s%s%s,\t%s,\t%s", request->user->name,
                  access->verb, request->path, access->namespace, access->name, access->group,
                  both ? "/" : "", version, access->resource, access->subresource);
}

static void print_request(void *data, const struct flow_ticket *ticket, int64_t queue,
                          int64_t place)
{
    const struct request_print *print = data;
    const struct flow_entry *entry =
        CONTAINER_OF((struct flow_ticket *)(uintptr_t)ticket, struct flow_entry, ticket);
    buffer_printf(print->out, "%s,\t%s,\t%" PRId64 ",\t%" PRId64 ",\t%s,\t", print->pool->name,
                  entry->schema, queue, place, entry->flow);
    print_moment(print, entry->entered_ns);
    buffer_printf(print->out, ",\t%" PRIu32 ",\t0,\t0s,\t", ticket->seats);
    if (ticket->state == FLOW_SITS) {
        print_moment(print, ticket->since_ns);
    } else {
        buffer_append_text(print->out, "0001-01-01T00:00:00Z");
    }
    if (print->details) {
        print_details(print, &entry->request);
    }
    buffer_append_byte(print->out, '\n');
}

static void print_requests(struct flow_pool *pool, bool details, struct buffer *out)
{
    struct request_print print = {
        .pool = pool, .out = out, .now_ns = flow_now_ns(), .details = details};
    (void)clock_gettime(CLOCK_REALTIME, &print.wall);
    flow_level_each(pool->level, print_request, &print);
}

/* --- All of them --- */

static void print_head(enum flow_dump what, bool details, struct buffer *out)
{
    static const char *const heads[] = {
        [FLOW_DUMP_LEVELS] = "PriorityLevelName,\tActiveQueues,\tIsIdle,\tIsQuiescing,\t"
                             "WaitingRequests,\tExecutingRequests,\tDispatchedRequests,\t"
                             "RejectedRequests,\tTimedoutRequests,\tCancelledRequests",
        [FLOW_DUMP_QUEUES] = "PriorityLevelName,\tIndex,\tPendingRequests,\tExecutingRequests,\t"
                             "SeatsInUse,\tNextDispatchR,\tInitialSeatsSum,\tMaxSeatsSum,\t"
                             "TotalWorkSum",
        /* Misspelt there, too. */
        [FLOW_DUMP_REQUESTS] = "PriorityLevelName,\tFlowSchemaName,\tQueueIndex,\t"
                               "RequestIndexInQueue,\tFlowDistingsher,\tArriveTime,\tInitialSeats,"
                               "\tFinalSeats,\tAdditionalLatency,\tStartTime",
    };
    buffer_append_text(out, heads[what]);
    if (what == FLOW_DUMP_REQUESTS && details) {
        buffer_append_text(out, ",\tUserName,\tVerb,\tAPIPath,\tNamespace,\tName,\tAPIVersion,\t"
                                "Resource,\tSubResource");
    }
    buffer_append_byte(out, '\n');
}

static void print_pool(struct flow_pool *pool, enum flow_dump what, bool details,
                       struct buffer *out)
{
    pthread_mutex_lock(&pool->lock);
    switch (what) {
    case FLOW_DUMP_LEVELS:
        print_level(pool, out);
        break;
    case FLOW_DUMP_QUEUES:
        print_queues(pool, out);
        break;
    case FLOW_DUMP_REQUESTS:
        print_requests(pool, details, out);
        break;
    }
    pthread_mutex_unlock(&pool->lock);
}

void flow_control_dump(struct flow_control *control, enum flow_dump what, bool details,
                       struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, DUMP_BYTES_MAX);
    print_head(what, details, &text);
    pthread_rwlock_rdlock(&control->lock);
    struct flow_pool **pools = alloc_array(control->pool_count, sizeof(struct flow_pool *));
    memcpy(pools, control->pools, control->pool_count * sizeof(struct flow_pool *));
    qsort(pools, control->pool_count, sizeof(struct flow_pool *), by_name);
    for (size_t i = 0; i < control->pool_count; i++) {
        print_pool(pools[i], what, details, &text);
    }
    pthread_rwlock_unlock(&control->lock);
    free(pools);
    align(buffer_slice(&text), out);
}
