// The broker's blob service and a worker's source on real sockets and files.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "broker/blobs/blob_service.h"
#include "shared/bus/socket.h"
#include "shared/messages/blobs.h"
#include "shared/messages/codec.h"
#include "shared/store/blob_store.h"
#include "tests/unit/blobs/folder.h"
#include "workers/runtime/blob_fetcher.h"
#include "workers/runtime/blob_source.h"

namespace answermill {
namespace {

using runtime::BlobSource;

constexpr std::size_t kMegabyte = 1U << 20U;

class Job : public bus::JobHandle {
 public:
  void emit_token(std::string_view) override {}
  void emit(messages::StreamEventKind, std::string) override {}
  void rewind(std::uint64_t) override {}
  std::uint64_t text_length() const override { return 0; }
  void progress(std::uint32_t) override { ++signs_of_life; }
  bool cancelled() const override { return stop; }
  void finish(messages::Outcome) override {}

  std::atomic<int> signs_of_life = 0;
  std::atomic<bool> stop = false;
};

class Blobs : public testing::Test {
 protected:
  Blobs() : store(folder.path() / "blobs") { start_service(0); }

  void start_service(std::uint64_t rate) {
    service.reset();
    auto started = broker::BlobService::start({endpoint(), (folder.path() / "blobs").string(), rate});
    ASSERT_TRUE(started) << started.error().message;
    service = std::move(*started);
  }
  std::string endpoint() const { return "ipc://" + (folder.path() / "b").string(); }
  std::unique_ptr<BlobSource> source(const std::string& data = {}, std::uint64_t most_bytes = 1ULL << 30U) {
    runtime::BlobSourceOptions options;
    options.data = data;
    options.endpoint = endpoint();
    options.cache = {folder.path() / "cache", most_bytes, std::chrono::seconds(900)};
    return std::move(*runtime::make_blob_source(options));
  }
  std::filesystem::path cached(const std::string& hash) const { return folder.path() / "cache" / hash; }
  std::uint64_t part_size(const std::string& hash) const {
    std::error_code none;
    const auto size = std::filesystem::file_size(cached(hash + ".part"), none);
    return none ? 0 : size;
  }
  // The outside world is asked until it is so; the test's own time limit ends a wait in vain.
  template <class Condition>
  static void wait_until(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }

