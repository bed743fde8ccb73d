#include "frontend/server/catalog/catalog_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "shared/base/unix_fd.h"
#include "shared/log/log.h"

namespace answermill::frontend {

CatalogSync::CatalogSync(const std::string& path, Catalog& catalog) : path_(path), thread_("catalog-sync") {
  catalog.leave_log_alone();
}

void CatalogSync::after_commit(Done done) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(done));
  if (waiting_.size() == 1) thread_.post([this] { sync(); });
}

void CatalogSync::sync() {
  std::vector<Done> served;
  {
    const std::lock_guard lock(mutex_);
    served.swap(waiting_);
  }
  if (synced_) {
    // Opened each time: the log is another file once every process has closed the catalog.
    const UniqueFd log(::open((path_ + "-wal").c_str(), O_RDONLY | O_CLOEXEC));
    if (!log || ::fdatasync(log.get()) != 0) {
      synced_ = Error{ErrorCode::kInternal,
                      std::string("the catalog could not be synced: ") + std::strerror(errno)};
      log::error("{}", synced_.error().message);
    }
  }
  for (const auto& done : served) done(synced_);
}

void CatalogSync::tend(Catalog& catalog) {
  switch (catalog.look_at_log()) {
    case Catalog::Log::kShort:
      return;
    case Catalog::Log::kLong:
      return thread_.post([this] { checkpoint(); });
    case Catalog::Log::kTooLong:
      if (auto copied = catalog.copy_log(); !copied)
        log::warn("the catalog's log stays long: {}", copied.error().message);
      return;
  }
}

void CatalogSync::checkpoint() {
  if (!copier_) {
    auto opened = store::Database::open(path_, store::Synchronous::kFull);
    if (!opened) return log::warn("the catalog's log stays long: {}", opened.error().message);
    copier_ = std::move(*opened);
  }
  if (auto copied = copier_->checkpoint(); !copied)
    log::warn("the catalog's log stays long: {}", copied.error().message);
}

}  // namespace answermill::frontend
