/* Problems of an expression as CEL shows them: position, message, the line and a caret below it. */
#include "lib/cel/ast.h"

#include "lib/base/utf8.h"
#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = 2048, PROBLEMS_TEXT_MAX = 1024 * 1024 };

void cel_problem_add(struct cel_problems *problems, uint32_t offset, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    if (problems->count == ARRAY_LEN(problems->items)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    problems->items[problems->count++] =
        (struct cel_problem){offset, arena_text(problems->arena, message)};
}

/* The line around `offset`, its number, and the offset's column in characters. */
static struct slice line_at(struct slice text, uint32_t offset, size_t *ret_line,
                            size_t *ret_column)
{
    size_t start = 0, line = 1, end;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n') {
            start = i + 1;
            line++;
        }
    }
    for (end = start; end < text.len && text.data[end] != '\n';) {
        end++;
    }
    *ret_line = line;
    *ret_column = cel_text_size(slice_of(text.data + start, offset - start));
    return slice_of(text.data + start, end - start);
}

/* Characters of several bytes are wide: the marks below them are too. */
static void append_caret(struct slice line, size_t column, struct buffer *out)
{
    const uint8_t *at = line.data, *end = at + line.len;
    uint32_t rune;
    for (size_t i = 0; i < column; i++) {
        size_t width = at < end ? utf8_get(at, end, &rune) : 1;
        at += width;
        buffer_append_text(out, width > 1 ? "\xef\xbc\x8e" : ".");
    }
    buffer_append_text(out, at < end && utf8_get(at, end, &rune) > 1 ? "\xef\xbc\xbe" : "^");
}

static void append_problem(struct slice text, const struct cel_problem *problem, struct buffer *out)
{
    size_t number, column;
    struct slice line = line_at(text, problem->offset, &number, &column);
    buffer_printf(out, "ERROR: <input>:%zu:%zu: %s\n | ", number, column + 1, problem->message);
    for (size_t i = 0; i < line.len; i++) {
        buffer_append_byte(out, line.data[i] == '\t' ? ' ' : line.data[i]);
    }
    buffer_append_text(out, "\n | ");
    append_caret(line, column, out);
}

const char *cel_problems_text(struct cel_problems *problems)
{
    struct buffer out;
    buffer_init(&out, PROBLEMS_TEXT_MAX);
    /* Insertion by position keeps those of one position in the order found. */
    for (size_t i = 1; i < problems->count; i++) {
        for (size_t j = i; j > 0 && problems->items[j - 1].offset > problems->items[j].offset;
             j--) {
            struct cel_problem swap = problems->items[j];
            problems->items[j] = problems->items[j - 1];
            problems->items[j - 1] = swap;
        }
    }
    for (size_t i = 0; i < problems->count; i++) {
        buffer_append_text(&out, i == 0 ? "" : "\n");
        append_problem(problems->text, &problems->items[i], &out);
    }
    const char *text = arena_text(problems->arena, buffer_text(&out));
    buffer_release(&out);
    return text;
}
