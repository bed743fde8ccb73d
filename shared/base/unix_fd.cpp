#include "shared/base/unix_fd.h"

#include <unistd.h>

namespace answermill {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace answermill
