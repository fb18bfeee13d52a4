/* docs/reference/kinds.md says what the schema says. With CORACLE_WRITE_DOCS set, the page is
 * written anew instead of compared. */
#include "lib/api/kinds.h"
#include "lib/api/table.h"
#include "lib/base/buffer.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PAGE[] = CORACLE_SOURCE "/docs/reference/kinds.md";
static const char HEAD[] =
    "# Kinds\n\n"
    "Every resource that the API server has, as its schema (`proto/k8s`) describes it. A test "
    "makes\n"
    "this page: `CORACLE_WRITE_DOCS=1 build/debug/tests/unit/api/semantics/unit_api_semantics`.\n\n"
    "Columns: *scope* is N for namespaced and C for the cluster; *verbs* are those of the object\n"
    "itself (all: create, delete, deletecollection, get, list, patch, update, watch); *fields* is "
    "how\n"
    "many fields it has, with those of the messages in it; *rules* is how many of those are "
    "checked,\n"
    "filled in or fixed by an option of the schema (rules over several fields come on top);\n"
    "*selectors* are the fields that a field selector can name, *table* the columns that kubectl\n"
    "shows (those of -o wide in brackets).\n";

enum { PAGE_BYTES_MAX = 1 << 20, VISITED_MAX = 512 };

/* The messages in a kind, each once. */
struct census {
    const struct api_message *seen[VISITED_MAX];
    size_t seen_count, fields, rules;
};

static bool has_rules(const struct api_field *field)
{
    const struct api_rules *rules = field->rules;
    return rules->check != NULL || rules->fill != NULL || (field->flags & API_IMMUTABLE) != 0;
}

static void count_fields(struct census *census, const struct api_message *message)
{
    if (message == NULL || message->form != API_OBJECT || census->seen_count == VISITED_MAX) {
        return;
    }
    for (size_t i = 0; i < census->seen_count; i++) {
        if (census->seen[i] == message) {
            return;
        }
    }
    census->seen[census->seen_count++] = message;
    for (size_t i = 0; i < message->member_count; i++) {
        const struct api_field *field = message->members[i].field;
        census->fields++;
        census->rules += has_rules(field);
        count_fields(census, field->message);
    }
}

static void put_list(struct buffer *out, const char *const *items)
{
    for (size_t i = 0; items[i] != NULL; i++) {
        buffer_printf(out, "%s%s", i == 0 ? "" : ", ", items[i]);
    }
    buffer_append_text(out, " | ");
}

static void put_verbs(struct buffer *out, uint32_t verbs)
{
    bool first = true;
    if (verbs == API_VERBS) {
        buffer_append_text(out, "all");
    }
    for (unsigned i = 0; i < API_VERB_COUNT && verbs != API_VERBS; i++) {
        if ((verbs & 1U << i) != 0) {
            buffer_printf(out, "%s%s", first ? "" : ", ", api_verb_name((enum api_verb)(1U << i)));
            first = false;
        }
    }
    buffer_append_text(out, " | ");
}

static void put_columns(struct buffer *out, const struct api_kind *kind)
{
    size_t count = 0;
    const struct api_table_column *columns = api_table_columns(kind, &count);
    for (size_t i = 0; kind->list_message != NULL && i < count; i++) {
        buffer_printf(out, "%s%s%s%s", i == 0 ? "" : ", ", columns[i].priority > 0 ? "(" : "",
                      columns[i].name, columns[i].priority > 0 ? ")" : "");
    }
}

static void put_kind(struct buffer *out, const struct api_kind *kind)
{
    struct census census = {.seen_count = 0};
    count_fields(&census, kind->message);
    buffer_printf(out, "| %s | %s | ", kind->plural, kind->kind);
    put_list(out, kind->short_names);
    put_list(out, kind->categories);
    buffer_append_text(out, kind->namespaced ? "N | " : "C | ");
    put_verbs(out, kind->verbs);
    for (size_t i = 0; i < kind->subresource_count; i++) {
        buffer_printf(out, "%s%s", i == 0 ? "" : ", ", kind->subresources[i].name);
    }
    buffer_printf(out, " | %zu | %zu | ", census.fields, census.rules);
    put_list(out, kind->selectable);
    put_columns(out, kind);
    buffer_append_text(out, " |\n");
}

static void put_page(struct buffer *out)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    const char *group = NULL, *version = NULL;
    buffer_append_text(out, HEAD);
    for (size_t i = 0; i < count; i++) {
        const struct api_kind *kind = &kinds[i];
        if (group == NULL || strcmp(group, kind->group) != 0 ||
            strcmp(version, kind->version) != 0) {
            group = kind->group;
            version = kind->version;
            buffer_printf(out, "\n## %s\n\n", kind->api_version);
            buffer_append_text(out, "| resource | kind | short | categories | scope | verbs | "
                                    "subresources | fields | rules | selectors | table |\n"
                                    "|---|---|---|---|---|---|---|---|---|---|---|\n");
        }
        put_kind(out, kind);
    }
}

START_TEST(the_page_of_kinds_is_that_of_the_schema)
{
    CLEANUP(buffer_release) struct buffer wanted = {0};
    buffer_init(&wanted, PAGE_BYTES_MAX);
    put_page(&wanted);
    bool write = getenv("CORACLE_WRITE_DOCS") != NULL;
    FILE *file = fopen(PAGE, write ? "we" : "re");
    ck_assert_msg(file != NULL, "%s", PAGE);
    if (write) {
        ck_assert_uint_eq(fwrite(wanted.data, 1, wanted.len, file), wanted.len);
    } else {
        char *text = calloc(1, PAGE_BYTES_MAX);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_gt(fread(text, 1, PAGE_BYTES_MAX - 1, file), 0);
        ck_assert_msg(strcmp(text, buffer_text(&wanted)) == 0,
                      "docs/reference/kinds.md is not what the schema says: make it anew");
        free(text);
    }
    ck_assert_int_eq(fclose(file), 0);
}
END_TEST

Suite *kinds_page_suite(void)
{
    Suite *suite = suite_create("kinds_page");
    TCase *tcase = tcase_create("page");
    tcase_add_test(tcase, the_page_of_kinds_is_that_of_the_schema);
    suite_add_tcase(suite, tcase);
    return suite;
}
