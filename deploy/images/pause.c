/* The first process of every pod: holds the pod's namespaces and reaps what is orphaned in a shared
 * process namespace. Does nothing else. Ends on SIGTERM and SIGINT. */
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (;;) {
        int signal_number = 0;
        if (sigwait(&signals, &signal_number) != 0) {
            return 1;
        }
        if (signal_number != SIGCHLD) {
            return 0;
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}
