// What Colophon needs of Linux beyond what Swift's Glibc module shows. Defining _GNU_SOURCE here
// would give fd_set another shape than Glibc's module has, so the few functions that hide behind
// it are declared by hand; glibc exports them all the same.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/memfd.h>
#include <unistd.h>

int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
int pipe2(int descriptors[2], int flags);
int memfd_create(const char *name, unsigned int flags);
int close_range(unsigned int first, unsigned int last, int flags);

/// The size of the terminal behind a descriptor; -1 when there is none. ioctl has any number of
/// arguments, which Swift does not call.
static inline int colophon_window_size(int descriptor, unsigned short *rows, unsigned short *columns) {
  struct winsize size;
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) return -1;
  *rows = size.ws_row;
  *columns = size.ws_col;
  return 0;
}

/// From now on the kernel drops every SYN that comes to a listening socket. The program looks at the
/// flags of the TCP header, where the segment begins for it.
static inline int colophon_drop_syn(int descriptor) {
  struct sock_filter steps[] = {
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 0),
    BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  struct sock_fprog program = { sizeof steps / sizeof *steps, steps };
  return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/// What a child gets instead of what its parent has. A user of -1 keeps the parent's.
struct colophon_child {
  const char *path;
  char *const *arguments;
  char *const *environment;
  const char *folder;
  int user, group;
  int death_signal;
  int input, output, error;
};

/// Starts a program in a process group of its own and returns its pid, or -errno. Between fork and
/// exec only async-signal-safe calls are made, which Swift cannot promise; hence C. The child asks
/// for `death_signal` at the end of the *thread* that forked it (PR_SET_PDEATHSIG), after it has
/// changed its user, because the kernel forgets the wish when credentials change.
static inline int colophon_spawn(const struct colophon_child *child) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) {
    int reason = errno;
    close(report[0]);
    close(report[1]);
    return -reason;
  }
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    // What a program that uses select(2), or closes all that might be open, can live with.
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur > 1024) {
      descriptors.rlim_cur = 1024;
      setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    if (child->user >= 0) {
      gid_t group = (gid_t)child->group;
      if (setgroups(1, &group) != 0 || setgid(group) != 0 || setuid((uid_t)child->user) != 0)
        goto failed;
    }
    if (child->death_signal > 0) {
      if (prctl(PR_SET_PDEATHSIG, child->death_signal) != 0) goto failed;
      if (getppid() != parent) _exit(1);
    }
    if (child->folder && chdir(child->folder) != 0) goto failed;
    if (dup2(child->input, 0) < 0 || dup2(child->output, 1) < 0 || dup2(child->error, 2) < 0)
      goto failed;
    if (report[1] != 3 && dup2(report[1], 3) < 0) goto failed;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    report[1] = 3;
    close_range(4, ~0u, 0);
    execve(child->path, child->arguments, child->environment);
  failed:;
    int reason = errno;
    ssize_t written = write(report[1], &reason, sizeof reason);
    (void)written;
    _exit(127);
  }
  close(report[1]);
  int reason = 0;
  ssize_t count;
  do count = read(report[0], &reason, sizeof reason);
  while (count < 0 && errno == EINTR);
  close(report[0]);
  if (count == (ssize_t)sizeof reason) {
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return -reason;
  }
  return pid;
}
