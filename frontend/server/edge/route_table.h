// The Router: which handler a method and path belong to. Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "frontend/server/edge/http.h"

namespace answermill::frontend {

struct WebSocketRoute {
  std::vector<std::string> subprotocols;
  WebSocketHandler handler;
};
using RouteAction = std::variant<Handler, UploadHandler, WebSocketRoute>;

struct RouteMatch {
  const RouteAction* action = nullptr;  // null: see `allow`
  std::vector<std::string> captures;
  std::string allow;  // methods of the routes whose path matches ("GET, HEAD"); empty when none does
};

class RouteTable : public Router {
 public:
  void route(std::string_view method, std::string_view pattern, Handler handler) override;
  void upload(std::string_view method, std::string_view pattern, UploadHandler handler) override;
  void websocket(std::string_view pattern, std::vector<std::string> subprotocols,
                 WebSocketHandler handler) override;

  // HEAD finds the GET route. With `upgrade` a WebSocket route is preferred, without it a plain one; a
  // WebSocket route is also found without it, for the caller to answer 426. The result is valid until a route
  // is added.
  RouteMatch match(std::string_view method, const std::vector<std::string>& segments, bool upgrade) const;

 private:
  struct Entry {
    std::string method;
    std::vector<std::string> segments;  // "{name}" captures
    RouteAction action;
  };
  void add(std::string_view method, std::string_view pattern, RouteAction action);

  std::vector<Entry> entries_;
};

}  // namespace answermill::frontend
