#include "broker/core/core.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core_fixture.h"
#include "shared/base/sha256.h"

namespace answermill::broker {
namespace {

using namespace messages;
using std::chrono::milliseconds;
using std::chrono::seconds;

Outcome followed_by(const std::string& stage, std::uint32_t units = 0) {
  Outcome outcome;
  JobSpec next;
  next.stage = stage;
  next.units = units;
  outcome.followups = {next};
  return outcome;
}

StreamEvent token(std::uint64_t seq, std::uint64_t offset, const std::string& text) {
  return {seq, seq, StreamEventKind::kToken, offset, text};
}

TerminalEvent terminal_of(const Bench& bench) {
  TerminalEvent terminal;
  for (const auto& batch : bench.out.events<StreamBatch>(EventKind::kStream)) {
    for (const auto& event : batch.events) {
      if (event.kind == StreamEventKind::kTerminal) terminal = *decode<TerminalEvent>(event.data);
    }
  }
  return terminal;
}

TEST(Core, AcknowledgesStrictWorkAfterTheCommitOnly) {
  Bench bench;
  bench.hello("w", "extract");
  bench.submit(submission("r", "extract", Durability::kStrict));
  EXPECT_TRUE(bench.out.events<SubmitAck>(EventKind::kAck).empty());
  EXPECT_FALSE(bench.lease("w"));
  bench.commit();
  ASSERT_EQ(bench.out.events<SubmitAck>(EventKind::kAck).size(), 1U);
  EXPECT_TRUE(bench.lease("w"));
}

TEST(Core, HandsOutRelaxedWorkAtOnce) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  EXPECT_TRUE(bench.lease("w"));
}

TEST(Core, TakesARequestOnceAndRefusesAnotherUnderItsName) {
  Bench bench;
  bench.hello("w", "extract", 9);
  for (int i = 0; i < 3; ++i) {
    bench.submit(submission("r", "extract", Durability::kStrict));
    bench.commit();
  }
  EXPECT_TRUE(bench.lease("w"));
  EXPECT_FALSE(bench.lease("w"));
  auto other = submission("r", "extract", Durability::kStrict);
  other.job.payload = "different";
  bench.submit(other);
  EXPECT_EQ(bench.out.events<SubmitAck>(EventKind::kAck).back().code, ErrorCode::kConflict);
}

TEST(Core, RefusesWorkWhenTheDiskIsFull) {
  Bench bench;
  bench.out.healthy = false;
  bench.submit(submission("r", "extract", Durability::kStrict));
  EXPECT_EQ(bench.out.events<SubmitAck>(EventKind::kAck).at(0).code, ErrorCode::kDiskFull);
}

TEST(Core, NeverLeasesMoreThanAWorkersSlots) {
  Bench bench;
  bench.hello("w", "extract", 2);
  for (int i = 0; i < 5; ++i) bench.submit(submission(std::to_string(i), "extract", Durability::kRelaxed));
  const auto first = bench.lease("w");
  EXPECT_TRUE(first);
  EXPECT_TRUE(bench.lease("w"));
  EXPECT_FALSE(bench.lease("w"));
  bench.result("w", *first);
  EXPECT_TRUE(bench.lease("w"));
}

TEST(Core, RequeuesJobWhenWorkerDies) {
  Bench bench;
  bench.hello("w1", "extract");
  bench.submit(submission("r", "extract", Durability::kStrict));
  bench.commit();
  const auto lost = bench.lease("w1");
  bench.out.gone.insert("w1");
  bench.pass(milliseconds(250));
  bench.hello("w2", "extract");
  bench.pass(seconds(1));
  const auto again = bench.lease("w2");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->spec.id, lost->spec.id);
  EXPECT_EQ(again->attempt, 2U);
  EXPECT_GT(again->fence, lost->fence);
}

