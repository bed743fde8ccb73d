#include "frontend/server/api/upload_sinks.h"

#include <charconv>
#include <utility>
#include <vector>

#include "frontend/server/api/access.h"
#include "frontend/server/api/multipart.h"
#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {

constexpr std::size_t kMaxFieldBytes = 4096;

std::uint64_t content_length(const Request& request) {
  const auto text = request.header("content-length");
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc() && end == text.data() + text.size() ? length : 0;
}

// Answers with the documents, or with the first error; counts what is still under way.
class Reply : public std::enable_shared_from_this<Reply> {
 public:
  Reply(DocumentService& documents, Caller caller, ResponderPtr responder, UploadReply reply)
      : documents_(documents),
        caller_(std::move(caller)),
        responder_(std::move(responder)),
        reply_(std::move(reply)) {}

  bool answered() const { return answered_; }

  void refuse(const Error& error) {
    if (std::exchange(answered_, true)) return;
    reply_.refuse(*responder_, error);
  }

  // The file that was refused shows up in the list too.
  void refuse(const NewDocument& document, std::uint64_t size, const Error& error) {
    if (answered_) return;
    const auto collection = collection_for(caller_, document.collection);
    if (!collection) return refuse(collection.error());
    NewDocument listed = document;
    listed.collection = *collection;
    documents_.add_refused(listed, size, error, [](const Result<DocumentView>&) {});
    refuse(error);
  }

  void add(std::vector<std::pair<NewDocument, Upload::Stored>> files) {
    for (auto& [document, stored] : files) {
      auto collection = collection_for(caller_, std::move(document.collection));
      if (!collection) return refuse(collection.error());
      document.collection = std::move(*collection);
    }
    views_.resize(files.size());
    waiting_ = files.size();
    for (std::size_t i = 0; i < files.size(); ++i) {
      documents_.add(
          files[i].first, files[i].second,
          [self = shared_from_this(), i](Result<DocumentView> view) { self->added(i, std::move(view)); });
    }
  }

 private:
  void added(std::size_t index, Result<DocumentView> view) {
    if (!view) return refuse(view.error());
    views_[index] = std::move(*view);
    if (--waiting_ > 0 || std::exchange(answered_, true)) return;
    reply_.stored(*responder_, views_);
  }

  DocumentService& documents_;
  Caller caller_;
  ResponderPtr responder_;
  UploadReply reply_;
  std::vector<DocumentView> views_;
  std::size_t waiting_ = 0;
  bool answered_ = false;
};

class RawSink final : public BodySink {
 public:
  RawSink(DocumentService& documents, const Caller& caller, NewDocument document, ResponderPtr responder,
          UploadReply reply)
      : upload_(documents.begin_upload()),
        document_(std::move(document)),
        reply_(std::make_shared<Reply>(documents, caller, std::move(responder), std::move(reply))) {}

  void on_data(std::string_view bytes, std::function<void()> ready) override {
    if (reply_->answered()) return ready();
    upload_->append(bytes, [reply = reply_, document = document_, size = upload_->size() + bytes.size(),
                            ready = std::move(ready)](const Status& status) {
      if (!status) reply->refuse(document, size, status.error());
      ready();
    });
  }

  void on_end() override {
    if (reply_->answered()) return;
    upload_->finish(
        [reply = reply_, document = document_, size = upload_->size()](Result<Upload::Stored> stored) {
          if (!stored) return reply->refuse(document, size, stored.error());
          reply->add({{document, std::move(*stored)}});
        });
  }

  void on_abort() override { upload_.reset(); }

 private:
  std::unique_ptr<Upload> upload_;
  NewDocument document_;
  std::shared_ptr<Reply> reply_;
};

// A form: files in order, and the text fields `collection` and `material_id`, wherever they stand.
class FormSink final : public BodySink, private MultipartHandler {
 public:
  FormSink(DocumentService& documents, const Caller& caller, NewDocument defaults, std::string_view boundary,
           ResponderPtr responder, UploadReply reply)
      : documents_(documents), state_(std::make_shared<State>()), parser_(boundary, *this) {
    state_->defaults = std::move(defaults);
    state_->reply = std::make_shared<Reply>(documents, caller, std::move(responder), std::move(reply));
  }

  void on_data(std::string_view bytes, std::function<void()> ready) override {
    if (state_->reply->answered()) return ready();
    state_->ready = std::move(ready);
    ++state_->writing;  // so that no write that ends at once asks for more too early
    if (const auto fed = parser_.feed(bytes); !fed) state_->reply->refuse(fed.error());
    State::written(state_);
  }

  void on_end() override {
    if (state_->reply->answered()) return;
    if (const auto ended = parser_.end(); !ended) return state_->reply->refuse(ended.error());
    if (state_->files.empty()) {
      return state_->reply->refuse({ErrorCode::kInvalidArgument, "The form holds no file."});
    }
    state_->ended = true;
    State::settle(state_);
  }

