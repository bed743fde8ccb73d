#include "frontend/server/api/native_uploads.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "frontend/server/api/access.h"

namespace answermill::frontend {
namespace {

constexpr std::size_t kNumberBytes = 4;
constexpr std::chrono::seconds kPaceWindow{30};
// One acknowledgement for several chunks: the window is sixteen of them wide.
constexpr std::uint64_t kAckEveryBytes = NativeUploads::kWindowBytes / 8;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

void NativeUploads::begin(const native::ClientMessage& message) {
  const auto refuse = [&](const Error& error) { send_(native::error(message.id, {}, error)); };
  if (message.id.empty() || open_.contains(message.id)) {
    return refuse(invalid("An upload needs an \"id\" that no other running upload has."));
  }
  if (message.name.empty() || !message.size)
    return refuse(invalid("An upload needs a \"name\" and a \"size\"."));
  if (open_.size() >= kMaxOpen) {
    return refuse({ErrorCode::kRateLimited, "Too many uploads run on this connection: end one first."});
  }
  NewDocument document{message.name, message.collection.value_or(""), message.content_type,
                       message.material_id};
  if (!document.collection.empty() && !is_collection_name(document.collection)) {
    return refuse(
        invalid("A collection's name has 1 to 64 letters, digits, '_', '-' or '.', no dot in front."));
  }
  auto collection = collection_for(caller_, std::move(document.collection));
  if (!collection) return refuse(collection.error());
  document.collection = std::move(*collection);
  if (*message.size > services_.facts.upload_bytes) {
    const Error error = too_large(services_.facts.upload_bytes);
    documents_.add_refused(document, *message.size, error, [](const Result<DocumentView>&) {});
    return refuse(error);
  }
  Open upload;
  upload.number = next_number_++;
  upload.upload = documents_.begin_upload();
  upload.document = std::move(document);
  upload.size = *message.size;
  by_number_[upload.number] = message.id;
  send_(native::upload_ready(message.id, upload.number, kChunkBytes, kWindowBytes));
  open_.emplace(message.id, std::move(upload));
  if (pace_timer_ == nullptr) watch_pace();
}

// All uploads of the connection together: a client may well send one after the other.
void NativeUploads::watch_pace() {
  const std::uint64_t rate = services_.facts.upload_bytes_per_second;
  if (rate == 0) return;
  received_ = 0;
  pace_timer_ = services_.loop.after(kPaceWindow, [this, rate] {
    const auto spent = std::move(pace_timer_);
    if (open_.empty()) return;
    const bool ours = std::any_of(open_.begin(), open_.end(), [](const auto& entry) {
      return entry.second.ending || entry.second.stored < entry.second.upload->size();
    });
    if (!ours && received_ < rate * static_cast<std::uint64_t>(kPaceWindow.count())) {
      std::vector<std::string> slow;
      for (const auto& [id, upload] : open_) slow.push_back(id);
      for (const auto& id : slow) fail(id, {ErrorCode::kTimeout, "The upload is too slow."});
      return;
    }
    watch_pace();
  });
}

void NativeUploads::data(std::string_view message) {
  if (message.size() < kNumberBytes) {
    return send_(
        native::error({}, {}, invalid("A binary message begins with the upload's number in 4 bytes.")));
  }
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < kNumberBytes; ++i)
    number = (number << 8U) | static_cast<std::uint8_t>(message[i]);
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return;  // refused or aborted: what was on its way is let go
  const std::string id = found->second;
  Open& upload = open_.at(id);
  const std::string_view bytes = message.substr(kNumberBytes);
  received_ += bytes.size();
  if (upload.ending) return fail(id, invalid("Bytes came after upload_end."));
  if (upload.upload->size() + bytes.size() > upload.size) {
    return fail(id, invalid("More bytes came than upload_begin announced."));
  }
  if (upload.upload->size() + bytes.size() > upload.acknowledged + kWindowBytes + kChunkBytes) {
    return fail(id, {ErrorCode::kLimit, "More than window_bytes were sent beyond the last upload_ack."});
  }
  upload.upload->append(bytes, lifetime_.guard([this, id, number, size = bytes.size()](const Status& status) {
    stored(id, number, size, status);
  }));
}

void NativeUploads::stored(const std::string& id, std::uint32_t number, std::uint64_t bytes,
                           const Status& status) {
  const auto found = open_.find(id);
  if (found == open_.end() || found->second.number != number) return;
  if (!status) return fail(id, status.error());
  Open& upload = found->second;
  upload.stored += bytes;
  if (upload.stored - upload.acknowledged < kAckEveryBytes && upload.stored < upload.size) return;
  upload.acknowledged = upload.stored;
  send_(native::upload_ack(id, upload.stored));
}

void NativeUploads::end(const std::string& id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return send_(native::error(id, {}, invalid("There is no upload with this id.")));
  Open& upload = found->second;
  if (upload.ending) return;
  if (upload.upload->size() != upload.size) {
    return fail(id, invalid("Fewer bytes came than upload_begin announced."));
  }
  upload.ending = true;
  upload.upload->finish(lifetime_.guard(
      [this, id, number = upload.number, document = upload.document](Result<Upload::Stored> stored) {
        const auto still = open_.find(id);
        if (still == open_.end() || still->second.number != number) return;  // aborted
        finished(id, document, std::move(stored));
      }));
}

void NativeUploads::finished(const std::string& id, const NewDocument& document,
                             Result<Upload::Stored> stored) {
  if (!stored) return fail(id, stored.error());
  by_number_.erase(open_.at(id).number);
  open_.erase(id);
  documents_.add(document, *stored, lifetime_.guard([this, id](const Result<DocumentView>& view) {
    send_(view ? native::uploaded(id, *view) : native::error(id, {}, view.error()));
  }));
}

void NativeUploads::abort(const std::string& id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return send_(native::error(id, {}, invalid("There is no upload with this id.")));
  by_number_.erase(found->second.number);
  open_.erase(found);
  send_(native::upload_aborted(id));
}

void NativeUploads::fail(const std::string& id, const Error& error) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  by_number_.erase(found->second.number);
  open_.erase(found);
  send_(native::error(id, {}, error));
}

}  // namespace answermill::frontend
