// Writes the corpora: real messages, as the fleet sends them. Run: make_corpus tests/fuzz/corpus
#include <filesystem>
#include <fstream>
#include <string>

#include "shared/bus/keys.h"
#include "shared/messages/blobs.h"
#include "shared/messages/codec.h"
#include "shared/messages/documents.h"
#include "shared/messages/events.h"
#include "shared/messages/journal.h"
#include "shared/messages/query.h"
#include "shared/messages/questions.h"
#include "shared/messages/submit.h"
#include "shared/messages/work.h"
#include "tests/fuzz/input.h"

using namespace answermill;
using namespace answermill::messages;

namespace {

constexpr char kTopic[] = "aaaaaaaaaaaaaaaa";
constexpr char kStream[] = "aaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb";
constexpr char kWorker[] = "wwwwwwwwwwwwwwww";
constexpr std::uint64_t kFence = (std::uint64_t{1} << 32U) | 1U;

std::filesystem::path root;

void write(const std::string& fuzzer, const std::string& name, const std::string& bytes) {
  std::filesystem::create_directories(root / fuzzer);
  std::ofstream(root / fuzzer / name, std::ios::binary) << bytes;
}

JobSpec question_job() {
  JobSpec job;
  job.stage = "generate";
  job.op = "answer";
  job.tenant = "default";
  job.request_id = "q1";
  job.stream = kStream;
  job.durability = Durability::kRelaxed;
  job.payload = encode(GenerateAnswer{});
  return job;
}

Submit question() {
  Submit submit;
  submit.reply_topic = kTopic;
  submit.job = question_job();
  submit.stream = StreamSpec{kStream, {}};
  submit.stream->completion.stage = "record";
  return submit;
}

Submit upload() {
  Submit submit;
  submit.reply_topic = kTopic;
  submit.job = question_job();
  submit.job.stage = "extract";
  submit.job.op = "plan";
  submit.job.request_id = "doc-1";
  submit.job.stream.clear();
  submit.job.durability = Durability::kStrict;
  submit.job.payload = encode(ExtractPlan{{"d1", 1, "default", "a.pdf", std::string(64, 'a'), 10, ""}});
  submit.group = GroupSpec{"d1.1", kTopic, "d1", 1, {}};
  submit.group->completion.stage = "record";
  return submit;
}

StreamState shown() {
  StreamState state;
  state.stream = kStream;
  state.epoch = kFence;
  state.next_seq = 3;
  state.text = "The mill";
  state.events = {{1, 1, StreamEventKind::kStatus, 0, encode(StatusEvent{"generate", {}})},
                  {2, 2, StreamEventKind::kToken, 0, "The mill"}};
  return state;
}

Hello hello(const char* stage, std::vector<HeldJob> held = {}) {
  return {kWorker, stage, "host", 7, 2, std::move(held), "1", "model x"};
}

Outcome outcome() {
  Outcome done;
  done.events = {{2, 2, StreamEventKind::kToken, 0, "The mill"}};
  done.ends_stream = true;
  done.meta = encode(AnswerMeta{});
  JobSpec next;
  next.stage = "index";
  next.op = "upsert";
  next.routing_key = "default";
  next.payload = encode(IndexUpsert{});
  done.followups = {next};
  return done;
}

HeldJob held() {
  HeldJob job{question_job(), 1, kFence, true, false, shown()};
  job.spec.id = "j00000001000000000001";
  return job;
}

void core() {
  std::string story;
  fuzz::put_record(story, 1, encode_frame(WorkKind::kHello, hello("generate")));
  fuzz::put_record(story, 0, encode_frame(SubmitKind::kSubmit, question()));
  fuzz::put_record(story, 6, "");
  fuzz::put_record(story, 4, std::string("0") + kWorker + kTopic);
  Beat beat{kWorker, 1, 1, 2, {{"j00000001000000000001", kFence, true, 0, 5, 3}}, false};
  fuzz::put_record(story, 1, encode_frame(WorkKind::kBeat, beat));
  const StreamBatch batch{kStream, kFence, {{2, 2, StreamEventKind::kToken, 0, "The mill"}}};
  fuzz::put_record(story, 3, kTopic + encode_frame(EventKind::kStream, batch));
  fuzz::put_record(story, 5, encode_frame(QueryKind::kReplay, Replay{1, kStream, 0}));
  const JobResult result{kWorker, "j00000001000000000001", 1, kFence, outcome()};
  fuzz::put_record(story, 1, encode_frame(WorkKind::kResult, result));
  fuzz::put_record(story, 6, "");
  fuzz::put_record(story, 7, "");
  write("core", "question", story);

  std::string ingest;
  fuzz::put_record(ingest, 0, encode_frame(SubmitKind::kSubmit, upload()));
  fuzz::put_record(ingest, 6, "");
  fuzz::put_record(ingest, 1, encode_frame(WorkKind::kHello, hello("extract")));
  fuzz::put_record(ingest, 0, encode_frame(SubmitKind::kCancel, Cancel{kTopic, "default", "", "d1.1"}));
  fuzz::put_record(ingest, 1, encode_frame(WorkKind::kGoodbye, Goodbye{kWorker}));
  fuzz::put_record(ingest, 7, "");
  write("core", "ingest", ingest);

  std::string reunion;
  fuzz::put_record(reunion, 1, encode_frame(WorkKind::kHello, hello("generate", {held()})));
  fuzz::put_record(reunion, 2, encode_frame(WorkKind::kHello, hello("embed")));
  fuzz::put_record(reunion, 0, encode_frame(SubmitKind::kSubmit, question()));
  fuzz::put_record(reunion, 8, "");
  fuzz::put_record(reunion, 7, "");
  write("core", "reunion", reunion);
}

void journal() {
  StoredJob job;
  job.spec = held().spec;
  job.stream = shown();
  GroupProgress progress;
  progress.stages = {{"extract", 1, 2}};
  std::string rows;
  fuzz::put_record(rows, 0, "default\nq1" + encode(StoredRequest{job.spec.id, kStream, "digest"}));
  fuzz::put_record(rows, 1, "d1.1\n" + encode(StoredGroup{*upload().group, progress}));
  fuzz::put_record(rows, 2,
                   std::string(kStream) + "\n" + encode(StoredStream{*question().stream, "default"}));
  fuzz::put_record(rows, 3, job.spec.id + "\n" + encode(job));
  job.spec.id = "j00000001000000000002";
  job.spec.stream.clear();
  job.spec.group = job.completes_group = "d1.1";
  fuzz::put_record(rows, 3, job.spec.id + "\n" + encode(job));
  write("journal", "rows", rows);
}

void consumer() {
  Lease lease;
  lease.spec = held().spec;
  lease.attempt = 1;
  lease.fence = kFence;
  lease.stream = shown();
  std::string story;
  fuzz::put_record(story, 0, encode_frame(WorkKind::kWelcome, Welcome{1, 500, {}}));
  fuzz::put_record(story, 0, encode_frame(WorkKind::kLease, lease));
  fuzz::put_record(story, 130, " turns");
  fuzz::put_record(story, 0, encode_frame(WorkKind::kResend, Resend{lease.spec.id, kStream, 1}));
  fuzz::put_record(story, 0, encode_frame(WorkKind::kBeatReply, BeatReply{2, false, {}}));
  fuzz::put_record(story, 0,
                   encode_frame(WorkKind::kWelcome, Welcome{2, 500, {{lease.spec.id, kFence + 9}}}));
  fuzz::put_record(story, 200, "");
  fuzz::put_record(story, 230, "");
  fuzz::put_record(story, 0, encode_frame(WorkKind::kCommitted, Committed{lease.spec.id, kFence + 9, true}));
  fuzz::put_record(story, 0,
                   encode_frame(WorkKind::kRevoke, Revoke{lease.spec.id, kFence, RevokeReason::kFenced}));
  write("consumer", "lease", story);
}

void messages_corpus() {
  // The first byte chooses the struct: its place in the list of messages_fuzz.cpp.
  const auto one = [](char place, const char* name, const std::string& bytes) {
    write("messages", name, std::string(1, place) + bytes);
  };
  one(0, "submit", encode(upload()));
  one(3, "hello", encode(hello("generate", {held()})));
  one(5, "result", encode(JobResult{kWorker, "j1", 1, kFence, outcome()}));
  one(13, "batch",
      encode(StreamBatch{
          kTopic,
          kFence,
          {{1, 1, StreamEventKind::kStatus, 0, "s"}, {2, 4, StreamEventKind::kToken, 0, "abc"}}}));
  one(14, "snapshot", encode(Snapshot{1, kTopic, {shown()}, {}}));
  FleetStatus fleet;
  fleet.workers = {{kWorker, "embed", "host", 7, 2, 1, "builtin"}};
  fleet.stages = {{"embed", 1, 1, 1, 0, 0}};
  fleet.refused = {{"plaintext", 3}};
  one(16, "fleet", encode(fleet));
  one(27, "blob", encode(BlobAsk{1, std::string(64, 'a'), 0, 65536}));
  IndexUpsert upsert;
  upsert.pages = {{1, "page"}};
  upsert.chunks = {{"d1.1.1", 1, 1, 0, 4, "", "paragraph", "page"}};
  upsert.vectors = std::string(8, '\1');
  one(34, "upsert", encode(upsert));
}

void text() {
  int number = 0;
  for (
      const char* message :
      {R"({"type":"ask","id":"1","question":"What turns the mill?","collection":"default","documents":["d1"]})",
       R"({"type":"watch","collection":"default"})", R"({"type":"resume","stream":"a-b","after_seq":7})",
       R"({"type":"search","id":"2","query":"m\u00fchle \ud83d\ude00","k":5})",
       R"({"type":"upload_begin","id":"3","name":"a.pdf","size":10,"content_type":"application/pdf"})",
       R"({"type":"chat_request","query":"hello","chatroom_id":"r","temperature":0.5,"stream":true})",
       R"({"question":"why?","humanize":true,"stream":false,"session_id":"s"})",
       R"({"query":"why?","auto_load_documents":true})", R"({"type":"ping"})",
       R"([[[[[[[[{"a":1e999}]]]]]]]])"})
    write("wires", "message" + std::to_string(++number), message);
  write(
      "multipart", "form",
      "multipart/form-data; boundary=\"xx\"\npreamble\r\n--xx\r\nContent-Disposition: form-data; "
      "name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nsome\r\n--x\r\nbytes\r\n--xx\r\n"
      "Content-Disposition: form-data; name=\"collection\"\r\n\r\ndefault\r\n--xx--\r\n");
  const std::string key(bus::kKeyCharacters, 'k');
  write("keys", "file", bus::format_key_file({"gpu-1", bus::RoleSet(bus::Role::kExtract), {key, key}, key}));
  write("keys", "list",
        bus::format_allow_list({{{"gpu-1", bus::RoleSet(bus::Role::kEmbed), key, "2026-01-01"}}, 0}));
  write("keys", "address", "tcp://[::1]:7400");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  root = argv[1];
  core();
  journal();
  consumer();
  messages_corpus();
  text();
  return 0;
}
