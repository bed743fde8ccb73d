// How messages become msgpack and back; included by the .cpp files that instantiate encode() and decode().
//
// Written by hand, straight between a struct's fields and the bytes: msgpack-c builds a tree of objects for
// every message, which cost the broker most of its time. tests/unit/messages holds both against each other.
// Source: https://github.com/msgpack/msgpack/blob/master/spec.md
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "shared/messages/codec.h"

namespace answermill::messages::detail {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// ---- writing ----

inline void put_byte(std::string& out, unsigned byte) { out.push_back(static_cast<char>(byte)); }

template <class Number>
void put_big_endian(std::string& out, unsigned tag, Number value) {
  char bytes[1 + sizeof value];
  bytes[0] = static_cast<char>(tag);
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes[sizeof value - i] = static_cast<char>(value >> (8U * i) & 0xFFU);
  }
  out.append(bytes, sizeof bytes);
}

inline void put_unsigned(std::string& out, std::uint64_t value) {
  if (value < 0x80) {
    put_byte(out, static_cast<unsigned>(value));
  } else if (value <= 0xFF) {
    put_big_endian(out, 0xCC, static_cast<std::uint8_t>(value));
  } else if (value <= 0xFFFF) {
    put_big_endian(out, 0xCD, static_cast<std::uint16_t>(value));
  } else if (value <= 0xFFFFFFFF) {
    put_big_endian(out, 0xCE, static_cast<std::uint32_t>(value));
  } else {
    put_big_endian(out, 0xCF, value);
  }
}

inline void put_signed(std::string& out, std::int64_t value) {
  if (value >= 0) {
    put_unsigned(out, static_cast<std::uint64_t>(value));
  } else if (value >= -32) {
    put_byte(out, static_cast<unsigned>(value) & 0xFFU);
  } else if (value >= std::numeric_limits<std::int8_t>::min()) {
    put_big_endian(out, 0xD0, static_cast<std::uint8_t>(value));
  } else if (value >= std::numeric_limits<std::int16_t>::min()) {
    put_big_endian(out, 0xD1, static_cast<std::uint16_t>(value));
  } else if (value >= std::numeric_limits<std::int32_t>::min()) {
    put_big_endian(out, 0xD2, static_cast<std::uint32_t>(value));
  } else {
    put_big_endian(out, 0xD3, static_cast<std::uint64_t>(value));
  }
}

inline void put_array(std::string& out, std::size_t size) {
  if (size < 16) {
    put_byte(out, 0x90U | static_cast<unsigned>(size));
  } else if (size <= 0xFFFF) {
    put_big_endian(out, 0xDC, static_cast<std::uint16_t>(size));
  } else {
    put_big_endian(out, 0xDD, static_cast<std::uint32_t>(size));
  }
}

inline void put_bytes(std::string& out, std::string_view bytes) {
  if (bytes.size() <= 0xFF) {
    put_big_endian(out, 0xC4, static_cast<std::uint8_t>(bytes.size()));
  } else if (bytes.size() <= 0xFFFF) {
    put_big_endian(out, 0xC5, static_cast<std::uint16_t>(bytes.size()));
  } else {
    put_big_endian(out, 0xC6, static_cast<std::uint32_t>(bytes.size()));
  }
  out.append(bytes);
}

template <class T>
void pack(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    put_bytes(out, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    put_byte(out, value ? 0xC3 : 0xC2);
  } else if constexpr (std::is_enum_v<T>) {
    pack(out, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_same_v<T, float>) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    put_big_endian(out, 0xCA, bits);
  } else if constexpr (std::is_same_v<T, double>) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    put_big_endian(out, 0xCB, bits);
  } else if constexpr (std::is_unsigned_v<T>) {
    put_unsigned(out, value);
  } else if constexpr (std::is_signed_v<T>) {
    put_signed(out, value);
  } else if constexpr (IsVector<T>::value) {
    put_array(out, value.size());
    for (const auto& item : value) pack(out, item);
  } else if constexpr (IsOptional<T>::value) {
    if (value) {
      pack(out, *value);
    } else {
      put_byte(out, 0xC0);
    }
  } else {
    std::apply(
        [&](auto&... field) {
          put_array(out, sizeof...(field));
          (pack(out, field), ...);
        },
        const_cast<T&>(value).tie());  // tie() only names the fields; packing reads them
  }
}

// ---- reading ----

inline constexpr std::uint32_t kMaxItems = 1U << 16U;  // of one array
inline constexpr int kMaxDepth = 12;                   // of arrays within arrays
// Of all items of all arrays once they are structs: one byte of a message may stand for hundreds of ours.
inline constexpr std::size_t kMaxItemBytes = 64U << 20U;

