#include "lib/base/config.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

/* What the next event may be. */
enum place { PLACE_START, PLACE_KEY, PLACE_VALUE, PLACE_LIST, PLACE_END };

struct reader {
    struct config config;
    enum place place;
    char *key; /* The key whose value is awaited. */
    struct error *reterr;
};

void config_release(struct config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        free(config->pairs[i].key);
        free(config->pairs[i].value);
    }
    free(config->pairs);
    *config = (struct config){.count = 0};
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

static int unexpected(struct reader *reader, const yaml_event_t *event)
{
    return error_set(reader->reterr, -EINVAL,
                     "line %u: expected `name: value` or `name: [value, ...]`, nothing nested",
                     line_of(event));
}

static int add_pair(struct reader *reader, const yaml_event_t *event)
{
    struct config *config = &reader->config;
    if (config->count == CONFIG_PAIRS_MAX) {
        return error_set(reader->reterr, -E2BIG, "more than %d values", CONFIG_PAIRS_MAX);
    }
    config->pairs = alloc_resize(config->pairs, config->count + 1, sizeof(*config->pairs));
    config->pairs[config->count++] = (struct config_pair){
        .key = alloc_text(reader->key),
        .value = alloc_text_n((const char *)event->data.scalar.value, event->data.scalar.length),
        .line = line_of(event),
    };
    return 0;
}

static int on_scalar(struct reader *reader, const yaml_event_t *event)
{
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL) {
        return error_set(reader->reterr, -EINVAL, "line %u: NUL byte", line_of(event));
    }
    if (reader->place == PLACE_KEY) {
        free(reader->key);
        reader->key = alloc_text((const char *)event->data.scalar.value);
        reader->place = PLACE_VALUE;
        return 0;
    }
    if (reader->place == PLACE_VALUE || reader->place == PLACE_LIST) {
        int result = add_pair(reader, event);
        reader->place = reader->place == PLACE_VALUE ? PLACE_KEY : PLACE_LIST;
        return result;
    }
    /* A document that is only a comment is an empty scalar. */
    return event->data.scalar.length == 0 ? 0 : unexpected(reader, event);
}

static int on_event(struct reader *reader, const yaml_event_t *event)
{
    enum place place = reader->place;
    yaml_event_type_t type = event->type;
    if (type == YAML_SCALAR_EVENT) {
        return on_scalar(reader, event);
    }
    if (type == YAML_MAPPING_START_EVENT && place == PLACE_START) {
        reader->place = PLACE_KEY;
    } else if (type == YAML_MAPPING_END_EVENT && place == PLACE_KEY) {
        reader->place = PLACE_END;
    } else if (type == YAML_SEQUENCE_START_EVENT && place == PLACE_VALUE) {
        reader->place = PLACE_LIST;
    } else if (type == YAML_SEQUENCE_END_EVENT && place == PLACE_LIST) {
        reader->place = PLACE_KEY;
    } else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
               type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
        return unexpected(reader, event);
    }
    return 0;
}

static int read_events(yaml_parser_t *parser, struct reader *reader)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return error_set(reader->reterr, -EINVAL, "line %zu: %s", parser->problem_mark.line + 1,
                             parser->problem == NULL ? "not YAML" : parser->problem);
        }
        int result = on_event(reader, &event);
        bool end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (result < 0 || end) {
            return result;
        }
    }
}

int config_parse(struct slice text, struct config *ret_config, struct error *reterr)
{
    if (text.len > CONFIG_BYTES_MAX) {
        return error_set(reterr, -E2BIG, "larger than %d bytes", CONFIG_BYTES_MAX);
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        abort(); /* Out of memory. */
    }
    yaml_parser_set_input_string(&parser, text.data, text.len);
    struct reader reader = {.reterr = reterr};
    int result = read_events(&parser, &reader);
    yaml_parser_delete(&parser);
    free(reader.key);
    if (result < 0) {
        config_release(&reader.config);
        return result;
    }
    *ret_config = reader.config;
    return 0;
}
