// The page's files, read once into memory with everything their answers need.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/edge/http.h"
#include "shared/base/result.h"

namespace answermill::frontend {

struct StaticAnswer {
  int status = 200;  // 200 or 304
  std::string_view content_type;
  std::shared_ptr<const std::string> body;  // null for 304
  Headers headers;
};

class StaticFiles {
 public:
  // Reads `root` recursively ("index.html" is served at "/" too). An empty or absent root serves nothing.
  // Errors: kTooLarge when the folder holds more than a page plausibly does.
  static Result<StaticFiles> load(const std::string& root);

  bool contains(std::string_view path) const { return find(path) != nullptr; }

  // For GET and HEAD of a path that contains() knows: honours If-None-Match and Accept-Encoding.
  StaticAnswer answer(const Request& request) const;

 private:
  struct Variant {
    std::shared_ptr<const std::string> body;  // null when there is no such file
    std::string etag;
  };
  struct File {
    std::string content_type;
    bool immutable = false;  // its name changes with its content
    Variant plain, brotli, gzip;
  };
  const File* find(std::string_view path) const;

  std::map<std::string, File, std::less<>> files_;  // by path, "/assets/index-abc.js"
};

// The headers every HTML answer carries; `host` is the request's, already checked.
Headers page_headers(std::string_view host);

}  // namespace answermill::frontend