TEST(Core, RefusesTheResultOfAStaleLease) {
  Bench bench;
  bench.hello("w1", "extract");
  bench.submit(submission("r", "extract", Durability::kStrict));
  bench.commit();
  const auto stale = bench.lease("w1");
  bench.pass(seconds(3));  // silent: presumed dead
  bench.hello("w2", "extract");
  bench.pass(milliseconds(300));
  const auto fresh = bench.lease("w2");
  ASSERT_TRUE(fresh);
  bench.hello("w1", "extract");
  bench.result("w1", *stale, followed_by("embed"));
  EXPECT_FALSE(bench.committed("w1")->accepted);
  bench.result("w2", *fresh, followed_by("embed"));
  bench.commit();
  EXPECT_TRUE(bench.committed("w2")->accepted);
}

TEST(Core, AnswersARepeatedResultWithoutDoingItTwice) {
  Bench bench;
  bench.hello("w", "extract");
  bench.hello("e", "embed", 9);
  bench.submit(submission("r", "extract", Durability::kStrict));
  bench.commit();
  const auto lease = bench.lease("w");
  bench.result("w", *lease, followed_by("embed"));
  bench.result("w", *lease, followed_by("embed"));
  EXPECT_FALSE(bench.committed("w"));  // not yet durable
  bench.commit();
  EXPECT_TRUE(bench.committed("w")->accepted);
  bench.result("w", *lease, followed_by("embed"));
  EXPECT_TRUE(bench.committed("w")->accepted);
  EXPECT_TRUE(bench.lease("e"));
  EXPECT_FALSE(bench.lease("e"));
}

TEST(Core, SetsAsideAJobAfterThreeCrashesAndItsGroupGoesOn) {
  Bench bench;
  auto submit = submission("r", "extract", Durability::kStrict);
  GroupSpec group;
  group.id = "g";
  group.topic = kTopic;
  group.completion.stage = "record";
  submit.group = group;
  bench.submit(submit);
  bench.commit();
  for (int i = 0; i < 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    bench.pass(seconds(20));  // longer than any pause between tries
    bench.hello(name, "extract");
    ASSERT_TRUE(bench.lease(name)) << i;
    bench.out.gone.insert(name);
    bench.pass(milliseconds(250));
  }
  bench.commit();
  bench.hello("rec", "record");
  const auto record = bench.lease("rec");
  ASSERT_TRUE(record);
  const auto progress = decode<GroupProgress>(record->attachment);
  ASSERT_EQ(progress->failures.size(), 1U);
  EXPECT_EQ(progress->failures[0].code, ErrorCode::kCrashed);
}

TEST(Core, RunsTheCompletionWhenAllSpawnedJobsAreDone) {
  Bench bench;
  auto submit = submission("r", "extract", Durability::kStrict);
  GroupSpec group;
  group.id = "g";
  group.topic = kTopic;
  group.completion.stage = "record";
  submit.group = group;
  bench.hello("x", "extract");
  bench.hello("e", "embed");
  bench.hello("rec", "record");
  bench.submit(submit);
  bench.commit();
  auto plan = followed_by("embed", 3);
  plan.totals = {{"embed", 0, 3}};
  bench.result("x", *bench.lease("x"), plan);
  bench.commit();
  EXPECT_FALSE(bench.lease("rec"));
  bench.result("e", *bench.lease("e"));
  EXPECT_FALSE(bench.lease("rec"));
  bench.commit();
  const auto record = bench.lease("rec");
  ASSERT_TRUE(record);
  bench.result("rec", *record);
  bench.commit();
  const auto last = bench.out.events<GroupProgress>(EventKind::kProgress).back();
  EXPECT_EQ(last.state, GroupState::kDone);
  EXPECT_EQ(last.stages.at(0).done, 3U);
  EXPECT_TRUE(bench.out.disk[static_cast<int>(JournalTable::kGroup)].empty());
  EXPECT_TRUE(bench.out.disk[static_cast<int>(JournalTable::kJob)].empty());
}

