#include "frontend/server/edge/websocket_compression.h"

#include <zlib.h>

#include <algorithm>
#include <stdexcept>

namespace answermill::frontend {
namespace {

constexpr int kLowestBits = 9;  // zlib writes no raw stream with a window of 256 bytes
constexpr int kHighestBits = 15;
constexpr int kLevel = 3;
constexpr int kMemoryLevel = 8;
// Below this the header and a fresh dictionary eat up what is won.
constexpr std::size_t kWorthwhileBytes = 256;
constexpr std::size_t kRememberedBytes = 64 * 1024;
// Every message ends with this empty block, which is not sent (RFC 7692 section 7.2.1).
constexpr std::string_view kTail("\x00\x00\xff\xff", 4);

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t end = std::min(text.find(mark), text.size());
  const std::string_view item = trimmed(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return item;
}

// "8" to "15", perhaps in quotes; nothing else.
std::optional<int> window_bits(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  if (value == "8" || value == "9") return value.front() - '0';
  if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5') return 10 + value[1] - '0';
  return std::nullopt;
}

// One offer's parameters; none for one that cannot be met.
std::optional<CompressionTerms> terms_of(std::string_view parameters) {
  CompressionTerms terms;
  std::array<std::string_view, 4> seen{};
  std::size_t count = 0;
  while (!parameters.empty()) {
    std::string_view parameter = take_until(parameters, ';');
    const bool has_value = parameter.find('=') != std::string_view::npos;
    const std::string_view name = take_until(parameter, '=');
    const std::string_view value = trimmed(parameter);
    if (count == seen.size() || std::find(seen.begin(), seen.begin() + count, name) != seen.begin() + count)
      return std::nullopt;
    seen[count++] = name;
    if (name == "server_no_context_takeover" || name == "client_no_context_takeover") {
      if (has_value) return std::nullopt;
    } else if (name == "client_max_window_bits") {
      if (has_value && !window_bits(value)) return std::nullopt;
    } else if (name == "server_max_window_bits") {
      const auto bits = window_bits(value);
      if (!bits || *bits < kLowestBits) return std::nullopt;
      terms.server_window_bits = *bits;
      terms.window_asked = true;
    } else {
      return std::nullopt;
    }
  }
  return terms;
}

Bytef* bytes_of(std::string_view text) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data()));
}

}  // namespace

std::optional<CompressionTerms> agree_on_compression(std::string_view offers) {
  while (!offers.empty()) {
    std::string_view offer = take_until(offers, ',');
    if (take_until(offer, ';') != "permessage-deflate") continue;
    if (auto terms = terms_of(offer)) return terms;
  }
  return std::nullopt;
}

std::string describe_terms(const CompressionTerms& terms) {
  std::string out = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  if (terms.window_asked) out += "; server_max_window_bits=" + std::to_string(terms.server_window_bits);
  return out;
}

struct MessageInflater::Stream {
  Stream() {
    if (inflateInit2(&z, -kHighestBits) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  z_stream z{};
};

MessageInflater::MessageInflater() : stream_(std::make_unique<Stream>()) {}
MessageInflater::~MessageInflater() = default;

MessageInflater::Outcome MessageInflater::inflate(std::string_view piece, std::string& out,
                                                  std::size_t maximum_bytes) {
  std::array<char, 16 * 1024> chunk{};
  z_stream& z = stream_->z;
  z.next_in = bytes_of(piece);
  z.avail_in = static_cast<uInt>(piece.size());
  while (true) {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = static_cast<uInt>(chunk.size());
    const int outcome = ::inflate(&z, Z_SYNC_FLUSH);
    const std::size_t got = chunk.size() - z.avail_out;
    if (got > maximum_bytes - std::min(maximum_bytes, out.size())) return Outcome::kTooLarge;
    out.append(chunk.data(), got);
    if (outcome == Z_STREAM_END) {
      // A final block may be followed by more (RFC 7692 section 7.2.3.5), if only by the tail.
      if (inflateReset(&z) != Z_OK) return Outcome::kBroken;
      if (z.avail_in == 0) return Outcome::kDone;
    } else if (outcome == Z_BUF_ERROR || (outcome == Z_OK && z.avail_in == 0 && z.avail_out > 0)) {
      return Outcome::kDone;  // all that was given is used up
    } else if (outcome != Z_OK) {
      return Outcome::kBroken;
    }
  }
}

struct MessageDeflater::Stream {
  explicit Stream(int bits) {
    if (deflateInit2(&z, kLevel, Z_DEFLATED, -bits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~Stream() { deflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  z_stream z{};
};

MessageDeflater::MessageDeflater() = default;
MessageDeflater::~MessageDeflater() = default;

std::string_view MessageDeflater::deflate(std::string_view message, const CompressionTerms& terms) {
  if (message.size() < kWorthwhileBytes) return {};
  if (terms.server_window_bits == last_bits_ && message == last_message_) return last_result_;
  auto& stream = streams_[static_cast<std::size_t>(terms.server_window_bits)];
  if (!stream) stream = std::make_unique<Stream>(terms.server_window_bits);
  z_stream& z = stream->z;
  deflateReset(&z);
  constexpr std::size_t kFlushBytes = 16;  // deflateBound() does not count the flush
  last_result_.resize(deflateBound(&z, message.size()) + kFlushBytes);
  z.next_in = bytes_of(message);
  z.avail_in = static_cast<uInt>(message.size());
  z.next_out = bytes_of(last_result_);
  z.avail_out = static_cast<uInt>(last_result_.size());
  const int outcome = ::deflate(&z, Z_SYNC_FLUSH);
  const bool whole = outcome == Z_OK && z.avail_in == 0 && z.avail_out > 0;
  const std::size_t length = last_result_.size() - z.avail_out;
  const bool pays = whole && length >= kTail.size() && length - kTail.size() < message.size();
  last_result_.resize(pays ? length - kTail.size() : 0);
  last_bits_ = message.size() <= kRememberedBytes ? terms.server_window_bits : 0;
  if (last_bits_ != 0) last_message_ = message;
  return last_result_;
}

}  // namespace answermill::frontend
