#include "lib/api/kinds_table.h"

#include <assert.h>

static const char *const verb_names[API_VERB_COUNT] = {
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};

const char *api_verb_name(enum api_verb verb)
{
    size_t index = 0;
    while (index < API_VERB_COUNT && (unsigned)verb != 1U << index) {
        index++;
    }
    assert(index < API_VERB_COUNT); /* Exactly one verb. */
    return verb_names[index];
}

const struct api_kind *api_kinds(size_t *ret_count)
{
    *ret_count = api_kind_row_count;
    return api_kind_rows;
}

const struct api_kind *api_kind_find(const char *group, const char *version, const char *plural)
{
    for (size_t i = 0; i < api_kind_row_count; i++) {
        const struct api_kind *kind = &api_kind_rows[i];
        if (strcmp(kind->plural, plural) == 0 && strcmp(kind->group, group) == 0 &&
            strcmp(kind->version, version) == 0) {
            return kind;
        }
    }
    return NULL;
}

const struct api_kind *api_kind_by_gvk(const char *group, const char *version, const char *kind)
{
    for (size_t i = 0; i < api_kind_row_count; i++) {
        const struct api_kind *row = &api_kind_rows[i];
        if (strcmp(row->kind, kind) == 0 && strcmp(row->group, group) == 0 &&
            strcmp(row->version, version) == 0) {
            return row;
        }
    }
    return NULL;
}

const struct api_kind *api_kind_by_api_version(const char *api_version, const char *kind)
{
    for (size_t i = 0; i < api_kind_row_count; i++) {
        const struct api_kind *row = &api_kind_rows[i];
        if (strcmp(row->kind, kind) == 0 && strcmp(row->api_version, api_version) == 0) {
            return row;
        }
    }
    return NULL;
}

const struct api_kind *api_kind_of(const struct api_message *message)
{
    for (size_t i = 0; i < api_kind_row_count; i++) {
        if (api_kind_rows[i].message == message) {
            return &api_kind_rows[i];
        }
    }
    return NULL;
}

const struct api_subresource *api_kind_subresource(const struct api_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->subresource_count; i++) {
        if (strcmp(kind->subresources[i].name, name) == 0) {
            return &kind->subresources[i];
        }
    }
    return NULL;
}

bool api_kind_delete_answers_object(const struct api_kind *kind)
{
    static const char *const resources[] = {
        "namespaces",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "storageclasses.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
    };
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        if (strcmp(kind->resource, resources[i]) == 0) {
            return true;
        }
    }
    return false;
}

const struct api_message *api_subresource_options(const struct api_subresource *subresource)
{
    static const char *const names[] = {
        "k8s.io.api.core.v1.PodAttachOptions",      "k8s.io.api.core.v1.PodExecOptions",
        "k8s.io.api.core.v1.PodPortForwardOptions", "k8s.io.api.core.v1.PodProxyOptions",
        "k8s.io.api.core.v1.ServiceProxyOptions",   "k8s.io.api.core.v1.NodeProxyOptions"};
    if (strcmp(subresource->name, "log") == 0) {
        return api_message_find("k8s.io.api.core.v1.PodLogOptions");
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(strrchr(names[i], '.') + 1, subresource->kind) == 0) {
            return api_message_find(names[i]);
        }
    }
    return NULL;
}

bool api_subresource_connects(const struct api_subresource *subresource)
{
    return strcmp(subresource->name, "log") != 0 && api_subresource_options(subresource) != NULL;
}

const struct api_group_version *api_group_versions(size_t *ret_count)
{
    *ret_count = api_group_version_row_count;
    return api_group_version_rows;
}

bool api_group_is_built_in(const char *group)
{
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(versions[i].group, group) == 0) {
            return true;
        }
    }
    return false;
}