TEST(Core, PublishesTheTerminalOnceAndAfterTheCommit) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w");
  const std::uint64_t seq = lease->stream.next_seq;
  bench.tokens(*lease, {token(seq, 0, "Hello ")});
  Outcome done;
  done.ends_stream = true;
  done.events = {token(seq, 0, "Hello "), token(seq + 1, 6, "world")};
  bench.result("w", *lease, done);
  EXPECT_EQ(bench.out.terminals(kStream), 0);
  bench.commit();
  EXPECT_EQ(bench.out.terminals(kStream), 1);
  EXPECT_EQ(terminal_of(bench).sha256, sha256_hex("Hello world"));
  bench.cancel_stream(kStream);
  bench.commit();
  EXPECT_EQ(bench.out.terminals(kStream), 1);
  bench.hello("rec", "record");
  const auto record = bench.lease("rec");
  ASSERT_TRUE(record);
  EXPECT_EQ(decode<StreamState>(record->attachment)->text, "Hello world");
}

TEST(Core, CancelWinsOverALaterResult) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w");
  bench.cancel_stream(kStream);
  bench.commit();
  EXPECT_TRUE(bench.out.take<Revoke>("w", WorkKind::kRevoke));
  Outcome done;
  done.ends_stream = true;
  bench.result("w", *lease, done);
  bench.commit();
  EXPECT_FALSE(bench.committed("w")->accepted);
  EXPECT_EQ(bench.out.terminals(kStream), 1);
  EXPECT_EQ(terminal_of(bench).outcome, Terminal::kCancelled);
}

TEST(Core, ContinuesFromTheShownPrefixWhenAWorkerDiesMidAnswer) {
  Bench bench;
  bench.hello("w1", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w1");
  bench.tokens(*lease, {token(lease->stream.next_seq, 0, "seen")});
  bench.out.gone.insert("w1");
  bench.hello("w2", "generate");
  bench.pass(milliseconds(250));
  bench.pass(seconds(1));
  const auto next = bench.lease("w2");
  ASSERT_TRUE(next);
  EXPECT_EQ(next->stream.text, "seen");
  // The dead one's last words arrive late: they are of a stale epoch.
  bench.tokens(*lease, {token(lease->stream.next_seq + 1, 4, " ghost")});
  Outcome done;
  done.ends_stream = true;
  done.events = {token(next->stream.next_seq, 4, " whole")};
  bench.result("w2", *next, done);
  bench.commit();
  EXPECT_EQ(terminal_of(bench).sha256, sha256_hex("seen whole"));
}

TEST(Core, AsksForALostEventAndRefusesTerminalsOfWorkers) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w");
  const auto seq = lease->stream.next_seq;
  bench.tokens(*lease, {token(seq + 1, 2, "b")});
  const auto resend = bench.out.take<Resend>("w", WorkKind::kResend);
  ASSERT_TRUE(resend);
  EXPECT_EQ(resend->after_seq, seq - 1);
  bench.tokens(*lease, {{seq, seq, StreamEventKind::kTerminal, 0, ""}});
  EXPECT_EQ(bench.out.terminals(kStream), 0);
}

TEST(Core, SnapshotsATopicOnANonce) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w");
  bench.tokens(*lease, {token(lease->stream.next_seq, 0, "so far")});
  const std::string nonce = std::string(kNoncePrefix) + "nnnnnnnnnnnnnnnn" + kTopic;
  bench.core->on_subscription(nonce, bench.now);
  EXPECT_EQ(bench.out.published.back().first, nonce);
  const auto snapshot = bench.out.events<Snapshot>(EventKind::kSnapshot).at(0);
  ASSERT_EQ(snapshot.streams.size(), 1U);
  EXPECT_EQ(snapshot.streams[0].text, "so far");
}

TEST(Core, FinishesJournaledJobsAfterARestart) {
  Bench bench;
  bench.submit(submission("r", "extract", Durability::kStrict));
  bench.commit();
  bench.restart(2);
  bench.hello("w", "extract");
  EXPECT_FALSE(bench.lease("w"));  // somebody might still run it
  bench.pass(milliseconds(1200));
  bench.beat("w");
  bench.pass(milliseconds(900));
  const auto lease = bench.lease("w");
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->fence >> 32U, 2U);
  bench.submit(submission("r", "extract", Durability::kStrict));
  EXPECT_EQ(bench.out.events<SubmitAck>(EventKind::kAck).back().job, lease->spec.id);
}

