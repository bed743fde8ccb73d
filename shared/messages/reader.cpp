#include "shared/messages/codec_impl.h"

namespace answermill::messages::detail {

bool Reader::take_sized(unsigned power, std::uint64_t& value) {
  std::uint8_t one = 0;
  std::uint16_t two = 0;
  std::uint32_t four = 0;
  bool taken = false;
  switch (power) {
    case 0:
      taken = take_big_endian(one);
      value = one;
      break;
    case 1:
      taken = take_big_endian(two);
      value = two;
      break;
    case 2:
      taken = take_big_endian(four);
      value = four;
      break;
    default:
      taken = take_big_endian(value);
      break;
  }
  return taken;
}

bool Reader::take_integer(std::uint64_t& value, bool& negative) {
  const unsigned tag = peek();
  negative = false;
  if (tag < 0x80) {
    value = tag;
    ++at_;
    return true;
  }
  if (tag >= 0xE0) {
    value = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int8_t>(tag)));
    negative = true;
    ++at_;
    return true;
  }
  if (tag >= 0xCC && tag <= 0xCF) {
    ++at_;
    return take_sized(tag - 0xCC, value);
  }
  if (tag < 0xD0 || tag > 0xD3) return false;
  ++at_;
  const unsigned power = tag - 0xD0;
  if (!take_sized(power, value)) return false;
  const unsigned unused_bits = 64U - (8U << power);
  value = static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused_bits) >> unused_bits);
  negative = static_cast<std::int64_t>(value) < 0;
  return true;
}

bool Reader::take_real(double& value) {
  const unsigned tag = peek();
  std::uint64_t bits = 0;
  if (tag == 0xCA) {
    ++at_;
    if (!take_sized(2, bits)) return false;
    const auto narrow = static_cast<std::uint32_t>(bits);
    float real = 0;
    std::memcpy(&real, &narrow, sizeof real);
    value = real;
    return true;
  }
  if (tag == 0xCB) {
    ++at_;
    if (!take_sized(3, bits)) return false;
    std::memcpy(&value, &bits, sizeof value);
    return true;
  }
  bool negative = false;
  if (!take_integer(bits, negative)) return false;
  value = negative ? static_cast<double>(static_cast<std::int64_t>(bits)) : static_cast<double>(bits);
  return true;
}

bool Reader::take_bytes(std::string_view& bytes) {
  const unsigned tag = peek();
  std::uint64_t size = 0;
  if (tag >= 0xA0 && tag <= 0xBF) {
    size = tag & 0x1FU;
    ++at_;
  } else if (tag >= 0xC4 && tag <= 0xC6) {
    ++at_;
    if (!take_sized(tag - 0xC4, size)) return false;
  } else if (tag >= 0xD9 && tag <= 0xDB) {
    ++at_;
    if (!take_sized(tag - 0xD9, size)) return false;
  } else {
    return false;
  }
  if (size > left()) return false;
  bytes = {reinterpret_cast<const char*>(at_), static_cast<std::size_t>(size)};
  at_ += size;
  return true;
}

bool Reader::take_array(std::uint32_t& size) {
  const unsigned tag = peek();
  std::uint64_t wide = 0;
  if (tag >= 0x90 && tag <= 0x9F) {
    wide = tag & 0x0FU;
    ++at_;
  } else if (tag == 0xDC || tag == 0xDD) {
    ++at_;
    if (!take_sized(tag - 0xDC + 1, wide)) return false;
  } else {
    return false;
  }
  size = static_cast<std::uint32_t>(wide);
  return wide <= kMaxItems;
}

bool Reader::take_nil() {
  if (peek() != 0xC0) return false;
  ++at_;
  return true;
}

bool Reader::take_bool(bool& value) {
  if (peek() != 0xC2 && peek() != 0xC3) return false;
  value = *at_++ == 0xC3;
  return true;
}

// Maps and extension types are no part of our messages, not even of later ones.
bool Reader::skip(int depth) {
  std::uint32_t size = 0;
  if (take_array(size)) {
    if (depth == 0) return false;
    for (std::uint32_t i = 0; i < size; ++i) {
      if (!skip(depth - 1)) return false;
    }
    return true;
  }
  std::string_view bytes;
  double real = 0;
  bool flag = false;
  return take_nil() || take_bool(flag) || take_bytes(bytes) || take_real(real);
}

}  // namespace answermill::messages::detail
