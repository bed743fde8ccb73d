#include "frontend/server/catalog/rows.h"

namespace answermill::frontend {

std::string_view to_string(DocumentState state) {
  switch (state) {
    case DocumentState::kQueued:
      return "queued";
    case DocumentState::kProcessing:
      return "processing";
    case DocumentState::kReady:
      return "ready";
    case DocumentState::kFailed:
      return "failed";
    case DocumentState::kDeleting:
      return "deleting";
  }
  return "failed";
}

std::string_view to_string(MessageStatus status) {
  switch (status) {
    case MessageStatus::kStreaming:
      return "streaming";
    case MessageStatus::kDone:
      return "done";
    case MessageStatus::kCancelled:
      return "cancelled";
    case MessageStatus::kFailed:
      return "failed";
    case MessageStatus::kExpired:
      return "expired";
  }
  return "failed";
}

MessageStatus status_of(messages::Terminal outcome) {
  switch (outcome) {
    case messages::Terminal::kDone:
      return MessageStatus::kDone;
    case messages::Terminal::kCancelled:
      return MessageStatus::kCancelled;
    case messages::Terminal::kFailed:
      return MessageStatus::kFailed;
    case messages::Terminal::kExpired:
      return MessageStatus::kExpired;
  }
  return MessageStatus::kFailed;
}

}  // namespace answermill::frontend
