#include "tests/unit/store/model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { TERM = 5 };

void model_init(struct model *model)
{
    *model = (struct model){0};
    store_state_init(&model->state);
}

void model_release(struct model *model)
{
    store_txn_result_unref(model->last.result);
    store_state_release(&model->state);
}

static bool wants_all(void *data, const struct store_command *command)
{
    (void)data;
    return command->member == 1 && command->sequence >= 2;
}

static int apply(struct model *model, struct store_command *command)
{
    struct buffer bytes;
    buffer_init(&bytes, 2 * 1024 * 1024);
    command->member = 1;
    command->sequence = 2 + model->index;
    command->floor = command->sequence;
    ck_assert_int_eq(store_command_encode(command, &bytes), 0);
    store_txn_result_unref(model->last.result);
    store_state_apply(&model->state, ++model->index, TERM, buffer_slice(&bytes), wants_all, NULL,
                      &model->last);
    buffer_release(&bytes);
    return model->last.status;
}

int model_txn(struct model *model, const struct store_txn *txn)
{
    struct store_command command = {.kind = STORE_COMMAND_TXN, .txn = txn};
    return apply(model, &command);
}

int model_ops(struct model *model, const struct store_op *ops, size_t count)
{
    struct store_txn txn = {.success = ops, .success_count = count};
    return model_txn(model, &txn);
}

int model_put_lease(struct model *model, const char *key, const char *value, int64_t lease)
{
    struct store_op op = {
        .kind = STORE_OP_PUT,
        .put = {.key = slice_text(key), .value = slice_text(value), .lease = lease}};
    return model_ops(model, &op, 1);
}

int model_put(struct model *model, const char *key, const char *value)
{
    return model_put_lease(model, key, value, 0);
}

struct slice text_end(const char *end)
{
    static const uint8_t zero = 0;
    return end[0] == '*' ? slice_of(&zero, 1) : slice_text(end);
}

int model_delete(struct model *model, const char *key, const char *end)
{
    struct store_op op = {.kind = STORE_OP_DELETE,
                          .delete_range = {.key = slice_text(key), .end = text_end(end)}};
    return model_ops(model, &op, 1);
}

int model_compact(struct model *model, int64_t revision)
{
    struct store_command command = {.kind = STORE_COMMAND_COMPACT, .compact_revision = revision};
    return apply(model, &command);
}

int model_grant(struct model *model, int64_t id, int64_t ttl_s)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_GRANT,
                                    .grant = {.id = id, .ttl_s = ttl_s}};
    return apply(model, &command);
}

int model_revoke(struct model *model, int64_t id, uint64_t term)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_REVOKE,
                                    .revoke = {.id = id, .term = term}};
    return apply(model, &command);
}

const char *model_range(struct model *model, const struct store_range *range)
{
    static char text[4096];
    struct store_range_result result;
    struct mvcc_source source = mvcc_source_now(model->state.mvcc);
    int status = mvcc_source_range(&source, range, &result);
    if (status != 0) {
        return store_status_text(status);
    }
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < result.kv_count; i++) {
        const struct store_kv *kv = result.kvs[i];
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s=%.*s@%d.%d.%d",
                               i == 0 ? "" : " ", (int)kv->key.len, (const char *)kv->key.data,
                               (int)kv->value.len, (const char *)kv->value.data,
                               (int)kv->create_revision, (int)kv->mod_revision, (int)kv->version);
    }
    if (result.more) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, " more");
    }
    if (result.count != (int64_t)result.kv_count) {
        snprintf(text + at, sizeof(text) - at, " of %d", (int)result.count);
    }
    store_range_result_release(&result);
    return text;
}

const char *model_all(struct model *model, int64_t revision)
{
    struct store_range range = {.key = slice_text(""), .end = text_end("*"), .revision = revision};
    return model_range(model, &range);
}
