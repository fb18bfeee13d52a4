#include "controllers/deployment/deployment_math.h"

#include "controllers/pod_state.h"
#include "lib/api/intstr.h"
#include "lib/api/object.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { TEMPLATE_TEXT_MAX = 8 * 1024 * 1024 };

bool deployment_rolling(const Apps__V1__Deployment *deployment)
{
    return !text_is(deployment->spec->strategy->type, "Recreate");
}

struct fences {
    int32_t surge;
    int32_t unavailable;
};

static struct fences fences_of(const Apps__V1__Deployment *deployment)
{
    struct fences fences = {0};
    const Apps__V1__RollingUpdateDeployment *rolling = deployment->spec->strategy->rolling_update;
    int32_t replicas = deployment->spec->replicas;
    if (!deployment_rolling(deployment)) {
        return fences;
    }
    /* Validation lets only numbers and percentages in; anything else counts as 0. */
    if (rolling != NULL && rolling->max_surge != NULL &&
        intstr_scaled(rolling->max_surge, replicas, /* round_up= */ true, &fences.surge) != 0) {
        fences.surge = 0;
    }
    if (rolling != NULL && rolling->max_unavailable != NULL &&
        intstr_scaled(rolling->max_unavailable, replicas, false, &fences.unavailable) != 0) {
        fences.unavailable = 0;
    }
    if (fences.surge == 0 && fences.unavailable == 0) {
        fences.unavailable = 1; /* A rollout that may neither add nor miss a pod never ends. */
    }
    return fences;
}

int32_t deployment_max_surge(const Apps__V1__Deployment *deployment)
{
    return fences_of(deployment).surge;
}

int32_t deployment_max_unavailable(const Apps__V1__Deployment *deployment)
{
    int32_t replicas = deployment->spec->replicas;
    if (!deployment_rolling(deployment) || replicas == 0) {
        return 0;
    }
    int32_t unavailable = fences_of(deployment).unavailable;
    return unavailable < replicas ? unavailable : replicas;
}

int32_t deployment_new_size(const Apps__V1__Deployment *deployment, int32_t all_replicas,
                            int32_t new_replicas)
{
    int32_t wanted = deployment->spec->replicas;
    if (!deployment_rolling(deployment)) {
        return wanted;
    }
    int32_t room = wanted + deployment_max_surge(deployment) - all_replicas;
    if (room <= 0) {
        return new_replicas;
    }
    int32_t missing = wanted - new_replicas;
    return new_replicas + (room < missing ? room : missing);
}

static int32_t nearest(double value)
{
    return (int32_t)(value < 0 ? value - 0.5 : value + 0.5);
}

int32_t deployment_proportion(const Apps__V1__Deployment *deployment, int32_t replicas,
                              int32_t annotated_max, int32_t to_add, int32_t added)
{
    if (replicas == 0 || to_add == 0 || to_add == added) {
        return 0;
    }
    int32_t allowed = to_add - added;
    int32_t share = -replicas;
    if (deployment->spec->replicas != 0) {
        int32_t present_max = deployment->spec->replicas + deployment_max_surge(deployment);
        int32_t base = annotated_max > 0 ? annotated_max : deployment->status->replicas;
        if (base == 0) {
            return 0;
        }
        share = nearest((double)replicas * present_max / base) - replicas;
    }
    if (to_add > 0) {
        return share < allowed ? share : allowed;
    }
    return share > allowed ? share : allowed;
}

static const struct api_message *template_message(void)
{
    const struct api_kind *kind = api_kind_find("apps", "v1", "deployments");
    const struct api_message *spec = api_message_member_text(kind->message, "spec")->field->message;
    return api_message_member_text(spec, "template")->field->message;
}

static void fnv32a(uint32_t *hash, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        *hash = (*hash ^ bytes[i]) * UINT32_C(16777619);
    }
}

char *deployment_template_hash(struct arena *arena, const Core__V1__PodTemplateSpec *template_,
                               bool has_collisions, int32_t collisions)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, TEMPLATE_TEXT_MAX);
    /* Sorted, so that the order of labels does not matter. */
    json_print(api_message_to_json(arena, template_message(), template_, NULL), /* sorted= */ true,
               &text);
    uint32_t hash = UINT32_C(2166136261);
    fnv32a(&hash, text.data, text.len);
    if (has_collisions) {
        uint32_t count = (uint32_t)collisions;
        uint8_t bytes[8] = {(uint8_t)count, (uint8_t)(count >> 8), (uint8_t)(count >> 16),
                            (uint8_t)(count >> 24)};
        fnv32a(&hash, bytes, sizeof(bytes));
    }
    char *decimal = arena_printf(arena, "%u", hash);
    for (char *at = decimal; *at != '\0'; at++) {
        *at = letters[(unsigned char)*at % (sizeof(letters) - 1)];
    }
    return decimal;
}

static Core__V1__PodTemplateSpec *without_hash(struct arena *arena,
                                               const Core__V1__PodTemplateSpec *template_)
{
    Core__V1__PodTemplateSpec *copy = api_message_copy(arena, template_message(), template_);
    size_t kept = 0;
    for (size_t i = 0; i < copy->metadata->n_labels; i++) {
        if (!text_is(copy->metadata->labels[i]->key, "pod-template-hash")) {
            copy->metadata->labels[kept++] = copy->metadata->labels[i];
        }
    }
    copy->metadata->n_labels = kept;
    return copy;
}

bool deployment_template_equal(struct arena *arena, const Core__V1__PodTemplateSpec *a,
                               const Core__V1__PodTemplateSpec *b)
{
    return api_message_equal(template_message(), without_hash(arena, a), without_hash(arena, b));
}
