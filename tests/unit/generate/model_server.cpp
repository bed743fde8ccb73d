#include "tests/unit/generate/model_server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace answermill::generate {

ModelServer::ModelServer() {
  int ends[2];
  if (pipe(ends) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execlp("node", "node", ANSWERMILL_MODEL_SERVER, "--port", "0", nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string line;
  char c = 0;
  while (read(ends[0], &c, 1) == 1 && c != '\n') line += c;
  close(ends[0]);
  const std::string key = "\"base_url\":\"";
  if (const std::size_t at = line.find(key); at != std::string::npos) {
    base_url_ = line.substr(at + key.size(), line.rfind('"') - at - key.size());
  }
}

ModelServer::~ModelServer() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace answermill::generate