TEST(Core, AdoptsWhatWorkersStillRunAfterARestart) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w");
  bench.commit();
  bench.restart(2);
  StreamState state;
  state.stream = kStream;
  state.next_seq = 3;
  state.events = {{1, 1, StreamEventKind::kStatus, 0, ""}, token(2, 0, "half")};
  bench.hello("w", "generate", 1, {{lease->spec, 1, lease->fence, true, false, state}});
  const auto welcome = bench.out.take<Welcome>("w", WorkKind::kWelcome);
  ASSERT_EQ(welcome->adopted.size(), 1U);
  ASSERT_NE(welcome->adopted[0].fence, 0U);
  auto again = question();
  again.shown = state;
  bench.submit(again);
  auto renewed = *lease;
  renewed.fence = welcome->adopted[0].fence;
  Outcome done;
  done.ends_stream = true;
  done.events = {token(2, 0, "half"), token(3, 4, " done")};
  bench.result("w", renewed, done);
  bench.commit();
  EXPECT_TRUE(bench.committed("w")->accepted);
  EXPECT_EQ(terminal_of(bench).sha256, sha256_hex("half done"));
}

// The journal never saw the question, the worker has it, and the frontend tells later how to record it.
TEST(Core, AdoptsAQuestionTheJournalNeverSaw) {
  Bench bench;
  bench.hello("w", "generate");
  bench.submit(question());
  const auto lease = bench.lease("w");
  bench.restart(2);
  StreamState state;
  state.stream = kStream;
  bench.hello("w", "generate", 1, {{lease->spec, 1, lease->fence, true, false, state}});
  const auto welcome = bench.out.take<Welcome>("w", WorkKind::kWelcome);
  ASSERT_NE(welcome->adopted.at(0).fence, 0U);
  auto again = question();
  again.shown = state;
  bench.submit(again);
  auto renewed = *lease;
  renewed.fence = welcome->adopted[0].fence;
  Outcome done;
  done.ends_stream = true;
  bench.result("w", renewed, done);
  bench.commit();
  EXPECT_EQ(bench.out.terminals(kStream), 1);
  bench.hello("rec", "record");
  bench.pass(seconds(3));
  EXPECT_TRUE(bench.lease("rec"));
}

// Everything is stopped and started: what the stream showed so far comes back with the journaled job.
TEST(Core, FindsTheHopOfAQuestionThatItsFrontendSubmitsAgain) {
  Bench b;
  b.hello("w", "generate");
  b.submit(question());
  auto lease = b.lease("w");
  b.restart(2);  // the question was never written; its worker brings it back, and finishes
  b.hello("w", "generate", 1, {{lease->spec, 1, lease->fence, true, false, {}}});
  const auto welcome = b.out.take<Welcome>("w", WorkKind::kWelcome);
  lease->fence = welcome->adopted.at(0).fence;
  Outcome outcome;
  JobSpec next;
  next.stage = "index";
  next.op = "search";
  outcome.followups.push_back(next);
  b.result("w", *lease, outcome);
  for (int i = 0; i < 6;
       ++i) {  // the result is kept until the frontend has had its time to say what it showed
    b.beat("w");
    b.pass(milliseconds(500));
  }
  b.commit();
  b.restart(3);  // before the frontend claimed the stream
  b.submit(question());
  b.commit();
  b.pass(seconds(5));
  b.hello("w", "generate");
  b.hello("i", "index");
  b.pass(seconds(1));
  EXPECT_FALSE(b.lease("w")) << "asked a second time from the beginning";
  EXPECT_TRUE(b.lease("i"));
}

TEST(Core, KeepsWhatAStreamShowedOverARestartOfTheWholeFleet) {
  Bench bench;
  bench.hello("i", "index");
  bench.hello("w", "generate");
  auto asked = question();
  asked.job.stage = "index";
  bench.submit(asked);
  const auto search = bench.lease("i");
  auto found = followed_by("generate");
  found.events = {
      {search->stream.next_seq, search->stream.next_seq, StreamEventKind::kSources, 0, "sources"}};
  bench.result("i", *search, found);
  const auto lease = bench.lease("w");
  Outcome released;
  released.status = OutcomeStatus::kReleased;
  bench.tokens(*lease, {token(lease->stream.next_seq, 0, "half")});
  bench.result("w", *lease, released);
  bench.commit();
  bench.restart(2);
  bench.pass(milliseconds(2100));
  bench.hello("w2", "generate");
  const auto again = bench.lease("w2");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->stream.text, "half");
  EXPECT_TRUE(std::any_of(again->stream.events.begin(), again->stream.events.end(),
                          [](const StreamEvent& event) { return event.data == "sources"; }));
}

