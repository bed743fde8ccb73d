#include "bench/load/fleet.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/load/clients.h"

namespace answermill::bench {
namespace {

std::string field(std::string_view json, std::string_view name) {
  const std::string key = fmt::format("\"{}\":\"", name);
  const std::size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view value = json.substr(at + key.size());
  return std::string(value.substr(0, value.find('"')));
}

std::uint16_t port_of(std::string_view url) {
  const std::size_t colon = url.rfind(':');
  return static_cast<std::uint16_t>(std::strtoul(url.substr(colon + 1).data(), nullptr, 10));
}

}  // namespace

Fleet::Fleet(std::uint16_t model_port, const std::string& arguments) {
  std::string pattern = (std::filesystem::temp_directory_path() / "am-bench-XXXXXX").string();
  check(mkdtemp(pattern.data()) != nullptr, "a temporary folder");
  folder_ = pattern;
  std::array<int, 2> ends{};
  check(pipe(ends.data()) == 0, "pipe");
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    setenv("LOG_LEVEL", "WARN", 1);
    if (model_port != 0) {
      setenv("OPENAI_BASE_URL", fmt::format("http://127.0.0.1:{}/v1", model_port).c_str(), 1);
      setenv("OPENAI_API_KEY", "bench", 1);
      setenv("OPENAI_MODEL", "instant", 1);
    }
    std::vector<std::string> words{
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "answermill").string(),
        "up",
        "--data",
        folder_,
        "--listen",
        "127.0.0.1:0"};
    std::istringstream more(arguments);
    for (std::string word; more >> word;) words.push_back(word);
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  FILE* out = fdopen(ends[0], "r");
  std::array<char, 1024> line{};
  while (port_ == 0 && fgets(line.data(), line.size(), out) != nullptr) {
    const std::string_view text(line.data());
    if (text.rfind("ready ", 0) == 0) port_ = port_of(text);
  }
  check(port_ != 0, "the fleet did not become ready");
  std::thread([out] {  // what else it says is not needed, but must be read
    std::array<char, 1024> rest{};
    while (fgets(rest.data(), rest.size(), out) != nullptr) {
    }
    fclose(out);
  })
      .detach();
}

Fleet::~Fleet() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Fleet::ingest(const std::string& name, const std::string& text) const {
  const std::string answer =
      fetch(port_, "POST /api/documents?name=" + name, text, "Content-Type: application/octet-stream\r\n");
  const std::string id = field(answer, "id");
  check(!id.empty(), "the upload");
  while (true) {
    const std::string state = field(fetch(port_, "GET /api/documents/" + id), "state");
    if (state == "ready") return;
    check(state != "failed", "the document");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

double Fleet::cpu_seconds() const { return bench::cpu_seconds(pid_); }

std::string book(int pages) {
  std::string text;
  for (int page = 1; page <= pages; ++page) {
    text += fmt::format("Chapter {0}\n\nThe keeper of page {0} is called Benchkeeper{0}zed. ", page);
    for (int line = 0; line < 24; ++line)
      text += fmt::format(
          "Lantern {} stands between harbour {} and meadow {}, where saffron and copper are kept. ",
          page * 7 + line, page + line, page * line);
    text += "\n\f";
  }
  return text;
}

}  // namespace answermill::bench
