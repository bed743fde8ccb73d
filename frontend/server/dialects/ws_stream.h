// The `/ws/stream` dialect as text: a chat wire of one connection per user and course. Pure.
//
// Units: timestamps are Unix seconds; scores, distances and costs are numbers, never null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/views.h"
#include "shared/base/result.h"

namespace answermill::frontend::ws_stream {

inline constexpr std::size_t kMaxQueryCodePoints = 1000;

enum class ClientKind { kChatRequest, kPing, kDisconnect };

struct ClientMessage {
  ClientKind kind = ClientKind::kPing;
  std::string query;  // trimmed
  bool use_personalization = false;
  std::optional<std::string> chatroom_id;
};

// One of the wire's own errors.
struct WireError {
  std::string_view code;  // "EMPTY_QUERY"
  std::string message;
  bool recoverable = true;
  std::string suggestion;
  double retry_after = 0;  // seconds; 0: unknown
};

struct Parsed {
  std::optional<ClientMessage> message;
  WireError error;  // when there is no message
};
Parsed parse(std::string_view text);

WireError service_unavailable(const Error& cause);
WireError rate_limited();  // too many wait on the connection
WireError denied(const Denial& denial);
WireError connection_timeout();

// What is configured here, told as it is.
struct Settings {
  double distance_threshold = 0.85;
  std::uint32_t top_k = 8;
  double temperature = 0.7;
  std::uint64_t max_tokens = 1000;
};

struct Identity {
  std::string user_id;
  std::optional<std::string> course_id;  // as given; absent, empty and "null" are none
};

// One request's way through.
struct Exchange {
  std::string query;
  std::optional<std::string> chatroom_id;
  bool use_personalization = false;
  std::uint64_t chunks = 0;
  double latency_ms = 0;
};

std::string connection(const Identity& identity, const Settings& settings, const FleetView& fleet,
                       double now);
std::string chat_started(const Identity& identity, const Exchange& exchange, const AnswerView& answer,
                         double now);
std::string chat_chunk(std::string_view text, std::uint64_t index, double now);
std::string chat_response(const Identity& identity, const Settings& settings, const Exchange& exchange,
                          const AnswerView& answer, double now);
std::string pong(double now);
std::string error(const WireError& error, double now);

// Measured by this process since it started.
struct Statistics {
  std::vector<std::string> users;
  std::uint64_t connections = 0;
  std::uint64_t active_chats = 0;
  std::uint64_t requests_today = 0;
  std::uint64_t responses = 0;
  double response_ms_sum = 0;
  std::uint64_t output_tokens_sum = 0;
};
// Who is let in to this process, by what limits, and how often somebody was not.
struct AccessView {
  std::size_t tokens = 0;
  bool token_required = false;
  std::size_t connections = 0;                                     // of every wire
  std::vector<std::pair<std::string_view, std::uint64_t>> limits;  // 0: none
  std::vector<std::pair<std::string_view, std::uint64_t>> refused;
};
std::string status(const Statistics& statistics, const AccessView& access, double uptime_seconds,
                   std::int64_t unix_seconds);

}  // namespace answermill::frontend::ws_stream