TEST(Core, ResubmissionBringsTheShownPrefixBack) {
  Bench bench(2);
  auto again = question();
  StreamState shown;
  shown.stream = kStream;
  shown.events = {token(1, 0, "shown before")};
  again.shown = shown;
  bench.submit(again);
  bench.hello("w", "generate");
  EXPECT_FALSE(bench.lease("w"));
  bench.pass(milliseconds(1200));
  bench.beat("w");
  bench.pass(milliseconds(900));
  EXPECT_EQ(bench.lease("w")->stream.text, "shown before");
}

TEST(Core, SendsOneKeyToOneWorkerAndMovesItWhenThatDies) {
  Bench bench;
  for (const char* name : {"i1", "i2", "i3"}) bench.hello(name, "index", 20);
  for (int i = 0; i < 10; ++i) {
    auto submit = submission(std::to_string(i), "index", Durability::kRelaxed);
    submit.job.routing_key = "collection";
    bench.submit(submit);
  }
  std::string owner;
  std::uint64_t epoch = 0;
  for (const char* name : {"i1", "i2", "i3"}) {
    int count = 0;
    while (const auto lease = bench.lease(name)) {
      ++count;
      epoch = lease->owner_epoch;
    }
    EXPECT_TRUE(count == 0 || count == 10) << count;
    if (count > 0) owner = name;
  }
  ASSERT_FALSE(owner.empty());
  bench.out.gone.insert(owner);
  bench.pass(milliseconds(250));
  bench.pass(seconds(5));
  int moved = 0;
  for (const char* name : {"i1", "i2", "i3"}) {
    if (name == owner) continue;
    bench.hello(name, "index", 20);
    while (const auto lease = bench.lease(name)) {
      ++moved;
      EXPECT_GT(lease->owner_epoch, epoch);
    }
  }
  EXPECT_GT(moved, 0);
}

TEST(Core, ExpiresAQuestionPastItsDeadline) {
  Bench bench;
  auto submit = question();
  submit.job.deadline_ms = 5000;
  bench.submit(submit);
  bench.pass(seconds(6));
  bench.commit();
  EXPECT_EQ(terminal_of(bench).outcome, Terminal::kExpired);
}

TEST(Core, CancellingAGroupRefusesItsFollowUps) {
  Bench bench;
  auto submit = submission("r", "extract", Durability::kStrict);
  GroupSpec group;
  group.id = "g";
  group.topic = kTopic;
  submit.group = group;
  bench.hello("x", "extract");
  bench.hello("i", "index");
  bench.hello("e", "embed");
  bench.submit(submit);
  bench.commit();
  const auto running = bench.lease("x");
  bench.submit(submission("delete", "index", Durability::kStrict));
  bench.commit();
  Outcome deleted;
  deleted.cancel_groups = {"g"};
  bench.result("i", *bench.lease("i"), deleted);
  bench.commit();
  bench.result("x", *running, followed_by("embed"));
  bench.commit();
  EXPECT_FALSE(bench.lease("e"));
  EXPECT_TRUE(bench.out.disk[static_cast<int>(JournalTable::kJob)].empty());
}

TEST(Core, RefusesMalformedFrames) {
  Bench bench;
  bench.core->on_submit_frame("nonsense", bench.now);
  bench.core->on_work_frame("r", std::string("\x01\x01\xff", 3), bench.now);
  bench.core->on_event_frame(kTopic, "", bench.now);
  EXPECT_EQ(bench.core->malformed(), 3U);
  EXPECT_TRUE(bench.core->on_query_frame("\x01").empty());
}

}  // namespace
}  // namespace answermill::broker
