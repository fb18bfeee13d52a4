#include "cmd/process.h"

#include "cmd/pause.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 4096, PROC_FILE_MAX = 256 * 1024, POLL_MS = 10 };

static char *pid_path(const char *dir, const char *name)
{
    return alloc_printf("%s/run/%s.pid", dir, name);
}

/* When the process started, in clock ticks since boot (proc(5), stat field 22); 0 when it is gone.
 * With it, a pid that the kernel has given to another process is not taken for ours. */
static unsigned long long start_time(pid_t pid)
{
    char *path = alloc_printf("/proc/%d/stat", (int)pid);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, PROC_FILE_MAX);
    int result = file_read(path, &text, NULL);
    free(path);
    const char *at = result < 0 ? NULL : strrchr(buffer_text(&text), ')');
    if (at == NULL || strlen(at) < 3 || at[2] == 'Z') {
        return 0;
    }
    for (int field = 2; field < 22 && at != NULL; field++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

pid_t process_find(const char *dir, const char *name)
{
    char *path = pid_path(dir, name);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, OUTPUT_MAX);
    int result = file_read(path, &text, NULL);
    free(path);
    if (result < 0) {
        return 0;
    }
    char *end;
    long pid = strtol(buffer_text(&text), &end, 10);
    unsigned long long started = strtoull(end, NULL, 10);
    return pid > 1 && started != 0 && start_time((pid_t)pid) == started ? (pid_t)pid : 0;
}

/* ---- starting ---- */

static NORETURN void child_fail(int report, int code)
{
    ssize_t written = write(report, &code, sizeof(code));
    _exit(written == (ssize_t)sizeof(code) ? 127 : 126);
}

static int enter_namespace(const char *name)
{
    char *path = alloc_printf("/run/netns/%s", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    return file < 0 || setns(file, CLONE_NEWNET) < 0 ? -errno : 0;
}

static char *const *exec_arguments(const char *const *argv)
{
    union {
        const char *const *in;
        char *const *out; /* execvp() changes nothing; its type is older than const. */
    } words = {.in = argv};
    return words.out;
}

static NORETURN void child_main(const struct process_options *options, int log, int report)
{
    if (setsid() < 0) {
        child_fail(report, errno);
    }
    if (options->net_namespace != NULL) {
        int result = enter_namespace(options->net_namespace);
        if (result < 0) {
            child_fail(report, -result);
        }
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0) {
        child_fail(report, errno);
    }
    execvp(options->argv[0], exec_arguments(options->argv));
    child_fail(report, errno);
}

/* Forks and waits until exec has happened (the pipe closes) or the child has said why not. */
static int launch(const struct process_options *options, int log, pid_t *ret_pid)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) {
        return -errno;
    }
    pid_t pid = fork();
    if (pid < 0) {
        int result = -errno;
        close(report[0]);
        close(report[1]);
        return result;
    }
    if (pid == 0) {
        child_main(options, log, report[1]);
    }
    close(report[1]);
    int code = 0;
    ssize_t size = read(report[0], &code, sizeof(code));
    close(report[0]);
    if (size == (ssize_t)sizeof(code)) {
        (void)waitpid(pid, NULL, 0); /* It has said why already. */
        return -code;
    }
    *ret_pid = pid;
    return 0;
}

int process_start(const struct process_options *options, struct error *reterr)
{
    if (process_find(options->dir, options->name) != 0) {
        return 0;
    }
    char *log_path = alloc_printf("%s/log/%s.log", options->dir, options->name);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    pid_t pid = 0;
    int result = log < 0 ? -errno : launch(options, log, &pid);
    if (log >= 0) {
        close(log);
    }
    if (result < 0) {
        (void)error_set(reterr, result, "cannot start %s (%s): %s", options->name, options->argv[0],
                        strerror(-result));
    }
    free(log_path);
    if (result < 0) {
        return result;
    }
    char *path = pid_path(options->dir, options->name);
    char *text = alloc_printf("%d %llu\n", (int)pid, start_time(pid));
    result = file_write(path, slice_text(text), 0644, reterr);
    free(text);
    free(path);
    return result;
}

/* ---- stopping ---- */

void process_stop(const char *dir, const char *name, unsigned grace_ms)
{
    pid_t pid = process_find(dir, name);
    if (pid != 0) {
        (void)kill(pid, SIGTERM); /* Gone already is what is wanted. */
    }
    for (unsigned waited = 0; process_find(dir, name) != 0; waited += POLL_MS) {
        if (waited >= grace_ms) {
            (void)kill(pid, SIGKILL);
        }
        /* Ours when it was started by this very process. */
        (void)waitpid(pid, NULL, WNOHANG);
        pause_ms(POLL_MS);
    }
    char *path = pid_path(dir, name);
    (void)unlink(path);
    free(path);
}

static bool command_line_has(const char *pid, const char *text)
{
    char *path = alloc_printf("/proc/%s/cmdline", pid);
    CLEANUP(buffer_release) struct buffer line;
    buffer_init(&line, PROC_FILE_MAX);
    int result = file_read(path, &line, NULL);
    free(path);
    return result == 0 && line.len > 0 && memmem(line.data, line.len, text, strlen(text)) != NULL;
}

size_t process_kill_matching(const char *text)
{
    DIR *proc = opendir("/proc");
    size_t killed = 0;
    const struct dirent *entry;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0])) {
            continue;
        }
        long pid = strtol(entry->d_name, NULL, 10);
        if (pid > 1 && pid != getpid() && pid != getppid() &&
            command_line_has(entry->d_name, text) && kill((pid_t)pid, SIGKILL) == 0) {
            killed++;
        }
    }
    if (proc != NULL) {
        closedir(proc);
    }
    return killed;
}

/* ---- running to the end ---- */

static void read_output(int from, struct buffer *output)
{
    for (;;) {
        uint8_t piece[OUTPUT_MAX];
        ssize_t size = read(from, piece, sizeof(piece));
        if (size <= 0) {
            return;
        }
        size_t room = output->max - output->len;
        buffer_append(output, piece, (size_t)size < room ? (size_t)size : room);
    }
}

int process_run(const char *const *argv, bool quiet, struct error *reterr)
{
    int output_pipe[2];
    if (pipe2(output_pipe, O_CLOEXEC) < 0) {
        return error_set(reterr, -errno, "cannot run %s: %s", argv[0], strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(output_pipe[1], STDOUT_FILENO);
        (void)dup2(output_pipe[1], STDERR_FILENO);
        execvp(argv[0], exec_arguments(argv));
        dprintf(STDERR_FILENO, "%s\n", strerror(errno));
        _exit(127);
    }
    close(output_pipe[1]);
    CLEANUP(buffer_release) struct buffer output;
    buffer_init(&output, OUTPUT_MAX);
    read_output(output_pipe[0], &output);
    close(output_pipe[0]);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return error_set(reterr, -errno, "cannot run %s: %s", argv[0], strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    if (quiet) {
        return -EIO;
    }
    CLEANUP(buffer_release) struct buffer line;
    buffer_init(&line, OUTPUT_MAX);
    for (size_t i = 0; argv[i] != NULL; i++) {
        buffer_printf(&line, "%s%s", i == 0 ? "" : " ", argv[i]);
    }
    return error_set(reterr, -EIO, "`%s` failed: %s", buffer_text(&line), buffer_text(&output));
}
