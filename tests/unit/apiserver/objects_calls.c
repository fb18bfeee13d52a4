#include "tests/unit/apiserver/objects_calls.h"

Objects__V1__Resource *objects_in(struct objects_fixture *fixture, const char *group,
                                  const char *version, const char *plural, const char *namespace)
{
    Objects__V1__Resource *resource = arena_alloc(fixture->base.arena, sizeof(*resource));
    objects__v1__resource__init(resource);
    resource->group = objects_text(group);
    resource->version = objects_text(version);
    resource->resource = objects_text(plural);
    resource->namespace_ = objects_text(namespace);
    return resource;
}

Objects__V1__Resource *objects_config_maps(struct objects_fixture *fixture)
{
    return objects_in(fixture, "", "v1", "configmaps", "ns");
}

Objects__V1__Object *objects_json(struct objects_fixture *fixture, const char *body)
{
    Objects__V1__Object *object = arena_alloc(fixture->base.arena, sizeof(*object));
    objects__v1__object__init(object);
    object->payload_case = OBJECTS__V1__OBJECT__PAYLOAD_JSON;
    object->json = objects_text(body);
    return object;
}

Objects__V1__Format *objects_format(struct objects_fixture *fixture, Objects__V1__Encoding encoding)
{
    Objects__V1__Format *message = arena_alloc(fixture->base.arena, sizeof(*message));
    objects__v1__format__init(message);
    message->encoding = encoding;
    return message;
}

struct answer *objects_create(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                              Objects__V1__Object *object, Objects__V1__WriteOptions *options)
{
    Objects__V1__CreateRequest create_message;
    objects__v1__create_request__init(&create_message);
    create_message.resource = resource;
    create_message.object = object;
    create_message.options = options;
    create_message.format = objects_format(fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(fixture, fixture->admin, "Create", &create_message);
}

struct answer *objects_create_json(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                                   const char *body)
{
    return objects_create(fixture, resource, objects_json(fixture, body), NULL);
}

struct answer *objects_get(struct objects_fixture *fixture, struct grpc_channel *channel,
                           Objects__V1__Resource *resource, const char *name,
                           Objects__V1__Encoding encoding)
{
    Objects__V1__GetRequest get;
    objects__v1__get_request__init(&get);
    get.resource = resource;
    get.name = objects_text(name);
    get.format = objects_format(fixture, encoding);
    return objects_ask(fixture, channel, "Get", &get);
}

struct answer *objects_get_json(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                                const char *name)
{
    return objects_get(fixture, fixture->admin, resource, name,
                       OBJECTS__V1__ENCODING__ENCODING_JSON);
}

struct answer *objects_patch(struct objects_fixture *fixture, const char *name,
                             Objects__V1__PatchRequest__Type type, const char *patch,
                             const char *manager, bool force)
{
    Objects__V1__PatchRequest message;
    Objects__V1__WriteOptions options;
    objects__v1__patch_request__init(&message);
    objects__v1__write_options__init(&options);
    options.field_manager = objects_text(manager);
    message.resource = objects_config_maps(fixture);
    message.name = objects_text(name);
    message.type = type;
    message.patch = objects_text(patch);
    message.force = force;
    message.options = &options;
    message.format = objects_format(fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(fixture, fixture->admin, "Patch", &message);
}

struct answer *objects_update_json(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                                   const char *name, const char *body)
{
    Objects__V1__UpdateRequest update;
    objects__v1__update_request__init(&update);
    update.resource = resource;
    update.name = objects_text(name);
    update.object = objects_json(fixture, body);
    update.format = objects_format(fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(fixture, fixture->admin, "Update", &update);
}

struct answer *objects_delete(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                              const char *name, Objects__V1__DeleteOptions *options)
{
    Objects__V1__DeleteRequest message;
    objects__v1__delete_request__init(&message);
    message.resource = resource;
    message.name = objects_text(name);
    message.options = options;
    message.format = objects_format(fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    return objects_ask(fixture, fixture->admin, "Delete", &message);
}

void objects_make(struct objects_fixture *fixture, const char *name)
{
    const char *body = arena_printf(
        fixture->base.arena, "{\"metadata\":{\"name\":\"%s\"},\"data\":{\"a\":\"1\"}}", name);
    (void)objects_only(objects_create_json(fixture, objects_config_maps(fixture), body));
}
