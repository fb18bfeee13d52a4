#include "store/password.h"

#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/net/loop.h"
#include "lib/net/x509.h"
#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { BCRYPT_COST = 10, SALT_BYTES = 16 }; /* The cost that etcd has by default. */

/* Fits no password that a client can send: checked against for users that there are not. */
static const char no_hash[] = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8ZoVEl7sF4bLkWZ7pM1q1p8c0G3f9y";

struct password_job {
    struct list node;
    bool checks; /* Else it makes a hash. */
    char password[PASSWORD_BYTES_MAX + 1];
    char hash[PASSWORD_HASH_SIZE];
    bool never; /* The hash is a stand-in. */
    int status;
    struct loop *loop;
    password_done *done;
    void *data;
};

struct password_worker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list jobs;
    size_t job_count;
    size_t thread_count;
    bool stopping;
    pthread_t threads[PASSWORD_THREADS];
};

void password_wipe(void *bytes, size_t len)
{
    if (len > 0) {
        explicit_bzero(bytes, len);
    }
}

/* --- The work. */

static int make_hash(struct password_job *job, struct crypt_data *memory)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    uint8_t salt[SALT_BYTES];
    x509_random(salt, sizeof(salt));
    if (crypt_gensalt_rn("$2b$", BCRYPT_COST, (const char *)salt, sizeof(salt), setting,
                         sizeof(setting)) == NULL) {
        return -EIO;
    }
    const char *hash = crypt_r(job->password, setting, memory);
    if (hash == NULL || hash[0] == '*' || strlen(hash) >= sizeof(job->hash)) {
        return -EIO;
    }
    memcpy(job->hash, hash, strlen(hash) + 1);
    return 0;
}

static int check_hash(const struct password_job *job, struct crypt_data *memory)
{
    const char *hash = crypt_r(job->password, job->hash, memory);
    if (hash == NULL || hash[0] == '*' || job->never) {
        return -EACCES;
    }
    return x509_equal_secret(slice_text(hash), slice_text(job->hash)) ? 0 : -EACCES;
}

static void job_answer(void *data)
{
    struct password_job *job = data;
    job->done(job->data, job->status, slice_text(job->status == 0 ? job->hash : ""));
    password_wipe(job, sizeof(*job));
    free(job);
}

static void job_run(struct password_job *job, struct crypt_data *memory)
{
    memset(memory, 0, sizeof(*memory));
    job->status = job->checks ? check_hash(job, memory) : make_hash(job, memory);
    password_wipe(memory, sizeof(*memory));
    password_wipe(job->password, sizeof(job->password));
    loop_post(job->loop, job_answer, job);
}

static void *thread_main(void *data)
{
    struct password_worker *worker = data;
    struct crypt_data *memory = alloc_zeroed(sizeof(*memory));
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping) {
        struct list *node = list_first(&worker->jobs);
        if (node == NULL) {
            pthread_cond_wait(&worker->changed, &worker->lock);
            continue;
        }
        list_remove(node);
        worker->job_count--;
        pthread_mutex_unlock(&worker->lock);
        job_run(LIST_ENTRY(node, struct password_job, node), memory);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    free(memory);
    return NULL;
}

/* --- The worker. */

struct password_worker *password_worker_new(void)
{
    struct password_worker *worker = alloc_zeroed(sizeof(*worker));
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    list_init(&worker->jobs);
    return worker;
}

void password_worker_free(struct password_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    for (size_t i = 0; i < worker->thread_count; i++) {
        pthread_join(worker->threads[i], NULL);
    }
    LIST_FOREACH(node, next, &worker->jobs)
    {
        struct password_job *job = LIST_ENTRY(node, struct password_job, node);
        list_remove(node);
        job->status = -ECANCELED;
        password_wipe(job->password, sizeof(job->password));
        loop_post(job->loop, job_answer, job);
    }
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

static int enqueue(struct password_worker *worker, struct password_job *job_consume)
{
    int status = 0;
    pthread_mutex_lock(&worker->lock);
    while (status == 0 && worker->thread_count < PASSWORD_THREADS) {
        status = -pthread_create(&worker->threads[worker->thread_count], NULL, thread_main, worker);
        worker->thread_count += status == 0;
    }
    if (worker->stopping || worker->job_count >= PASSWORD_JOBS_MAX || worker->thread_count == 0) {
        status = -EBUSY;
    } else {
        status = 0; /* One thread is enough. */
        list_push_back(&worker->jobs, &job_consume->node);
        worker->job_count++;
        pthread_cond_signal(&worker->changed);
    }
    pthread_mutex_unlock(&worker->lock);
    if (status != 0) {
        password_wipe(job_consume, sizeof(*job_consume));
        free(job_consume);
    }
    return status;
}

static struct password_job *job_new(struct slice password, struct loop *loop, password_done *done,
                                    void *data)
{
    struct password_job *job = alloc_zeroed(sizeof(*job));
    list_init(&job->node);
    if (password.len > 0) {
        memcpy(job->password, password.data, password.len);
    }
    job->loop = loop;
    job->done = done;
    job->data = data;
    return job;
}

int password_hash(struct password_worker *worker, struct slice password, struct loop *loop,
                  password_done *done, void *data)
{
    if (password.len > PASSWORD_BYTES_MAX) {
        return -EINVAL;
    }
    return enqueue(worker, job_new(password, loop, done, data));
}

int password_check(struct password_worker *worker, struct slice password, struct slice hash,
                   struct loop *loop, password_done *done, void *data)
{
    if (password.len > PASSWORD_BYTES_MAX || hash.len >= PASSWORD_HASH_SIZE) {
        return -EINVAL;
    }
    struct password_job *job = job_new(password, loop, done, data);
    job->checks = true;
    job->never = hash.len == 0;
    struct slice from = hash.len == 0 ? slice_text(no_hash) : hash;
    memcpy(job->hash, from.data, from.len);
    return enqueue(worker, job);
}

bool password_is_hash(struct slice hash)
{
    static const char *const prefixes[] = {"$2a$", "$2b$", "$2y$", "$y$"};
    if (hash.len >= PASSWORD_HASH_SIZE || memchr(hash.data, '\0', hash.len) != NULL) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (slice_starts_with(hash, slice_text(prefixes[i]))) {
            return true;
        }
    }
    return false;
}
