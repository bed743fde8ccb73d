// What can go wrong, as a wire-stable code with a sentence for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace answermill {

// Append-only: the numbers travel on the bus, the names in every public API.
enum class ErrorCode : std::uint8_t {
  kOk = 0,
  kInternal = 1,
  kInvalidArgument = 2,
  kNotFound = 3,
  kConflict = 4,
  kUnavailable = 5,
  kTooLarge = 6,
  kUnsupported = 7,  // a document type we cannot read
  kNoText = 8,       // a document that opens but holds no text (a scan)
  kEncrypted = 9,    // a document that needs a password
  kDamaged = 10,     // a document no parser can open
  kEmptyFile = 11,   // zero bytes, or zero pages
  kCancelled = 12,
  kExpired = 13,      // a deadline passed
  kQuarantined = 14,  // a job set aside after repeated crashes
  kFenced = 15,       // a stale owner or lease tried to write
  kBusy = 16,         // back-pressure: try again later
  kUnauthorized = 17,
  kForbidden = 18,
  kRateLimited = 19,
  kUpstream = 20,   // a model server failed
  kMalformed = 21,  // bytes that do not decode
  kTimeout = 22,
  kDiskFull = 23,
  kCrashed = 24,  // a child process or worker died
  kLimit = 25,    // a resource limit was hit (memory, CPU time)
};

// The public name: "not_found". Unknown values give "internal".
std::string_view to_string(ErrorCode code);
// The inverse; kInternal for names we do not know.
ErrorCode error_code_from(std::string_view name);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one sentence that says what to do; never holds secrets or document text
  std::chrono::milliseconds retry_after{};  // when trying again may help, where that is known; else 0

  friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace answermill
