// The gRPC service over the frontend's HTTP API: an answer outlives the frontend it was asked of.
//
// Thread: each call runs on a thread of gRPC's, and blocks there.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "answermill.grpc.pb.h"
#include "frontend/grpc/frontend_client.h"
#include "frontend/grpc/gate.h"

namespace answermill::grpc_bridge {

class Service final : public v1::Answermill::Service {
 public:
  // Both must outlive this.
  Service(FrontendClient& frontend, const Gate& gate, std::uint64_t upload_limit);

  grpc::Status Ask(grpc::ServerContext* context, const v1::AskRequest* request,
                   grpc::ServerWriter<v1::AnswerEvent>* writer) override;
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::AnswerEvent>* writer) override;
  grpc::Status Chat(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<v1::AnswerEvent, v1::AskRequest>* stream) override;
  grpc::Status Cancel(grpc::ServerContext* context, const v1::CancelRequest* request,
                      v1::CancelReply* reply) override;
  grpc::Status Upload(grpc::ServerContext* context, grpc::ServerReader<v1::UploadPiece>* reader,
                      v1::Document* reply) override;
  grpc::Status Search(grpc::ServerContext* context, const v1::SearchRequest* request,
                      v1::SearchReply* reply) override;
  grpc::Status WatchDocument(grpc::ServerContext* context, const v1::DocumentRequest* request,
                             grpc::ServerWriter<v1::Document>* writer) override;

 private:
  using Write = std::function<bool(const v1::AnswerEvent&)>;
  // Where an answer stands that is being read.
  struct Answer {
    std::string authorization;
    std::string stream;  // empty: it has to be asked first
    std::string conversation;
    std::uint64_t seq = 0;
    bool ended = false;
  };

  // What to show the frontend in the caller's name; nullopt: he is not let in.
  std::optional<std::string> admit(const grpc::ServerContext& context) const;
  Status follow(const grpc::ServerContext& context, const v1::AskRequest* question, Answer& answer,
                const Write& write);

  FrontendClient& frontend_;
  const Gate& gate_;
  std::uint64_t upload_limit_;
};

}  // namespace answermill::grpc_bridge
