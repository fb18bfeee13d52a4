/* A pod as the rules see it; who breaks them, in words. */
#include "lib/api/pod_security_checks.h"

#include <stdlib.h>

/* --- The subject --- */

static void add_container(struct pod_security_subject *subject, const char *name,
                          const Core__V1__SecurityContext *context,
                          Core__V1__ContainerPort *const *ports, size_t port_count)
{
    subject->containers[subject->container_count++] = (struct pod_security_container){
        .name = name == NULL ? "" : name,
        .context = context,
        .ports = ports,
        .port_count = port_count,
    };
}

void pod_security_subject_init(struct pod_security_subject *subject, struct arena *arena,
                               uint32_t minor, const Meta__V1__ObjectMeta *meta,
                               const Core__V1__PodSpec *spec)
{
    size_t room = spec->n_init_containers + spec->n_containers + spec->n_ephemeral_containers;
    *subject = (struct pod_security_subject){
        .arena = arena,
        .minor = minor,
        .meta = meta,
        .spec = spec,
        .context = spec->security_context,
        .containers = arena_array(arena, room, sizeof(*subject->containers)),
    };
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        const Core__V1__Container *each = spec->init_containers[i];
        add_container(subject, each->name, each->security_context, each->ports, each->n_ports);
    }
    for (size_t i = 0; i < spec->n_containers; i++) {
        const Core__V1__Container *each = spec->containers[i];
        add_container(subject, each->name, each->security_context, each->ports, each->n_ports);
    }
    for (size_t i = 0; i < spec->n_ephemeral_containers; i++) {
        const Core__V1__EphemeralContainerCommon *each =
            spec->ephemeral_containers[i]->ephemeral_container_common;
        if (each != NULL) {
            add_container(subject, each->name, each->security_context, each->ports, each->n_ports);
        }
    }
}

/* --- Lists of names, as they are shown --- */

void names_add(struct names *names, const char *name)
{
    if (names->count == names->room) {
        size_t room = names->room == 0 ? 8 : names->room * 2;
        const char **items = arena_array(names->arena, room, sizeof(*items));
        if (names->count > 0) {
            memcpy(items, names->items, names->count * sizeof(*items));
        }
        names->items = items;
        names->room = room;
    }
    names->items[names->count++] = or_empty(name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void names_unite(struct names *names)
{
    if (names->count == 0) {
        return;
    }
    qsort(names->items, names->count, sizeof(*names->items), by_text);
    size_t kept = 1;
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->items[i], names->items[kept - 1]) != 0) {
            names->items[kept++] = names->items[i];
        }
    }
    names->count = kept;
}

const char *names_join(const struct names *names, const char *quote, const char *between)
{
    struct buffer text;
    buffer_init(&text, POD_SECURITY_TEXT_MAX);
    for (size_t i = 0; i < names->count; i++) {
        buffer_printf(&text, "%s%s%s%s", i == 0 ? "" : between, quote, names->items[i], quote);
    }
    const char *joined = arena_text(names->arena, buffer_text(&text));
    buffer_release(&text);
    return joined;
}

const char *names_quoted(const struct names *names)
{
    return names_join(names, "\"", ", ");
}

const char *names_plural(const struct names *names, const char *one, const char *many)
{
    return names->count == 1 ? one : many;
}

/* --- Who breaks a rule, and with what --- */

struct offenders offenders_none(const struct pod_security_subject *subject)
{
    return (struct offenders){.containers.arena = subject->arena, .values.arena = subject->arena};
}

bool offenders_found(const struct offenders *offenders)
{
    return offenders->pod || offenders->containers.count > 0;
}

const char *containers_text(const struct names *containers)
{
    return arena_printf(containers->arena, "%s %s",
                        names_plural(containers, "container", "containers"),
                        names_quoted(containers));
}

const char *offenders_text(const struct offenders *offenders)
{
    if (offenders->containers.count == 0) {
        return "pod";
    }
    const char *containers = containers_text(&offenders->containers);
    return offenders->pod ? arena_printf(offenders->containers.arena, "pod and %s", containers)
                          : containers;
}

bool is_among(const char *text, const char *const *allowed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(or_empty(text), allowed[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *pod_seccomp(const Core__V1__PodSecurityContext *context)
{
    return context->seccomp_profile == NULL ? NULL : or_empty(context->seccomp_profile->type);
}

static const char *container_seccomp(const Core__V1__SecurityContext *context)
{
    return context->seccomp_profile == NULL ? NULL : or_empty(context->seccomp_profile->type);
}

static const char *pod_apparmor(const Core__V1__PodSecurityContext *context)
{
    return context->app_armor_profile == NULL ? NULL : or_empty(context->app_armor_profile->type);
}

static const char *container_apparmor(const Core__V1__SecurityContext *context)
{
    return context->app_armor_profile == NULL ? NULL : or_empty(context->app_armor_profile->type);
}

const struct profile_member seccomp_member = {pod_seccomp, container_seccomp};
const struct profile_member apparmor_member = {pod_apparmor, container_apparmor};
static const char *const confined_types[] = {"Localhost", "RuntimeDefault"};

struct offenders offenders_unconfined(const struct pod_security_subject *subject,
                                      const struct profile_member *member, struct names *unset)
{
    struct offenders offenders = offenders_none(subject);
    const char *of_pod = subject->context == NULL ? NULL : member->of_pod(subject->context);
    if (of_pod != NULL && !IS_AMONG(of_pod, confined_types)) {
        offenders.pod = true;
        names_add(&offenders.values, of_pod);
    }
    for (size_t i = 0; i < subject->container_count; i++) {
        const struct pod_security_container *container = &subject->containers[i];
        const char *type =
            container->context == NULL ? NULL : member->of_container(container->context);
        if (type == NULL && of_pod == NULL) {
            names_add(unset, container->name);
        } else if (type != NULL && !IS_AMONG(type, confined_types)) {
            names_add(&offenders.containers, container->name);
            names_add(&offenders.values, type);
        }
    }
    names_unite(&offenders.values);
    return offenders;
}

void offenders_add_capabilities(const struct pod_security_container *container,
                                const char *const *allowed, size_t allowed_count,
                                struct offenders *offenders)
{
    const Core__V1__Capabilities *capabilities =
        container->context == NULL ? NULL : container->context->capabilities;
    size_t before = offenders->values.count;
    for (size_t i = 0; capabilities != NULL && i < capabilities->n_add; i++) {
        if (!is_among(capabilities->add[i], allowed, allowed_count)) {
            names_add(&offenders->values, capabilities->add[i]);
        }
    }
    if (offenders->values.count > before) {
        names_add(&offenders->containers, container->name);
    }
}

const char *offenders_capabilities_text(struct offenders *offenders)
{
    names_unite(&offenders->values);
    return arena_printf(offenders->values.arena,
                        "%s must not include %s in securityContext.capabilities.add",
                        containers_text(&offenders->containers), names_quoted(&offenders->values));
}

const char *offenders_seccomp_text(const struct offenders *offenders)
{
    return arena_printf(offenders->values.arena,
                        "%s must not set securityContext.seccompProfile.type to %s",
                        offenders_text(offenders), names_quoted(&offenders->values));
}