  Folder folder;
  store::BlobStore store;
  std::unique_ptr<broker::BlobService> service;
  Job job;
};

TEST_F(Blobs, ComeOverTheBusAndStayInTheCache) {
  const auto bytes = some_bytes(5 * kMegabyte + 12'345);
  const auto hash = *store.put(bytes);
  const auto worker = source();
  ASSERT_TRUE(worker->open(hash, job));
  EXPECT_EQ(contents(cached(hash)), bytes);
  EXPECT_GT(job.signs_of_life, 0);
  service.reset();
  EXPECT_TRUE(worker->open(hash, job)) << "from the cache";
}

TEST_F(Blobs, AreReadFromTheDataFolderOfTheSameHost) {
  const auto hash = *store.put("here");
  const auto worker = source(folder.path());
  ASSERT_TRUE(worker->open(hash, job));
  EXPECT_FALSE(std::filesystem::exists(cached(hash)));
}

TEST_F(Blobs, OfNoBytesAtAllArriveToo) {
  const auto hash = *store.put("");
  ASSERT_TRUE(source()->open(hash, job));
}

TEST_F(Blobs, ThatNobodyHasAreNotFoundAtOnce) {
  const auto missing = source()->open(std::string(64, 'a'), job);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(source()->open("../x", job).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Blobs, DamagedInTheStoreFailAsDamaged) {
  const auto hash = *store.put(some_bytes(kMegabyte));
  const auto place = folder.path() / "blobs" / hash.substr(0, 2) / hash.substr(2);
  auto bytes = contents(place);
  bytes[7] ^= 1;
  write_file(place, bytes);
  EXPECT_EQ(source()->open(hash, job).error().code, ErrorCode::kDamaged);
  EXPECT_FALSE(std::filesystem::exists(cached(hash + ".part")));
}

TEST_F(Blobs, DamagedInTheCacheAreFetchedAgain) {
  const auto bytes = some_bytes(kMegabyte);
  const auto hash = *store.put(bytes);
  ASSERT_TRUE(source()->open(hash, job));
  auto wrong = bytes;
  wrong[100] ^= 1;
  write_file(cached(hash), wrong);
  ASSERT_TRUE(source()->open(hash, job));
  EXPECT_EQ(contents(cached(hash)), bytes);
}

TEST_F(Blobs, WithADamagedBeginningAreFetchedFromTheStart) {
  const auto bytes = some_bytes(2 * kMegabyte);
  const auto hash = *store.put(bytes);
  const auto worker = source();
  write_file(cached(hash + ".part"), std::string(kMegabyte, '\0'));  // as after a power cut
  ASSERT_TRUE(worker->open(hash, job));
  EXPECT_EQ(contents(cached(hash)), bytes);
}

TEST_F(Blobs, WantedByManyAtOnceComeOnce) {
  start_service(10 * kMegabyte);  // slow enough that all are there before the end
  const auto bytes = some_bytes(3 * kMegabyte);
  const auto hash = *store.put(bytes);
  const auto one = source();
  const auto other = source();  // another process of the host, as far as the cache can tell
  std::vector<std::future<Result<UniqueFd>>> opened;
  const auto began = std::chrono::steady_clock::now();
  for (auto* worker : {one.get(), one.get(), one.get(), other.get(), other.get()})
    opened.push_back(std::async(std::launch::async, [&, worker] { return worker->open(hash, job); }));
  for (auto& each : opened) {
    const auto file = each.get();
    ASSERT_TRUE(file) << file.error().message;
  }
  EXPECT_EQ(contents(cached(hash)), bytes);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(5 * 300))
      << "five transfers at this rate take longer";
}

TEST_F(Blobs, HeldByAProcessThatHangsAreFetchedAnew) {
  const auto bytes = some_bytes(kMegabyte);
  const auto hash = *store.put(bytes);
  const store::BlobCacheOptions folder_options{folder.path() / "cache", 1ULL << 30U,
                                               std::chrono::seconds(900)};
  const auto hung = std::move(*store::BlobCache::open_folder(folder_options));
  const auto held = hung->claim(hash);
  const auto cache = std::move(*store::BlobCache::open_folder(folder_options));
  runtime::BlobFetcherOptions options;
  options.endpoint = endpoint();
  options.hung_after = std::chrono::seconds(0);
  const auto fetcher = std::move(*runtime::BlobFetcher::start(options, *cache));
  const auto fetch = fetcher->want(hash);
  while (!fetch->wait_for(std::chrono::milliseconds(50))) {
  }
  ASSERT_TRUE(fetch->take());
  EXPECT_EQ(contents(cached(hash)), bytes);
}

TEST_F(Blobs, GoOnAfterTheBrokersRestart) {
  start_service(20 * kMegabyte);
  const auto bytes = some_bytes(8 * kMegabyte);
  const auto hash = *store.put(bytes);
  const auto worker = source();
  auto opened = std::async(std::launch::async, [&] { return worker->open(hash, job); });
  wait_until([&] { return part_size(hash) > 2 * kMegabyte; });
  service.reset();
  start_service(0);
  ASSERT_TRUE(opened.get());
  EXPECT_EQ(contents(cached(hash)), bytes);
}

TEST_F(Blobs, StopWhenTheJobIsCancelledAndGoOnWhenItComesBack) {
  start_service(4 * kMegabyte);
  const auto bytes = some_bytes(4 * kMegabyte);
  const auto hash = *store.put(bytes);
  const auto worker = source();
  auto opened = std::async(std::launch::async, [&] { return worker->open(hash, job); });
  wait_until([&] { return part_size(hash) > kMegabyte; });
  job.stop = true;
  EXPECT_EQ(opened.get().error().code, ErrorCode::kCancelled);
  start_service(0);
  Job again;
  ASSERT_TRUE(worker->open(hash, again));
  EXPECT_EQ(contents(cached(hash)), bytes);
}

TEST_F(Blobs, LargerThanTheCacheFailAsDiskFull) {
  const auto hash = *store.put(some_bytes(3 * kMegabyte));
  const auto worker = source({}, 2 * kMegabyte);
  EXPECT_EQ(worker->open(hash, job).error().code, ErrorCode::kDiskFull);
  const auto small = *store.put(some_bytes(kMegabyte));
  EXPECT_TRUE(worker->open(small, job)) << "and block nobody";
}

TEST_F(Blobs, DeletedOnesAreNotSentFromAnOpenFile) {
  start_service(4 * kMegabyte);
  const auto hash = *store.put(some_bytes(4 * kMegabyte));
  const auto worker = source();
  auto opened = std::async(std::launch::async, [&] { return worker->open(hash, job); });
  wait_until([&] { return part_size(hash) > kMegabyte; });
  ASSERT_TRUE(store.remove(hash));
  EXPECT_EQ(opened.get().error().code, ErrorCode::kNotFound);
}

TEST_F(Blobs, UploadedAgainAreSentFromTheNewFile) {
  const auto hash = *store.put("the same bytes");
  ASSERT_TRUE(source()->open(hash, job));
  ASSERT_EQ(*store.put("the same bytes"), hash);  // another file in the place of the one that is open
  std::filesystem::remove(cached(hash));
  EXPECT_TRUE(source()->open(hash, job));
}

TEST_F(Blobs, NonsenseOnTheSocketIsIgnored) {
  const auto hash = *store.put("still served");
  bus::Context context;
  bus::Socket peer(context, bus::Pattern::kDealer);
  ASSERT_TRUE(peer.connect(endpoint()));
  peer.send({"x"});
  peer.send({"a", "b", "c"});
  peer.send({messages::encode_frame(messages::BlobKind::kAsk, messages::BlobStop{1})});
  peer.send({messages::encode_frame(messages::BlobKind::kChunk, messages::BlobChunk{})});
  peer.send(
      {messages::encode_frame(messages::BlobKind::kAsk, messages::BlobAsk{1, "../../etc/passwd", 0, 10})});
  EXPECT_TRUE(source()->open(hash, job));
}

TEST_F(Blobs, APeerThatNeverReadsHoldsUpNobody) {
  const auto hash = *store.put(some_bytes(4 * kMegabyte));
  bus::Context context;
  bus::Socket peer(context, bus::Pattern::kDealer);
  ASSERT_TRUE(peer.connect(endpoint()));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const messages::BlobAsk ask{i, hash, 0, messages::kBlobChunkBytes};
    peer.send({messages::encode_frame(messages::BlobKind::kAsk, ask)});
  }
  EXPECT_TRUE(source()->open(hash, job));
}

}  // namespace
}  // namespace answermill