  void on_abort() override {
    upload_.reset();
    state_->aborted = true;
  }

 private:
  struct File {
    NewDocument document;
    Result<Upload::Stored> stored = Error{ErrorCode::kInternal, "The file was not stored."};
  };
  // Outlives the sink until the last write has come back.
  struct State {
    static void written(const std::shared_ptr<State>& state) {
      if (--state->writing > 0 || !state->ready) return;
      std::exchange(state->ready, nullptr)();
    }
    static void settle(const std::shared_ptr<State>& state) {
      if (!state->ended || state->storing > 0 || state->aborted || state->reply->answered()) return;
      std::vector<std::pair<NewDocument, Upload::Stored>> files;
      for (auto& file : state->files) {
        file.document.collection = state->defaults.collection;
        file.document.material_id = state->defaults.material_id;
        if (!file.stored) return state->reply->refuse(file.document, 0, file.stored.error());
        files.emplace_back(file.document, *file.stored);
      }
      state->reply->add(std::move(files));
    }

    NewDocument defaults;
    std::shared_ptr<Reply> reply;
    std::vector<File> files;
    std::function<void()> ready;
    std::size_t writing = 0;
    std::size_t storing = 0;
    bool ended = false;
    bool aborted = false;
  };

  void on_part(const PartHeader& header) override {
    field_.clear();
    field_name_ = header.is_file ? std::string() : header.name;
    if (!header.is_file) return;
    upload_ = documents_.begin_upload();
    state_->files.push_back({{header.file_name, {}, header.content_type, {}}, Error{}});
  }

  void on_part_data(std::string_view bytes) override {
    if (state_->reply->answered()) return;
    if (upload_ == nullptr) {
      if (field_.size() + bytes.size() > kMaxFieldBytes) {
        return state_->reply->refuse({ErrorCode::kTooLarge, "A text field of the form is too long."});
      }
      field_.append(bytes);
      return;
    }
    ++state_->writing;
    NewDocument document = state_->files.back().document;
    document.collection = state_->defaults.collection;
    upload_->append(bytes, [state = state_, document = std::move(document),
                            size = upload_->size() + bytes.size()](const Status& status) {
      if (!status) state->reply->refuse(document, size, status.error());
      State::written(state);
    });
  }

  void on_part_end() override {
    if (upload_ == nullptr) {
      if (field_name_ == "collection" && !field_.empty()) state_->defaults.collection = field_;
      if (field_name_ == "material_id") state_->defaults.material_id = field_;
      return;
    }
    ++state_->storing;
    upload_->finish([state = state_, index = state_->files.size() - 1](Result<Upload::Stored> stored) {
      state->files[index].stored = std::move(stored);
      --state->storing;
      State::settle(state);
    });
    upload_.reset();
  }

  DocumentService& documents_;
  std::shared_ptr<State> state_;
  MultipartParser parser_;
  std::unique_ptr<Upload> upload_;  // of the part that is being read; empty for a text field
  std::string field_name_;
  std::string field_;
};

}  // namespace

std::unique_ptr<BodySink> begin_http_upload(DocumentService& documents, const ServerFacts& facts,
                                            const Request& request, ResponderPtr responder,
                                            UploadReply reply) {
  NewDocument document;
  document.collection = request.query_value("collection").value_or("");
  document.material_id = request.query_value("material_id").value_or("");
  document.name = request.query_value("name").value_or("");
  const std::string type(request.header("content-type"));
  const auto refuse = [&responder, &reply](const Error& error) {
    reply.refuse(*responder, error);
    return nullptr;
  };
  if (!document.collection.empty() && !is_collection_name(document.collection)) {
    return refuse({ErrorCode::kInvalidArgument,
                   "A collection's name has 1 to 64 letters, digits, '_', '-' or '.', and no dot in front."});
  }
  if (!document.collection.empty() && !request.caller.reaches(document.collection))
    return refuse(out_of_reach());
  auto boundary = multipart_boundary(type);
  if (boundary)
    return std::make_unique<FormSink>(documents, request.caller, std::move(document), *boundary,
                                      std::move(responder), std::move(reply));
  if (boundary.error().code == ErrorCode::kMalformed) return refuse(boundary.error());
  if (document.name.empty()) {
    return refuse({ErrorCode::kInvalidArgument, "Name the file: ?name=report.pdf"});
  }
  auto collection = collection_for(request.caller, std::move(document.collection));
  if (!collection) return refuse(collection.error());
  document.collection = std::move(*collection);
  document.type =
      type == "application/x-www-form-urlencoded" || type == "application/octet-stream" ? "" : type;
  if (const auto length = content_length(request); length > facts.upload_bytes) {
    documents.add_refused(document, length, too_large(facts.upload_bytes),
                          [](const Result<DocumentView>&) {});
    return refuse(too_large(facts.upload_bytes));
  }
  return std::make_unique<RawSink>(documents, request.caller, std::move(document), std::move(responder),
                                   std::move(reply));
}

}  // namespace answermill::frontend
