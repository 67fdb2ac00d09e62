#include "base/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"

namespace cairn {
namespace {

constexpr int kExitFailed = 1;

struct StandardStream {
  int fd;
  int mode;  // Of what takes its place.
};
constexpr StandardStream kStreams[] = {
    {STDIN_FILENO, O_WRONLY}, {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_WRONLY}};

// False: it is closed, or somebody of this process opened it: what a process is started with never
// has this flag, and libraries open nothing without it.
bool CameWithTheProcess(int fd) {
  const int flags = fcntl(fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

void PutNullThere(const StandardStream& stream) {
  const int null = open("/dev/null", stream.mode);
  if (null == stream.fd) return;
  CHECK_EQ(dup2(null, stream.fd), stream.fd);
  close(null);
}

}  // namespace

void OccupyStandardStreams(char** argv) {
  bool taken = false;
  for (const StandardStream& stream : kStreams) {
    if (CameWithTheProcess(stream.fd)) continue;
    taken = taken || fcntl(stream.fd, F_GETFD) >= 0;
    PutNullThere(stream);
  }
  if (!taken) return;
  execv("/proc/self/exe", argv);
  _exit(kExitFailed);  // Whose descriptor it was cannot go on without it.
}

void RaiseDescriptorLimit() {
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);  // Without it there are fewer.
}

}  // namespace cairn
