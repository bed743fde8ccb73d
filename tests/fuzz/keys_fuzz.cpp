// Key files, the list of allowed keys and addresses.
#include <cstdlib>

#include "shared/bus/address.h"
#include "shared/bus/keys.h"
#include "tests/fuzz/input.h"

using namespace answermill;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto key = bus::parse_key_file(text)) {
    const auto again = bus::parse_key_file(bus::format_key_file(*key));
    if (!again || again->pair.secret_key != key->pair.secret_key || !(again->roles == key->roles))
      std::abort();
  }
  const auto list = bus::parse_allow_list(text);
  const auto again = bus::parse_allow_list(bus::format_allow_list(list));
  if (again.damaged != 0 || again.keys.size() != list.keys.size()) std::abort();
  if (const auto address = bus::parse_network_address(text, 32768)) {
    for (const auto& door : bus::all_doors()) (void)bus::endpoint_of(*address, door.role, door.channel);
  }
  return 0;
}
