#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "workers/embed/embedder.h"

namespace answermill::embed {
namespace {

// The least recently used entries, forgotten first.
class Memory {
 public:
  explicit Memory(std::size_t entries) : entries_(entries) {}

  bool find(std::string_view text, std::vector<float>& vector) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(text);
    if (found == places_.end()) return false;
    uses_.splice(uses_.begin(), uses_, found->second);
    vector = found->second->vector;
    return true;
  }

  void keep(std::string text, std::vector<float> vector) {
    const std::lock_guard lock(mutex_);
    if (places_.contains(text)) return;
    uses_.push_front({std::move(text), std::move(vector)});
    places_.emplace(uses_.front().text, uses_.begin());
    if (uses_.size() <= entries_) return;
    places_.erase(uses_.back().text);
    uses_.pop_back();
  }

 private:
  struct Entry {
    std::string text;
    std::vector<float> vector;
  };
  std::mutex mutex_;
  std::size_t entries_;
  std::list<Entry> uses_;                                                    // guarded by mutex_
  std::unordered_map<std::string_view, std::list<Entry>::iterator> places_;  // guarded by mutex_
};

class RememberingEmbedder : public Embedder {
 public:
  RememberingEmbedder(std::unique_ptr<Embedder> inner, std::size_t entries)
      : memory_(std::make_shared<Memory>(entries)), inner_(std::move(inner)) {}

  std::string model() const override { return inner_->model(); }
  std::uint32_t dimension() const override { return inner_->dimension(); }

  void embed(std::vector<std::string> texts, TextKind kind, CancelFlag cancelled, Done done) override {
    constexpr std::size_t kLongest = 16 * 1024;
    if (kind != TextKind::kQuery || texts.size() != 1 || texts.front().size() > kLongest) {
      return inner_->embed(std::move(texts), kind, std::move(cancelled), std::move(done));
    }
    std::vector<float> vector;
    if (memory_->find(texts.front(), vector)) return done(std::move(vector));
    inner_->embed(
        texts, kind, std::move(cancelled),
        [memory = memory_, text = texts.front(), done = std::move(done)](Result<std::vector<float>> vectors) {
          if (vectors) memory->keep(text, *vectors);
          done(std::move(vectors));
        });
  }

 private:
  std::shared_ptr<Memory> memory_;
  std::unique_ptr<Embedder> inner_;
};

}  // namespace

std::unique_ptr<Embedder> make_remembering_embedder(std::unique_ptr<Embedder> inner, std::size_t entries) {
  return std::make_unique<RememberingEmbedder>(std::move(inner), entries);
}

}  // namespace answermill::embed
