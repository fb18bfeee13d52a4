/* What validation says of an object, as one text: "field: message" a line. */
#ifndef TESTS_UNIT_API_SEMANTICS_CAUSES_H
#define TESTS_UNIT_API_SEMANTICS_CAUSES_H

/* Both are JSON with ' for quotes, as a client sends them; `before` is NULL for a creation. Fails
 * the test when the causes are others than `expected`, "" for none. */
void assert_causes(const char *file, int line, const char *api_version, const char *kind,
                   const char *subresource, const char *before, const char *after,
                   const char *expected);
#define ck_assert_causes(...)        CAUSES_CREATED(__VA_ARGS__)
#define ck_assert_causes_update(...) CAUSES_UPDATED(__VA_ARGS__)
/* Of a subresource, which comes third. */
#define ck_assert_causes_part(...) assert_causes(__FILE__, __LINE__, __VA_ARGS__)
#define CAUSES_CREATED(version, kind, json, expected)                                              \
    assert_causes(__FILE__, __LINE__, version, kind, "", NULL, json, expected)
#define CAUSES_UPDATED(version, kind, before, after, expected)                                     \
    assert_causes(__FILE__, __LINE__, version, kind, "", before, after, expected)
/* An update for which there is one cause, at this field. */
void assert_refused_at(const char *file, int line, const char *api_version, const char *kind,
                       const char *before, const char *after, const char *field);
#define ck_assert_refused_at(...) assert_refused_at(__FILE__, __LINE__, __VA_ARGS__)
#endif
