// How a fuzzer's bytes are cut: a sequence of records, each a byte that chooses, a length (16 bits, little
// endian) and that many bytes, or what is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace answermill::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  bool next(std::uint8_t& choice, std::string_view& bytes) {
    if (left_.size() < 3) return false;
    choice = static_cast<std::uint8_t>(left_[0]);
    const std::size_t wanted =
        static_cast<std::uint8_t>(left_[1]) + 256U * static_cast<std::uint8_t>(left_[2]);
    bytes = left_.substr(3, wanted);
    left_.remove_prefix(3 + bytes.size());
    return true;
  }

 private:
  std::string_view left_;
};

inline void put_record(std::string& out, std::uint8_t choice, std::string_view bytes) {
  out.push_back(static_cast<char>(choice));
  out.push_back(static_cast<char>(bytes.size() & 0xFFU));
  out.push_back(static_cast<char>(bytes.size() >> 8U & 0xFFU));
  out += bytes;
}

}  // namespace answermill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
