/* Expressions as text again: macros as they were written, parentheses where precedence needs them.
 */
#include "lib/cel/ast.h"

#include <inttypes.h>
#include <math.h>

enum precedence {
    PRECEDENCE_CONDITIONAL,
    PRECEDENCE_OR,
    PRECEDENCE_AND,
    PRECEDENCE_RELATION,
    PRECEDENCE_SUM,
    PRECEDENCE_PRODUCT,
    PRECEDENCE_UNARY,
    PRECEDENCE_MEMBER,
};

static const struct sign {
    const char *function, *text;
    enum precedence precedence;
} operators[] = {
    {"_||_", " || ", PRECEDENCE_OR},       {"_&&_", " && ", PRECEDENCE_AND},
    {"_<_", " < ", PRECEDENCE_RELATION},   {"_<=_", " <= ", PRECEDENCE_RELATION},
    {"_>_", " > ", PRECEDENCE_RELATION},   {"_>=_", " >= ", PRECEDENCE_RELATION},
    {"_==_", " == ", PRECEDENCE_RELATION}, {"_!=_", " != ", PRECEDENCE_RELATION},
    {"@in", " in ", PRECEDENCE_RELATION},  {"_+_", " + ", PRECEDENCE_SUM},
    {"_-_", " - ", PRECEDENCE_SUM},        {"_*_", " * ", PRECEDENCE_PRODUCT},
    {"_/_", " / ", PRECEDENCE_PRODUCT},    {"_%_", " % ", PRECEDENCE_PRODUCT},
    {"!_", "!", PRECEDENCE_UNARY},         {"-_", "-", PRECEDENCE_UNARY},
};

static void print(const struct cel_node *node, enum precedence least, struct buffer *out);

static void print_slice(struct slice text, struct buffer *out)
{
    buffer_append_slice(out, text);
}

/* --- Literals ----------------------------------------------------------------------------------
 */

static void print_quoted(struct slice text, bool is_bytes, struct buffer *out)
{
    buffer_append_text(out, is_bytes ? "b\"" : "\"");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, c);
        } else if (c < 0x20 || c == 0x7f || (is_bytes && c >= 0x80)) {
            buffer_printf(out, "\\%03o", c);
        } else {
            buffer_append_byte(out, c);
        }
    }
    buffer_append_byte(out, '"');
}

/* A double keeps a point or an exponent, so that it is read as one again. */
static void print_double(double value, struct buffer *out)
{
    size_t start = out->len;
    cel_double_print(value, out);
    if (out->len > start && memchr(out->data + start, '.', out->len - start) == NULL &&
        memchr(out->data + start, 'e', out->len - start) == NULL) {
        buffer_append_text(out, ".0");
    }
}

static void print_literal(const struct cel_value *value, enum precedence least, struct buffer *out)
{
    bool negative = (value->kind == CEL_INT && value->integer < 0) ||
                    (value->kind == CEL_DOUBLE && signbit(value->real));
    bool parentheses = negative && least >= PRECEDENCE_UNARY;
    buffer_append_text(out, parentheses ? "(" : "");
    if (value->kind == CEL_STRING || value->kind == CEL_BYTES) {
        print_quoted(value->text, value->kind == CEL_BYTES, out);
    } else if (value->kind == CEL_DOUBLE) {
        print_double(value->real, out);
    } else if (value->kind == CEL_UINT) {
        buffer_printf(out, "%" PRIu64 "u", value->natural);
    } else {
        cel_value_print(NULL, value, out);
    }
    buffer_append_text(out, parentheses ? ")" : "");
}

/* --- Calls -------------------------------------------------------------------------------------
 */

static void print_arguments(struct cel_node *const *arguments, size_t count, struct buffer *out)
{
    buffer_append_byte(out, '(');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        print(arguments[i], PRECEDENCE_CONDITIONAL, out);
    }
    buffer_append_byte(out, ')');
}

static void print_operator(const struct cel_call_node *call, const struct sign *sign,
                           enum precedence least, struct buffer *out)
{
    bool parentheses = sign->precedence < least;
    buffer_append_text(out, parentheses ? "(" : "");
    if (call->count == 1) {
        buffer_append_text(out, sign->text);
        /* Two signs in a row would cancel each other out: --x is x. A sign before a number would
         * become part of it: -(0) is a call, -0 is not. */
        bool number = call->arguments[0]->kind == CEL_NODE_LITERAL;
        buffer_append_text(out, number ? "(" : "");
        print(call->arguments[0], number ? PRECEDENCE_CONDITIONAL : PRECEDENCE_MEMBER, out);
        buffer_append_text(out, number ? ")" : "");
    } else {
        print(call->arguments[0], sign->precedence, out);
        buffer_append_text(out, sign->text);
        print(call->arguments[1], sign->precedence + 1, out);
    }
    buffer_append_text(out, parentheses ? ")" : "");
}

