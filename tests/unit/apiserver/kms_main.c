/* A KMS plugin to try servers with: kms_try SOCKET DIR. Its key id is in DIR/key_id, how it is in
 * DIR/healthz; with a file DIR/refuse it seals and opens nothing. Runs until it is killed. */
#include "tests/unit/apiserver/kms_double.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void read_word(const char *dir, const char *name, char *ret_word, size_t size)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "re");
    ret_word[0] = 0;
    if (file != NULL) {
        if (fgets(ret_word, (int)size, file) != NULL) {
            ret_word[strcspn(ret_word, "\n")] = 0;
        }
        (void)fclose(file);
    }
}

static void look(struct kms_double *kms)
{
    const char *dir = kms->data;
    char path[512];
    read_word(dir, "key_id", kms->key_id, sizeof(kms->key_id));
    read_word(dir, "healthz", kms->healthz, sizeof(kms->healthz));
    (void)snprintf(path, sizeof(path), "%s/refuse", dir);
    kms->refuses = access(path, F_OK) == 0;
}

int main(int argc, char **argv)
{
    struct loop *loop = NULL;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s SOCKET DIR\n", argv[0]);
        return 2;
    }
    struct kms_double kms = {.look = look, .data = argv[2]};
    if (loop_new("kms", &loop) < 0 || kms_double_start(&kms, loop, argv[1]) < 0) {
        (void)fprintf(stderr, "%s: cannot listen on %s\n", argv[0], argv[1]);
        return 1;
    }
    loop_run(loop);
    return 0;
}
