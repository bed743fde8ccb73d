#include "shared/base/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace answermill {

Mailbox::Mailbox() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) std::abort();
}

void Mailbox::post(std::function<void()> task) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (was_empty) {
    const std::uint64_t one = 1;
    if (::write(event_.get(), &one, sizeof one) < 0) { /* the counter is full: the loop is awake already */
    }
  }
}

std::size_t Mailbox::run_all() {
  std::uint64_t count = 0;
  if (::read(event_.get(), &count, sizeof count) < 0) { /* nothing was signalled: the queue says the truth */
  }
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
  return tasks.size();
}

}  // namespace answermill
