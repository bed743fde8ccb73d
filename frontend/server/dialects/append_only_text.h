// A growing text on a wire that cannot take words back. Pure.
//
// After a rewind only what goes beyond the words already shown follows, as long as the new text agrees with
// them; a text that took another turn shows nothing more, and the wire has to say so in its own way.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace answermill::frontend {

class AppendOnlyText {
 public:
  AppendOnlyText() = default;
  // The first `bytes` of the text were shown to this reader before, by somebody else.
  explicit AppendOnlyText(std::size_t bytes) : known_before_(bytes) {}

  void rewound() { rewound_ = true; }
  // What to show of the text as it is now; empty for nothing.
  std::string_view more(std::string_view text);
  // The words shown are the beginning of this text.
  bool agrees(std::string_view text) const;
  std::size_t shown_bytes() const { return shown_.size(); }

 private:
  std::string shown_;
  std::size_t known_before_ = 0;
  bool rewound_ = false;
};

}  // namespace answermill::frontend
