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
  Access access{};
  std::string allow;  // methods of the routes whose path matches ("GET, HEAD"); empty when none does
};

class RouteTable : public Router {
 public:
  using Router::route;
  using Router::upload;
  using Router::websocket;
  void route(std::string_view method, std::string_view pattern, const Access& access,
             Handler handler) override;
  void upload(std::string_view method, std::string_view pattern, const Access& access,
              UploadHandler handler) override;
  void websocket(std::string_view pattern, std::vector<std::string> subprotocols, const Access& access,
                 WebSocketHandler handler) override;
  void refuse_with(std::string_view folder, RefusalWriter writer) override;

  // HEAD finds the GET route. With `upgrade` a WebSocket route is preferred, without it a plain one; a
  // WebSocket route is also found without it, for the caller to answer 426. The result is valid until a route
  // is added.
  RouteMatch match(std::string_view method, const std::vector<std::string>& segments, bool upgrade) const;

  // Null: there is none for this path.
  const RefusalWriter* refusal_writer(std::string_view path) const;

 private:
  struct Entry {
    std::string method;
    std::vector<std::string> segments;  // "{name}" captures
    Access access;
    RouteAction action;
  };
  struct Writer {
    std::string folder;
    RefusalWriter write;
  };
  void add(std::string_view method, std::string_view pattern, const Access& access, RouteAction action);

  std::vector<Entry> entries_;
  std::vector<Writer> writers_;
};

}  // namespace answermill::frontend
