#include "frontend/server/edge/static_files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

namespace fs = std::filesystem;

// A small page in a folder that goes away with it.
class Page {
 public:
  Page() {
    std::string pattern = (fs::temp_directory_path() / "edge-page-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("index.html", "<!doctype html><title>page</title>");
    write("assets/app-1a2b.js", "console.log(1)");
    write("assets/app-1a2b.js.br", "brotli bytes");
    write("assets/app-1a2b.js.gz", "gzip bytes");
    write("favicon.svg", "<svg/>");
  }
  ~Page() { fs::remove_all(root_); }
  const std::string& root() const { return root_; }

 private:
  void write(const std::string& name, const std::string& content) const {
    fs::create_directories(fs::path(root_ + "/" + name).parent_path());
    std::ofstream(root_ + "/" + name, std::ios::binary) << content;
  }
  std::string root_;
};

TEST(EdgeStaticFiles, ServesThePageWithItsHeaders) {
  const Page page;
  EdgeConfig config;
  config.static_root = page.root();
  RunningEdge edge({}, config);
  const auto index = fetch(edge.port(), "GET", "/");
  EXPECT_EQ(index.status, 200);
  EXPECT_EQ(index.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(index.headers.at("cache-control"), "no-cache");
  EXPECT_EQ(index.headers.at("x-frame-options"), "DENY");
  const std::string& policy = index.headers.at("content-security-policy");
  EXPECT_NE(policy.find("default-src 'self'"), std::string::npos);
  EXPECT_NE(policy.find("connect-src 'self' ws://localhost:" + std::to_string(edge.port())),
            std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(fetch(edge.port(), "GET", "/index.html").body, index.body);
  EXPECT_EQ(fetch(edge.port(), "HEAD", "/").headers.at("content-length"), std::to_string(index.body.size()));
}

TEST(EdgeStaticFiles, ShowsThePageToWhoHasYetToEnterAToken) {
  const Page page;
  EdgeConfig config;
  config.listen = {"0.0.0.0:0"};
  config.access_token = "s3cret";
  config.static_root = page.root();
  RunningEdge edge({}, config);
  EXPECT_EQ(fetch(edge.port(), "GET", "/").status, 200);
  EXPECT_EQ(fetch(edge.port(), "HEAD", "/assets/app-1a2b.js").status, 200);
  EXPECT_EQ(fetch(edge.port(), "POST", "/").status, 401);
  EXPECT_EQ(fetch(edge.port(), "GET", "/elsewhere").status, 401);
  EXPECT_EQ(fetch(edge.port(), "GET", "/?token=wrong").headers.count("set-cookie"), 0U);
  const auto visit = fetch(edge.port(), "GET", "/?token=s3cret");
  EXPECT_EQ(visit.status, 303);
  EXPECT_EQ(visit.headers.at("location"), "/");
}

TEST(EdgeStaticFiles, ServesHashedAssetsForeverAndCompressed) {
  const Page page;
  EdgeConfig config;
  config.static_root = page.root();
  RunningEdge edge({}, config);
  const auto get = [&](std::string_view headers) {
    return fetch(edge.port(), "GET", "/assets/app-1a2b.js", {}, headers);
  };
  const auto plain = get("");
  EXPECT_EQ(plain.body, "console.log(1)");
  EXPECT_EQ(plain.headers.at("cache-control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(plain.headers.at("vary"), "Accept-Encoding");
  EXPECT_EQ(get("Accept-Encoding: gzip, deflate, br\r\n").body, "brotli bytes");
  EXPECT_EQ(get("Accept-Encoding: gzip;q=1.0, br;q=0\r\n").headers.at("content-encoding"), "gzip");
  const auto again = get("If-None-Match: \"other\", " + plain.headers.at("etag") + "\r\n");
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.headers.at("etag"), plain.headers.at("etag"));
  EXPECT_EQ(fetch(edge.port(), "GET", "/assets/app-1a2b.js.br").status, 404);
}

TEST(EdgeStaticFiles, ServesNothingElse) {
  const Page page;
  EdgeConfig config;
  config.static_root = page.root();
  RunningEdge edge({}, config);
  for (const auto* path :
       {"/../etc/passwd", "/assets/..%2f..%2fetc/passwd", "/assets/", "/some/page", "//"}) {
    EXPECT_EQ(fetch(edge.port(), "GET", path).status, 404) << path;
  }
  EXPECT_EQ(fetch(edge.port(), "POST", "/favicon.svg", "x").status, 405);
}

}  // namespace
}  // namespace answermill::frontend::test
