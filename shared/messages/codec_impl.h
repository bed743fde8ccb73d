// The one place that knows msgpack; included by the .cpp files that instantiate encode() and decode().
#pragma once

#include <array>
#include <msgpack.hpp>
#include <optional>
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

using Packer = msgpack::packer<msgpack::sbuffer>;

template <class T>
void pack(Packer& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    out.pack_bin(static_cast<std::uint32_t>(value.size()));
    out.pack_bin_body(value.data(), static_cast<std::uint32_t>(value.size()));
  } else if constexpr (std::is_enum_v<T>) {
    out.pack(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    out.pack(value);
  } else if constexpr (IsVector<T>::value) {
    out.pack_array(static_cast<std::uint32_t>(value.size()));
    for (const auto& item : value) pack(out, item);
  } else if constexpr (IsOptional<T>::value) {
    if (value) {
      pack(out, *value);
    } else {
      out.pack_nil();
    }
  } else {
    std::apply(
        [&](auto&... field) {
          out.pack_array(sizeof...(field));
          (pack(out, field), ...);
        },
        const_cast<T&>(value).tie());  // tie() only names the fields; packing reads them
  }
}

template <class T>
bool unpack(const msgpack::object& in, T& value) {
  using Type = msgpack::type::object_type;
  if constexpr (std::is_same_v<T, std::string>) {
    if (in.type == Type::BIN) {
      value.assign(in.via.bin.ptr, in.via.bin.size);
    } else if (in.type == Type::STR) {
      value.assign(in.via.str.ptr, in.via.str.size);
    } else {
      return false;
    }
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (in.type != Type::BOOLEAN) return false;
    value = in.via.boolean;
    return true;
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> raw{};
    if (!unpack(in, raw)) return false;
    value = static_cast<T>(raw);
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (in.type == Type::FLOAT64 || in.type == Type::FLOAT32) {
      value = static_cast<T>(in.via.f64);
    } else if (in.type == Type::POSITIVE_INTEGER) {
      value = static_cast<T>(in.via.u64);
    } else if (in.type == Type::NEGATIVE_INTEGER) {
      value = static_cast<T>(in.via.i64);
    } else {
      return false;
    }
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    if (in.type == Type::POSITIVE_INTEGER) {
      if (in.via.u64 > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) return false;
      value = static_cast<T>(in.via.u64);
      return true;
    }
    if constexpr (std::is_signed_v<T>) {
      if (in.type == Type::NEGATIVE_INTEGER && in.via.i64 >= std::numeric_limits<T>::min()) {
        value = static_cast<T>(in.via.i64);
        return true;
      }
    }
    return false;
  } else if constexpr (IsVector<T>::value) {
    if (in.type != Type::ARRAY) return false;
    value.resize(in.via.array.size);
    for (std::uint32_t i = 0; i < in.via.array.size; ++i) {
      if (!unpack(in.via.array.ptr[i], value[i])) return false;
    }
    return true;
  } else if constexpr (IsOptional<T>::value) {
    if (in.type == Type::NIL) {
      value.reset();
      return true;
    }
    return unpack(in, value.emplace());
  } else {
    if (in.type != Type::ARRAY) return false;
    std::uint32_t i = 0;
    const auto field_ok = [&](auto& field) {
      const std::uint32_t at = i++;
      return at >= in.via.array.size || unpack(in.via.array.ptr[at], field);
    };
    return std::apply([&](auto&... field) { return (field_ok(field) && ...); }, value.tie());
  }
}

}  // namespace answermill::messages::detail

namespace answermill::messages {

template <class Message>
std::string encode(const Message& message) {
  msgpack::sbuffer buffer(512);
  detail::Packer packer(buffer);
  detail::pack(packer, message);
  return {buffer.data(), buffer.size()};
}

template <class Message>
Result<Message> decode(std::string_view bytes) {
  constexpr std::size_t kMaxItems = 1U << 16U;
  constexpr std::size_t kMaxDepth = 12;
  const msgpack::unpack_limit limits(kMaxItems, 0, kMaxMessageBytes, kMaxMessageBytes, 0, kMaxDepth);
  const auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
  try {
    std::size_t offset = 0;
    bool referenced = false;
    const msgpack::object_handle handle =
        msgpack::unpack(bytes.data(), bytes.size(), offset, referenced, by_reference, nullptr, limits);
    Message message;
    if (offset == bytes.size() && detail::unpack(handle.get(), message)) return message;
  } catch (const msgpack::unpack_error&) {
    // Insufficient bytes, a broken format or a limit: one outcome for all.
  } catch (const std::bad_alloc&) {
  }
  return Error{ErrorCode::kMalformed, "a message did not decode"};
}

}  // namespace answermill::messages

#define ANSWERMILL_MESSAGE(Type)                          \
  template std::string encode<Type>(const Type& message); \
  template Result<Type> decode<Type>(std::string_view bytes)
