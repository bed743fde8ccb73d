// One native WebSocket connection: watches, questions, resumed streams, searches and uploads.
//
// Thread: the loop. Writes to the socket only while less than kHighWaterBytes wait in it; streams are read on
// from their cursors and the document list is sent again when it drains. Source: docs/protocol.md, "Native
// WebSocket".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "frontend/server/api/document_service.h"
#include "frontend/server/api/fleet_watch.h"
#include "frontend/server/api/native_uploads.h"
#include "frontend/server/api/question_service.h"
#include "frontend/server/edge/http.h"

namespace answermill::frontend {

struct NativeContext {
  Services& services;
  DocumentService& documents;
  QuestionService& questions;
  FleetWatch& fleet;
};

class NativeSession final : public WebSocketSession, private DocumentWatcher, private FleetListener {
 public:
  NativeSession(NativeContext context, std::shared_ptr<WebSocket> socket);
  ~NativeSession() override;

  void on_open() override;
  void on_text(std::string_view message) override;
  void on_binary(std::string_view message) override;
  void on_drain() override;
  void on_close(std::uint16_t code) override;

 private:
  struct Stream {
    std::unique_ptr<StreamReader> reader;
    std::string resume_id;
    std::uint64_t after_seq = 0;
    std::shared_ptr<Seat> seat;
  };

  void on_document(const DocumentView& document) override;
  void on_document_removed(const std::string& id) override;
  void on_documents_changed() override;
  void on_fleet(const FleetView& fleet) override;

  void send(std::string_view text) { socket_->send_text(text); }
  bool can_write() const;
  const Caller& caller() const { return socket_->request().caller; }
  bool admitted(const native::ClientMessage& message);
  // A place for one more answer; null: there is none, and the client was told.
  std::shared_ptr<Seat> sit(const std::string& id);
  void watch(const std::optional<std::string>& collection);
  void send_documents();
  void ask(const native::ClientMessage& message);
  void resume(const native::ClientMessage& message);
  void search(const native::ClientMessage& message);
  void prefetch(native::ClientMessage message);
  void cancel(const std::string& stream);
  bool full(const std::string& id);
  Stream& read(const std::string& stream, std::uint64_t after_seq);
  void pump(const std::string& stream);
  void from_catalog(const std::string& id, const std::string& stream);

  NativeContext context_;
  std::shared_ptr<WebSocket> socket_;
  std::string topic_;  // random; this client's streams begin with it
  NativeUploads uploads_;
  std::map<std::string, Stream> streams_;
  bool watching_ = false;
  bool list_due_ = false;  // changes were left out while the socket was full
  std::optional<std::string> watched_collection_;
  bool prefetching_ = false;
  std::optional<native::ClientMessage> prefetch_next_;  // the latest that came meanwhile
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
