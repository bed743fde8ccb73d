#include "shared/base/ids.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "shared/base/sha256.h"

namespace answermill {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

bool is_id_text(std::string_view text) { return text.find_first_not_of(kAlphabet) == std::string_view::npos; }

}  // namespace

std::string random_id(std::size_t length) {
  std::string id(length, '\0');
  std::size_t filled = 0;
  while (filled < length) {
    const ssize_t got = getrandom(id.data() + filled, length - filled, 0);
    if (got < 0) std::abort();  // only EINTR for small reads, or a kernel without randomness
    filled += static_cast<std::size_t>(got);
  }
  for (char& c : id) c = kAlphabet[static_cast<std::uint8_t>(c) & 31U];
  return id;
}

std::string topic_of(std::string_view name) {
  const auto digest = sha256(name);
  std::string topic;
  std::uint32_t bits = 0;
  int available = 0;
  for (std::size_t i = 0; topic.size() < kTopicWidth; ++i) {
    bits = (bits << 8U) | digest[i];
    available += 8;
    while (available >= 5 && topic.size() < kTopicWidth) {
      available -= 5;
      topic.push_back(kAlphabet[(bits >> static_cast<unsigned>(available)) & 31U]);
    }
  }
  return topic;
}

std::string new_stream_id(std::string_view topic) { return std::string(topic) + "-" + random_id(); }

std::string_view topic_of_stream(std::string_view stream_id) {
  if (stream_id.size() != 2 * kTopicWidth + 1 || stream_id[kTopicWidth] != '-') return {};
  const auto topic = stream_id.substr(0, kTopicWidth);
  return is_id_text(topic) && is_id_text(stream_id.substr(kTopicWidth + 1)) ? topic : std::string_view{};
}

}  // namespace answermill