static void print_conditional(const struct cel_call_node *call, enum precedence least,
                              struct buffer *out)
{
    bool parentheses = least > PRECEDENCE_CONDITIONAL;
    buffer_append_text(out, parentheses ? "(" : "");
    print(call->arguments[0], PRECEDENCE_OR, out);
    buffer_append_text(out, " ? ");
    print(call->arguments[1], PRECEDENCE_OR, out);
    buffer_append_text(out, " : ");
    print(call->arguments[2], PRECEDENCE_CONDITIONAL, out);
    buffer_append_text(out, parentheses ? ")" : "");
}

static bool print_access(const struct cel_call_node *call, struct buffer *out)
{
    bool optional = slice_is(call->function, "_[?_]");
    if (slice_is(call->function, "_?._")) {
        print(call->arguments[0], PRECEDENCE_MEMBER, out);
        buffer_append_text(out, ".?");
        print_slice(call->arguments[1]->literal.text, out);
        return true;
    }
    if (optional || slice_is(call->function, "_[_]")) {
        print(call->arguments[0], PRECEDENCE_MEMBER, out);
        buffer_append_text(out, optional ? "[?" : "[");
        print(call->arguments[1], PRECEDENCE_CONDITIONAL, out);
        buffer_append_byte(out, ']');
        return true;
    }
    return false;
}

static void print_call(const struct cel_call_node *call, enum precedence least, struct buffer *out)
{
    if (slice_is(call->function, "_?_:_")) {
        print_conditional(call, least, out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (slice_is(call->function, operators[i].function)) {
            print_operator(call, &operators[i], least, out);
            return;
        }
    }
    if (print_access(call, out)) {
        return;
    }
    if (call->is_member) {
        print(call->arguments[0], PRECEDENCE_MEMBER, out);
        buffer_append_byte(out, '.');
    }
    print_slice(call->function, out);
    print_arguments(call->arguments + call->is_member, call->count - call->is_member, out);
}

/* --- Containers --------------------------------------------------------------------------------
 */

static void print_list(const struct cel_list_node *list, struct buffer *out)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        buffer_append_text(out, i == 0 ? "" : ", ");
        buffer_append_text(out, list->optional[i] ? "?" : "");
        print(list->items[i], PRECEDENCE_CONDITIONAL, out);
    }
    buffer_append_byte(out, ']');
}

static void print_map(const struct cel_map_node *map, struct buffer *out)
{
    print_slice(map->name, out);
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < map->count; i++) {
        const struct cel_entry_node *entry = &map->entries[i];
        buffer_append_text(out, i == 0 ? "" : ", ");
        buffer_append_text(out, entry->optional ? "?" : "");
        if (entry->key == NULL) {
            print_slice(entry->field, out);
        } else {
            print(entry->key, PRECEDENCE_CONDITIONAL, out);
        }
        buffer_append_text(out, ": ");
        print(entry->value, PRECEDENCE_CONDITIONAL, out);
    }
    buffer_append_byte(out, '}');
}

/* `least`: what binds less than this needs parentheses. */
static void print(const struct cel_node *node, enum precedence least, struct buffer *out)
{
    if (node->source != NULL) {
        node = node->source;
    }
    switch (node->kind) {
    case CEL_NODE_LITERAL:
        print_literal(&node->literal, least, out);
        break;
    case CEL_NODE_IDENT:
        print_slice(node->ident.name, out);
        break;
    case CEL_NODE_SELECT:
        print(node->select.operand, PRECEDENCE_MEMBER, out);
        buffer_append_byte(out, '.');
        print_slice(node->select.field, out);
        break;
    case CEL_NODE_CALL:
        print_call(&node->call, least, out);
        break;
    case CEL_NODE_LIST:
        print_list(&node->list, out);
        break;
    case CEL_NODE_MAP:
    case CEL_NODE_STRUCT:
        print_map(&node->map, out);
        break;
    case CEL_NODE_FOLD:
        break; /* Always has a source. */
    }
}

void cel_print(const struct cel_node *node, struct buffer *out)
{
    print(node, PRECEDENCE_CONDITIONAL, out);
}
