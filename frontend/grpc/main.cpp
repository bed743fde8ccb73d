// answermill-grpc: the fleet over gRPC, on a port of its own.
#include <signal.h>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "frontend/grpc/frontend_client.h"
#include "frontend/grpc/gate.h"
#include "frontend/grpc/service.h"
#include "shared/bus/notify.h"
#include "shared/config/config.h"
#include "shared/log/log.h"

namespace {

using namespace answermill;

struct GrpcConfig {
  std::string listen = "localhost:8001";
  std::string frontend = "http://localhost:8000";
  grpc_bridge::FrontendTrust trust;
  std::string access_token;
  std::string access_token_file;
  std::string data;
  std::string tokens_file;
  std::string tls_cert;
  std::string tls_key;
  std::int64_t upload_limit = 2LL * 1024 * 1024 * 1024;
  std::int64_t threads = 256;
  std::string log_level;
};

config::Table table_of(GrpcConfig& values) {
  config::Table table("answermill-grpc", "Speaks gRPC for a frontend.");
  table
      .text("listen", &values.listen, {"ANSWERMILL_GRPC_LISTEN"}, "HOST:PORT",
            "where to listen; port 0 picks one")
      .text("frontend", &values.frontend, {"ANSWERMILL_URL"}, "URL", "a frontend's address")
      .text("ca-file", &values.trust.ca_file, {"ANSWERMILL_CA_FILE"}, "FILE",
            "certificates (PEM) to believe an https:// frontend by, instead of the system's")
      .flag("trust-frontend", &values.trust.any, {},
            "believe any certificate: only for a frontend of the same fleet on this host")
      .secret("access-token", &values.access_token, {"ANSWERMILL_ACCESS_TOKEN"},
              "asked of every caller who has none of the tokens file; beyond loopback one is required")
      .text("access-token-file", &values.access_token_file, {"ANSWERMILL_ACCESS_TOKEN_FILE"}, "FILE",
            "file that holds the access token")
      .text("data", &values.data, {"ANSWERMILL_DATA_DIR"}, "DIR",
            "data folder of the frontend, for its tokens")
      .text("tokens-file", &values.tokens_file, {"ANSWERMILL_TOKENS_FILE"}, "FILE",
            "access tokens, see answermill tokens; callers' own go on to the frontend (default DATA/tokens)")
      .text("tls-cert", &values.tls_cert, {"ANSWERMILL_TLS_CERT"}, "FILE",
            "certificate chain (PEM): callers are spoken to in TLS")
      .text("tls-key", &values.tls_key, {"ANSWERMILL_TLS_KEY"}, "FILE", "its private key (PEM)")
      .integer("upload-limit", &values.upload_limit, 1, 1LL << 50, {"ANSWERMILL_UPLOAD_LIMIT"}, "BYTES",
               "largest file that is taken")
      .integer("threads", &values.threads, 4, 4096, {"ANSWERMILL_GRPC_THREADS"}, "N",
               "calls that can run at the same time")
      .text("log-level", &values.log_level, {"LOG_LEVEL"}, "LEVEL", "debug, info, warn or error");
  return table;
}

bool is_loopback(const std::string& listen) {
  const std::string host = listen.substr(0, listen.rfind(':'));
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Status read_token(GrpcConfig& values) {
  if (!values.access_token_file.empty()) {
    values.access_token = read_file(values.access_token_file);
    while (!values.access_token.empty() &&
           std::string_view("\r\n ").find(values.access_token.back()) != std::string_view::npos) {
      values.access_token.pop_back();
    }
    if (values.access_token.empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   "--access-token-file: " + values.access_token_file + " cannot be read, or is empty."};
    }
  }
  return {};
}

Status check_gate(grpc_bridge::Gate& gate, const GrpcConfig& values) {
  if (auto read = gate.refresh(); !read) return read;
  if (gate.has_tokens() || is_loopback(values.listen)) return {};
  return Error{ErrorCode::kInvalidArgument,
               "listening on " + values.listen + " reaches beyond this machine and needs an access token"};
}

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const GrpcConfig& values) {
  if (values.tls_cert.empty() != values.tls_key.empty()) {
    return Error{ErrorCode::kInvalidArgument, "--tls-cert and --tls-key: give both or none"};
  }
  if (values.tls_cert.empty()) return grpc::InsecureServerCredentials();
  const grpc::SslServerCredentialsOptions::PemKeyCertPair pair{read_file(values.tls_key),
                                                               read_file(values.tls_cert)};
  for (const auto& [bytes, path] :
       {std::pair(&pair.private_key, &values.tls_key), std::pair(&pair.cert_chain, &values.tls_cert)}) {
    if (bytes->empty()) return Error{ErrorCode::kInvalidArgument, *path + " cannot be read, or is empty."};
  }
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back(pair);
  return grpc::SslServerCredentials(options);
}

}  // namespace

int main(int argc, char** argv) {
  GrpcConfig values;
  const auto loaded = table_of(values).load(argc, argv);
  if (!loaded) return std::fprintf(stderr, "%s\n", loaded.error().message.c_str()), 2;
  if (loaded->exit_now) return 0;
  if (const auto token = read_token(values); !token) {
    return std::fprintf(stderr, "%s\n", token.error().message.c_str()), 2;
  }
  if (values.tokens_file.empty() && !values.data.empty())
    values.tokens_file = access::token_list_path(values.data);
  grpc_bridge::Gate gate(values.access_token, values.tokens_file);
  if (const auto checked = check_gate(gate, values); !checked) {
    return std::fprintf(stderr, "%s\n", checked.error().message.c_str()), 2;
  }
  const auto secured = credentials(values);
  if (!secured) return std::fprintf(stderr, "%s\n", secured.error().message.c_str()), 2;
  log::init("grpc", values.log_level);
  // Every thread from here on leaves these to sigwait() below.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);

  grpc_bridge::FrontendClient frontend(values.frontend, values.trust);
  grpc_bridge::Service service(frontend, gate, static_cast<std::uint64_t>(values.upload_limit));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port in use is an error, not a half share
  builder.AddListeningPort(values.listen, *secured, &port);
  builder.SetResourceQuota(grpc::ResourceQuota().SetMaxThreads(static_cast<int>(values.threads)));
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return log::error("address={} cannot be listened on", values.listen), 1;
  log::info("port={} listening", port);
  bus::notify_ready();
  const timespec beat{1, 0};
  while (sigtimedwait(&stop, nullptr, &beat) < 0) {
    bus::notify_watchdog();
    if (const auto read = gate.refresh(); !read) {
      log::error("event=tokens_unreadable {}; those read last stay in force", read.error().message);
    }
  }
  bus::notify_stopping();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(3));
  return 0;
}
