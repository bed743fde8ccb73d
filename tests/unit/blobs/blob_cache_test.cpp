#include "shared/store/blob_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "tests/unit/blobs/folder.h"

namespace answermill::store {
namespace {

constexpr std::uint64_t kMegabyte = 1U << 20U;

class Cache : public testing::Test {
 protected:
  std::unique_ptr<BlobCache> open_cache(std::uint64_t most_bytes = 100 * kMegabyte) {
    return std::move(
        *BlobCache::open_folder({folder.path() / "cache", most_bytes, std::chrono::seconds(60)}));
  }
  std::filesystem::path file(const std::string& hash) const { return folder.path() / "cache" / hash; }
  std::filesystem::path part_path(const std::string& hash) const { return file(hash + ".part"); }

  static std::string store(BlobCache& cache, const std::string& bytes) {
    const std::string hash = sha256_hex(bytes);
    auto claimed = cache.claim(hash);
    EXPECT_TRUE(claimed);
    EXPECT_TRUE(*claimed->read_on());
    EXPECT_TRUE(cache.make_room(*claimed, bytes.size()));
    EXPECT_TRUE(claimed->append(std::string_view(bytes).substr(claimed->size())));
    EXPECT_TRUE(claimed->finish());
    return hash;
  }
  static void used_at(const std::filesystem::path& path, std::chrono::seconds ago) {
    const timespec then{std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() - ago), 0};
    const std::array<timespec, 2> times{then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
  }

