#include "frontend/server/edge/route_table.h"

#include <utility>

namespace answermill::frontend {
namespace {

bool is_capture(std::string_view segment) {
  return segment.size() >= 2 && segment.front() == '{' && segment.back() == '}';
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_capture(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return false;
  }
  return true;
}

void add_method(std::string& allow, std::string_view method) {
  if ((", " + allow + ",").find(", " + std::string(method) + ",") != std::string::npos) return;
  if (!allow.empty()) allow += ", ";
  allow += method;
}

}  // namespace

void RouteTable::add(std::string_view method, std::string_view pattern, RouteAction action) {
  Entry entry{std::string(method), {}, std::move(action)};
  std::string_view rest = pattern.substr(pattern.empty() ? 0 : 1);
  while (true) {
    const std::size_t slash = rest.find('/');
    entry.segments.emplace_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  entries_.push_back(std::move(entry));
}

void RouteTable::route(std::string_view method, std::string_view pattern, Handler handler) {
  add(method, pattern, std::move(handler));
}

void RouteTable::upload(std::string_view method, std::string_view pattern, UploadHandler handler) {
  add(method, pattern, std::move(handler));
}

void RouteTable::websocket(std::string_view pattern, std::vector<std::string> subprotocols,
                           WebSocketHandler handler) {
  add("GET", pattern, WebSocketRoute{std::move(subprotocols), std::move(handler)});
}

RouteMatch RouteTable::match(std::string_view method, const std::vector<std::string>& segments,
                             bool upgrade) const {
  RouteMatch result;
  const Entry* best = nullptr;
  int best_score = -1;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const auto& entry : entries_) {
    if (!matches(entry.segments, segments)) continue;
    add_method(result.allow, entry.method);
    if (entry.method == "GET") add_method(result.allow, "HEAD");
    if (entry.method != wanted) continue;
    // The right protocol counts most, then literal segments over captures, then the order of registration.
    int score = std::holds_alternative<WebSocketRoute>(entry.action) == upgrade ? 1000 : 0;
    for (const auto& segment : entry.segments) score += is_capture(segment) ? 0 : 1;
    if (score <= best_score) continue;
    best = &entry;
    best_score = score;
  }
  if (best == nullptr) return result;
  result.action = &best->action;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (is_capture(best->segments[i])) result.captures.push_back(segments[i]);
  }
  return result;
}

}  // namespace answermill::frontend
