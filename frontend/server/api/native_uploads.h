// Files that come over one native WebSocket, in binary chunks inside a window.
//
// Thread: the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/api/document_service.h"
#include "frontend/server/dialects/native.h"
#include "frontend/server/edge/caller.h"

namespace answermill::frontend {

class NativeUploads {
 public:
  static constexpr std::uint64_t kChunkBytes = 256 * 1024;
  static constexpr std::uint64_t kWindowBytes = 4 * 1024 * 1024;
  static constexpr std::size_t kMaxOpen = 8;

  // `caller` is the connection's.
  NativeUploads(Services& services, DocumentService& documents, const Caller& caller,
                std::function<void(std::string_view)> send)
      : services_(services), documents_(documents), caller_(caller), send_(std::move(send)) {}

  void begin(const native::ClientMessage& message);
  void data(std::string_view message);  // number, then bytes
  void end(const std::string& id);
  void abort(const std::string& id);

 private:
  struct Open {
    std::uint32_t number = 0;
    std::unique_ptr<Upload> upload;
    NewDocument document;
    std::uint64_t size = 0;  // as announced
    std::uint64_t stored = 0;
    std::uint64_t acknowledged = 0;
    bool ending = false;
  };

  void stored(const std::string& id, std::uint32_t number, std::uint64_t bytes, const Status& status);
  void finished(const std::string& id, const NewDocument& document, Result<Upload::Stored> stored);
  void fail(const std::string& id, const Error& error);
  void watch_pace();

  Services& services_;
  DocumentService& documents_;
  Caller caller_;
  std::function<void(std::string_view)> send_;
  std::map<std::string, Open> open_;  // by the client's id
  std::map<std::uint32_t, std::string> by_number_;
  std::uint32_t next_number_ = 1;
  std::uint64_t received_ = 0;  // by all uploads, since the pace was looked at
  std::unique_ptr<Timer> pace_timer_;
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