// A place in the bytes. Every take_… returns false, and leaves the place anywhere, when what stands there is
// something else or does not end.
class Reader {
 public:
  explicit Reader(std::string_view bytes)
      : at_(reinterpret_cast<const unsigned char*>(bytes.data())), end_(at_ + bytes.size()) {}

  bool at_end() const { return at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  // The next byte without taking it; 0xC1, which msgpack never uses, at the end.
  unsigned peek() const { return at_ == end_ ? 0xC1U : *at_; }

  // A whole number; negative ones give `negative` and their two's complement.
  bool take_integer(std::uint64_t& value, bool& negative);
  bool take_real(double& value);
  bool take_bytes(std::string_view& bytes);
  bool take_array(std::uint32_t& size);
  bool take_nil();
  bool take_bool(bool& value);
  // Room for one more item; false when the message has had its share.
  bool spend(std::size_t item_bytes) {
    if (item_bytes > budget_) return false;
    budget_ -= item_bytes;
    return true;
  }
  // Whatever comes: fields that a newer version appended.
  bool skip(int depth);

 private:
  template <class Number>
  bool take_big_endian(Number& value) {
    if (left() < sizeof value) return false;
    value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = static_cast<Number>(value << 8U | *at_++);
    return true;
  }
  // The number behind a tag: as many bytes as 1 << `power`.
  bool take_sized(unsigned power, std::uint64_t& value);

  const unsigned char* at_;
  const unsigned char* end_;
  std::size_t budget_ = kMaxItemBytes;
};

template <class T>
bool unpack(Reader& in, T& value, int depth) {
  if constexpr (std::is_same_v<T, std::string>) {
    std::string_view bytes;
    if (!in.take_bytes(bytes)) return false;
    value.assign(bytes);
    return true;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return in.take_bytes(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return in.take_bool(value);
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> raw{};
    if (!unpack(in, raw, depth)) return false;
    value = static_cast<T>(raw);
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    double real = 0;
    if (!in.take_real(real)) return false;
    value = static_cast<T>(real);
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    std::uint64_t raw = 0;
    bool negative = false;
    if (!in.take_integer(raw, negative)) return false;
    if (negative) {
      if constexpr (std::is_signed_v<T>) {
        if (static_cast<std::int64_t>(raw) < std::numeric_limits<T>::min()) return false;
        value = static_cast<T>(static_cast<std::int64_t>(raw));
        return true;
      }
      return false;
    }
    if (raw > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
    value = static_cast<T>(raw);
    return true;
  } else if constexpr (IsVector<T>::value) {
    std::uint32_t size = 0;
    if (depth == 0 || !in.take_array(size) || size > in.left()) return false;  // an item has a byte at least
    value.clear();
    value.reserve(std::min<std::uint32_t>(size, 64));
    for (std::uint32_t i = 0; i < size; ++i) {
      if (!in.spend(sizeof(typename T::value_type)) || !unpack(in, value.emplace_back(), depth - 1))
        return false;
    }
    return true;
  } else if constexpr (IsOptional<T>::value) {
    if (in.take_nil()) {
      value.reset();
      return true;
    }
    return unpack(in, value.emplace(), depth);
  } else {
    std::uint32_t size = 0;
    if (depth == 0 || !in.take_array(size)) return false;
    std::uint32_t taken = 0;
    const auto field_ok = [&](auto& field) {
      if (taken == size) return true;  // written by an older version: keeps its default
      ++taken;
      return unpack(in, field, depth - 1);
    };
    if (!std::apply([&](auto&... field) { return (field_ok(field) && ...); }, value.tie())) return false;
    for (; taken < size; ++taken) {
      if (!in.skip(depth - 1)) return false;
    }
    return true;
  }
}

}  // namespace answermill::messages::detail

namespace answermill::messages {

template <class Message>
void encode_onto(std::string& out, const Message& message) {
  detail::pack(out, message);
}

template <class Message>
std::string encode(const Message& message) {
  std::string bytes;
  bytes.reserve(kUsualBytes);
  detail::pack(bytes, message);
  return bytes;
}

template <class Message>
Result<Message> decode(std::string_view bytes) {
  detail::Reader reader(bytes);
  Result<Message> message{Message{}};
  if (bytes.size() <= kMaxMessageBytes && detail::unpack(reader, *message, detail::kMaxDepth) &&
      reader.at_end()) {
    return message;
  }
  return Error{ErrorCode::kMalformed, "a message did not decode"};
}

}  // namespace answermill::messages

#define ANSWERMILL_MESSAGE(Type)                                           \
  template std::string encode<Type>(const Type& message);                  \
  template void encode_onto<Type>(std::string & out, const Type& message); \
  template Result<Type> decode<Type>(std::string_view bytes)
