#include "broker/journal/journal_batch.h"

#include <bit>
#include <functional>

namespace answermill::broker {
namespace {
constexpr std::size_t kKeptBytes = 32U << 20U;  // after a burst of large records memory is given back
}

void JournalBatch::add(const JournalOp& op) {
  ops_.push_back(
      {op.table, op.erase, static_cast<std::uint32_t>(op.key.size()), op.value.size(), bytes_.size()});
  bytes_.append(op.key).append(op.value);
}

void JournalBatch::clear() {
  ops_.clear();
  bytes_.clear();
  if (bytes_.capacity() > kKeptBytes) bytes_.shrink_to_fit();
}

JournalBatch::View JournalBatch::operator[](std::size_t index) const {
  const Op& op = ops_[index];
  const std::string_view bytes = bytes_;
  return {op.table, op.erase, bytes.substr(op.at, op.key_size),
          bytes.substr(op.at + op.key_size, op.value_size)};
}

const std::vector<bool>& JournalBatch::find_last() {
  const std::size_t mask = std::bit_ceil(2 * ops_.size() + 1) - 1;
  slots_.assign(mask + 1, 0);
  last_.assign(ops_.size(), false);
  for (std::size_t i = ops_.size(); i-- > 0;) {
    const View op = (*this)[i];
    std::size_t slot = std::hash<std::string_view>{}(op.key) + static_cast<std::size_t>(op.table);
    bool found = false;
    for (slot &= mask; slots_[slot] != 0 && !found; slot = (slot + 1) & mask) {
      const View other = (*this)[slots_[slot] - 1];
      found = other.table == op.table && other.key == op.key;
    }
    if (found) continue;
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
    last_[i] = true;
  }
  return last_;
}

}  // namespace answermill::broker
