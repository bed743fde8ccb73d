// A file's name as people may see it, whatever a client sent.
#pragma once

#include <string>
#include <string_view>

namespace answermill::frontend {

// The last path part without control and bidirectional-override characters, trimmed, at most 200 bytes with
// its extension kept; ill-formed UTF-8 is repaired; "document" when nothing is left.
std::string display_name(std::string_view name);

// The MIME type to note for a name when the client did not say one.
std::string type_for_name(std::string_view name);

}  // namespace answermill::frontend
