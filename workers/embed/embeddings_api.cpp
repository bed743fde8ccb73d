#include "workers/embed/embeddings_api.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "shared/text/utf8.h"

namespace answermill::embed {
namespace {

using Json = nlohmann::json;

Error bad_body(std::string detail) {
  return {ErrorCode::kUpstream, "The embedding server's answer cannot be used: " + std::move(detail) + "."};
}

bool read_vector(const Json& numbers, float* out) {
  double squares = 0;
  for (const Json& number : numbers) {
    if (!number.is_number()) return false;
    const double value = number.get<double>();
    if (!std::isfinite(value)) return false;
    squares += value * value;
    *out++ = static_cast<float>(value);
  }
  if (squares == 0) return true;  // nothing to scale: such a text is equally far from all others
  const auto scale = static_cast<float>(1.0 / std::sqrt(squares));
  for (std::size_t i = 0; i < numbers.size(); ++i) *--out *= scale;
  return true;
}

}  // namespace

std::string embeddings_request(std::string_view model, const std::vector<std::string>& texts) {
  Json inputs = Json::array();
  // An empty input is refused by most servers.
  for (const std::string& text : texts) inputs.push_back(text.empty() ? " " : text);
  const Json body = {{"model", model}, {"input", std::move(inputs)}, {"encoding_format", "float"}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<float>> parse_embeddings(std::string_view body, std::size_t texts) {
  const Json root = Json::parse(body, nullptr, false);
  const auto data = root.is_object() ? root.find("data") : root.end();
  if (!root.is_object() || data == root.end() || !data->is_array())
    return bad_body("it has no list of vectors");
  if (data->size() != texts) return bad_body("it has another number of vectors than texts were sent");
  std::vector<float> vectors;
  std::vector<bool> filled(texts, false);
  std::size_t dimension = 0;
  for (std::size_t i = 0; i < texts; ++i) {
    const Json& item = (*data)[i];
    const auto numbers = item.is_object() ? item.find("embedding") : item.end();
    if (!item.is_object() || numbers == item.end() || !numbers->is_array() || numbers->empty()) {
      return bad_body("a vector is missing");
    }
    if (dimension == 0) {
      dimension = numbers->size();
      vectors.resize(texts * dimension);
    }
    const auto index = item.find("index");
    const std::size_t at = index != item.end() && index->is_number_unsigned() ? index->get<std::size_t>() : i;
    if (numbers->size() != dimension || at >= texts || filled[at])
      return bad_body("its vectors do not fit together");
    filled[at] = true;
    if (!read_vector(*numbers, vectors.data() + at * dimension))
      return bad_body("a vector holds something else than numbers");
  }
  return vectors;
}

std::string error_message_of(std::string_view body) {
  constexpr std::size_t kMaxBytes = 300;
  const Json root = Json::parse(body, nullptr, false);
  std::string message;
  if (root.is_object()) {
    const auto error = root.find("error");
    const Json& holder = error != root.end() ? *error : root;
    if (holder.is_string()) message = holder.get<std::string>();
    if (holder.is_object() && holder.contains("message") && holder["message"].is_string()) {
      message = holder["message"].get<std::string>();
    }
  }
  message.resize(text::floor_boundary(message, kMaxBytes));
  return message;
}

}  // namespace answermill::embed