  Folder folder;
};

TEST_F(Cache, GivesBackWhatWasFinishedAndNothingElse) {
  auto cache = open_cache();
  EXPECT_EQ(cache->open(std::string(64, 'a'), {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache->open("../secret", {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(cache->claim("../secret").error().code, ErrorCode::kInvalidArgument);
  const auto bytes = some_bytes(3 * kMegabyte + 17);
  const auto hash = store(*cache, bytes);
  EXPECT_TRUE(cache->open(hash, {}));
  EXPECT_EQ(contents(file(hash)), bytes);
  EXPECT_FALSE(std::filesystem::exists(part_path(hash)));
  EXPECT_EQ(cache->claim(hash).error().code, ErrorCode::kConflict);
}

TEST_F(Cache, APartGoesOnWhereItEndedWhoeverBeganIt) {
  auto cache = open_cache();
  const auto bytes = some_bytes(9 * kMegabyte);
  const auto hash = sha256_hex(bytes);
  {
    auto begun = cache->claim(hash);
    ASSERT_TRUE(begun && begun->read_on() && begun->append(std::string_view(bytes).substr(0, 8 * kMegabyte)));
  }
  EXPECT_EQ(cache->part_size(hash), 8 * kMegabyte);
  auto other = open_cache();
  auto part = other->claim(hash);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->size(), 8 * kMegabyte);
  EXPECT_FALSE(*part->read_on()) << "a few megabytes at each call";
  while (!*part->read_on()) {
  }
  ASSERT_TRUE(part->append(std::string_view(bytes).substr(8 * kMegabyte)));
  EXPECT_TRUE(part->finish());
  EXPECT_EQ(contents(file(hash)), bytes);
}

TEST_F(Cache, OneProcessReceivesAndItsDeathFreesThePart) {
  auto cache = open_cache();
  const auto hash = sha256_hex("abc");
  std::array<int, 2> ready{};
  std::array<int, 2> hold{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(hold.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto claimed = open_cache()->claim(hash);
    const bool good = claimed && claimed->append("ab") && ::write(ready[1], "x", 1) == 1;
    char wait = 0;
    while (good && ::read(hold[0], &wait, 1) < 0) {
    }
    _exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(cache->claim(hash).error().code, ErrorCode::kBusy);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  auto claimed = cache->claim(hash);
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->size(), 2U);
  for (const int end : {ready[0], ready[1], hold[0], hold[1]}) ::close(end);
}

TEST_F(Cache, APartWhoseHolderHangsIsTakenOver) {
  auto cache = open_cache();
  const auto hash = sha256_hex("abc");
  auto hung = cache->claim(hash);
  ASSERT_TRUE(hung && hung->append("ab"));
  auto other = open_cache();
  auto part = other->take_over(hash);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->size(), 0U);
  ASSERT_TRUE(part->append("a"));
  ASSERT_TRUE(hung->append("c")) << "it lives after all";
  EXPECT_EQ(hung->finish().error().code, ErrorCode::kConflict);
  hung->remove();
  ASSERT_TRUE(part->append("bc"));
  EXPECT_TRUE(part->finish());
  EXPECT_EQ(contents(file(hash)), "abc");
  EXPECT_FALSE(std::filesystem::exists(part_path(hash)));
}

TEST_F(Cache, AWrongHashIsNotPlaced) {
  auto cache = open_cache();
  const auto hash = sha256_hex("abc");
  auto claimed = cache->claim(hash);
  ASSERT_TRUE(claimed && claimed->append("abd"));
  EXPECT_EQ(claimed->finish().error().code, ErrorCode::kDamaged);
  ASSERT_TRUE(claimed->start_over());
  ASSERT_TRUE(claimed->append("abc"));
  EXPECT_TRUE(claimed->finish());
}

TEST_F(Cache, AFileIsCheckedBeforeItsFirstUseAndAfterAChange) {
  std::string hash;
  {
    auto cache = open_cache();
    hash = store(*cache, some_bytes(100'000));
    auto bytes = contents(file(hash));
    bytes[5000] ^= 1;
    write_file(file(hash), bytes);
    EXPECT_EQ(cache->open(hash, {}).error().code, ErrorCode::kDamaged) << "changed under a running process";
    EXPECT_FALSE(std::filesystem::exists(file(hash)));
    store(*cache, some_bytes(100'000));
    bytes = contents(file(hash));
    bytes[99'999] ^= 1;
    write_file(file(hash), bytes);
  }
  auto next = open_cache();
  EXPECT_EQ(next->open(hash, {}).error().code, ErrorCode::kDamaged) << "changed between two processes";
  store(*next, some_bytes(100'000));
  EXPECT_TRUE(next->open(hash, {}));
  auto another = open_cache();
  EXPECT_EQ(another->open(hash, [] { return false; }).error().code, ErrorCode::kCancelled);
}

TEST_F(Cache, TheLeastRecentlyUsedMakeRoom) {
  auto cache = open_cache(3 * kMegabyte + 100'000);
  const auto a = store(*cache, some_bytes(kMegabyte, 1));
  const auto b = store(*cache, some_bytes(kMegabyte, 2));
  const auto c = store(*cache, some_bytes(kMegabyte, 3));
  used_at(file(a), std::chrono::seconds(10));
  used_at(file(b), std::chrono::seconds(30));
  used_at(file(c), std::chrono::seconds(20));
  auto reading = cache->open(b, {});
  ASSERT_TRUE(reading);
  used_at(file(b), std::chrono::seconds(30));
  store(*cache, some_bytes(kMegabyte, 4));
  EXPECT_FALSE(std::filesystem::exists(file(b)));
  EXPECT_TRUE(std::filesystem::exists(file(a)) && std::filesystem::exists(file(c)));
  char byte = 0;
  EXPECT_EQ(::pread(reading->get(), &byte, 1, kMegabyte - 1), 1) << "what is open stays readable";
  ASSERT_TRUE(cache->open(c, {}));
  store(*cache, some_bytes(kMegabyte, 5));
  EXPECT_FALSE(std::filesystem::exists(file(a))) << "using c made it the younger one";
  EXPECT_TRUE(std::filesystem::exists(file(c)));
}

TEST_F(Cache, WhatIsBeingReceivedCountsAndStays) {
  auto cache = open_cache(3 * kMegabyte + 100'000);
  auto big = cache->claim(std::string(64, 'b'));
  ASSERT_TRUE(big && cache->make_room(*big, 2 * kMegabyte));
  auto other = open_cache(3 * kMegabyte + 100'000);
  auto second = other->claim(std::string(64, 'c'));
  ASSERT_TRUE(second);
  EXPECT_EQ(other->make_room(*second, 2 * kMegabyte).error().code, ErrorCode::kDiskFull);
  EXPECT_TRUE(other->make_room(*second, kMegabyte));
  auto third = other->claim(std::string(64, 'd'));
  ASSERT_TRUE(third);
  EXPECT_EQ(other->make_room(*third, 4 * kMegabyte).error().code, ErrorCode::kDiskFull) << "larger than all";
  big->remove();
  EXPECT_TRUE(other->make_room(*third, 2 * kMegabyte - 100'000));
}

TEST_F(Cache, ForgetsWhatNobodyUses) {
  auto cache = open_cache();
  const auto old = store(*cache, "old");
  const auto young = store(*cache, "young");
  { auto abandoned = cache->claim(std::string(64, 'a')); }
  auto held = cache->claim(std::string(64, 'b'));
  used_at(file(old), std::chrono::seconds(120));
  used_at(part_path(std::string(64, 'a')), std::chrono::seconds(120));
  used_at(part_path(std::string(64, 'b')), std::chrono::seconds(120));
  write_file(file("notes.txt"), "not ours");
  used_at(file("notes.txt"), std::chrono::seconds(120));
  cache->expire(std::chrono::system_clock::now());
  EXPECT_FALSE(std::filesystem::exists(file(old)));
  EXPECT_FALSE(std::filesystem::exists(part_path(std::string(64, 'a'))));
  EXPECT_TRUE(std::filesystem::exists(file(young)));
  EXPECT_TRUE(std::filesystem::exists(part_path(std::string(64, 'b')))) << "somebody receives it";
  EXPECT_TRUE(std::filesystem::exists(file("notes.txt")));
}

TEST_F(Cache, RefusesAFolderThatIsNone) {
  write_file(folder.path() / "file", "x");
  EXPECT_FALSE(BlobCache::open_folder({folder.path() / "file", 1, std::chrono::seconds(1)}));
  std::filesystem::create_symlink("/tmp", folder.path() / "link");
  EXPECT_FALSE(BlobCache::open_folder({folder.path() / "link", 1, std::chrono::seconds(1)}));
}

}  // namespace
}  // namespace answermill::store
