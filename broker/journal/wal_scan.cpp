#include "broker/journal/wal_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

#include "shared/log/log.h"

namespace answermill::broker {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr std::size_t kHeader = 32;
constexpr std::size_t kFrameHeader = 24;
constexpr std::uint32_t kMagic = 0x377F0682;  // its last bit: checksums over big-endian words

std::uint32_t big_endian(const unsigned char* at) {
  return std::uint32_t{at[0]} << 24U | std::uint32_t{at[1]} << 16U | std::uint32_t{at[2]} << 8U | at[3];
}

std::uint32_t little_endian(const unsigned char* at) {
  return std::uint32_t{at[3]} << 24U | std::uint32_t{at[2]} << 16U | std::uint32_t{at[1]} << 8U | at[0];
}

// The running checksum of a log: two Fibonacci-weighted sums over pairs of words.
struct Checksum {
  bool big = false;
  std::uint32_t first = 0;
  std::uint32_t second = 0;

  void add(const unsigned char* bytes, std::size_t size) {
    const auto word = big ? big_endian : little_endian;
    for (std::size_t i = 0; i < size; i += 8) {
      first += word(bytes + i) + second;
      second += word(bytes + i + 4) + first;
    }
  }
  bool fits(const unsigned char* stored) const {
    return big_endian(stored) == first && big_endian(stored + 4) == second;
  }
};

Error damaged(const std::string& path, const std::string& what) {
  return {ErrorCode::kDamaged, fmt::format("the journal is damaged: {}: {}", path, what)};
}

}  // namespace

Status check_wal(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  unsigned char header[kHeader] = {};
  file.read(reinterpret_cast<char*>(header), kHeader);
  if (file.gcount() < static_cast<std::streamsize>(kHeader)) return {};  // empty, or never more than begun
  const std::uint32_t magic = big_endian(header);
  const std::uint32_t page = big_endian(header + 8);
  Checksum running{(magic & 1U) != 0};
  running.add(header, 24);
  if ((magic & ~1U) != kMagic || page < 512 || page > 65536 || !running.fits(header + 24)) {
    return damaged(path, "its header does not fit its checksum");
  }
  Bytes frame(kFrameHeader + page);
  std::uint64_t number = 0;
  std::uint64_t torn_at = 0;       // the first frame that does not fit
  std::uint64_t torn_commits = 0;  // transactions that end there or behind
  while (file.read(reinterpret_cast<char*>(frame.data()), static_cast<std::streamsize>(frame.size()))) {
    ++number;
    const bool same_log = std::equal(frame.begin() + 8, frame.begin() + 16, header + 16);
    const bool commits = big_endian(frame.data() + 4) != 0;
    if (torn_at == 0) {
      Checksum next = running;
      next.add(frame.data(), 8);
      next.add(frame.data() + kFrameHeader, page);
      if (same_log && next.fits(frame.data() + 16)) {
        running = next;
        continue;
      }
      torn_at = number;
    }
    torn_commits += same_log && commits ? 1U : 0U;
  }
  if (torn_commits == 0) return {};
  if (torn_commits > 1) {
    return damaged(
        path, fmt::format("frame {} does not fit its checksum, and {} transactions stand behind it", torn_at,
                          torn_commits));
  }
  log::warn("event=journal_tail_torn frame={} what=\"the last transaction was cut off\"", torn_at);
  return {};
}

}  // namespace answermill::broker
