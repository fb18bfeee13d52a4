/* The keys and values of the model, and digests of what is asked and answered. */
#include "tests/sim/kv_model.h"

#include "lib/base/digest.h"
#include <inttypes.h>
#include <stdio.h>

/* ---- keys and values ---- */

struct slice model_key_text(size_t key, char *buffer)
{
    buffer[0] = 'k';
    buffer[1] = (char)('0' + key / 10);
    buffer[2] = (char)('0' + key % 10);
    return slice_of(buffer, 3);
}

int64_t model_key_number(struct slice key)
{
    if (key.len != 3 || key.data[0] != 'k' || key.data[1] < '0' || key.data[2] < '0') {
        return -1;
    }
    int64_t number = (key.data[1] - '0') * 10 + key.data[2] - '0';
    return number < MODEL_KEYS_MAX ? number : -1;
}

struct slice model_value_text(uint64_t value, size_t len, char *buffer)
{
    static const char digits[] = "0123456789abcdef";
    buffer[0] = 'v';
    for (size_t i = 0; i < 16; i++) {
        buffer[1 + i] = digits[(value >> (60 - 4 * i)) & 15];
    }
    if (len > MODEL_VALUE_MIN) {
        memset(buffer + MODEL_VALUE_MIN, (int)('a' + value % 26), len - MODEL_VALUE_MIN);
    }
    return slice_of(buffer, len);
}

int64_t model_value_number(struct slice value)
{
    uint64_t number = 0;
    if (value.len < MODEL_VALUE_MIN || value.data[0] != 'v') {
        return -1;
    }
    for (size_t i = 1; i < MODEL_VALUE_MIN; i++) {
        uint8_t digit = value.data[i];
        number = number << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    const uint8_t *padding = value.data + MODEL_VALUE_MIN; /* All alike. */
    size_t len = value.len - MODEL_VALUE_MIN;
    bool ours =
        len == 0 || (padding[0] == 'a' + number % 26 && memcmp(padding, padding + 1, len - 1) == 0);
    return ours ? (int64_t)number : -1;
}

bool model_in_range(size_t key, struct slice start, struct slice end)
{
    char buffer[4];
    struct slice text = model_key_text(key, buffer);
    if (end.len == 0) {
        return slice_compare(text, start) == 0;
    }
    bool all = end.len == 1 && end.data[0] == 0;
    return slice_compare(text, start) >= 0 && (all || slice_compare(text, end) < 0);
}

/* ---- digests ---- */

void digest_add(struct digest *digest, uint64_t number)
{
    uint64_t z = (digest->value ^ number) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    digest->value = z ^ (z >> 31);
}

static void digest_bytes(struct digest *digest, struct slice bytes)
{
    digest->value = digest64(digest->value, bytes);
}

void digest_version(struct digest *digest, size_t key, const struct model_version *version)
{
    if (version == NULL || version->version == 0) {
        digest_add(digest, 0);
        return;
    }
    const uint64_t numbers[] = {1 + key,
                                (uint64_t)version->mod,
                                (uint64_t)version->create,
                                (uint64_t)version->version,
                                (uint64_t)version->lease,
                                version->value,
                                version->value_len};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        digest_add(digest, numbers[i]);
    }
}

bool digest_kv(struct digest *digest, const struct store_kv *kv)
{
    if (kv == NULL || kv->version == 0) {
        digest_add(digest, 0);
        return true;
    }
    int64_t key = model_key_number(kv->key);
    int64_t value = model_value_number(kv->value);
    const struct model_version version = {.mod = kv->mod_revision,
                                          .create = kv->create_revision,
                                          .version = kv->version,
                                          .lease = kv->lease,
                                          .value = (uint64_t)value,
                                          .value_len = (uint32_t)kv->value.len};
    digest_version(digest, (size_t)key, &version);
    return key >= 0 && value >= 0;
}

static void digest_txn(struct digest *digest, const struct store_txn *txn);

static void digest_op(struct digest *digest, const struct store_op *op)
{
    digest_add(digest, op->kind);
    switch (op->kind) {
    case STORE_OP_RANGE:
        digest_bytes(digest, op->range.key);
        digest_bytes(digest, op->range.end);
        digest_add(digest, (uint64_t)op->range.revision);
        digest_add(digest, (uint64_t)op->range.limit);
        digest_add(digest, op->range.count_only);
        break;
    case STORE_OP_PUT:
        digest_bytes(digest, op->put.key);
        digest_bytes(digest, op->put.value);
        digest_add(digest, (uint64_t)op->put.lease);
        digest_add(digest, (op->put.prev_kv ? 1U : 0) | (op->put.ignore_value ? 2U : 0) |
                               (op->put.ignore_lease ? 4U : 0));
        break;
    case STORE_OP_DELETE:
        digest_bytes(digest, op->delete_range.key);
        digest_bytes(digest, op->delete_range.end);
        digest_add(digest, op->delete_range.prev_kv);
        break;
    case STORE_OP_TXN:
        digest_txn(digest, op->txn);
        break;
    }
}

static void digest_txn(struct digest *digest, const struct store_txn *txn)
{
    for (size_t i = 0; i < txn->compare_count; i++) {
        const struct store_compare *compare = &txn->compares[i];
        digest_add(digest, compare->target);
        digest_add(digest, compare->op);
        digest_bytes(digest, compare->key);
        digest_bytes(digest, compare->end);
        digest_bytes(digest, compare->value);
        digest_add(digest, (uint64_t)compare->number);
    }
    for (size_t i = 0; i < txn->success_count; i++) {
        digest_op(digest, &txn->success[i]);
    }
    digest_add(digest, 7);
    for (size_t i = 0; i < txn->failure_count; i++) {
        digest_op(digest, &txn->failure[i]);
    }
}

uint64_t model_txn_digest(const struct store_txn *txn)
{
    struct digest digest = {0};
    digest_txn(&digest, txn);
    return digest.value;
}

uint64_t store_range_digest(const struct store_range_result *result)
{
    struct digest digest = {0};
    digest_add(&digest, (uint64_t)result->count);
    digest_add(&digest, result->more);
    for (size_t i = 0; i < result->kv_count; i++) {
        (void)digest_kv(&digest, result->kvs[i]);
    }
    return digest.value;
}

static void digest_answer(struct digest *digest, const struct store_txn_result *result)
{
    digest_add(digest, result->succeeded);
    digest_add(digest, (uint64_t)result->revision);
    for (size_t i = 0; i < result->op_count; i++) {
        const struct store_op_result *op = &result->ops[i];
        digest_add(digest, op->kind);
        digest_add(digest, (uint64_t)op->revision);
        switch (op->kind) {
        case STORE_OP_RANGE:
            digest_add(digest, store_range_digest(&op->range));
            break;
        case STORE_OP_PUT:
            (void)digest_kv(digest, op->put.prev_kv);
            break;
        case STORE_OP_DELETE:
            digest_add(digest, (uint64_t)op->delete_range.deleted);
            for (size_t k = 0; k < op->delete_range.prev_count; k++) {
                (void)digest_kv(digest, op->delete_range.prev_kvs[k]);
            }
            break;
        case STORE_OP_TXN:
            digest_answer(digest, op->txn);
            break;
        }
    }
}

uint64_t store_result_digest(const struct store_txn_result *result)
{
    struct digest digest = {0};
    digest_answer(&digest, result);
    return digest.value;
}
