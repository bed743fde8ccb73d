#include "workers/index/word_index.h"

#include <fcntl.h>
#include <sys/file.h>
#include <xapian.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>

#include "shared/base/unix_fd.h"
#include "workers/index/snapshot_file.h"

namespace answermill::index {
namespace {

constexpr char kFormat[] = "answermill words 1";
constexpr char kFormatKey[] = "format";
constexpr char kSeqKey[] = "seq";
constexpr char kBootKey[] = "boot";
constexpr char kChecksums[] = "checksums";  // present only while nobody writes
constexpr char kLock[] = "owner";  // held while open; Xapian's own lock comes too late to replace files under

// Commits are not fsynced (they are derived), so files that outlived the kernel that wrote them are not
// trusted without their checksums.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

Error error_of(const Xapian::Error& error) {
  if (error.get_type() == std::string("DatabaseCorruptError")) {
    return {ErrorCode::kDamaged, "the word index is damaged: " + error.get_msg()};
  }
  return {ErrorCode::kInternal, "the word index failed: " + error.get_msg()};
}

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && name != kChecksums && name != kLock && name != "flintlock")
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// "<sha256> <name>" lines; empty when a file cannot be read.
std::string checksums_of(const std::filesystem::path& folder) {
  std::string lines;
  for (const auto& file : files_of(folder)) {
    auto hash = file_sha256(file);
    if (!hash) return {};
    lines += *hash + " " + file.filename().string() + "\n";
  }
  return lines;
}

bool is_trusted(const std::filesystem::path& folder, const Xapian::Database& database) {
  if (database.get_metadata(kFormatKey) != kFormat) return false;
  std::ifstream file(folder / kChecksums, std::ios::binary);
  if (file) {
    const std::string listed((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    return !listed.empty() && listed == checksums_of(folder);
  }
  return database.get_metadata(kBootKey) == boot_id() && Xapian::Database::check(folder.string()) == 0;
}

void clear_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  for (const auto& file : files_of(folder)) std::filesystem::remove(file, failure);
  std::filesystem::remove(folder / kChecksums, failure);
}

std::string document_term(std::int64_t document) { return "Q" + std::to_string(document); }

Xapian::docid id_of(std::int64_t key) { return static_cast<Xapian::docid>(key); }

}  // namespace

struct WordIndex::Impl {
  UniqueFd lock;
  Xapian::WritableDatabase database;
  std::map<std::string, Stemmer, std::less<>> stemmers;
  bool dirty = false;

  Stemmer& stemmer(std::string_view language) {
    const auto found = stemmers.find(language);
    if (found != stemmers.end()) return found->second;
    return stemmers.emplace(std::string(language), Stemmer(language)).first->second;
  }
};

WordIndex::WordIndex(std::unique_ptr<Impl> impl, std::filesystem::path folder, std::uint64_t seq)
    : impl_(std::move(impl)), folder_(std::move(folder)), seq_(seq) {}
WordIndex::~WordIndex() { close(); }
WordIndex::WordIndex(WordIndex&&) noexcept = default;
WordIndex& WordIndex::operator=(WordIndex&&) noexcept = default;

namespace {

constexpr int kFlags = Xapian::DB_CREATE_OR_OPEN | Xapian::DB_BACKEND_GLASS | Xapian::DB_NO_SYNC;

// No descriptor when another process holds the folder.
UniqueFd lock_folder(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  UniqueFd file(::open((folder / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) file.reset();
  return file;
}

// Opens what is there, or replaces it. The folder is locked.
Xapian::WritableDatabase open_or_replace(const std::filesystem::path& folder) {
  try {
    const bool fresh = files_of(folder).empty();
    // Checksums are compared before a writer opens the folder, for that may change it.
    const bool trusted = fresh || is_trusted(folder, Xapian::Database(folder.string()));
    if (trusted) {
      Xapian::WritableDatabase database(folder.string(), kFlags);
      std::error_code failure;
      std::filesystem::remove(folder / kChecksums, failure);
      if (!fresh) return database;
      database.set_metadata(kFormatKey, kFormat);
      database.set_metadata(kBootKey, boot_id());
      database.commit();
      return database;
    }
  } catch (const Xapian::Error&) {
    // Not openable: replaced below.
  }
  clear_folder(folder);
  Xapian::WritableDatabase database(folder.string(), kFlags);
  database.set_metadata(kFormatKey, kFormat);
  database.set_metadata(kBootKey, boot_id());
  database.commit();
  return database;
}

}  // namespace

Result<WordIndex> WordIndex::open(const std::filesystem::path& parent) {
  constexpr int kFolders = 16;
  for (int n = 0; n < kFolders; ++n) {
    const std::filesystem::path folder = parent / ("words." + std::to_string(n));
    try {
      auto impl = std::make_unique<Impl>();
      impl->lock = lock_folder(folder);
      if (!impl->lock) continue;
      impl->database = open_or_replace(folder);
      const std::string seq = impl->database.get_metadata(kSeqKey);
      return WordIndex(std::move(impl), folder, seq.empty() ? 0 : std::stoull(seq));
    } catch (const Xapian::Error& error) {
      return error_of(error);
    } catch (const std::exception& error) {
      return Error{ErrorCode::kInternal, std::string("the word index could not be opened: ") + error.what()};
    }
  }
  return Error{ErrorCode::kBusy, "every word index of the collection is held by another process"};
}

std::uint64_t WordIndex::count() const { return impl_->database.get_doccount(); }

Status WordIndex::put(const ChunkView& chunk) {
  try {
    const std::array<std::string_view, 2> texts{chunk.text, chunk.heading};
    Xapian::Document document;
    for (const CountedTerm& term : impl_->stemmer(chunk.language).count(texts)) {
      document.add_term(term.term, term.count);
    }
    document.add_boolean_term(document_term(chunk.document));
    impl_->database.replace_document(id_of(chunk.key), document);
    impl_->dirty = true;
    return {};
  } catch (const Xapian::Error& error) {
    return error_of(error);
  }
}

Status WordIndex::remove(std::int64_t key) {
  try {
    impl_->database.delete_document(id_of(key));
    impl_->dirty = true;
  } catch (const Xapian::DocNotFoundError&) {
    // Never arrived here: a crash came between, or the chunk was gone before.
  } catch (const Xapian::Error& error) {
    return error_of(error);
  }
  return {};
}

Status WordIndex::commit(std::uint64_t seq) {
  if (seq == seq_ && !impl_->dirty) return {};
  try {
    impl_->database.set_metadata(kSeqKey, std::to_string(seq));
    impl_->database.set_metadata(kBootKey, boot_id());
    impl_->database.commit();
    impl_->dirty = false;
    seq_ = seq;
    return {};
  } catch (const Xapian::Error& error) {
    return error_of(error);
  }
}

Status WordIndex::clear() {
  try {
    impl_->database.close();
    clear_folder(folder_);
    impl_->database = open_or_replace(folder_);
    seq_ = 0;
    impl_->dirty = false;
    return {};
  } catch (const Xapian::Error& error) {
    return error_of(error);
  }
}

void WordIndex::close() {
  if (!impl_) return;
  try {
    const bool whole = !impl_->dirty;
    impl_->database.close();
    if (whole) {
      std::ofstream file(folder_ / kChecksums, std::ios::binary | std::ios::trunc);
      file << checksums_of(folder_);
    }
  } catch (const Xapian::Error&) {
    // Without checksums the next start checks the files for itself.
  }
  impl_.reset();
}

}  // namespace answermill::index
