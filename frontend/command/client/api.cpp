#include "frontend/command/client/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "frontend/command/client/format.h"

namespace answermill::command {
namespace {

constexpr std::chrono::seconds kConnectLimit{5};
constexpr std::chrono::seconds kCallLimit{120};  // a delete waits until every store has acknowledged it

}  // namespace

http::Request Api::request(std::string_view method, const std::string& path) const {
  http::Request request;
  request.method = method;
  request.url = options_.server + path;
  if (!options_.token.empty()) request.headers.emplace_back("Authorization", "Bearer " + options_.token);
  request.timeouts.connect = kConnectLimit;
  request.ca_file = options_.ca_file;
  return request;
}

Error Api::error_from(const Error& transport) const {
  const bool nobody = transport.code == ErrorCode::kUnavailable || transport.code == ErrorCode::kTimeout;
  // Somebody answers, and is not who he should be; trying again does not help.
  if (transport.message.find("certificate") != std::string::npos) {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("{} is not trusted: {}. --ca-file FILE names the certificate to believe",
                             options_.server, transport.message)};
  }
  if (!nobody) return transport;
  return Error{ErrorCode::kUnavailable,
               fmt::format("cannot reach {}: is it running? Start it with `answermill up` or ./dev up",
                           options_.server)};
}

Error Api::error_from(int status, const std::string& body) const {
  const Json parsed = Json::parse(body, nullptr, false);
  const Json& error = member(parsed, "error");
  if (!error.is_object()) {
    return Error{
        ErrorCode::kMalformed,
        fmt::format("{} answered with status {}: is that an Answermill server?", options_.server, status)};
  }
  Error known{error_code_from(text_of(error, "code")), one_line(text_of(error, "message"))};
  if (known.code == ErrorCode::kUnauthorized) {
    known.message +=
        " The commands take it from ANSWERMILL_TOKEN or --token-file; `answermill tokens new` makes one.";
  }
  return known;
}

Result<Json> Api::call(std::string_view method, const std::string& path, const Json& body) {
  http::Request one = request(method, path);
  one.timeouts.total = kCallLimit;
  one.headers.emplace_back("Accept", "application/json");
  if (!body.is_null()) {
    one.headers.emplace_back("Content-Type", "application/json");
    one.body = to_line(body);
  }
  const Result<http::Response> response = client_.fetch(std::move(one));
  if (!response) return error_from(response.error());
  if (response->status >= 400) return error_from(response->status, response->body);
  Json parsed = Json::parse(response->body, nullptr, false);
  if (!parsed.is_object()) {
    return Error{ErrorCode::kMalformed,
                 fmt::format("{} did not answer with JSON: is that an Answermill server?", options_.server)};
  }
  return parsed;
}

Error Api::explain_collection(const Error& error, const std::string& collection) {
  if (error.code != ErrorCode::kNotFound || collection.empty()) return error;
  const Result<Json> answer = call("GET", "/api/collections");
  if (!answer) return error;
  std::vector<std::string> names;
  for (const Json& one : member(*answer, "collections")) names.push_back(one_line(text_of(one, "name")));
  if (std::find(names.begin(), names.end(), collection) != names.end()) return error;
  return Error{ErrorCode::kNotFound,
               fmt::format("there is no collection '{}'; known: {}", collection, fmt::join(names, ", "))};
}

std::string collection_query(char lead, const std::string& collection) {
  return collection.empty() ? std::string()
                            : fmt::format("{}collection={}", lead, http::url_encode(collection));
}

}  // namespace answermill::command
