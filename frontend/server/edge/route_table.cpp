#include "frontend/server/edge/route_table.h"

#include <utility>

#include "frontend/server/edge/uri.h"

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

void RouteTable::add(std::string_view method, std::string_view pattern, const Access& access,
                     RouteAction action) {
  Entry entry{std::string(method), {}, access, std::move(action)};
  std::string_view rest = pattern.substr(pattern.empty() ? 0 : 1);
  while (true) {
    const std::size_t slash = rest.find('/');
    entry.segments.emplace_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  entries_.push_back(std::move(entry));
}

void RouteTable::route(std::string_view method, std::string_view pattern, const Access& access,
                       Handler handler) {
  add(method, pattern, access, std::move(handler));
}

void RouteTable::upload(std::string_view method, std::string_view pattern, const Access& access,
                        UploadHandler handler) {
  add(method, pattern, access, std::move(handler));
}

void RouteTable::websocket(std::string_view pattern, std::vector<std::string> subprotocols,
                           const Access& access, WebSocketHandler handler) {
  add("GET", pattern, access, WebSocketRoute{std::move(subprotocols), std::move(handler)});
}

void RouteTable::refuse_with(std::string_view folder, RefusalWriter writer) {
  writers_.push_back({std::string(folder), std::move(writer)});
}

const RefusalWriter* RouteTable::refusal_writer(std::string_view path) const {
  for (const auto& writer : writers_) {
    if (is_under(path, writer.folder)) return &writer.write;
  }
  return nullptr;
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
  result.access = best->access;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (is_capture(best->segments[i])) result.captures.push_back(segments[i]);
  }
  return result;
}

}  // namespace answermill::frontend
